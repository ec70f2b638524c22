"""Report: what a run is worth. Means with intervals, values a query, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from workbench.corpus.identifiers import identifier
from workbench.errors import EvaluationError
from workbench.evaluation.inputs import JudgmentInput, QueryInput, as_judgments, as_queries
from workbench.evaluation.notes import notes_on_queries, unknown_papers_note
from workbench.evaluation.reports.bounds import Bounds, GradesByQuery, Unjudged, find_bounds
from workbench.evaluation.reports.comparison import Comparison, compare
from workbench.evaluation.reports.metrics import (
    DEFAULT_METRICS,
    QueryValues,
    grades_by_query,
    judged_share,
    parse_metrics,
)
from workbench.evaluation.reports.runs import Run, Scored, as_run, ids_of
from workbench.evaluation.reports.trec import read_scores, write_scored
from workbench.evaluation.statistics import mean_interval
from workbench.present.view import Shown, View
from workbench.present.words import count, first_ids
from workbench.records import Judgment, Query

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Interval:
    """A mean over queries and the ends of its 95 % interval (`statistics.mean_interval`)."""

    mean: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"Interval({self.mean:.4f} [{self.low:.4f}, {self.high:.4f}])"

    def to_dict(self) -> dict[str, float]:
        """The three numbers by name."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True, eq=False, repr=False)
class Report(Shown):
    """The metrics of one run. In a notebook it shows as a table; `str()` gives plain text.

    `metrics` has each mean with its interval, `label` is the name in comparisons. `per_query` is
    float64 (queries, metrics), its index the evaluated query ids. `judged_at_10` is the mean share
    of judged papers among the first 10: where it is low, the metrics are too.
    Nothing is left out silently; ids stand in the order of the queries:

    - `without_judgments`: nobody judged a paper for them; left out of every mean
    - `without_relevant`: no paper is judged relevant; kept, with value 0
    - `without_results`: judged, but the run found nothing; kept, with value 0
    - `unknown_queries`: how many judged query ids are not among the queries; left out
    - `negative_grades`: how many judgments of the evaluated queries are negative; they count as 0
    - `settled`: how many pairs several people judged differently, one grade taken by the rule of
      their `Judgments`
    - `unknown_papers`: judged papers of the evaluated queries that the corpus does not have
    - `without_grade`: by metric that wants grades above 1, as AP(rel=2), the queries that have no
      such grade, though relevant papers; kept, with value 0

    `settings` says what made the run, as plain values by dotted name ("weights.dense", "k",
    "corpus"); empty for a run made elsewhere. `compare` shows in which of them two reports differ.

    `bounds` says between which values each mean lies, `unjudged()` the same a query and under
    other assumptions. `run` holds what was ranked,
    `judgments` the grades of the evaluated queries: query id -> paper id -> grade. `experiment` is
    the id under which the report was recorded, "" where it was not.
    """

    per_query: pd.DataFrame
    metrics: Mapping[str, Interval]
    judged_at_10: float
    without_judgments: tuple[str, ...] = ()
    without_relevant: tuple[str, ...] = ()
    without_results: tuple[str, ...] = ()
    unknown_queries: int = 0
    negative_grades: int = 0
    label: str = ""
    settled: int = 0
    run: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown_papers: tuple[str, ...] = ()
    without_grade: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    judgments: GradesByQuery = field(default_factory=dict)
    experiment: str = ""
    _scored: Mapping[str, Scored] = field(default_factory=dict)

    @cached_property
    def bounds(self) -> Mapping[str, Bounds]:
        """By metric between which values its mean lies, whatever the unjudged papers are worth."""
        return self.unjudged().bounds

    @property
    def queries(self) -> int:
        """How many queries the means are over."""
        return len(self.per_query)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or counts as 0, in sentences; ids of at most five."""
        lists = (
            (self.without_judgments, "without any judgment, left out of the means"),
            (self.without_relevant, "without a relevant paper, counted as 0"),
            (self.without_results, "for which nothing was found, counted as 0"),
        )
        notes = notes_on_queries(lists, self.unknown_queries, self.negative_grades)
        if self.settled:
            notes.append(f"{count(self.settled, 'pair')} judged differently, settled by the rule")
        notes += unknown_papers_note(self.unknown_papers)
        notes += [
            f"{metric}: {count(len(ids), 'query')} without a grade that it counts, counted as 0: "
            f"{first_ids(ids)}"
            for metric, ids in self.without_grade.items()
        ]
        if not self._any_judged():
            notes.append("no judged paper is in any ranking: check that the paper ids match")
        return tuple(notes)

    def _any_judged(self) -> bool:
        return any(
            paper in given for query, given in self.judgments.items() for paper in self.run[query]
        )

    def compare(self, *others: Report, flips: int = 100_000, seed: int = 0) -> Comparison:
        """This report against others, query by query; a difference above 0 means this is better.

        The comparison says in which settings the reports differ. Reports over different queries are
        compared on the ones in both; that, other judgments, another k where a metric sees it, and
        another index are said in `notes`. `flips` and `seed` are of the randomisation test. Raises
        EvaluationError for no other report, and for one that shares no query or no metric with
        this.
        """
        return compare(self, others, flips=flips, seed=seed)

    def unjudged(self, depth: int | None = None, top: int | None = None) -> Unjudged:
        """Bounds of every metric, for the mean and a query, given the papers nobody judged.

        Each of the first `depth` papers without a judgment (by default, as many as the metric
        looks at) may have any grade from 0 to `top` (by default, the largest one given); the
        others stay not relevant. Raises EvaluationError for a depth below 1.
        """
        return find_bounds(self.run, self.judgments, tuple(self.metrics), depth=depth, top=top)

    def write_run(self, path: str | Path, tag: str = "workbench") -> None:
        """Write what was ranked as a TREC run, for trec_eval, ranx and others; see `trec`.

        ranx knows the format by a name that ends in .trec, of qrels too.
        """
        write_scored(path, self._scored or as_run(self.run), tag)

    @staticmethod
    def from_run(
        run: Run | str | Path,
        judgments: JudgmentInput,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        queries: QueryInput | None = None,
        label: str = "",
    ) -> Report:
        """The report of a run made elsewhere: a TREC file, or as in `as_run` query id -> paper ids,
        best first, or paper id -> score.

        `queries` are those asked, records or their ids; without them, every query of the run or
        with a judgment. Raises what `read_run`, `as_run`, `as_judgments` and `make_report` raise.
        """
        ranked = as_run(read_scores(run) if isinstance(run, str | Path) else run)
        judged = as_judgments(judgments)
        ids = [*ranked, *(judgment.query_id for judgment in judged)]
        asked = list(dict.fromkeys(ids)) if queries is None else as_queries(queries)
        name = label or (Path(run).stem if isinstance(run, str | Path) else "")
        return make_report(ranked, asked, judged, metrics, label=name)

    def to_frame(self) -> pd.DataFrame:
        """One row a metric: mean, low, high, and lowest and highest of the bounds."""
        import pandas as pd

        rows = {
            name: value.to_dict()
            | {
                "lowest": bound.low if bound else math.nan,
                "highest": bound.high if bound else math.nan,
            }
            for name, value in self.metrics.items()
            for bound in [self.bounds.get(name)]
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_dict(self) -> dict[str, Any]:
        """What `workbench evaluate --json` prints; a contract: fields are only added."""
        names = ("without_judgments", "without_relevant", "without_results", "unknown_papers")
        return {
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
            "queries": self.queries,
            "judged_at_10": self.judged_at_10,
            "label": self.label,
            **{name: list(getattr(self, name)) for name in names},
            "unknown_queries": self.unknown_queries,
            "negative_grades": self.negative_grades,
            "settled": self.settled,
            "bounds": {name: bound.to_dict() for name, bound in self.bounds.items()},
            "without_grade": {name: list(ids) for name, ids in self.without_grade.items()},
            "settings": dict(self.settings),
        }

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {value.mean:.4f}" for name, value in self.metrics.items())
        return f"Report({self.label!r}, {self.queries} queries, {means})"

    def view(self) -> View:
        """Each mean with its interval, and what the unjudged papers leave open."""
        width = max(len(name) for name in self.metrics)
        rows = (
            f"  {name:<{width}}  {value.mean:.4f}  [{value.low:.4f}, {value.high:.4f}]"
            f"{_left_open(self.bounds.get(name))}"
            for name, value in self.metrics.items()
        )
        head = (
            f"{self.label or 'Report'}: {count(self.queries, 'query')}, "
            f"{self.judged_at_10:.1%} of the first 10 papers judged"
        )
        more = {"metrics": self.metrics, "bounds": self.bounds}
        return View(head, tuple(rows), self.notes, "report.html", more)


def _left_open(bounds: Bounds | None) -> str:
    """What the unjudged papers leave open, where there are some."""
    if bounds is None or not bounds.holes:
        return ""
    return f"  {bounds.low:.4f} to {bounds.high:.4f} with {bounds.holes:,} unjudged"


class Told(TypedDict, total=False):
    """What a report is told beside its run: `unknown_papers` and `settings` are only passed on,
    `resamples` and `seed` (1,000 and 0) are of the intervals."""

    unknown_papers: Sequence[str]
    settings: Mapping[str, Any]
    resamples: int
    seed: int


class Evaluator:
    """Queries, judgments and metrics, read and checked once for any number of runs.

    `queries` are those asked for, records or ids; one that a run lacks counts as a query for which
    nothing was found. Raises EvaluationError for a query without id or given twice, no judgment
    for any query, and what `per_query` raises of metrics and judgments.
    """

    def __init__(
        self,
        queries: Iterable[Query | str],
        judgments: Iterable[Judgment],
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        settled: int = 0,
    ) -> None:
        self._ids = _query_ids(queries)
        self._measures = parse_metrics(metrics)
        grades = grades_by_query(judgments)
        _check_judged(self._ids, grades)
        self._grades = {query_id: grades[query_id] for query_id in self._ids if query_id in grades}
        self._values = QueryValues(self._grades, self._measures)
        self._unknown = len(grades) - len(self._grades)
        self._settled = settled

    def __repr__(self) -> str:
        return f"Evaluator({count(len(self._grades), 'judged query')}, {', '.join(self._measures)})"

    def report(self, run: Run, label: str = "", **told: Unpack[Told]) -> Report:
        """The report of a run as people have it (`as_run`). Raises EvaluationError for a run of
        other queries, and what `as_run` raises."""
        ranked = as_run(run)
        _check_asked(ranked, self._ids)
        scored = {query_id: ranked.get(query_id, []) for query_id in self._ids}
        return self.report_on(ids_of(ranked), label, scored, **told)

    def report_on(
        self,
        ranked: Mapping[str, Sequence[str]],
        label: str = "",
        scored: Mapping[str, Scored] | None = None,
        **told: Unpack[Told],
    ) -> Report:
        """The report of rankings that need no check: by query asked for, ids of papers, each once;
        `scored` are the same with their scores. The same input gives the same report, bit for
        bit."""
        resamples, seed = told.get("resamples", 1_000), told.get("seed", 0)
        asked = {query_id: ranked.get(query_id, []) for query_id in self._ids}
        frame = self._values.of(asked)
        grades = self._grades
        intervals = {
            name: Interval(*mean_interval(frame[name].to_numpy(), resamples, seed))
            for name in self._measures
        }
        return Report(
            per_query=frame,
            metrics=intervals,
            judged_at_10=judged_share(asked, grades, 10),
            without_judgments=tuple(i for i in self._ids if i not in grades),
            without_relevant=tuple(i for i, given in grades.items() if max(given.values()) <= 0),
            without_results=tuple(i for i in grades if not len(asked[i])),
            unknown_queries=self._unknown,
            negative_grades=sum(grade < 0 for i in grades.values() for grade in i.values()),
            label=label,
            settled=self._settled,
            run=asked,
            unknown_papers=tuple(told.get("unknown_papers", ())),
            without_grade=_without_grade(self._measures, grades),
            settings=told.get("settings", {}),
            judgments=grades,
            _scored=scored or {},
        )


def make_report(
    run: Run,
    queries: Iterable[Query | str],
    judgments: Iterable[Judgment],
    metrics: str | Iterable[str] = DEFAULT_METRICS,
    label: str = "",
    *,
    settled: int = 0,
    **told: Unpack[Told],
) -> Report:
    """The report of one run: `Evaluator`, and its `report`. Raises what they raise."""
    evaluator = Evaluator(queries, judgments, metrics, settled=settled)
    return evaluator.report(run, label, **told)


def _without_grade(
    measures: Mapping[str, Any], grades: GradesByQuery
) -> dict[str, tuple[str, ...]]:
    """By metric with `rel` above 1, the queries that have relevant papers, but none that counts."""
    missed = {
        name: tuple(
            query_id
            for query_id, given in grades.items()
            if 0 < max(given.values()) < measure.params.get("rel", 1)
        )
        for name, measure in measures.items()
    }
    return {name: ids for name, ids in missed.items() if ids}


def _query_ids(queries: Iterable[Query | str]) -> list[str]:
    if isinstance(queries, str):
        raise EvaluationError(f"queries are the text {queries!r}; give a list of queries or ids")
    named = (query.id if isinstance(query, Query) else query for query in queries)
    ids = [identifier("a query's id, which judgments need,", query_id) for query_id in named]
    seen: set[str] = set()
    for query_id in ids:
        if query_id in seen:
            raise EvaluationError(f"query {query_id!r} is there twice; remove one")
        seen.add(query_id)
    return ids


def _check_asked(run: Mapping[str, Any], ids: list[str]) -> None:
    known = set(ids)
    others = [query_id for query_id in run if query_id not in known]
    if others:
        raise EvaluationError(
            f"the run ranks {count(len(others), 'query')} not asked for: {first_ids(others)}; pass "
            "them as queries too, or take them out of the run"
        )


def _check_judged(ids: list[str], grades: Mapping[str, Any]) -> None:
    if not any(query_id in grades for query_id in ids):
        raise EvaluationError(
            f"none of {count(len(ids), 'query')} ({first_ids(ids) or 'none'}) has a judgment; the "
            f"judgments are for {first_ids(list(grades)) or 'no query'}. Check that the ids match"
        )
