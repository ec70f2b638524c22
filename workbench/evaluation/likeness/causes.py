"""Why a passage's value differs between two engines: each cause is swapped in, not assumed.

A value is computed anew from what the first engine counts; then one ingredient after the other is
taken from the second. A cause is named only where that gives the second engine's value.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Counted
from workbench.engines.elastic.counting import rounded_length
from workbench.engines.indexing import K1, B
from workbench.records import Query

EQUAL = 1e-5
"""Relative and absolute: float32 sums in another order."""

CAUSES = {
    "length rounding": "Lucene keeps a passage's length in one byte, so long passages count as "
    "slightly shorter",
    "statistics": "Lucene does not count passages or titles without a single term",
    "deleted documents": "documents that were deleted or replaced still count in BM25's "
    "statistics until the cluster merges them away",
    "analyser": "the two engines take the text apart into different terms",
    "other text": "the second engine's passage has another text, or is cut elsewhere",
    "other vectors": "the passages' vectors are not the same",
    "other query vector": "the query's vectors are not the same",
    "own feedback": "each engine expands the query from its own first pass, so the expanded "
    "queries, and with them values and lists, differ",
    "unexplained": "none of the causes, swapped in, gives the second engine's value or list",
}

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Facts:
    """What two engines say of themselves."""

    same_analyser: bool
    exact: bool

    @staticmethod
    def of(first: Any, second: Any) -> Facts:
        """The facts of a pair; what an engine does not say counts as nothing unusual."""
        own = [getattr(getattr(e, "manifest", None), "analyser", "") for e in (first, second)]
        return Facts(
            same_analyser=own[0] == own[1],
            exact=bool(getattr(first, "exact", True) and getattr(second, "exact", True)),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """One query as both engines asked it: analysed, and after feedback where there was any."""

    first: Query
    second: Query
    first_expanded: Query | None = None
    second_expanded: Query | None = None

    def of(self, signal: str) -> tuple[Query, Query]:
        """The two queries of a signal."""
        if signal.endswith("_feedback") and self.first_expanded and self.second_expanded:
            return self.first_expanded, self.second_expanded
        return self.first, self.second


def alike(first: float, second: float) -> bool:
    """Whether two values are equal, up to float32."""
    return abs(first - second) <= EQUAL * max(1.0, abs(first))


def swapped(
    value: Callable[[frozenset[str]], float], causes: Sequence[str], first: float, second: float
) -> str:
    """The cause of a difference. `value` computes the first engine's value with the ingredients
    of these causes taken from the second.

    The fewest that give the second's value are its causes; of several, the one that changes it
    most is named. "unexplained" where none do, or where without any the first's is not met.
    """
    plain = value(frozenset())
    if not alike(plain, first):
        return "unexplained"
    for size in range(1, len(causes) + 1):
        for chosen in combinations(causes, size):
            if alike(value(frozenset(chosen)), second):
                return max(chosen, key=lambda name: abs(value(frozenset([name])) - plain))
    return "unexplained"


class Causes:
    """Tests the differences of one pair of engines, value by value."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second
        self.facts = Facts.of(first, second)
        self._analyser = Analyser()
        self._counts = lru_cache(maxsize=4096)(self._read_counts)
        self._counted = lru_cache(maxsize=32)(self._read_counted)
        scored = getattr(second, "scored_text", None)
        self._scored = None if scored is None else lru_cache(maxsize=4096)(scored)

    def of(self, asked: Asked, key: Key, signal: str, first: float, second: float) -> str:
        """The cause of one difference; "" where there is none."""
        if alike(first, second):
            return ""
        if signal.startswith("dense"):
            return self._dense(asked, key, signal, first, second)
        if signal not in ("bm25", "title", "bm25_feedback"):
            return "unexplained"
        if not self.facts.same_analyser:
            return self._analysed(asked, key, signal, second)
        return self._lexical(asked, key, signal, first, second)

    def _dense(self, asked: Asked, key: Key, signal: str, first: float, second: float) -> str:
        one, other = (query.vector for query in asked.of(signal))
        if one is None or other is None:
            return "unexplained"
        engines = self.first, self.second
        vectors = [engine.vectors([key])[0].astype(np.float64) for engine in engines]
        moved = "own feedback" if signal.endswith("_feedback") else "other query vector"

        def value(taken: frozenset[str]) -> float:
            query = other if moved in taken else one
            return float(vectors["other vectors" in taken] @ query)

        return swapped(value, (moved, "other vectors"), first, second)

    def _lexical(self, asked: Asked, key: Key, signal: str, first: float, second: float) -> str:
        queries = asked.of(signal)
        field = "title" if signal == "title" else "bm25"
        terms = tuple(dict.fromkeys(term for query in queries for term in query.terms))
        here, there = (self._counted(place, field, terms) for place in (0, 1))
        if here is None:
            return "unexplained"
        counts = self._counts(key, field)
        statistics = "statistics" if there is None else _statistics(here, there)

        def value(taken: frozenset[str]) -> float:
            rounded = there.rounded if there and "length rounding" in taken else here.rounded
            counted = there if there and statistics in taken else here
            return bm25(queries["own feedback" in taken].terms, counts, counted, rounded=rounded)

        causes = ["length rounding", statistics] if there is not None else []
        if signal.endswith("_feedback"):
            causes.insert(0, "own feedback")
        return swapped(value, causes, first, second)

    def _analysed(self, asked: Asked, key: Key, signal: str, second: float) -> str:
        """The first engine's text, then the second's, through the second's analysis."""
        if self._scored is None or signal.endswith("_feedback"):
            return "unexplained"
        for cause, engine in (("analyser", self.first), ("other text", self.second)):
            [paper], [passage] = engine.papers([key[0]]), engine.passages([key])
            text = "" if passage.text == paper.title else passage.text
            values = self._scored(asked.first.text, paper.title, text)
            if values is not None and alike(values[signal], second):
                return cause
        return "unexplained"

    def _read_counted(self, place: int, field: str, terms: tuple[str, ...]) -> Counted | None:
        """What an engine's BM25 counts, if it tells."""
        tells = getattr((self.first, self.second)[place], "counted", None)
        counted: Counted | None = tells(field, terms) if tells is not None else None
        return counted

    def _read_counts(self, key: Key, field: str) -> Counter[str]:
        [paper] = self.first.papers([key[0]])
        title = self._analyser.counts(paper.title)
        if field == "title":
            return title
        [passage] = self.first.passages([key])
        return title + self._analyser.counts("" if paper.text == paper.title else passage.text)


def bm25(
    weights: Mapping[str, float], counts: Mapping[str, int], counted: Counted, *, rounded: bool
) -> float:
    """BM25 of one document, variant "lucene" (Kamphuis et al., ECIR 2020)."""
    length = sum(counts.values())
    norm = K1 * (1 - B + B * (rounded_length(length) if rounded else length) / counted.average)
    total = 0.0
    for term, weight in weights.items():
        tf, df = counts.get(term, 0), counted.frequencies.get(term, 0)
        if tf and df and weight > 0:
            idf = math.log(1 + (counted.documents - df + 0.5) / (df + 0.5))
            total += weight * idf * tf / (tf + norm)
    return total


def _statistics(here: Counted, there: Counted) -> str:
    """What other statistics mean: more than the papers that both hold have been deleted."""
    more = any(df > here.frequencies.get(term, 0) for term, df in there.frequencies.items())
    return "deleted documents" if more or there.documents > here.documents else "statistics"


def tally(causes: Sequence[str]) -> dict[str, int]:
    """How often each cause was found, most often first; no cause is left out of it."""
    return dict(Counter(cause for cause in causes if cause).most_common())
