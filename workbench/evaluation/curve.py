"""A metric at every weight between two signals, exactly.

With the weights (1 - w, w) a passage's score is a line in w and a paper's score the upper envelope
of its passages' lines, so the mean metric is constant between the weights where a relevant paper's
envelope crosses another's. Collect the crossings, sort once, sweep once. The idea is the line
search of Och, "Minimum Error Rate Training in Statistical Machine Translation", ACL 2003.

What holds:

- On each interval wider than `RESOLVED` the value is what re-ranking gives at its midpoint
  (`fuse`, `rank_papers`, the metric), provided that no two papers whose lines differ come closer
  there than the rounding of `fuse`, a few units in the last place. Papers with equal lines tie
  everywhere and go by paper id, as in ranking.
- Crossings closer than `MERGED` to the one before are one breakpoint.
- Where three or more papers meet, a tie can score otherwise than both sides: such a weight is a
  breakpoint too, even between equal values.
- At a breakpoint, and at 0 and 1, papers tie, and the value may differ from both neighbours.
  `WeightCurve.at` ranks anew at the very weight it is given, so it is right at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.crossings import MERGED, Lines, rank_steps
from workbench.evaluation.gains import RankMetric, parse_metric
from workbench.evaluation.steps import UNIT, Steps, best_run, sweep, to_units
from workbench.ranking.fusion import fuse, weight_vector
from workbench.records import Candidates

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

__all__ = ["MERGED", "RESOLVED", "Best", "Bootstrap", "CurveItem", "WeightCurve", "weight_curve"]

RESOLVED = 1e-9
"""Only intervals wider than this are promised to equal re-ranking: see above."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveItem:
    """One query: its candidates, `fusion.normalise` of them, and grades by paper id.

    A grade of 0 or less is not relevant. A relevant paper that is no candidate has no rank.
    """

    candidates: Candidates
    normalised: NDArray[np.float64]
    grades: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Best:
    """The best open interval of weights (low, high), and a short decimal inside it."""

    value: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """95 % percentile intervals over queries drawn with replacement.

    `interval`: of the best weight. `value`: of the mean metric at the curve's own best weight (a
    resample's maximum would be too high). `weights` and `values`, shape (resamples,), are behind.
    """

    interval: tuple[float, float]
    value: tuple[float, float]
    weights: Vector
    values: Vector


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    """One query made ready: the rows of the relevant papers found, their grades (found,), and all
    grades above 0."""

    item: CurveItem
    lines: Lines
    papers: list[tuple[int, int]]
    grades: Integers
    relevant: Integers


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightCurve:
    """The mean metric as a function of the weight w of the second signal; the first has 1 - w.

    `breakpoints`: float64 (n,), ascending, inside (0, 1). `values`: float64 (n + 1,), the mean on
    each open interval. Made by `weight_curve`.
    """

    metric: str
    signals: tuple[str, str]
    breakpoints: Vector
    values: Vector
    _measure: RankMetric
    _queries: tuple[_Query, ...]
    _steps: Steps

    @property
    def edges(self) -> Vector:
        """0, the breakpoints, 1; shape (n + 2,). Interval i is (edges[i], edges[i + 1])."""
        return np.concatenate(([0.0], self.breakpoints, [1.0]))

    @property
    def best(self) -> Best:
        """The best of all intervals; of several equally good runs of intervals the widest.

        A single weight at which a tie happens to score higher does not count: see `at`. An
        interval may be narrower than `RESOLVED`; then compare `at(best.weight)`.
        """
        ones = np.ones(len(self._queries), dtype=np.int64)
        start, stop = best_run(self._steps.sums(ones), self.edges)
        low, high = float(self.edges[start]), float(self.edges[stop])
        return Best(
            float(self.values[start]), low, high, _weight_inside(self.edges[start : stop + 1])
        )

    def at(self, weight: float) -> float:
        """The mean at this very weight, by ranking anew. Raises WeightError outside [0, 1]."""
        return float(self.per_query(weight).mean())

    def per_query(self, weight: float) -> Vector:
        """Each query's value at this very weight, in the order of the items, shape (queries,).

        Raises WeightError outside [0, 1].
        """
        if not 0 <= weight <= 1:
            raise WeightError(f"weight of {self.signals[1]} is {weight}; it must be from 0 to 1")
        weights = dict(zip(self.signals, (1.0 - weight, weight), strict=True))
        return np.array([_value_at(query, weights, self._measure) for query in self._queries])

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """How sure the optimum is. The crossings are reused: a resample is one sweep.

        Raises EvaluationError for fewer than one resample.
        """
        if resamples < 1:
            raise EvaluationError(f"resamples is {resamples}; it must be at least 1")
        count, edges, own = len(self._queries), self.edges, self.best.weight
        here = int(np.searchsorted(self.breakpoints, own, side="right"))
        draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
        weights, values = np.empty(resamples), np.empty(resamples)
        for i, draw in enumerate(draws):
            sums = self._steps.sums(np.bincount(draw, minlength=count))
            start, stop = best_run(sums, edges)
            weights[i] = (edges[start] + edges[stop]) / 2
            values[i] = sums[here] / UNIT / count
        return Bootstrap(_percentiles(weights), _percentiles(values), weights, values)

    def to_frame(self) -> pd.DataFrame:
        """One row an interval: low, high, value."""
        import pandas as pd

        edges = self.edges
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "value": self.values})

    def to_dict(self) -> dict[str, Any]:
        """The curve's part of what `workbench tune --json` prints; fields are only added."""
        best = self.best
        # Without the rounding 1 - 0.9 would read 0.09999999999999998.
        weights = {self.signals[0]: round(1 - best.weight, 15), self.signals[1]: best.weight}
        return {
            "metric": self.metric,
            "signals": list(self.signals),
            "best": {"weights": weights, "interval": [best.low, best.high], "value": best.value},
            "curve": np.column_stack((self.edges[:-1], self.values)).tolist(),
        }

    def __repr__(self) -> str:
        best = self.best
        return (
            f"WeightCurve({self.metric} over {len(self._queries)} queries, "
            f"{len(self.breakpoints)} breakpoints: best {best.value:.4f} "
            f"at {self.signals[1]} {best.weight}, from {best.low:.4f} to {best.high:.4f})"
        )


def weight_curve(
    items: Sequence[CurveItem],
    signals: tuple[str, str] = ("bm25", "dense"),
    metric: str = "nDCG@10",
) -> WeightCurve:
    """The exact curve of `metric` over the weight between two signals; all others weigh 0.

    The mean is over all items; one without relevant papers scores 0. Raises EvaluationError for an
    unknown metric, no relevant paper in any item, or a matrix that does not fit its candidates;
    WeightError for an unknown signal or a value that is not finite.
    """
    measure = parse_metric(metric)
    if len(signals) != 2 or signals[0] == signals[1]:
        raise WeightError(f"signals are {', '.join(signals)}; give two different ones")
    for known in {item.candidates.signals for item in items}:
        weight_vector(dict.fromkeys(signals, 0.5), known)
    queries = tuple(_prepare(item, signals) for item in items)
    if not any(len(query.relevant) for query in queries):
        raise EvaluationError(
            f"none of {len(queries)} queries has a relevant paper (a grade above 0), so no weight "
            "is better than another; judge some, or check that the query ids match"
        )
    breakpoints, steps = sweep([_query_steps(query, measure) for query in queries])
    sums = steps.sums(np.ones(len(queries), dtype=np.int64))
    values = sums / UNIT / len(queries)
    pair = (signals[0], signals[1])
    return WeightCurve(metric, pair, breakpoints, values, measure, queries, steps)


def _prepare(item: CurveItem, signals: Sequence[str]) -> _Query:
    """The item checked, and its relevant papers looked up."""
    found, normalised = item.candidates, item.normalised
    if normalised.shape != (len(found), len(found.signals)):
        raise EvaluationError(
            f"query {found.query.id or found.query.text!r}: the normalised matrix has shape "
            f"{normalised.shape} for {len(found)} candidates and {len(found.signals)} signals; "
            "pass fusion.normalise(candidates, ...)"
        )
    if not np.isfinite(normalised).all():
        raise WeightError(
            f"query {found.query.id or found.query.text!r} has values that are not finite; the "
            "engine must give every candidate a number (0 where nothing matched)"
        )
    first, second = (normalised[:, found.signals.index(signal)] for signal in signals)
    relevant = sorted((paper, grade) for paper, grade in item.grades.items() if grade > 0)
    rows = _rows_of(found, [paper for paper, _ in relevant])
    grades = np.array([grade for _, grade in relevant], dtype=np.int64)
    present = [i for i, (low, high) in enumerate(rows) if low < high]
    lines = Lines(first, second, found.paper_ids)
    return _Query(item, lines, [rows[i] for i in present], grades[present], grades)


def _rows_of(candidates: Candidates, papers: list[str]) -> list[tuple[int, int]]:
    """First row and row after the last of each paper; the same number twice where it has none."""
    if not papers or not len(candidates):
        return [(0, 0)] * len(papers)
    low = np.searchsorted(candidates.paper_ids, papers, side="left")
    high = np.searchsorted(candidates.paper_ids, papers, side="right")
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _query_steps(query: _Query, measure: RankMetric) -> tuple[Vector, Integers]:
    """Where the query's value may change, (n,) from 0 on, and the value from there, in units."""
    if not query.papers:
        return np.zeros(1), np.zeros(1, dtype=np.int64)
    depth = measure.cutoff or len(query.lines.first)
    starts, ranks = rank_steps(query.lines, query.papers, depth)
    return starts, to_units(measure(ranks, query.grades, query.relevant))


def _value_at(query: _Query, weights: Mapping[str, float], measure: RankMetric) -> float:
    """The query's value at these weights, ranked as `rank_papers` ranks."""
    if not query.papers:
        return 0.0
    found = query.item.candidates
    scores = fuse(query.item.normalised, weight_vector(weights, found.signals))
    best = np.maximum.reduceat(scores, found.paper_starts)
    own = np.searchsorted(found.paper_starts, [low for low, _ in query.papers])
    ranks = [1 + (best > best[i]).sum() + (best[:i] == best[i]).sum() for i in own]
    return float(measure(np.array(ranks)[:, None], query.grades, query.relevant)[0])


def _weight_inside(edges: Vector) -> float:
    """The middle, rounded to as few decimals as lie inside and clear of every breakpoint.

    `edges` holds low, the breakpoints between, and high. Where the middle itself is a breakpoint,
    the middle of the widest interval stands in.
    """
    widest = int(np.argmax(np.diff(edges)))
    inner = float(edges[widest] + edges[widest + 1]) / 2
    for middle in (float(edges[0] + edges[-1]) / 2, inner):
        for weight in (round(middle, decimals) for decimals in range(17)):
            if edges[0] < weight < edges[-1] and np.abs(edges - weight).min() > RESOLVED:
                return weight
    return inner


def _percentiles(values: Vector) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
