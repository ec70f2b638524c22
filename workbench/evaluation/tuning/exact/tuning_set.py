"""Judged queries made ready for tuning: what is checked once, and what every weight needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.tuning.exact.one_line import Lines, rank_steps
from workbench.evaluation.tuning.exact.rank_metrics import RankMetric
from workbench.evaluation.tuning.exact.step_functions import Steps, sweep, to_units
from workbench.ranking.fusion import fuse, weight_vector
from workbench.records import Candidates, Query

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class CurveItem:
    """One query: its candidates, `fusion.normalise` of them, and grades by paper id.

    A grade of 0 or less is not relevant. A relevant paper that is no candidate has no rank.
    """

    candidates: Candidates
    normalised: NDArray[np.float64]
    grades: Mapping[str, int]

    @property
    def name(self) -> str:
        """The query's id, or its text where it has none."""
        return self.candidates.query.id or self.candidates.query.text


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One query made ready: the rows (first, one past) of the papers that the metric counts and
    that were found, their grades, the grades of all that it counts; and how many papers were found
    in all, where the metric depends on that."""

    item: CurveItem
    papers: list[tuple[int, int]]
    grades: Integers
    relevant: Integers
    found: int | None = None
    _starts: list[NDArray[np.intp]] = field(default_factory=list)
    _line: dict[Any, tuple[Vector, Integers]] = field(default_factory=dict)

    @property
    def paper_starts(self) -> NDArray[np.intp]:
        """The first row of each paper; found when first asked for, which a curve never does."""
        if not self._starts:
            self._starts.append(self.item.candidates.paper_starts)
        return self._starts[0]

    def scores(self, weights: Weights) -> Vector:
        """Each row's score, as `fuse` gives it, shape (rows,)."""
        normalised, signals = self.item.normalised, self.item.candidates.signals
        named = [name for name, weight in weights.items() if weight]
        if len(named) == 1 and weights[named[0]] == 1.0:
            column: Vector = normalised[:, signals.index(named[0])]
            return column
        return fuse(normalised, weight_vector(weights, signals))

    def steps(self, start: Weights, stop: Weights, measure: RankMetric) -> tuple[Vector, Integers]:
        """Where the value may change on the way from `start` to `stop`, (n,) from 0 up to 1, and
        the value from there, in units."""
        if not self.papers:
            return np.zeros(1), np.zeros(1, dtype=np.int64)
        key = (tuple(start.items()), tuple(stop.items()), measure)
        found = self._line.get(key)
        if found is None:
            lines = Lines(self.scores(start), self.scores(stop), self.item.candidates.paper_ids)
            starts, ranks = rank_steps(lines, self.papers, measure.cutoff or len(lines.first))
            found = starts, to_units(self.measured(ranks, measure))
            self._line.clear()  # the last line alone: a grade changes one query of it
            self._line[key] = found
        return found

    def value(self, weights: Weights, measure: RankMetric) -> float:
        """The value at these weights, ranked as `rank_papers` ranks."""
        if not self.papers:
            return 0.0
        best = np.maximum.reduceat(self.scores(weights), self.paper_starts)
        own = np.searchsorted(self.paper_starts, [low for low, _ in self.papers])
        ranks = [1 + (best > best[i]).sum() + (best[:i] == best[i]).sum() for i in own]
        return float(self.measured(np.array(ranks)[:, None], measure)[0])

    def pruned(self, signals: Sequence[str]) -> Prepared:
        """The same query without the rows that no weights of these signals put above a counted
        paper: the value at such weights stays what it is, and a line has fewer crossings."""
        candidates = self.item.candidates
        columns = self.item.normalised[:, [candidates.signals.index(signal) for signal in signals]]
        keep = np.zeros(len(candidates), dtype=bool)
        for low, high in self.papers:
            keep |= ~_beaten(columns, low, high)
        for low, high in self.papers:
            keep[low:high] = True
        rows = np.flatnonzero(keep)
        kept = replace(
            candidates,
            paper_ids=candidates.paper_ids[rows],
            numbers=candidates.numbers[rows],
            values=candidates.values[rows],
        )
        item = replace(self.item, candidates=kept, normalised=self.item.normalised[rows])
        place = np.searchsorted(rows, self.papers).tolist()
        papers = [(low, high) for low, high in place]
        return replace(self, item=item, papers=papers, _starts=[], _line={})

    def measured(self, ranks: Integers, measure: RankMetric) -> Vector:
        """The metric from the counted papers' ranks, (papers, n), shape (n,)."""
        return measure(ranks, self.grades, self.relevant, self.found)


@dataclass(frozen=True, slots=True, eq=False)
class TuningSet:
    """The queries that weights are tuned on, and the metric."""

    measure: RankMetric
    queries: tuple[Prepared, ...]

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def asked(self) -> tuple[Query, ...]:
        """The queries themselves."""
        return tuple(query.item.candidates.query for query in self.queries)

    def query_values(self, weights: Weights) -> Vector:
        """Each query's value at these very weights, by ranking anew, shape (queries,)."""
        return np.array([query.value(weights, self.measure) for query in self.queries])

    def pruned(self, signals: Sequence[str]) -> TuningSet:
        """Each query without the rows that no weights of these signals can bring into play."""
        return TuningSet(self.measure, tuple(query.pruned(signals) for query in self.queries))

    def line(self, start: Weights, stop: Weights) -> tuple[Vector, Steps]:
        """All queries' steps on the way from `start` (0) to `stop` (1): breakpoints, steps."""
        return sweep([query.steps(start, stop, self.measure) for query in self.queries])


def prepare(
    items: Sequence[CurveItem],
    signals: Sequence[str],
    measure: RankMetric,
    known: TuningSet | None = None,
) -> TuningSet:
    """The items checked, and the papers that the metric counts looked up. What is the same in
    `known`, an earlier set for the same metric, is taken from there.

    Raises EvaluationError for no such paper in any item, or a matrix that does not fit its
    candidates; WeightError for an unknown signal or a value that is not finite.
    """
    for named in {item.candidates.signals for item in items}:
        weight_vector(dict.fromkeys(signals, 0.5), named)
    before = {id(query.item.candidates): query for query in known.queries} if known else {}
    queries = tuple(_again(before, item) or _prepare(item, measure) for item in items)
    if not any(len(query.relevant) for query in queries):
        raise EvaluationError(
            f"none of {len(queries)} queries has a relevant paper ({measure.counted}), so no "
            "weight is better than another; judge some, or check that the query ids match"
        )
    return TuningSet(measure, queries)


def _again(before: Mapping[int, Prepared], item: CurveItem) -> Prepared | None:
    """The query as it was made ready before, where nothing of it is another."""
    ready = before.get(id(item.candidates))
    if ready is None or ready.item.normalised is not item.normalised:
        return None
    return ready if ready.item.grades == item.grades else None


def _prepare(item: CurveItem, measure: RankMetric) -> Prepared:
    candidates, normalised = item.candidates, item.normalised
    if normalised.shape != (len(candidates), len(candidates.signals)):
        raise EvaluationError(
            f"query {item.name!r}: the normalised matrix has shape {normalised.shape} for "
            f"{len(candidates)} candidates and {len(candidates.signals)} signals; "
            "pass fusion.normalise(candidates, ...)"
        )
    if not np.isfinite(normalised).all():
        raise WeightError(
            f"query {item.name!r} has values that are not finite; the "
            "engine must give every candidate a number (0 where nothing matched)"
        )
    counted = sorted((paper, grade) for paper, grade in item.grades.items() if measure.sees(grade))
    rows = _rows_of(candidates, [paper for paper, _ in counted])
    grades = np.array([grade for _, grade in counted], dtype=np.int64)
    present = [i for i, (low, high) in enumerate(rows) if low < high]
    papers = [rows[i] for i in present]
    size = len(candidates.paper_starts) if measure.least is None else None
    return Prepared(item, papers, grades[present], grades, size)


def _beaten(columns: NDArray[np.float64], low: int, high: int) -> NDArray[np.bool_]:
    """Which rows a row of the paper low to high equals or exceeds in every signal; ties fall to
    the smaller id, so from an earlier paper on it must exceed."""
    after = np.arange(len(columns)) >= high
    beaten = np.zeros(len(columns), dtype=bool)
    for own in columns[low:high]:
        beaten |= ((columns <= own).all(axis=1) & after) | (columns < own).all(axis=1)
    return beaten


def _rows_of(candidates: Candidates, papers: list[str]) -> list[tuple[int, int]]:
    """First row and row after the last of each paper; the same number twice where it has none."""
    if not papers or not len(candidates):
        return [(0, 0)] * len(papers)
    low = np.searchsorted(candidates.paper_ids, papers, side="left")
    high = np.searchsorted(candidates.paper_ids, papers, side="right")
    return list(zip(low.tolist(), high.tolist(), strict=True))
