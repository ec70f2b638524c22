"""The best weights of the whole simplex, by branch and bound, with a proof.

A cell is a simplex of weights. A paper whose score is at least a counted paper's at every corner
of the cell is above it everywhere inside, since scores are convex in the weights; so a counted
paper's best rank inside, and with it the best value of every query, has a bound. Cells whose bound
does not exceed the best value found are left out, the others are halved along their longest edge
(Land and Doig, "An Automatic Method of Solving Discrete Programming Problems", Econometrica 1960).
Where few papers are undecided, a cell is cut where two of them tie, and so ends at ties that no
halving would ever meet.

What is maximal is the value on open sets of weights: a point or line inside on which a tie happens
to score higher does not count, as in `curve`. Each face of the simplex, on which some signals weigh
exactly 0, is searched by itself: papers that tie there go by their id, not by rounding.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.tuning.exact.line_search import proper, unlike
from workbench.evaluation.tuning.exact.many_lines import Batch
from workbench.evaluation.tuning.exact.step_functions import UNIT, to_units
from workbench.evaluation.tuning.exact.tuning_set import TuningSet

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

CELLS = 20_000
"""Cells looked at before the search stops with a bound instead of a proof: see `cost`."""

PAIRS = 500_000
"""More pairs of a counted paper's passage and another's are refused: memory grows with them."""

FEW = 100
SMALL = 1e-3
"""Cells with fewer undecided pairs, or shorter edges, are cut where papers tie, not in half."""

NOISE = 1e-14
"""Differences below this share of the largest are 0: a corner on a tie stays there."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What `maximum` would cost at most: `pairs` of passages (the limit is PAIRS) in memory, and
    `cells`, each a few operations over the pairs that are undecided in it. Measured on 2 cores: a
    cell takes 0.2 to 1 ms."""

    pairs: int
    cells: int

    @property
    def affordable(self) -> bool:
        """Whether `maximum` would start."""
        return self.pairs <= PAIRS


@dataclass(frozen=True, slots=True)
class Maximum:
    """The best weights found in the whole simplex; no weights are better than `upper`, single ties
    inside the simplex aside.

    `value` is by ranking anew at `weights`. `proven`: `upper` is `value`, so these weights are the
    best of all. `cells` is how many were looked at.
    """

    value: float
    weights: Mapping[str, float]
    upper: float
    cells: int

    @property
    def proven(self) -> bool:
        """Whether no weights at all are better."""
        return self.upper <= self.value + 1e-12


@dataclass(slots=True, order=True)
class _Cell:
    """Corners (signals, signals) of weights; the pairs undecided inside; papers surely above each
    counted one. In a heap the highest bound comes first."""

    key: tuple[int, int]
    corners: Vector = field(compare=False)
    live: NDArray[np.int32] = field(compare=False)
    above: NDArray[np.int32] = field(compare=False)


def cost(batch: Batch, cells: int = CELLS) -> Cost:
    """What `maximum` would cost, known before it runs."""
    return Cost(len(batch.rivals.own), cells)


def maximum(
    batch: Batch, tuning_set: TuningSet, weights: Mapping[str, float], cells: int = CELLS
) -> Maximum:
    """The best weights of the whole simplex, starting from the best known ones.

    Stops after `cells` cells; then `upper` says how much better other weights could be at most.
    Raises EvaluationError for more than PAIRS pairs, or fewer than one cell.
    """
    needs = cost(batch, cells)
    if not needs.affordable or cells < 1:
        raise EvaluationError(
            f"the exact maximum would take {needs.pairs:,} pairs of passages in {cells:,} cells; "
            f"the limits are {PAIRS:,} pairs and at least 1 cell: use fewer queries or candidates, "
            "or stay with what the line searches found"
        )
    return _Search(batch, tuning_set, weights).run(cells)


class _Search:
    """One branch and bound: the flat arrays that it needs, and the best weights so far."""

    def __init__(self, batch: Batch, tuning_set: TuningSet, weights: Mapping[str, float]) -> None:
        self._tuning_set, self._signals = tuning_set, batch.signals
        self._queries, self._measure = batch.tuning_set.queries, tuning_set.measure
        self._depth, self._tables = batch.depth, batch.tables
        self._first = batch.first_paper
        self._siblings, self._owner = batch.siblings, batch.paper
        rivals = batch.rivals
        paper = batch.paper[rivals.own]
        # By counted paper, other paper, own row: so each is a run in any subset of the pairs.
        order = np.lexsort((rivals.own, rivals.other, paper))
        self._difference = np.ascontiguousarray(rivals.difference[:, order])
        self._earlier, self._own = rivals.earlier[order], rivals.own[order]
        self._paper, self._other = paper[order], rivals.other[order]
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        self._batch, self._ones = batch, np.ones(len(self._queries), dtype=np.int64)
        self._noise = NOISE * float(np.abs(self._difference).max(initial=0.0))
        self.best = np.array([weights[signal] for signal in self._signals])
        own = tuning_set.query_values(weights)
        self.total = int(to_units(own).sum()) if batch.clear(self.best) else 0

    def run(self, cells: int) -> Maximum:
        count, size = 0, len(self._signals)
        nothing = np.zeros(len(self._first) and int(self._first[-1]), dtype=np.int32)
        every = np.arange(len(self._own), dtype=np.int32)
        # Every face is a root: where a signal weighs exactly 0, papers may tie that differ inside.
        faces = [list(face) for n in range(size, 0, -1) for face in combinations(range(size), n)]
        roots = [
            self._look(np.eye(size)[face], every, nothing, -number)
            for number, face in enumerate(faces)
        ]
        heap = [cell for cell in roots if cell]
        heapq.heapify(heap)
        stuck = self.total
        while heap and count < cells:
            cell = heapq.heappop(heap)
            # The heap gives the highest bound first: if that is no better, nothing is.
            if -cell.key[0] <= self.total:
                heap = []
                break
            halves = self._split(cell)
            if halves is None:
                # All is decided. A cell without a clear point is thinner than rounding.
                if self._batch.clear(_inside(cell.corners)):
                    stuck = max(stuck, -cell.key[0])
                continue
            for corners in halves:
                count += 1
                child = self._look(corners, cell.live, cell.above, count)
                if child is not None:
                    heapq.heappush(heap, child)
        bounds = [-cell.key[0] for cell in heap]
        return self._found(max([self.total, stuck, *bounds]), count)

    def _split(self, cell: _Cell) -> tuple[Vector, Vector] | None:
        """The cell in two; None where nothing in it is undecided."""
        edges = list(combinations(range(len(cell.corners)), 2))
        lengths = [float(np.abs(cell.corners[i] - cell.corners[j]).max()) for i, j in edges]
        if not edges:
            return None
        longest = int(np.argmax(lengths))
        if len(cell.live) > FEW and lengths[longest] > SMALL:
            return _cut(cell.corners, *edges[longest], 0.5)
        at = self._at(cell.corners, cell.live)
        crosses = np.flatnonzero((at.min(axis=0) < 0) & (at.max(axis=0) > 0))
        if not len(crosses):
            return None
        # Always the first pair, until no part has it on both sides: pairs in turn might never end.
        own = at[:, crosses[0]]
        places = {(i, j): own[i] / (own[i] - own[j]) for i, j in edges if own[i] * own[j] < 0}
        central = min(places, key=lambda edge: abs(places[edge] - 0.5))
        return _cut(cell.corners, *central, float(places[central]))

    def _at(self, corners: Vector, live: NDArray[np.int32]) -> Vector:
        """How far each pair's other row is above the own one at each corner, (corners, pairs)."""
        if not len(live):
            return np.zeros((len(corners), 0))
        at: Vector = corners @ self._difference[:, live]
        at[np.abs(at) <= self._noise] = 0.0
        return at

    def _found(self, upper: int, count: int) -> Maximum:
        named = dict(zip(self._signals, self.best.tolist(), strict=True))
        value = float(self._tuning_set.query_values(named).mean())
        return Maximum(value, named, max(upper / UNIT / len(self._queries), value), count)

    def _look(
        self, corners: Vector, live: NDArray[np.int32], above: NDArray[np.int32], number: int
    ) -> _Cell | None:
        """The cell with what is decided in it taken out; None where it holds nothing better."""
        # Pairs that all corners agree on are decided; a paper is, by the best of its rows.
        live = live[self._possible(corners)[self._own[live]]]
        at = self._at(corners, live)
        low, high = at.min(axis=0, initial=np.inf), at.max(axis=0, initial=-np.inf)
        earlier = self._earlier[live]
        sure = (low >= 0) & ((high > 0) | earlier)
        never = (high <= 0) & ~((low >= 0) & earlier)
        group, paper = self._runs(live)
        sure_paper = _every(_any(sure, group), paper)
        never_paper = _any(_every(never, group), paper)
        # Papers surely above give each counted paper its best rank, and the cell its bound.
        owner = self._paper[live[group[paper]]] if len(live) else np.zeros(0, dtype=np.int64)
        above = above + np.bincount(owner[sure_paper], minlength=len(above)).astype(np.int32)
        bound = self._value(above)
        if bound <= self.total:
            return None
        # A point inside may already be better than the best known: the bound to beat rises.
        middle = _shares(len(corners)) @ at
        higher = (middle > 0) | ((middle == 0) & earlier)
        here = _every(_any(higher, group), paper) & ~sure_paper
        value = self._value(above + np.bincount(owner[here], minlength=len(above)))
        if value > self.total:
            self._improve(_inside(corners))
        decided = np.repeat(sure_paper | never_paper, np.diff(np.append(group[paper], len(live))))
        return _Cell((-bound, number), corners, live[~decided], above)

    def _improve(self, weights: Vector) -> None:
        """Take the weights where no papers tie and ranking anew confirms them."""
        if not self._batch.clear(weights):
            return
        total = self._batch.total(weights, self._ones)
        if total > self.total:
            self.total, self.best = total, weights

    def _possible(self, corners: Vector) -> Flags:
        """Which own rows are not beaten in the whole cell by a row of the same paper."""
        pairs = self._siblings
        possible = np.ones(len(self._owner), dtype=bool)
        if len(pairs.own):
            at = corners @ pairs.difference
            low, high = at.min(axis=0), at.max(axis=0)
            possible[pairs.own[(low >= 0) & ((high > 0) | pairs.earlier)]] = False
        return possible

    def _runs(self, live: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where each (counted paper, other paper, own row) starts in `live`, and where among those
        each (counted paper, other paper) does."""
        if not len(live):
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        own, other = self._own[live], self._other[live]
        new_paper = np.append(True, (np.diff(other) != 0) | (np.diff(self._paper[live]) != 0))
        group = np.flatnonzero(new_paper | np.append(True, np.diff(own) != 0))
        return group, np.flatnonzero(new_paper[group])

    def _value(self, above: NDArray[np.integer]) -> int:
        """The sum over the queries, in units, where so many papers are above each counted one."""
        ranks = np.minimum(above, self._depth) + 1
        total = 0
        for number, query in enumerate(self._queries):
            low, high = self._first[number], self._first[number + 1]
            table = self._tables[number]
            if table is not None:
                total += int(table[ranks[low] - 1])
            elif low < high:
                key = number, tuple(ranks[low:high].tolist())
                if key not in self._known:
                    apart = _apart(key[1], query.grades.tolist())
                    values = query.measured(np.array(apart)[:, None], self._measure)
                    self._known[key] = int(to_units(values)[0])
                total += self._known[key]
        return total


def _apart(bounds: tuple[int, ...], grades: list[int]) -> list[int]:
    """The best ranks that papers can have, none the same, where none is better than its bound.

    Two papers that are undecided between themselves have equal bounds, but only one can be first:
    each rank goes to the highest grade that may have it.
    """
    order = sorted(range(len(bounds)), key=lambda paper: -bounds[paper])
    ranks = [0] * len(bounds)
    waiting: list[tuple[int, int]] = []
    rank = 0
    while order or waiting:
        rank = rank + 1 if waiting else max(rank + 1, bounds[order[-1]])
        while order and bounds[order[-1]] <= rank:
            paper = order.pop()
            heapq.heappush(waiting, (-grades[paper], paper))
        ranks[heapq.heappop(waiting)[1]] = rank
    return ranks


def _shares(count: int) -> Vector:
    """The parts that the corners have in a point inside, (count,), unlike one another: the very
    middle lies on ties more often than others."""
    return proper(unlike(count))


def _inside(corners: Vector) -> Vector:
    """A point inside a cell."""
    inside: Vector = _shares(len(corners)) @ corners
    return inside


def _cut(corners: Vector, one: int, other: int, place: float) -> tuple[Vector, Vector]:
    """Both parts of a cell cut through a place on an edge, from 0 at corner `one` to 1."""
    between = (1.0 - place) * corners[one] + place * corners[other]
    left, right = corners.copy(), corners.copy()
    left[other] = right[one] = between
    return left, right


def _any(flags: Flags, starts: NDArray[np.intp]) -> Flags:
    return np.logical_or.reduceat(flags, starts) if len(starts) else np.zeros(0, dtype=bool)


def _every(flags: Flags, starts: NDArray[np.intp]) -> Flags:
    return np.logical_and.reduceat(flags, starts) if len(starts) else np.zeros(0, dtype=bool)
