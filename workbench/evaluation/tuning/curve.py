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
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.statistics import mean_interval
from workbench.evaluation.tuning.certainty import Bootstrap, CrossValidation, cross_validate
from workbench.evaluation.tuning.exact.one_line import MERGED
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.step_functions import (
    RESOLVED,
    UNIT,
    Steps,
    around,
    best_run,
    steadiest,
    weight_inside,
)
from workbench.evaluation.tuning.exact.tuning_set import CurveItem, TuningSet, prepare
from workbench.evaluation.tuning.left_out import LeftOut
from workbench.evaluation.tuning.plots import curve_figure
from workbench.evaluation.tuning.regret import Regret, own_best
from workbench.evaluation.tuning.result import BestOfTwo, Tuned
from workbench.evaluation.tuning.view import facts_view, named, picture, span
from workbench.present.view import View
from workbench.present.words import count
from workbench.profiles import Profile

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = Mapping[str, float]

TENTHS = tuple(tenth / 10 for tenth in range(11))

__all__ = ["MERGED", "RESOLVED", "CurveItem", "WeightCurve", "weight_curve"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightCurve(Tuned):
    """The mean `metric` as a function of the weight w of the second of `signals`; the first has
    1 - w.

    `breakpoints`: float64 (n,), ascending, inside (0, 1). `values`: float64 (n + 1,), the mean on
    each open interval. `best`: the best of all intervals, of several equally good runs of intervals
    the widest. A single weight at which a tie happens to score higher does not count: see `at`. An
    interval may be narrower than `RESOLVED`; then compare `at(best.weight)`. `base` is the profile
    that tuning started from, `left_out` what it did not use. Made by `weight_curve`;
    shows as a table in a notebook, `str()` gives plain text.
    """

    _repeats: ClassVar[int] = 3

    metric: str
    signals: tuple[str, str]
    breakpoints: Vector
    values: Vector
    best: BestOfTwo
    base: Profile
    left_out: LeftOut
    _tuning_set: TuningSet
    _steps: Steps
    _kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def edges(self) -> Vector:
        """0, the breakpoints, 1; shape (n + 2,). Interval i is (edges[i], edges[i + 1])."""
        return np.concatenate(([0.0], self.breakpoints, [1.0]))

    @property
    def steady(self) -> float:
        """The weight with the highest mean over 0.1 to both sides: less than the best here, but
        often more on other queries, since a narrow peak is often chance. Compare
        `cross_validate(steady=True)` with `cross_validate()`."""
        ones = np.ones(len(self._tuning_set), dtype=np.int64)
        return steadiest(self._steps.sums(ones), self.edges)

    @property
    def tolerance(self) -> tuple[float, float]:
        """How far the weight can move from the best before the metric drops by its standard
        error: the widest interval around it on which the mean stays above that."""
        holds = self.values >= self.best.value - self.standard_error
        return around(holds, self.edges, self.best.weight)

    def weights(self, weight: float) -> dict[str, float]:
        """The weights of both signals where the second has this one. Raises WeightError outside
        [0, 1]."""
        if not 0 <= weight <= 1:
            raise WeightError(f"weight of {self.signals[1]} is {weight}; it must be from 0 to 1")
        # Without the rounding 1 - 0.9 would read 0.09999999999999998.
        return {self.signals[0]: round(1.0 - weight, 15), self.signals[1]: float(weight)}

    def profile_at(self, weight: float) -> Profile:
        """As `profile`, with another weight. Raises WeightError outside [0, 1]."""
        return self._profile(self.weights(weight))

    def at(self, weight: float | Weights) -> float:
        """The mean at this very weight, or at these of both signals, by ranking anew. Raises
        WeightError outside [0, 1], and for an unknown signal."""
        return float(self.query_values(weight).mean())

    def query_values(self, weight: float | Weights | None = None) -> Vector:
        """Each query's value at this very weight, or these weights, None meaning the best, in the
        order of `queries`, shape (queries,). Raises what `at` raises."""
        weight = self.best.weight if weight is None else weight
        if isinstance(weight, Mapping):
            return self._tuning_set.query_values(weight)
        self.weights(weight)
        first, second = self.signals
        return self._tuning_set.query_values({first: 1.0 - weight, second: weight})

    def curve(self, signal: str) -> tuple[Vector, Vector]:
        """The mean over one signal's weight: the edges of the intervals (n + 1,) from 0 to 1, and
        the mean on each (n,). Raises WeightError for a signal that was not tuned."""
        if signal not in self.signals:
            raise WeightError(
                f"signal {signal!r} was not tuned; these were: {', '.join(self.signals)}"
            )
        if signal == self.signals[1]:
            return self.edges, self.values
        return 1.0 - self.edges[::-1], self.values[::-1]

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """How sure the optimum is. The crossings are reused: a resample is one sweep.

        Raises EvaluationError for fewer than one resample.
        """
        if resamples < 1:
            raise EvaluationError(f"resamples is {resamples}; it must be at least 1")
        return self._once(("bootstrap", resamples, seed), lambda: self._resample(resamples, seed))

    def cross_validate(
        self, folds: int = 10, repeats: int = 10, seed: int = 0, *, steady: bool = False
    ) -> CrossValidation:
        """What the tuned weight is worth on queries that it was not tuned on; with `steady`, what
        the steady weight is. `folds` is cut to the count of queries. Raises EvaluationError for
        fewer than 2 folds or queries, or fewer than one repeat.
        """
        choose = partial(self._choose, steady=steady)
        tuned = self._on_interval(self.steady if steady else self.best.weight)
        return self._once(
            ("folds", folds, repeats, seed, steady),
            lambda: cross_validate(choose, tuned, self.default_values, folds, repeats, seed),
        )

    def regret(self, weight: float | None = None) -> Regret:
        """What one weight for all queries costs each of them; `weight` None means the best.

        Raises WeightError outside [0, 1].
        """
        weight = self.best.weight if weight is None else weight
        own = self._once("own", lambda: own_best(self._steps, self.edges))
        values = self.query_values(weight)
        return Regret(self.metric, self.weights(weight), self.queries, values, own)

    def plot(self, current: float | None = None, *, bootstrap: bool = True) -> Figure:
        """A plotly figure: the curve, the best interval, the bootstrap interval of the best weight
        and the weights of `base`; `current` marks another weight. Raises WeightError for one
        outside [0, 1]."""
        first, second = (self.base.weights.get(signal, 0.0) for signal in self.signals)
        sure = self.bootstrap().intervals[self.signals[1]] if bootstrap else None
        return curve_figure(
            self.metric,
            self.signals,
            self.edges,
            self.values,
            best=(self.best.weight, self.best.value, self.best.interval),
            default=(second / (first + second), self.default) if first + second else None,
            others=any(w for name, w in self.base.weights.items() if name not in self.signals),
            current=None if current is None else (current, self.at(current)),
            sure=sure,
        )

    def table(self, weights: Sequence[float] = TENTHS) -> pd.DataFrame:
        """The mean at some weights, exactly: weight, value, and value minus the best."""
        import pandas as pd

        frame = pd.DataFrame({"weight": weights, "value": [self.at(w) for w in weights]})
        return frame.assign(difference=(frame["value"] - self.best.value).round(15))

    def intervals(self) -> pd.DataFrame:
        """One row an interval between breakpoints: low, high, value."""
        import pandas as pd

        edges = self.edges
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "value": self.values})

    def to_dict(self) -> dict[str, Any]:
        """What `workbench tune --json` prints; a contract: fields are only added."""
        best, sure = self.best, self.bootstrap()
        return {
            **self._plain(),
            "best": {
                "weights": dict(best.weights),
                "interval": list(best.interval),
                "value": best.value,
            },
            "tolerance": list(self.tolerance),
            "steady": {"weights": self.weights(self.steady), "value": self.at(self.steady)},
            "bootstrap": {
                "interval": list(sure.intervals[self.signals[1]]),
                "value": list(sure.value),
            },
            "curve": np.column_stack((self.edges[:-1], self.values)).tolist(),
        }

    def __repr__(self) -> str:
        return (
            f"WeightCurve({self.metric} over {count(len(self.queries), 'query')}: best "
            f"{self.best.value:.4f} at {self.signals[1]} {self.best.weight:g}, from "
            f"{span(self.best.interval)}, {len(self.breakpoints):,} breakpoints)"
        )

    def view(self) -> View:
        """What a person wants to know first, a fact a line, under a small picture of the curve."""
        first, second = self.signals
        sure, interval = self.bootstrap(), self.bootstrap().intervals[second]
        steady = f"{named(self.weights(self.steady))}; highest over 0.1 to both sides"
        if len(self.queries) > 1:
            honest = self.cross_validate(steady=True).value
            steady += f", {honest:.4f} on queries not tuned on"
        facts = [
            *self._facts(
                f"the same from {span(self.best.interval)}, within a standard error from "
                f"{span(self.tolerance, 2)}"
            ),
            ("steady", f"{self.at(self.steady):.4f}", steady),
            (f"{first} alone", f"{self.values[0]:.4f}", f"{second} just above 0"),
            (f"{second} alone", f"{self.values[-1]:.4f}", f"{first} just above 0"),
            (
                "95 % interval",
                span(sure.value),
                f"of the best value; the best {second} lies from {span(interval, 2)}",
            ),
        ]
        head = (
            f"{self.metric} at every weight of {second} against {first}: "
            f"{count(len(self.queries), 'query')}, {len(self.breakpoints):,} breakpoints"
        )
        drawn = picture(self.breakpoints, self.values, self.best.weight, interval)
        more = {"metric": self.metric, "signals": self.signals, "picture": drawn}
        return facts_view(head, facts, self._notes(), "curve.html", **more)

    def _resample(self, resamples: int, seed: int) -> Bootstrap:
        queries, edges, own = len(self._tuning_set), self.edges, self._interval(self.best.weight)
        draws = np.random.default_rng(seed).integers(0, queries, (resamples, queries))
        second, values = np.empty(resamples), np.empty(resamples)
        for i, draw in enumerate(draws):
            sums = self._steps.sums(np.bincount(draw, minlength=queries))
            start, stop = best_run(sums, edges)
            second[i] = (edges[start] + edges[stop]) / 2
            values[i] = sums[own] / UNIT / queries
        _, low, high = mean_interval(self._at_best(), resamples, seed)
        weights = np.column_stack((1.0 - second, second))
        return Bootstrap(self.signals, (low, high), weights, values)

    def _choose(self, counts: Integers, steady: bool = False) -> tuple[Weights, Vector]:
        """The best weights for the queries counted, and every query's value there."""
        sums, edges = self._steps.sums(counts), self.edges
        start, stop = best_run(sums, edges)
        weight = steadiest(sums, edges) if steady else float(edges[start] + edges[stop]) / 2
        return self.weights(weight), self._on_interval(weight)

    def _interval(self, weight: float) -> int:
        return int(np.searchsorted(self.breakpoints, weight, side="right"))

    def _at_best(self) -> Vector:
        return self._on_interval(self.best.weight)

    def _on_interval(self, weight: float) -> Vector:
        """Each query's value on the open interval around a weight, without ranking."""
        return self._steps.at(self._interval(weight)) / UNIT


def weight_curve(
    items: Sequence[CurveItem],
    signals: Sequence[str] = ("bm25", "dense"),
    metric: str = "nDCG@10",
    *,
    base: Profile | None = None,
    left_out: LeftOut | None = None,
) -> WeightCurve:
    """The exact curve of `metric` over the weight between two signals; all others weigh 0.

    The mean is over all items; one without relevant papers scores 0. Raises EvaluationError for an
    unknown metric, no relevant paper in any item, or a matrix that does not fit its candidates;
    WeightError for an unknown signal or a value that is not finite.
    """
    measure = parse_metric(metric)
    if len(signals) != 2 or signals[0] == signals[1]:
        raise WeightError(f"signals are {', '.join(signals)}; give two different ones")
    judged = prepare(items, signals, measure)
    breakpoints, steps = judged.line({signals[0]: 1.0}, {signals[1]: 1.0})
    sums, edges = steps.sums(np.ones(len(judged), np.int64)), np.r_[0.0, breakpoints, 1.0]
    values = sums / UNIT / len(judged)
    return WeightCurve(
        metric=metric,
        signals=(signals[0], signals[1]),
        breakpoints=breakpoints,
        values=values,
        best=_best((signals[0], signals[1]), sums, edges, values),
        base=base or Profile(feedback="bm25_feedback" in items[0].candidates.signals),
        left_out=left_out or LeftOut(),
        _tuning_set=judged,
        _steps=steps,
    )


def _best(signals: tuple[str, str], sums: Integers, edges: Vector, values: Vector) -> BestOfTwo:
    start, stop = best_run(sums, edges)
    low, high = float(edges[start]), float(edges[stop])
    weight = weight_inside(edges[start : stop + 1])
    first, second = signals
    # Without the rounding 1 - 0.9 would read 0.09999999999999998.
    return BestOfTwo(
        value=float(values[start]),
        weights={first: round(1.0 - weight, 15), second: weight},
        intervals={first: (round(1.0 - high, 15), round(1.0 - low, 15)), second: (low, high)},
    )
