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

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WeightError
from workbench.evaluation.tuning.certainty import (
    Bootstrap,
    CrossValidation,
    cross_validate,
    resample,
)
from workbench.evaluation.tuning.exact.one_line import MERGED
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.sample import CurveItem, Sample, prepare
from workbench.evaluation.tuning.exact.step_functions import (
    RESOLVED,
    UNIT,
    Best,
    Steps,
    around,
    best_run,
    steadiest,
    weight_inside,
)
from workbench.evaluation.tuning.left_out import LeftOut
from workbench.evaluation.tuning.result import Tuned
from workbench.profiles import Profile
from workbench.terminal import terminal_safe

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from workbench.evaluation.tuning.regret import Regret

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

TENTHS = tuple(tenth / 10 for tenth in range(11))

__all__ = ["MERGED", "RESOLVED", "Best", "CurveItem", "WeightCurve", "weight_curve"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightCurve(Tuned):
    """The mean metric as a function of the weight w of the second signal; the first has 1 - w.

    `breakpoints`: float64 (n,), ascending, inside (0, 1). `values`: float64 (n + 1,), the mean on
    each open interval. `base` is the profile that tuning started from, `left_out` what it did not
    use. Made by `weight_curve`; shows as a table in a notebook, `str()` gives plain text.
    """

    _repeats: ClassVar[int] = 3

    metric: str
    signals: tuple[str, str]
    breakpoints: Vector
    values: Vector
    base: Profile
    left_out: LeftOut
    _sample: Sample
    _steps: Steps
    _kept: dict[Any, Any] = field(default_factory=dict)

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
        return self._once("best", self._find_best)

    @property
    def steady(self) -> float:
        """The weight with the highest mean over 0.1 to both sides: less than the best here, but
        often more on other queries, since a narrow peak is often chance. Compare
        `cross_validate(steady=True)` with `cross_validate()`."""
        ones = np.ones(len(self._sample), dtype=np.int64)
        return steadiest(self._steps.sums(ones), self.edges)

    @property
    def profile(self) -> Profile:
        """`base` with the best weights; every other signal weighs 0. Save it with `to_toml`."""
        return self.profile_at(self.best.weight)

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

    def at(self, weight: float) -> float:
        """The mean at this very weight, by ranking anew. Raises WeightError outside [0, 1]."""
        return float(self.per_query(weight).mean())

    def per_query(self, weight: float) -> Vector:
        """Each query's value at this very weight, in the order of `queries`, shape (queries,).

        Raises WeightError outside [0, 1].
        """
        self.weights(weight)
        first, second = self.signals
        return self._sample.per_query({first: 1.0 - weight, second: weight})

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """How sure the optimum is. The crossings are reused: a resample is one sweep.

        Raises EvaluationError for fewer than one resample.
        """
        here = self._interval(self.best.weight)
        return self._once(
            ("bootstrap", resamples, seed),
            lambda: resample(self._steps, self.edges, here, resamples, seed),
        )

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
        from workbench.evaluation.tuning.regret import own_best, regret

        weight = self.best.weight if weight is None else weight
        own = self._once("own", lambda: own_best(self._steps, self.edges))
        return regret(self.metric, self.weights(weight), self.queries, self.per_query(weight), own)

    def plot(self, current: float | None = None, *, bootstrap: bool = True) -> Figure:
        """A plotly figure: the curve, the best interval, the bootstrap interval of the best weight
        and the weights of `base`; `current` marks another weight. Raises WeightError for one
        outside [0, 1]."""
        from workbench.evaluation.tuning.plots import plot_curve

        return plot_curve(self, current, bootstrap)

    def table(self, weights: Sequence[float] = TENTHS) -> pd.DataFrame:
        """The mean at some weights, exactly: weight, value, and value minus the best."""
        import pandas as pd

        frame = pd.DataFrame({"weight": weights, "value": [self.at(w) for w in weights]})
        return frame.assign(difference=frame["value"] - self.best.value)

    def to_frame(self) -> pd.DataFrame:
        """One row an interval: low, high, value."""
        import pandas as pd

        edges = self.edges
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "value": self.values})

    def to_dict(self) -> dict[str, Any]:
        """What `workbench tune --json` prints; a contract: fields are only added."""
        from workbench.evaluation.tuning.present_tuning import curve_dict

        return curve_dict(self)

    def __repr__(self) -> str:
        best = self.best
        return (
            f"WeightCurve({self.metric} over {len(self._sample)} queries, "
            f"{len(self.breakpoints)} breakpoints: best {best.value:.4f} "
            f"at {self.signals[1]} {best.weight}, from {best.low:.4f} to {best.high:.4f})"
        )

    @terminal_safe
    def __str__(self) -> str:
        from workbench.evaluation.tuning.present_tuning import curve_text

        return curve_text(self)

    def _repr_html_(self) -> str:
        from workbench.evaluation.tuning.present_tuning import curve_html

        return curve_html(self)

    def _find_best(self) -> Best:
        edges = self.edges
        start, stop = best_run(self._steps.sums(np.ones(len(self._sample), np.int64)), edges)
        low, high = float(edges[start]), float(edges[stop])
        return Best(float(self.values[start]), low, high, weight_inside(edges[start : stop + 1]))

    def _choose(self, counts: Integers, steady: bool = False) -> tuple[float, Vector]:
        """The best weight for the queries counted, and every query's value there."""
        sums, edges = self._steps.sums(counts), self.edges
        start, stop = best_run(sums, edges)
        weight = steadiest(sums, edges) if steady else float(edges[start] + edges[stop]) / 2
        return weight, self._on_interval(weight)

    def _weights_of(self, chosen: Any) -> dict[str, float]:
        return self.weights(chosen)

    def _best_weights(self) -> dict[str, float]:
        return self.weights(self.best.weight)

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
    sample = prepare(items, signals, measure)
    breakpoints, steps = sample.line({signals[0]: 1.0}, {signals[1]: 1.0})
    values = steps.sums(np.ones(len(sample), dtype=np.int64)) / UNIT / len(sample)
    return WeightCurve(
        metric=metric,
        signals=(signals[0], signals[1]),
        breakpoints=breakpoints,
        values=values,
        base=base or Profile(feedback="bm25_feedback" in items[0].candidates.signals),
        left_out=left_out or LeftOut(),
        _sample=sample,
        _steps=steps,
    )
