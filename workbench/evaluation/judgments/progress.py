"""How far judging is: the pool of papers to judge, and what of it has a grade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from workbench.corpus.identifiers import identifier
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.entry import Entry
from workbench.evaluation.judgments.standing import Pair
from workbench.records import Hit, Query

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Progress:
    """How far judging is: `judged` of `papers` pairs; `counts` has both for each query.

    `left` holds the pairs without a grade, query by query.
    """

    judged: int
    papers: int
    counts: Mapping[str, tuple[int, int]]
    left: tuple[Pair, ...]

    @property
    def share(self) -> float:
        """From 0 to 1; 1 where there is nothing to judge."""
        return self.judged / self.papers if self.papers else 1.0

    def to_frame(self) -> pd.DataFrame:
        """One row a query: query_id, judged, papers."""
        import pandas as pd

        rows = [(query_id, *both) for query_id, both in self.counts.items()]
        return pd.DataFrame(rows, columns=["query_id", "judged", "papers"])

    def __repr__(self) -> str:
        return (
            f"Progress({self.judged:,} of {self.papers:,} pairs judged, {self.share:.0%}, "
            f"{len(self.counts):,} queries)"
        )


def measure(
    grades: Mapping[Pair, Mapping[str, Entry]],
    queries: Iterable[str | Query],
    depth: int,
    run: Mapping[str, Sequence[str | Hit]],
    who: str | None,
    seed: int | None,
) -> Progress:
    """What `Judgments.progress` does."""
    if depth < 1:
        raise EvaluationError(f"depth is {depth}; judge at least 1 paper a query")
    counts: dict[str, tuple[int, int]] = {}
    left: list[Pair] = []
    for query in queries:
        named = query.id if isinstance(query, Query) else query
        query_id = identifier("query_id", named)
        if query_id not in run:
            raise EvaluationError(f"query {query_id!r} has no ranking in the run; add it")
        pool = [(query_id, _paper_id(hit)) for hit in run[query_id][:depth]]
        open_ = [pair for pair in pool if not _judged(grades.get(pair, {}), who)]
        counts[query_id] = len(pool) - len(open_), len(pool)
        left += open_ if seed is None else sorted(open_, key=lambda pair: _lot(pair, seed))
    judged = sum(done for done, _ in counts.values())
    return Progress(judged, sum(all_ for _, all_ in counts.values()), counts, tuple(left))


def _judged(people: Mapping[str, Entry], who: str | None) -> bool:
    return bool(people) if who is None else who in people


def _paper_id(hit: str | Hit) -> str:
    return hit.paper.id if isinstance(hit, Hit) else identifier("paper_id", hit)


def _lot(pair: Pair, seed: int) -> str:
    """A place that does not depend on what else is to be judged, so the order survives an undo."""
    return sha256(repr((seed, pair)).encode("utf-8", "replace")).hexdigest()
