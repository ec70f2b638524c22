"""Many queries' step functions over the weight, added up exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.exact.one_line import MERGED

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

RESOLVED = 1e-9
"""Only intervals wider than this are promised to equal re-ranking: see `curve`."""

UNIT = 2.0**45
"""Values are added as whole multiples of 1 / UNIT (3e-14): sums are exact, equals stay equal."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best open interval of weights (low, high), and a short decimal inside it."""

    value: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Each query's step function. Query `query[e]` changes by `delta[e]`; events stand in order
    of weight, and `ends[i]` of them lie before interval i is left. Units of 1 / UNIT."""

    base: Integers
    query: Integers
    delta: Integers
    ends: Integers

    def sums(self, counts: Integers) -> Integers:
        """The sum over the queries on each interval, query q taken `counts[q]` times."""
        changes = np.cumsum(self.delta * counts[self.query])
        start = int(self.base @ counts)
        return np.concatenate(([start], start + changes))[self.ends]

    def at(self, interval: int) -> Integers:
        """Each query's value on one interval, in units, shape (queries,)."""
        before = slice(0, self.ends[interval])
        # Whole numbers below 2^53 add up exactly in floats too.
        changes = np.bincount(self.query[before], self.delta[before], len(self.base))
        return self.base + changes.astype(np.int64)


def sweep(each: list[tuple[Vector, Integers]]) -> tuple[Vector, Steps]:
    """All queries' steps in order of weight: breakpoints (n,), and the steps behind them."""
    weights = np.concatenate([starts for starts, _ in each])
    values = np.concatenate([values for _, values in each])
    query = np.repeat(np.arange(len(each)), [len(starts) for starts, _ in each])
    return merge(weights, values, query, len(each))


def merge(weights: Vector, values: Integers, query: Integers, count: int) -> tuple[Vector, Steps]:
    """The same of flat arrays, each of shape (steps,): query by query, ascending from weight 0."""
    first = np.searchsorted(query, np.arange(count))
    delta = np.diff(values, prepend=0)
    near = np.abs(np.diff(weights)) <= MERGED
    # Where a query's papers meet, a tie may score otherwise, even with the same value around it.
    kept = (delta != 0) | np.append(False, near) | np.append(near, False)
    kept[first] = False
    kept &= weights < 1 - MERGED
    order = np.flatnonzero(kept)
    order = order[np.argsort(weights[order], kind="stable")]
    weights = weights[order]
    # What lies within MERGED of 0 belongs to the first interval.
    opens = np.diff(weights, prepend=0.0) > MERGED
    ends = np.append(np.flatnonzero(opens), len(weights))
    return weights[opens], Steps(values[first], query[order], delta[order], ends)


def best_run(sums: Integers, edges: Vector) -> tuple[int, int]:
    """The widest run of adjacent intervals with the largest sum: first interval, and one past."""
    top = np.flatnonzero(sums == sums.max())
    cuts = np.flatnonzero(np.diff(top) > 1)
    starts, stops = top[np.append(0, cuts + 1)], top[np.append(cuts, len(top) - 1)] + 1
    widest = int(np.argmax(edges[stops] - edges[starts]))
    return int(starts[widest]), int(stops[widest])


def to_units(values: Vector) -> Integers:
    return np.rint(values * UNIT).astype(np.int64)


def weight_inside(edges: Vector) -> float:
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


def around(holds: NDArray[np.bool_], edges: Vector, weight: float) -> tuple[float, float]:
    """The widest interval around a weight on which something holds, from whether it holds on each
    interval, shape (n,), and their edges, (n + 1,)."""
    here = int(np.searchsorted(edges[1:-1], weight, side="right"))
    fails = np.flatnonzero(~holds)
    before, after = fails[fails < here], fails[fails > here]
    low = edges[before[-1] + 1] if len(before) else edges[0]
    high = edges[after[0]] if len(after) else edges[-1]
    return float(low), float(high)


def steadiest(sums: Integers, edges: Vector, half: float = 0.1) -> float:
    """The weight, in hundredths, around which the mean over `half` to both sides is highest.

    A narrow peak of the curve is often chance; a broad one is not.
    """
    weights = np.linspace(0.0, 1.0, 101)
    area = np.concatenate(([0.0], np.cumsum(sums * np.diff(edges))))
    low, high = np.maximum(weights - half, 0.0), np.minimum(weights + half, 1.0)
    mean = (np.interp(high, edges, area) - np.interp(low, edges, area)) / (high - low)
    return round(float(weights[np.argmax(mean)]), 2)
