"""A metric on the way from one set of weights to another: what a slider over several signals does.

The score is linear in the weights, so the way is a line like that between two signals, and the
metric is known everywhere on it, exactly (see `curve`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.curve import WeightCurve
from workbench.evaluation.tuning.exact.step_functions import (
    UNIT,
    Best,
    Steps,
    best_run,
    weight_inside,
)
from workbench.evaluation.tuning.exact.tuning_set import TuningSet
from workbench.evaluation.tuning.regret import Regret, own_best

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CurveBetween:
    """The mean metric at the weights (1 - t) x start + t x stop, t from 0 to 1.

    `breakpoints`: float64 (n,), ascending, inside (0, 1). `values`: float64 (n + 1,), the mean on
    each open interval. Made by `curve_between`.
    """

    metric: str
    start: Mapping[str, float]
    stop: Mapping[str, float]
    breakpoints: Vector
    values: Vector
    _tuning_set: TuningSet
    _steps: Steps

    def __len__(self) -> int:
        """How many queries the mean is over."""
        return len(self._tuning_set)

    @property
    def edges(self) -> Vector:
        """0, the breakpoints, 1; shape (n + 2,). Interval i is (edges[i], edges[i + 1])."""
        return np.concatenate(([0.0], self.breakpoints, [1.0]))

    @property
    def best(self) -> Best:
        """The widest run of the best intervals; its `weight` is the t inside."""
        edges = self.edges
        first, end = best_run(self._steps.sums(np.ones(len(self), np.int64)), edges)
        inside = weight_inside(edges[first : end + 1])
        return Best(float(self.values[first]), float(edges[first]), float(edges[end]), inside)

    def weights(self, t: float) -> dict[str, float]:
        """The weights at t."""
        names = dict.fromkeys((*self.start, *self.stop))
        # Rounded, so that 0.1 + 0.2 does not read 0.30000000000000004.
        return {
            name: round((1 - t) * self.start.get(name, 0.0) + t * self.stop.get(name, 0.0), 15)
            for name in names
        }

    def query_values(self, t: float) -> Vector:
        """Each query's value at this very t, by ranking anew, shape (queries,)."""
        return self._tuning_set.query_values(self.weights(t))

    def regret(self, t: float) -> Regret:
        """What these weights for all queries cost each of them against its own best t."""
        own = own_best(self._steps, self.edges)
        asked, values = self._tuning_set.asked, self.query_values(t)
        return Regret(self.metric, self.weights(t), asked, values, own)


def curve_between(
    curve: WeightCurve, start: Mapping[str, float], stop: Mapping[str, float]
) -> CurveBetween:
    """The curve of the same metric over the same candidates, between two sets of weights.

    Raises WeightError for a signal that the candidates lack, or weights that are all 0.
    """
    judged = curve._tuning_set
    breakpoints, steps = judged.line(start, stop)
    values = steps.sums(np.ones(len(judged), np.int64)) / UNIT / len(judged)
    return CurveBetween(curve.metric, start, stop, breakpoints, values, judged, steps)
