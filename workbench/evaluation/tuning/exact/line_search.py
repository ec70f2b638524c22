"""Search for the best weights of several signals: exact line searches until none improves.

Along any line through the weights the metric is known everywhere (`many_lines`), so a line search
finds the line's true maximum. Lines go towards each signal, between each two signals, and along
the way that the last round went (Powell, "An Efficient Method for Finding the Minimum of a Function
of Several Variables without Calculating Derivatives", The Computer Journal 1964), from several
starts. What is found is the best that no such line improves: not always the best of all, see
`branch_and_bound`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.exact.many_lines import Batch
from workbench.evaluation.tuning.exact.step_functions import Steps, around, best_run, weight_inside

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDS = 1_000
"""Of lines from one start. Each raises the sum, so they end; a handful is usual."""

NUDGES = (1e-6, 1e-5, 1e-4, 1e-3)
"""By what share weights at a tie are moved, in different directions."""

STILL = 1e-9
"""A way shorter than this is no direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A metric along a line of weights: from `start` (0) to `stop` (1) the `edges` of its
    intervals, `here` the place that it was drawn through."""

    start: Vector
    stop: Vector
    here: float
    edges: Vector
    steps: Steps

    def weights(self, place: float) -> Vector:
        """The weights at a place, none below 0, with sum 1."""
        return proper((1.0 - place) * self.start + place * self.stop)

    def interval(self, place: float) -> int:
        """The number of the interval that a place lies in."""
        return int(np.searchsorted(self.edges[1:-1], place, side="right"))


@dataclass(frozen=True, slots=True, eq=False)
class Waypoint:
    """A step of the search: the line that was followed, the weights it led to, and the sum over
    the queries there, in units. `start` numbers the start that it belongs to."""

    start: int
    line: str
    weights: Vector
    total: int


@dataclass(slots=True)
class Climb:
    """The search over one batch, query q counted `counts[q]` times."""

    batch: Batch
    counts: Integers
    lines: int = 0
    path: list[Waypoint] = field(default_factory=list)

    def run(self, starts: list[Vector], first: int = 0) -> Waypoint:
        """The best end of all starts, numbered from `first`; of equals the first."""
        ends = (self._from(i, weights) for i, weights in enumerate(starts, first))
        return max(ends, key=lambda end: end.total)

    def best_edge(self) -> Vector:
        """The best weights of two signals alone, all pairs tried."""
        edges: list[tuple[int, Vector]] = []
        for one, other in combinations(range(len(self.batch.signals)), 2):
            corners = np.eye(len(self.batch.signals))
            line = self.draw(corners[one], corners[other], 0.5)
            place, total = self._top(line)
            edges.append((total, line.weights(place)))
        return max(edges, key=lambda pair: pair[0])[1]

    def through(self, weights: Vector, direction: Vector) -> Line:
        """The line through some weights, as long as none is below 0."""
        start, stop, here = segment(weights, direction)
        return self.draw(start, stop, here)

    def draw(self, start: Vector, stop: Vector, here: float) -> Line:
        """The metric along a line."""
        self.lines += 1
        breakpoints, steps = self.batch.line(start, stop)
        return Line(start, stop, here, np.concatenate(([0.0], breakpoints, [1.0])), steps)

    def _from(self, number: int, weights: Vector) -> Waypoint:
        """Follow lines from one start until a whole round of them improves nothing."""
        weights = self._off_ties(weights)
        here = Waypoint(number, "start", weights, self.batch.total(weights, self.counts))
        self.path.append(here)
        way: Vector | None = None
        for _ in range(ROUNDS):
            before = here
            for name, direction in self._directions(here.weights, way):
                here = self._follow(here, name, direction)
            if here.total == before.total:
                break
            way = here.weights - before.weights
        return self._centred(here)

    def _off_ties(self, weights: Vector) -> Vector:
        """Weights close by at which no papers tie: a line through a tie may run along it, and
        there papers are ordered by rounding."""
        uneven = unlike(len(weights))
        nudged = (proper(weights * (1.0 + share * uneven)) for share in (0.0, *NUDGES))
        return next((near for near in nudged if self.batch.clear(near)), weights)

    def _directions(self, weights: Vector, way: Vector | None) -> Iterator[tuple[str, Vector]]:
        names = self.batch.signals
        if way is not None:
            yield "last way", way
        for i, name in enumerate(names):
            yield name, _towards(weights, i)
        for i, j in combinations(range(len(names)), 2):
            direction = np.zeros(len(names))
            direction[i], direction[j] = 1.0, -1.0
            yield f"{names[i]} - {names[j]}", direction

    def _follow(self, here: Waypoint, name: str, direction: Vector) -> Waypoint:
        if np.abs(direction).max() < STILL or not _room(here.weights, direction):
            return here
        line = self.through(here.weights, direction)
        place, total = self._top(line)
        if total <= here.total:
            return here
        weights = line.weights(place)
        if not self.batch.clear(weights):
            weights = line.weights(self._beside(line))
            if not self.batch.clear(weights):
                return here  # the line runs along a tie
        better = Waypoint(here.start, name, weights, total)
        self.path.append(better)
        return better

    def _beside(self, line: Line) -> float:
        """A place on the widest of the best intervals that no tie is likely to share."""
        first, last = best_run(line.steps.sums(self.counts), line.edges)
        widest = first + int(np.argmax(np.diff(line.edges[first : last + 1])))
        return float(line.edges[widest] + (np.sqrt(5) - 1) / 2 * np.diff(line.edges)[widest])

    def _top(self, line: Line) -> tuple[float, int]:
        sums = line.steps.sums(self.counts)
        first, last = best_run(sums, line.edges)
        return weight_inside(line.edges[first : last + 1]), int(sums[first])

    def _centred(self, here: Waypoint) -> Waypoint:
        """The same value in the middle of where it holds, so that short decimals lie near."""
        for i in range(len(self.batch.signals)):
            line = self.through(here.weights, _towards(here.weights, i))
            sums = line.steps.sums(self.counts)
            if sums[line.interval(line.here)] != here.total:
                continue
            low, high = around(sums == here.total, line.edges, line.here)
            inside = line.edges[(line.edges >= low) & (line.edges <= high)]
            place = weight_inside(inside)
            weights = line.weights(place)
            if self.batch.clear(weights):
                here = Waypoint(here.start, here.line, weights, here.total)
        return here


def unlike(count: int) -> Vector:
    """Numbers from 1 up that no small whole numbers relate, (count,): a point that has them as its
    proportions lies on no tie that it need not."""
    parts: Vector = np.sqrt(1.0 + np.sqrt(2.0) * np.arange(count))
    return parts


def proper(weights: Vector) -> Vector:
    """Rounding taken away: none below 0, sum 1."""
    clipped = np.maximum(weights, 0.0)
    whole: Vector = clipped / clipped.sum()
    return whole


def segment(weights: Vector, direction: Vector) -> tuple[Vector, Vector, float]:
    """The ends of the line through `weights` on which no weight is below 0, and their place."""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -weights / direction
    back = reach[direction > 0].max()
    ahead = reach[direction < 0].min()
    start, stop = proper(weights + back * direction), proper(weights + ahead * direction)
    return start, stop, float(-back / (ahead - back))


def axis(weights: Vector, signal: int) -> tuple[Vector, Vector]:
    """From no weight of a signal to all of it, the others in the proportions that they have; the
    place on this line is the signal's weight."""
    corner = np.zeros(len(weights))
    corner[signal] = 1.0
    rest = np.where(corner > 0, 0.0, weights)
    if not rest.any():
        rest = 1.0 - corner
    return rest / rest.sum(), corner


def _towards(weights: Vector, signal: int) -> Vector:
    rest, corner = axis(weights, signal)
    return corner - rest


def _room(weights: Vector, direction: Vector) -> bool:
    """Whether the line through the weights has any length."""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -weights / direction
    return bool(reach[direction < 0].min() - reach[direction > 0].max() > STILL)
