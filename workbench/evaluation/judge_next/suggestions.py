"""What `judge_next` returns: pairs to judge, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from workbench.evaluation.judge_next.weight_grid import weights_text
from workbench.evaluation.statistics import ROUNDING
from workbench.present.view import Shown, View
from workbench.present.words import count

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One pair to judge, and what its grade could do.

    Were it graded `grade`, the weights `rival` would be ahead of those that win now by `gain` in
    the mean metric; below 0, they would come that close. `rank_now` and `rank_then` are the paper's
    ranks under the two. A paper that stands below the metric's `cutoff` under both still matters:
    one more relevant paper makes the query's other papers count for less.
    """

    query_id: str
    paper_id: str
    grade: int
    rival: Mapping[str, float]
    gain: float
    rank_now: int
    rank_then: int
    metric: str
    winner: Mapping[str, float]
    query: str = ""
    title: str = ""
    cutoff: int | None = None

    @property
    def changes_winner(self) -> bool:
        """Whether this one grade would make other weights win."""
        return self.gain > ROUNDING

    @property
    def reason(self) -> str:
        """Why to judge it, in a sentence."""
        rival, winner = weights_text(self.rival), weights_text(self.winner)
        if self.changes_winner:
            what = f"{rival} would beat {winner} by {self.gain:.2g} {self.metric}"
        elif self.gain >= -ROUNDING:
            what = f"{rival} would draw level with {winner} in {self.metric}"
        else:
            what = f"{rival} would come within {-self.gain:.2g} {self.metric} of {winner}"
        ranks = f"rank {self.rank_then} there, {self.rank_now} here"
        if self.cutoff is not None and min(self.rank_now, self.rank_then) > self.cutoff:
            ranks += f", so that what stands above {self.cutoff} would count for less"
        return f"With grade {self.grade}, {what}: {ranks}"


@dataclass(frozen=True, slots=True, repr=False)
class Suggestions(Shown, Sequence[Suggestion]):
    """What `judge_next` returns, the strongest first. In a notebook it shows as a table.

    `winner` are the weights that win now, with the mean `value` over `queries`; `considered` counts
    the unjudged pairs among the first `depth` under some weights, `changing` those of them whose
    grade alone could make other weights win.
    """

    metric: str
    winner: Mapping[str, float]
    value: float
    queries: int
    depth: int
    considered: int
    changing: int
    items: tuple[Suggestion, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a suggestion, the best first."""
        import pandas as pd

        return pd.DataFrame([_row(item) for item in self.items], columns=list(_COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "metric": self.metric,
            "winner": dict(self.winner),
            "value": self.value,
            "queries": self.queries,
            "depth": self.depth,
            "considered": self.considered,
            "changing": self.changing,
            "next": [_row(item) for item in self.items],
        }

    @overload
    def __getitem__(self, index: int) -> Suggestion: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Suggestion, ...]: ...
    def __getitem__(self, index: int | slice) -> Suggestion | tuple[Suggestion, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return (
            f"Suggestions({len(self)} of {count(self.considered, 'unjudged pair')}, "
            f"{self.changing:,} could change which weights win in {self.metric})"
        )

    def view(self) -> View:
        """What is judged next, and why, pair by pair."""
        head = (
            f"{len(self):,} to judge next of {count(self.considered, 'pair')} not judged among the "
            f"first {self.depth} under some weights; the grade of {self.changing:,} alone could "
            f"make other weights win; now wins {weights_text(self.winner)}: {self.metric} "
            f"{self.value:.4f} over {count(self.queries, 'query')}"
        )
        rows = []
        for number, item in enumerate(self, start=1):
            rows.append(
                f"{number:>3}. {item.query[:60] or item.query_id}: {item.title or item.paper_id}"
            )
            rows.append(f"     {item.reason}")
        nothing = "No unjudged paper can help other weights against those that win now."
        notes = () if self.items else (nothing,)
        return View(head, tuple(rows), notes, "suggestions.html", {"items": self.items})


_COLUMNS = ("query_id", "paper_id", "title", "grade", "rival", "gain", "rank_now", "rank_then",
            "reason")  # fmt: skip


def _row(item: Suggestion) -> dict[str, Any]:
    row = {name: getattr(item, name) for name in _COLUMNS}
    return row | {"rival": dict(item.rival)}
