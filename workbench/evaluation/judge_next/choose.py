"""Which unjudged papers to judge next: those whose grade could most change which weights win."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError, shown, whole_number
from workbench.evaluation.judge_next.suggestions import Suggestion, Suggestions
from workbench.evaluation.judge_next.weight_grid import (
    Table,
    as_matrix,
    by_distance,
    middle_of_best,
    score_table,
    spread,
)
from workbench.evaluation.reports.metrics import grades_by_query, whole_grade
from workbench.evaluation.statistics import ROUNDING
from workbench.evaluation.tuning.exact.rank_metrics import RankMetric, parse_metric
from workbench.evaluation.tuning.exact.tuning_set import CurveItem
from workbench.ranking.fusion import normalise
from workbench.records import Candidates, Judgment, Paper, Query

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST = 1_000_000
"""Largest `n` and `depth`."""

DEPTH = 10
"""How far down a paper may stand under some weights, for a metric without a cutoff."""

_CELLS = 2**21
"""Ranks of one block; bounds memory at some 50 MB, whatever the count of papers."""


@dataclass(frozen=True, slots=True, eq=False)
class _Effects:
    """One query: its value under each contender, (contenders,); its unjudged papers, (papers,);
    and by grade what that grade would add to the query's value, (papers, contenders)."""

    query_id: str
    judged: bool
    values: Vector
    paper_ids: NDArray[np.str_]
    added: Mapping[int, Vector]


def judge_next(
    items: Mapping[str, CurveItem],
    n: int = 20,
    metric: str = "nDCG@10",
    signals: Sequence[str] = ("bm25", "dense"),
    *,
    contenders: Sequence[Mapping[str, float]] | None = None,
    depth: int | None = None,
    grades: Sequence[int] | None = None,
    papers: Callable[[list[str]], Sequence[Paper]] | None = None,
) -> Suggestions:
    """The `n` unjudged pairs whose grade, each taken alone, most helps other weights to win.

    `items` by query id. Contenders are 101 weights of two signals, the tenths of more, or those
    given. Every paper without a judgment that stands among the first `depth` (by default, the
    metric's cutoff, or 10) under some contender is tried with each of `grades` (by default, the
    ones above 0 that were given, or 1). What counts is how far ahead a contender that the grade
    helps would be of the one that wins now; a query without judgments joins the mean with it.

    Raises EvaluationError for n or depth below 1, grades below 1, no query, or a metric that
    cannot be tuned for; WeightError for an unknown signal or contenders that define no order.
    """
    measure = parse_metric(metric)
    depth = measure.cutoff or DEPTH if depth is None else depth
    n = whole_number("n", n, 1, MOST, EvaluationError)
    depth = whole_number("depth", depth, 1, MOST, EvaluationError)
    if not items:
        raise EvaluationError("there are no queries; give at least 1")
    weights = spread(signals) if contenders is None else [dict(c) for c in contenders]
    if not weights:
        raise WeightError("contenders are none; give the weights to tell apart, or leave them out")
    tried = _grades(items, grades)
    matrix = cache(lambda known: as_matrix(weights, known))
    effects = [
        _effects(query_id, item, matrix(item.candidates.signals), measure, depth, tried)
        for query_id, item in items.items()
    ]
    total = np.sum([each.values for each in effects], axis=0)
    count = sum(each.judged for each in effects)
    winner = middle_of_best(total, ROUNDING * max(1, count))
    nearest = by_distance(weights, winner)
    gains = [s for each in effects for s in _suggest(each, total, count, nearest)]
    best = sorted(gains, key=lambda s: (-round(s[0], 15), s[1:3]))[:n]
    named = [_suggestion(s, items[s[1]], weights[s[4]], weights[winner], measure) for s in best]
    return Suggestions(
        metric=metric,
        winner=weights[winner],
        value=float(total[winner] / count) if count else 0.0,
        queries=count,
        depth=depth,
        considered=sum(len(each.paper_ids) for each in effects),
        changing=sum(s[0] > ROUNDING for s in gains),
        items=tuple(_titled(named, papers)),
    )


_Gain = tuple[float, str, str, int, int]
"""Gain, query, paper, grade, rival."""


def _suggest(
    each: _Effects, total: Vector, count: int, nearest: NDArray[np.intp]
) -> Iterator[_Gain]:
    """The strongest grade of each paper that helps some contender against the winner, the first of
    `nearest`; of several contenders as strong the nearest."""
    if not each.added or not len(each.paper_ids):
        return
    size = count if each.judged else count + 1
    behind = (total - total[nearest[0]])[nearest]
    gains = []
    for added in each.added.values():
        helped = (added - added[:, nearest[0], None])[:, nearest]
        # Where the grade helps nothing against the winner, it cannot change who wins.
        gains.append(np.where(helped > ROUNDING, behind + helped, -np.inf))
    tried, flat = list(each.added), np.concatenate(gains, axis=1)
    # To 12 digits, so that rounding does not choose between contenders that are equally strong.
    for paper, place in enumerate(np.argmax(np.round(flat, 12), axis=1)):
        gain = flat[paper, place]
        if gain > -np.inf:
            grade, rival = divmod(int(place), len(total))
            name = str(each.paper_ids[paper])
            yield float(gain / size), each.query_id, name, tried[grade], int(nearest[rival])


def _effects(
    query_id: str,
    item: CurveItem,
    contenders: NDArray[np.float64],
    measure: RankMetric,
    depth: int,
    tried: Sequence[int],
) -> _Effects:
    candidates = item.candidates
    if not len(candidates):
        values = np.zeros(len(contenders))
        return _Effects(query_id, bool(item.grades), values, candidates.paper_ids, {})
    if not np.isfinite(item.normalised).all():
        raise WeightError(
            f"query {query_id!r} has values that are not finite; the engine must give every "
            "candidate a number (0 where nothing matched)"
        )
    table = score_table(candidates, item.normalised, contenders)
    seen = {paper: grade for paper, grade in item.grades.items() if measure.sees(grade)}
    columns, ranks = _ranked(table, measure, depth, seen)
    ids = [str(paper) for paper in table.paper_ids[columns]]
    own = [n for n, paper in enumerate(ids) if paper in seen]
    unjudged = np.array([paper not in item.grades for paper in ids], dtype=np.bool_)
    unjudged &= (ranks <= depth).any(axis=0)
    known = _Known(
        ranks=ranks[:, own].T,
        grades=np.array([seen[ids[n]] for n in own], dtype=np.int64),
        every=np.array(list(seen.values()), dtype=np.int64),
        papers=len(table.paper_ids),
    )
    values = measure(known.ranks, known.grades, known.every, known.papers)
    added = {
        grade: _with(grade, measure, known, ranks[:, unjudged]) - values[None, :]
        for grade in tried
        if measure.sees(grade)
    }
    return _Effects(query_id, bool(item.grades), values, table.paper_ids[columns][unjudged], added)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What a metric takes of the judgments there are: ranks (found, contenders) and grades (found,)
    of the papers that it counts, the grades of all such, and how many papers were found at all."""

    ranks: Integers
    grades: Integers
    every: Integers
    papers: int


def _ranked(
    table: Table, measure: RankMetric, depth: int, seen: Mapping[str, int]
) -> tuple[NDArray[np.intp], Integers]:
    """Columns of the papers that matter, and their ranks, (contenders, columns): right as far down
    as the metric and `depth` look."""
    if measure.cutoff is not None:
        columns = table.judgment_pool(max(depth, measure.cutoff))
        return columns, table.ranks_within(columns)
    known = np.flatnonzero(np.isin(table.paper_ids, list(seen)))
    columns = np.union1d(table.judgment_pool(depth), known)
    return columns, table.ranks(columns)


def _with(grade: int, measure: RankMetric, known: _Known, others: Integers) -> Vector:
    """The query's value with one paper more, float64 (papers, contenders); `others` are the ranks
    of the papers to try, (contenders, papers)."""
    grades, every = np.append(known.grades, grade), np.append(known.every, grade)
    width, count = others.shape
    values = np.empty((count, width))
    step = max(1, _CELLS // (len(grades) * width))
    for start in range(0, count, step):
        block = others[:, start : start + step].T
        shape = (len(known.ranks), len(block), width)
        ranks = np.concatenate((np.broadcast_to(known.ranks[:, None, :], shape), block[None]))
        flat = measure(ranks.reshape(len(grades), -1), grades, every, known.papers)
        values[start : start + step] = flat.reshape(len(block), width)
    return values


def _grades(items: Mapping[str, CurveItem], given: Sequence[int] | None) -> list[int]:
    """The grades to try, ascending."""
    if given is not None:
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise EvaluationError(f"grades are {shown(given)}; give a list, like [1, 2]")
        grades = sorted({whole_grade("any", "any", grade) for grade in given})
        if not grades or grades[0] < 1:
            raise EvaluationError(f"grades are {list(given)}; give those above 0 that may be given")
        return grades
    known = {grade for item in items.values() for grade in item.grades.values() if grade > 0}
    return sorted(known) or [1]


def judged_items(
    retrieved: Iterable[tuple[Query, Candidates]], judgments: Iterable[Judgment], normaliser: str
) -> dict[str, CurveItem]:
    """What `judge_next` takes: each query's candidates, normalised, with the grades it has."""
    grades = grades_by_query(judgments)
    return {
        query.id: CurveItem(candidates, normalise(candidates, normaliser), grades.get(query.id, {}))
        for query, candidates in retrieved
    }


def _suggestion(
    best: _Gain,
    item: CurveItem,
    rival: Mapping[str, float],
    winner: Mapping[str, float],
    measure: RankMetric,
) -> Suggestion:
    gain, query_id, paper_id, grade, _ = best
    candidates = item.candidates
    two = as_matrix([winner, rival], candidates.signals)
    table = score_table(candidates, item.normalised, two)
    now, then = table.ranks(np.flatnonzero(table.paper_ids == paper_id))[:, 0].tolist()
    return Suggestion(
        query_id=query_id,
        paper_id=paper_id,
        grade=grade,
        rival=rival,
        gain=gain,
        rank_now=now,
        rank_then=then,
        metric=measure.name,
        winner=winner,
        query=candidates.query.text,
        cutoff=measure.cutoff,
    )


def _titled(
    suggestions: list[Suggestion], papers: Callable[[list[str]], Sequence[Paper]] | None
) -> list[Suggestion]:
    if papers is None or not suggestions:
        return suggestions
    titles = {p.id: p.title for p in papers(list(dict.fromkeys(s.paper_id for s in suggestions)))}
    return [replace(s, title=titles.get(s.paper_id, "")) for s in suggestions]
