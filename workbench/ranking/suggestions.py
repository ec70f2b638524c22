"""Terms that the top hits suggest for a query."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from workbench.corpus.analysis import Analyser
from workbench.ranking.feedback import counted_terms, relevance_model
from workbench.ranking.ranking import Ranking

FEEDBACK_PAPERS = 5
"""Top hits that suggestions are drawn from, as in the relevance model."""

_WORDLY = re.compile(r"[^\W\d_]{3}|[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A term that the top hits share and the query lacks. `share` of the best one, 0 to 1."""

    term: str
    word: str
    share: float
    papers: int


def suggest_terms(ranking: Ranking, n: int = 8) -> list[Suggestion]:
    """The `n` terms that most set the top hits apart from the corpus and that the query lacks.

    By the relevance model of `feedback`, over the best passages of the top 5. Only terms that two
    of these have count: they are about the subject, not about one paper; numbers and terms of one
    or two letters are left out.
    """
    analyser, engine = Analyser(), ranking.engine
    own, top = ranking.candidates.query.terms, ranking.hits[:FEEDBACK_PAPERS]
    if not top:
        return []
    words = defaultdict[str, Counter[str]](Counter)
    counts = [_counted(f"{hit.paper.title}\n{hit.passage.text}", words, analyser) for hit in top]
    holders = Counter(term for terms in counts for term in terms)
    shared = [t for t, many in holders.items() if many > 1 and t not in own and _WORDLY.search(t)]
    found, of = engine.document_frequencies(shared)
    # z-scores can be negative: what counts is how far a hit stands above the lowest of them.
    scores = np.array([1.0 + hit.score - top[-1].score for hit in top])
    best = list(relevance_model(counted_terms(counts, found, of), scores).items())[:n]
    return [
        Suggestion(t, words[t].most_common(1)[0][0], weight / best[0][1], found[t])
        for t, weight in best
    ]


def _counted(text: str, words: dict[str, Counter[str]], analyser: Analyser) -> Counter[str]:
    """How often each term occurs; `words` gets the words as written."""
    terms = Counter[str]()
    for start, end, term in analyser.spans(text):
        terms[term] += 1
        words[term][text[start:end].lower()] += 1
    return terms
