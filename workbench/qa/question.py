"""What a question asks for: its terms, weighted, and how far a text has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine

_ASKING = """
how what which why when where who whose do does did can could should would is are was were be been
have has had i you we they he she my your our their one some any many much more most less than from
about between among through using use used uses make makes made way ways without within instead
good better best well different same new method methods model models approach approaches technique
techniques paper papers study studies work works show explain describe compare tell mean
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's terms with the weight of each: its BM25 idf in the corpus (Robertson and
    Zaragoza 2009), so what no paper mentions weighs most. Words of asking itself do not count."""

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
    """The terms of a question without the words of asking; all where nothing else is there."""
    asking = frozenset(analyser.terms(_ASKING))
    terms = list(dict.fromkeys(analyser.terms(text)))
    return [term for term in terms if term not in asking] or terms


def _idf(having: int, passages: int) -> float:
    return math.log1p((passages - having + 0.5) / (having + 0.5))
