"""How alike two rankings are: overlap weighted by rank, overlap of the heads, order, and a diff."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError
from workbench.evaluation.likeness.overlap import (
    PERSISTENCE,
    RankedList,
    best_ranks,
    jaccard,
    kendall_tau,
    rbo,
)
from workbench.present.view import Shown, View
from workbench.present.words import coefficient, count
from workbench.records import Hit

if TYPE_CHECKING:
    import pandas as pd

DEPTHS = (5, 10, 20, 50, 100)
"""Where Jaccard is taken, as far as both lists go, and at the end of the longer one."""

SHOWN = 100
"""Papers in a notebook's table; `to_frame` has all."""

SAME = 1e-9
"""Weights closer than this are one weight, to a person."""


@dataclass(frozen=True, slots=True)
class Move:
    """One paper in two lists: ranks from 1, None where it is not there.

    `status` is "same", "up" or "down" (seen from the first list to the second), "new" or "lost".
    `moved` counts the places gained, None for new and lost papers.
    """

    paper_id: str
    title: str
    first_rank: int | None
    second_rank: int | None

    @property
    def moved(self) -> int | None:
        if self.first_rank is None or self.second_rank is None:
            return None
        return self.first_rank - self.second_rank

    @property
    def status(self) -> str:
        if self.first_rank is None:
            return "new"
        if self.second_rank is None:
            return "lost"
        return "same" if not self.moved else "up" if self.moved > 0 else "down"


@dataclass(frozen=True, slots=True, repr=False)
class ListComparison(Shown):
    """Two rankings side by side. In a notebook it shows as a table; `str()` gives plain text.

    `rbo`: extrapolated rank-biased overlap at persistence `p`, from 0 to 1. `jaccard` maps a depth
    to the share of papers in both heads among those in either. `tau`: Kendall's tau-b over all
    papers of both lists, where those missing from a list tie behind its end; `shared_tau` over the
    `shared` papers in both. NaN where it is not defined. `moves` holds the second list's papers in
    its order, then the lost ones in the first list's.
    """

    first: str
    second: str
    rbo: float
    p: float
    jaccard: Mapping[int, float]
    tau: float
    shared_tau: float
    shared: int
    moves: tuple[Move, ...]

    def only(self, *statuses: str) -> list[Move]:
        """The moves of some statuses: `only("new", "lost")`."""
        return [move for move in self.moves if move.status in statuses]

    def to_frame(self) -> pd.DataFrame:
        """One row a paper: paper_id, title, first_rank, second_rank, moved, status."""
        import pandas as pd

        rows = [self._row(move) for move in self.moves]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        ranks = ["first_rank", "second_rank", "moved"]
        return frame.astype(dict.fromkeys(ranks, "Int64"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a coefficient that is not defined is None."""
        taus = {"tau": self.tau, "shared_tau": self.shared_tau}
        return {
            "first": self.first,
            "second": self.second,
            "rbo": self.rbo,
            "p": self.p,
            "jaccard": {str(depth): value for depth, value in self.jaccard.items()},
            **{name: None if math.isnan(value) else value for name, value in taus.items()},
            "shared": self.shared,
            "moves": [self._row(move) for move in self.moves],
        }

    def __repr__(self) -> str:
        return (
            f"ListComparison({self.first!r} and {self.second!r}: RBO {self.rbo:.3f}, "
            f"{self.shared} of {len(self.moves)} papers in both)"
        )

    def view(self) -> View:
        """The coefficients, then each paper's two ranks."""
        heads = ", ".join(f"@{depth} {value:.3f}" for depth, value in self.jaccard.items())
        rows = []
        for move in self.moves:
            ranks = f"{move.first_rank or '-':>4} -> {move.second_rank or '-':>4}"
            what = f"{move.moved:+d}" if move.moved else move.status
            rows.append(f"  {ranks}  {what:>5}  {move.title or move.paper_id}")
        line = (
            f"RBO {self.rbo:.3f} (p {self.p:g}), Kendall's tau-b {coefficient(self.tau)} over all, "
            f"{coefficient(self.shared_tau)} over the shared papers, Jaccard {heads}"
        )
        both = f"{self.shared:,} of {count(len(self.moves), 'paper')} in both"
        head = f"{self.first} and {self.second}: {both}"
        more = {"line": line, "moves": self.moves[:SHOWN], "total": len(self.moves)}
        return View(head, (line, *rows), template="lists.html", more=more)

    @staticmethod
    def _row(move: Move) -> dict[str, Any]:
        return {name: getattr(move, name) for name in _COLUMNS}


_COLUMNS = ("paper_id", "title", "first_rank", "second_rank", "moved", "status")


def compare_lists(
    first: RankedList,
    second: RankedList,
    *,
    p: float = PERSISTENCE,
    titles: Mapping[str, str] | None = None,
    labels: tuple[str, str] | None = None,
) -> ListComparison:
    """Compare two rankings, which may differ in length and papers.

    `titles` are of papers given by id; `labels` by default say what tells two `Ranking`s apart:
    query, profile or weights. Raises EvaluationError for two empty lists, a paper twice in
    one list, or p outside (0, 1).
    """
    ranks_a, ranks_b = best_ranks(first, "first"), best_ranks(second, "second")
    names = dict(titles or {})
    first_label, second_label = labels or _labels(first, second)
    for hit in (*first, *second):
        if isinstance(hit, Hit):
            names[hit.paper.id] = hit.paper.title
    shared = [paper for paper in ranks_a if paper in ranks_b]
    order = [*ranks_b, *(paper for paper in ranks_a if paper not in ranks_b)]
    return ListComparison(
        first=first_label,
        second=second_label,
        rbo=rbo(first, second, p),
        p=p,
        jaccard={depth: jaccard(first, second, depth) for depth in _depths(ranks_a, ranks_b)},
        tau=kendall_tau(ranks_a, ranks_b, order),
        shared_tau=kendall_tau(ranks_a, ranks_b, shared),
        shared=len(shared),
        moves=tuple(
            Move(paper, names.get(paper, ""), ranks_a.get(paper), ranks_b.get(paper))
            for paper in order
        ),
    )


def _labels(first: Any, second: Any) -> tuple[str, str]:
    """What tells two rankings apart: query, profile, the weights that differ, or the normaliser."""
    a: Any
    b: Any
    a, b = getattr(first, "profile", None), getattr(second, "profile", None)
    queries = [getattr(ranked, "query", None) for ranked in (first, second)]
    labels: list[tuple[str, str]] = [(str(queries[0] or "first"), str(queries[1] or "second"))]
    if a is not None and b is not None:
        labels += [
            (a.name, b.name),
            (_weights(a.weights, b.weights), _weights(b.weights, a.weights)),
            (a.normaliser, b.normaliser),
        ]
    named = next((pair for pair in labels if pair[0] != pair[1]), ("first", "second"))
    return named[0][:80], named[1][:80]


def _weights(own: Mapping[str, float], other: Mapping[str, float]) -> str:
    """The weights that differ from the other's."""
    names = [name for name in own if abs(own[name] - other.get(name, 0.0)) > SAME]
    return ", ".join(f"{name} {own[name] if own[name] > SAME else 0:.3g}" for name in names)


def _depths(a: Mapping[str, int], b: Mapping[str, int]) -> list[int]:
    longest = max(len(a), len(b))
    if not longest:
        raise EvaluationError("both lists are empty; there is nothing to compare")
    return [*(depth for depth in DEPTHS if depth < longest), longest]
