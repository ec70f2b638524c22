"""All queries' steps along a line at once, for many lines between more than two signals.

`one_line` goes paper by paper, which is fastest for a single line. Here every pair of a counted
paper's row and another paper's row is one entry of flat arrays, made once; a line is then a few
operations over all of them. Single weights at which papers tie are no breakpoints of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.exact.one_line import MERGED
from workbench.evaluation.tuning.exact.rank_metrics import RankMetric
from workbench.evaluation.tuning.exact.step_functions import Steps, merge, to_units
from workbench.evaluation.tuning.exact.tuning_set import Prepared, TuningSet

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

CLEAR = 1e-12
"""Scores closer than this share of the largest difference are ordered by rounding."""

_ALWAYS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows of other papers beside a counted paper's row ("own").

    `difference`: float64 (signals, pairs), the other row minus the own one. `own`: the own row of
    each pair, `other` a number of the other paper. `earlier`: whether the other wins a tie.
    `starts`: the first pair of each group, a group being the rows of one other paper beside one
    own row; `group_own` its own row.
    """

    difference: NDArray[np.float64]
    own: Integers
    other: Integers
    earlier: Flags
    starts: Integers
    group_own: Integers

    def sides(self, start: Vector, stop: Vector) -> tuple[Vector, Vector]:
        """The other is above the own row until one place on the line from `start` (0) to `stop`
        (1) and again since another, each (pairs,); 2 and 1 mean everywhere, 0 and 1 nowhere."""
        x, y = _weighted(self.difference, start), _weighted(self.difference, stop)
        wins = (x >= 0) & (y >= 0) & ((x > 0) | (y > 0) | self.earlier)
        falls, rises = (x > 0) & (y < 0), (x < 0) & (y > 0)
        crossings = x / np.where(falls | rises, x - y, 1.0)
        return np.where(falls, crossings, _ALWAYS * wins), np.where(rises, crossings, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The queries of a tuning_set, flat. `paper` is the counted paper of each own row, `query` the
    query of each counted paper, `first_paper` the first counted paper of each query, and one past;
    `rivals` pairs own rows with other papers' rows, `siblings` with rows of the same paper.
    `tables` holds the metric by rank (0 is rank 1) where a query has one counted paper, in units.
    """

    tuning_set: TuningSet
    signals: tuple[str, ...]
    paper: Integers
    query: Integers
    first_paper: Integers
    rivals: Pairs
    siblings: Pairs
    depth: int
    tables: Sequence[Integers | None]

    def clear(self, weights: Vector) -> bool:
        """Whether no two papers that differ in a weighted signal tie within rounding, so that the
        value at these weights, in the order of `signals`, is that of an open set around them; a
        signal of weight 0 stays at 0."""
        used = self.rivals.difference[weights > 0]
        least = CLEAR * np.abs(self.rivals.difference).max(initial=0.0)
        ties = np.flatnonzero(np.abs(_weighted(used, weights[weights > 0])) <= least)
        return not bool((np.abs(used[:, ties]).max(axis=0, initial=0.0) > least).any())

    def total(self, weights: Vector, counts: Integers) -> int:
        """The sum over the queries at these very weights by ranking anew, query q taken
        `counts[q]` times, in units."""
        named = dict(zip(self.signals, weights.tolist(), strict=True))
        return int(to_units(self.tuning_set.query_values(named)) @ counts)

    def line(self, start: Vector, stop: Vector) -> tuple[Vector, Steps]:
        """As `TuningSet.line`, for weights in the order of `signals`, each (signals,)."""
        left, right = self._pieces(start, stop)
        papers, places, ranks = self._ranks(start, stop, left, right)
        cuts = np.searchsorted(papers, self.first_paper)
        weights, values, query = [], [], []
        for number, prepared in enumerate(self.tuning_set.queries):
            own = slice(cuts[number], cuts[number + 1])
            table = self.tables[number]
            if not prepared.papers:
                at, units = np.zeros(1), np.zeros(1, dtype=np.int64)
            elif table is not None:
                at, units = places[own], table[ranks[own] - 1]
            else:
                at, units = _several(
                    prepared, self.tuning_set.measure, papers[own], places[own], ranks[own]
                )
            weights.append(at)
            values.append(units)
            query.append(len(at))
        numbers = np.repeat(np.arange(len(query)), query)
        return merge(np.concatenate(weights), np.concatenate(values), numbers, len(query))

    def _pieces(self, start: Vector, stop: Vector) -> tuple[Vector, Vector]:
        """From where to where each own row is its paper's best, (own rows,); left < right where it
        is at all."""
        left, right = np.zeros(len(self.paper)), np.ones(len(self.paper))
        if len(self.siblings.own):
            until, since = self.siblings.sides(start, stop)
            np.maximum.at(left, self.siblings.own, until)
            np.minimum.at(right, self.siblings.own, since)
        return left, right

    def _ranks(
        self, start: Vector, stop: Vector, left: Vector, right: Vector
    ) -> tuple[Integers, Vector, Integers]:
        """Counted paper, place and rank from there, (steps,), paper by paper, ascending."""
        pairs, count = self.rivals, len(self.paper)
        # From where to where another paper is not above: the best of its rows decides.
        until, since = pairs.sides(start, stop)
        if len(pairs.starts) < len(until):
            until = np.maximum.reduceat(until, pairs.starts)
            since = np.minimum.reduceat(since, pairs.starts)
        # Papers that are above everywhere count at once; rows beyond the depth need no crossings.
        own = pairs.group_own
        crosses = until <= since + MERGED
        always = np.bincount(own[~crosses], minlength=count)
        live = np.flatnonzero(crosses & ((left < right) & (always < self.depth))[own])
        until, since, own = until[live], since[live], own[live]
        # The rank where an own row's piece begins, then a step for each crossing inside it.
        before, after = left[own], right[own]
        above = (until > before) | (since <= before)
        rank = 1 + always + np.bincount(own[above], minlength=count)
        shown = np.flatnonzero(left < right)
        down = np.flatnonzero((until > before) & (until < after))
        up = np.flatnonzero((since > before) & (since < after))
        rows = np.concatenate((shown, own[down], own[up]))
        places = np.concatenate((left[shown], until[down], since[up]))
        change = np.repeat([0, -1, 1], [len(shown), len(down), len(up)])
        # The pieces of a paper's rows side by side, in order of place: a running sum is the rank.
        order = np.lexsort((places, self.paper[rows]))
        rows, places, change = rows[order], places[order], change[order]
        first = np.flatnonzero(order < len(shown))
        total = np.cumsum(change)
        section = np.repeat(first, np.diff(np.append(first, len(rows))))
        ranks = np.minimum(rank[rows[section]] + total - total[section], self.depth + 1)
        # What changes no rank is no step.
        papers = self.paper[rows]
        seen = (np.diff(papers, prepend=-1) != 0) | (np.diff(ranks, prepend=0) != 0)
        return papers[seen], places[seen], ranks[seen]


def make_batch(tuning_set: TuningSet, signals: Sequence[str]) -> Batch:
    """The flat form of a sample for weights of these signals, after leaving out what no such
    weights bring into play."""
    pruned = tuning_set.pruned(signals)
    depth = tuning_set.measure.cutoff or max(len(query.item.candidates) for query in pruned.queries)
    papers = [len(query.papers) for query in pruned.queries]
    own = [high - low for query in pruned.queries for low, high in query.papers]
    return Batch(
        tuning_set=pruned,
        signals=tuple(signals),
        paper=np.repeat(np.arange(len(own)), own),
        query=np.repeat(np.arange(len(papers)), papers),
        first_paper=np.concatenate(([0], np.cumsum(papers))),
        rivals=_pairs(pruned.queries, signals, siblings=False),
        siblings=_pairs(pruned.queries, signals, siblings=True),
        depth=depth,
        tables=[_table(query, tuning_set.measure, depth) for query in pruned.queries],
    )


def _pairs(queries: Sequence[Prepared], signals: Sequence[str], *, siblings: bool) -> Pairs:
    """Every own row beside the rows of its own paper, or beside those of the others."""
    difference = [np.zeros((0, len(signals)))]
    own, earlier, groups = [], [], []
    count = 0
    for query in queries:
        candidates = query.item.candidates
        columns = query.item.normalised[:, [candidates.signals.index(signal) for signal in signals]]
        rows = np.arange(len(candidates))
        paper_of = np.repeat(
            np.arange(len(query.paper_starts)), np.diff(np.append(query.paper_starts, len(rows)))
        )
        for low, high in query.papers:
            inside = (rows >= low) & (rows < high)
            for row in range(low, high):
                others = np.flatnonzero(inside & (rows != row) if siblings else ~inside)
                difference.append(columns[others] - columns[row])
                own.append(np.full(len(others), count))
                earlier.append(others < row)
                groups.append(others if siblings else paper_of[others])
                count += 1
    empty = np.zeros(0, dtype=np.int64)
    flat_own = np.concatenate([empty, *own])
    group = np.concatenate([empty, *groups])
    new = np.ones(len(group), dtype=bool)
    new[1:] = (np.diff(group) != 0) | (np.diff(flat_own) != 0)
    starts = np.flatnonzero(new)
    flat = np.ascontiguousarray(np.concatenate(difference).T)
    before = np.concatenate([np.zeros(0, dtype=bool), *earlier])
    return Pairs(flat, flat_own, group, before, starts, flat_own[starts])


def _table(query: Prepared, measure: RankMetric, depth: int) -> Integers | None:
    """The metric at ranks 1 to depth + 1, in units, for a query with one counted paper."""
    if len(query.papers) != 1:
        return None
    return to_units(query.measured(np.arange(1, depth + 2)[None, :], measure))


def _several(
    query: Prepared, measure: RankMetric, papers: Integers, places: Vector, ranks: Integers
) -> tuple[Vector, Integers]:
    """The steps of a query with several counted papers from those of each."""
    cuts = np.searchsorted(papers, np.arange(papers[0], papers[0] + len(query.papers) + 1))
    at = np.unique(places)
    each = [
        ranks[low + np.searchsorted(places[low:high], at, side="right") - 1]
        for low, high in pairwise(cuts.tolist())
    ]
    return at, to_units(query.measured(np.stack(each), measure))


def _weighted(difference: NDArray[np.float64], weights: Vector) -> Vector:
    """The weighted sum over the signals, (pairs,)."""
    total: Vector = difference[0] * weights[0]
    for row, weight in zip(difference[1:], weights[1:], strict=True):
        if weight:
            total += row * weight
    return total
