"""Many queries' step functions over the weight, added up exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

MERGED = 1e-12
"""Crossings closer than this are one breakpoint: their own rounding is about 1e-16."""

UNIT = 2.0**45
"""Values are added as whole multiples of 1 / UNIT (3e-14): sums are exact, equals stay equal."""


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


def sweep(each: list[tuple[Vector, Integers]]) -> tuple[Vector, Steps]:
    """All queries' steps in order of weight: breakpoints (n,), and the steps behind them."""
    base = np.array([values[0] for _, values in each])
    weights = np.concatenate([starts[1:] for starts, _ in each])
    delta = np.concatenate([np.diff(values) for _, values in each])
    query = np.repeat(np.arange(len(each)), [len(starts) - 1 for starts, _ in each])
    counts = np.flatnonzero((delta != 0) & (weights < 1 - MERGED))
    order = counts[np.argsort(weights[counts], kind="stable")]
    weights = weights[order]
    # What lies within MERGED of 0 belongs to the first interval.
    opens = np.diff(weights, prepend=0.0) > MERGED
    ends = np.append(np.flatnonzero(opens), len(weights))
    return weights[opens], Steps(base, query[order], delta[order], ends)


def best_run(sums: Integers, edges: Vector) -> tuple[int, int]:
    """The widest run of adjacent intervals with the largest sum: first interval, and one past."""
    top = np.flatnonzero(sums == sums.max())
    cuts = np.flatnonzero(np.diff(top) > 1)
    starts, stops = top[np.append(0, cuts + 1)], top[np.append(cuts, len(top) - 1)] + 1
    widest = int(np.argmax(edges[stops] - edges[starts]))
    return int(starts[widest]), int(stops[widest])


def to_units(values: Vector) -> Integers:
    return np.rint(values * UNIT).astype(np.int64)
