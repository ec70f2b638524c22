"""What a question asks for: its terms, weighted, and how far a text has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine

_ASKING = """
a about across actually after all also although always am among an and any are as at available be
because been before being best better between both but by can cannot cope could deal describe did
different do does doing done during each either ever every exist explain find for from get give
given good had has have he help her his how however i if important in instead into is it its just
keep kind like made main make makes many may me mean method methods might model models more most
much must my need nevertheless no not now of off on one only option options or other our out over
own paper papers possible problem really same several she should show since so some still studies
study such take technique techniques tell than that the their them then there these they thing
things this those through to today too under us use used uses using various very via was way ways
we were what when where whether which while who whom whose why will with within without work works
would yet you your approach approaches compare
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's terms with the weight of each: its BM25 idf in the corpus (Robertson and
    Zaragoza 2009), so what no paper mentions weighs most. Words of asking itself do not count; a
    question of such words alone has none, and nothing covers it."""

    text: str
    weights: Mapping[str, float]

    def coverage(self, terms: set[str]) -> float:
        """The weighted share (0 to 1) of the question's terms that are among `terms`."""
        whole = sum(self.weights.values())
        if not whole:
            return 0.0
        return sum(w for term, w in self.weights.items() if term in terms) / whole


def read_question(text: str, analyser: Analyser, engine: Engine) -> Asked:
    """The terms of a question and their weights in an engine's corpus."""
    wanted = content_terms(text, analyser)
    known, passages = engine.document_frequencies(wanted)
    return Asked(text, {term: _idf(known.get(term, 0), passages) for term in wanted})


def content_terms(text: str, analyser: Analyser) -> list[str]:
    """The terms of a question, each once, without the words of asking."""
    asking = frozenset(analyser.terms(_ASKING))
    return [term for term in dict.fromkeys(analyser.terms(text)) if term not in asking]


def _idf(having: int, passages: int) -> float:
    return math.log1p((passages - having + 0.5) / (having + 0.5))
