"""Why a passage's value differs between two engines: each cause is tested, not assumed.

Lucene keeps a document's length in one byte (org.apache.lucene.util.SmallFloat): exact below 24,
then 24 and four significant bits of the rest. Whether that explains a difference is computed from
the exact engine's parts and the passage's own terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine
from workbench.records import Query

EQUAL = 1e-5
"""Relative and absolute: float32 sums in another order."""

STATISTICS = 2e-3
"""Of a value, at most, where the engines count slightly different collections."""

K1, B = 0.9, 0.4

CAUSES = {
    "length rounding": "Lucene keeps a passage's length in one byte, so long passages count as "
    "slightly shorter",
    "statistics": "Lucene does not count passages or titles without a single term",
    "deleted documents": "documents that were deleted or replaced still count in BM25's "
    "statistics until the cluster merges them away",
    "analyser": "the two engines take the text apart into different terms",
    "other vectors": "the passages' vectors are not the same",
    "unexplained": "none of the causes tested explains it",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What two engines say of themselves that can be a cause."""

    same_analyser: bool
    deleted: int
    exact: bool

    @staticmethod
    def of(first: Engine, second: Engine) -> Facts:
        """The facts of a pair; what an engine does not say counts as nothing unusual."""
        own = [getattr(getattr(e, "manifest", None), "analyser", "") for e in (first, second)]
        return Facts(
            same_analyser=own[0] == own[1],
            deleted=int(getattr(second, "deleted", 0)),
            exact=bool(getattr(first, "exact", True) and getattr(second, "exact", True)),
        )


def rounded_length(length: int) -> int:
    """The length that Lucene counts with."""
    rest = max(0, length - 24)
    lost = max(0, rest.bit_length() - 4)
    return length if length < 24 else 24 + (rest >> lost << lost)


@dataclass(slots=True)
class Lengths:
    """Predicts a lexical value under rounded lengths from an exact engine's parts."""

    engine: Engine
    facts: Facts
    _analyser: Analyser = field(default_factory=Analyser)
    _average: dict[str, float] = field(default_factory=dict)

    def cause(
        self, query: Query, key: tuple[str, int], signal: str, first: float, second: float
    ) -> str:
        """The cause of one difference; "" where there is none."""
        if abs(first - second) <= EQUAL * max(1.0, abs(first)):
            return ""
        if signal.startswith("dense"):
            return "other vectors"
        if not self.facts.same_analyser or not (first and second):
            return "analyser"
        return self._lexical_cause(query, key, signal, first, second)

    def _lexical_cause(
        self, query: Query, key: tuple[str, int], signal: str, first: float, second: float
    ) -> str:
        missed = abs(second - self._predicted(query, key, signal))
        if missed <= max(0.15 * abs(first - second), EQUAL * first):
            return "length rounding"
        if self.facts.deleted:
            return "deleted documents"
        if missed <= STATISTICS * first:
            return "statistics"
        return "unexplained"

    def _predicted(self, query: Query, key: tuple[str, int], signal: str) -> float:
        """The exact engine's value, had it rounded the length."""
        name = "title" if signal == "title" else "bm25"
        parts = {t: p for t, p in self.engine.term_scores(query, *key)[name].items() if p}
        counts = self._counts(key, name)
        length = sum(counts.values())
        average = self._average_length(query, parts, counts, name)
        total = 0.0
        for term, part in parts.items():
            exact, rounded = (
                counts[term] + K1 * (1 - B + B * n / average)
                for n in (length, rounded_length(length))
            )
            total += part * exact / rounded
        return total

    def _counts(self, key: tuple[str, int], name: str) -> Counter[str]:
        [paper] = self.engine.papers([key[0]])
        title = self._analyser.counts(paper.title)
        if name == "title":
            return title
        [passage] = self.engine.passages([key])
        text = "" if paper.text == paper.title else passage.text
        return title + self._analyser.counts(text)

    def _average_length(
        self, query: Query, parts: Mapping[str, float], counts: Counter[str], name: str
    ) -> float:
        """Solved from a part of BM25 whose document frequency is known. For titles, whose
        frequencies no engine tells, their usual length; it matters little there."""
        if name == "title":
            return 10.0
        if name not in self._average:
            frequencies, n = self.engine.document_frequencies(list(parts))
            term = max(parts, key=lambda t: parts[t])
            idf = float(np.log(1 + (n - frequencies[term] + 0.5) / (frequencies[term] + 0.5)))
            most = query.terms[term] * idf * counts[term]
            share = ((most / parts[term] - counts[term]) / K1 - (1 - B)) / B
            self._average[name] = sum(counts.values()) / share
        return self._average[name]


def tally(causes: Sequence[str]) -> dict[str, int]:
    """How often each cause was found, most often first; no cause is left out of it."""
    return dict(Counter(cause for cause in causes if cause).most_common())
