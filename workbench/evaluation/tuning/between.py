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
from workbench.evaluation.tuning.recommendation import supported_share
from workbench.evaluation.tuning.regret import Regret, own_best

Vector = NDArray[np.float64]


DRAWN = 200
"""Intervals that a band is worked out for: more than a chart has room to show."""


@dataclass(frozen=True, slots=True)
class Supported:
    """A t, what `share` of the way from the default to the best it is, what that share gained over
    the default on queries not tuned on, and the standard error of that gain."""

    weight: float
    share: float
    gain: float
    error: float


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

    def band(self, level: float = 0.95) -> tuple[Vector, Vector]:
        """The low and high end of the mean's interval on each open interval, shape (n + 1,):
        Student's, over the queries, inside 0 to 1. Shown where there are at most `DRAWN` intervals
        of their own; between them the ends of the nearest one before stand."""
        count = len(self)
        if count < 2:
            return self.values, self.values
        from scipy.stats import t

        places = np.unique(np.linspace(0, len(self.values) - 1, DRAWN).astype(int))
        values = np.stack([self._steps.at(place) for place in places]) / UNIT
        nearest = np.searchsorted(places, np.arange(len(self.values)), "right") - 1
        held = values.std(axis=1, ddof=1)[nearest]
        half = t.ppf((1 + level) / 2, count - 1) * held / np.sqrt(count)
        return np.clip(self.values - half, 0.0, 1.0), np.clip(self.values + half, 0.0, 1.0)

    def supported(self, default: float, folds: int = 5, repeats: int = 3) -> Supported:
        """How far from the t of a default to the best t queries that were not tuned on support."""

        def at(weights: Mapping[str, float]) -> Vector:
            place = int(np.searchsorted(self.breakpoints, weights["stop"], side="right"))
            return self._steps.at(place) / UNIT

        def choose(counts: NDArray[np.int64]) -> tuple[Mapping[str, float], Vector]:
            edges = self.edges
            first, end = best_run(self._steps.sums(counts), edges)
            best = ends(float(edges[first] + edges[end]) / 2)
            return best, at(best)

        def ends(t: float) -> Mapping[str, float]:
            return {"start": 1.0 - t, "stop": t}

        share, gain, error = supported_share(
            choose,
            lambda weights, some: at(weights)[some],
            ends(default),
            at(ends(default)),
            folds,
            repeats,
            seed=0,
        )
        weight = (1 - share) * default + share * self.best.weight
        return Supported(round(weight, 4), share, gain, error)

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
    return curve_on(curve._tuning_set, curve.metric, start, stop)


def curve_on(
    judged: TuningSet, metric: str, start: Mapping[str, float], stop: Mapping[str, float]
) -> CurveBetween:
    """The curve of a metric over judged queries made ready for it, between two sets of weights.

    Raises what `curve_between` raises.
    """
    breakpoints, steps = judged.line(start, stop)
    values = steps.sums(np.ones(len(judged), np.int64)) / UNIT / len(judged)
    return CurveBetween(metric, start, stop, breakpoints, values, judged, steps)
