"""Regret: what one weight for all queries costs each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.statistics import ROUNDING
from workbench.evaluation.tuning.exact.step_functions import UNIT, Steps
from workbench.evaluation.tuning.view import named
from workbench.present.view import Shown, View
from workbench.present.words import count
from workbench.records import Query

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]

SHOWN = 10
"""Queries that lose most, in a table."""

_COLUMNS = ("query", "text", "value", "own best", "at weights", "regret")


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """Each query's own optimum, arrays of shape (queries,): its value, and the widest interval of
    weights of the second signal that has it."""

    value: Vector
    low: Vector
    high: Vector


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Regret(Shown):
    """Each query under one weight for all, beside its own best weight.

    `values` are under `weights`, `own` is each query's optimum. In a notebook it shows the queries
    that lose most; `str()` gives plain text.
    """

    metric: str
    weights: Mapping[str, float]
    queries: tuple[Query, ...]
    values: Vector
    own: Own

    @property
    def value(self) -> float:
        """The mean under one weight for all."""
        return float(self.values.mean())

    @property
    def oracle(self) -> float:
        """The mean where each query has its own best weight: no choice of weights does better."""
        return float(self.own.value.mean())

    @property
    def gap(self) -> float:
        """What one weight for all costs on average."""
        return self.oracle - self.value

    def to_frame(self) -> pd.DataFrame:
        """One row a query, in their order: query_id, query, value, own_best, own_low, own_high,
        regret. Between own_low and own_high lie the weights that serve this query best."""
        import pandas as pd

        return pd.DataFrame(
            {
                "query_id": [query.id for query in self.queries],
                "query": [query.text for query in self.queries],
                "value": self.values,
                "own_best": self.own.value,
                "own_low": self.own.low,
                "own_high": self.own.high,
                # A tie at the very weight can score higher than every interval: no regret then.
                "regret": np.maximum(self.own.value - self.values, 0.0),
            }
        )

    def worst(self, n: int = 10) -> pd.DataFrame:
        """The `n` queries that lose most, the largest regret first; those that lose nothing are
        not there."""
        frame = self.to_frame()
        frame = frame[frame["regret"] > ROUNDING]
        return frame.sort_values("regret", ascending=False, kind="stable").head(n)

    def to_dict(self) -> dict[str, Any]:
        """Means, and one record a query."""
        return {
            "metric": self.metric,
            "weights": dict(self.weights),
            "value": self.value,
            "oracle": self.oracle,
            "gap": self.gap,
            "queries": self.to_frame().to_dict("records"),
        }

    def __repr__(self) -> str:
        return (
            f"Regret({self.metric} over {len(self.queries)} queries: {self.value:.4f} with one "
            f"weight, {self.oracle:.4f} with each query's own)"
        )

    def view(self) -> View:
        """The means, then the queries that lose most."""
        losing = int((self.to_frame()["regret"] > ROUNDING).sum())
        head = (
            f"{self.metric} over {count(len(self.queries), 'query')}: {self.value:.4f} with one "
            f"weight for all ({named(self.weights)}), {self.oracle:.4f} if each had its own best; "
            f"{count(losing, 'query')} would do better with a weight of their own"
        )
        cells = [
            (
                row["query_id"],
                row["query"][:160],
                f"{row['value']:.4f}",
                f"{row['own_best']:.4f}",
                f"{row['own_low']:.2f} to {row['own_high']:.2f}",
                f"{row['regret']:.4f}",
            )
            for row in self.worst(SHOWN).to_dict("records")
        ]
        rows = (
            f"  {value} of {best} (own weight {where})  {name}  {text[:80]}"
            for name, text, value, best, where, _ in cells
        )
        table = [(False, line) for line in cells]
        more = {"columns": _COLUMNS, "table": table, "words": 2}
        return View(head, tuple(rows), template="table.html", more=more)


def own_best(steps: Steps, edges: Vector) -> Own:
    """Each query's best value on an interval, and the widest run of intervals that has it."""
    count = len(steps.base)
    # Where the sweep merged crossings, an interval starts at the first of them.
    interval = np.searchsorted(steps.ends, np.arange(len(steps.query)), side="right")
    order = np.argsort(steps.query, kind="stable")
    cuts = np.searchsorted(steps.query[order], np.arange(count + 1))
    value, low, high = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        own = order[cuts[i] : cuts[i + 1]]
        levels = steps.base[i] + np.concatenate(([0], np.cumsum(steps.delta[own])))
        ends = np.concatenate(([0.0], edges[interval[own]], [1.0]))
        value[i], low[i], high[i] = _widest(levels, ends)
    return Own(value / UNIT, low, high)


def _widest(levels: NDArray[np.int64], ends: Vector) -> tuple[int, float, float]:
    """The highest level that is held over more than a point, and the widest run that has it."""
    held = np.diff(ends) > 0
    top = int(levels[held].max())
    best = (0.0, 0.0)
    start = None
    for level, left, right in zip(levels[held], ends[:-1][held], ends[1:][held], strict=True):
        if level != top:
            start = None
            continue
        start = left if start is None else start
        if right - start > best[1] - best[0]:
            best = (float(start), float(right))
    return top, *best
