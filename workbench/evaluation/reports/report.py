"""Report: what a run is worth. Means with intervals, values a query, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import read_judgments
from workbench.evaluation.reports.bounds import Bounds, Grades, Unjudged, find_bounds
from workbench.evaluation.reports.comparison import Comparison, compare
from workbench.evaluation.reports.metrics import (
    DEFAULT_METRICS,
    JUDGED,
    Run,
    grades_by_query,
    parse_metrics,
    per_query,
)
from workbench.evaluation.reports.present import count_queries, first_ids, report_html, report_text
from workbench.evaluation.reports.trec import read_run, write_run
from workbench.evaluation.statistics import bootstrap_mean
from workbench.records import Judgment, Query
from workbench.terminal import terminal_safe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over queries and the ends of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """The three numbers by name."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """The metrics of one run. In a notebook it shows as a table; `str()` gives plain text.

    `per_query` is float64 (queries, metrics), its index the evaluated query ids. `judged_at_10`
    is the mean share of judged papers among the first 10: where it is low, the metrics are too.
    Nothing is left out silently; ids stand in the order of the queries:

    - `without_judgments`: nobody judged a paper for them; left out of every mean
    - `without_relevant`: no paper is judged relevant; kept, with value 0
    - `without_results`: judged, but the run found nothing; kept, with value 0
    - `unknown_queries`: how many judged query ids are not among the queries; left out
    - `negative_grades`: how many judgments of the evaluated queries are negative; they count as 0
    - `settled`: how many pairs several people judged differently, one grade taken by the rule of
      their `Judgments`

    `bounds` says between which values each mean lies, whatever the unjudged papers are worth;
    `unjudged()` has them a query and under other assumptions. `run` holds what was ranked.
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
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    run: Run = field(default_factory=dict)
    _grades: Grades = field(default_factory=dict)

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
        notes = [
            f"{count_queries(len(ids))} {what}: {first_ids(ids)}" for ids, what in lists if ids
        ]
        if self.unknown_queries:
            notes.append(f"judgments for {count_queries(self.unknown_queries)} not asked, left out")
        if self.negative_grades:
            notes.append(f"{self.negative_grades:,} negative grades, counted as not relevant")
        if self.settled:
            pairs = "pair" if self.settled == 1 else "pairs"
            notes.append(f"{self.settled:,} {pairs} judged differently, settled by the rule")
        return tuple(notes)

    def compare(self, *others: Report, flips: int = 100_000, seed: int = 0) -> Comparison:
        """This report against others, query by query; a difference above 0 means this is better.

        Reports over different queries are compared on the ones in both, and the comparison says so
        in `notes`. `flips` and `seed` are of the randomisation test. Raises EvaluationError for no
        other report, and for one that shares no query or no metric with this.
        """
        return compare(self, others, flips=flips, seed=seed)

    def unjudged(self, depth: int | None = None, top: int | None = None) -> Unjudged:
        """Bounds of every metric, for the mean and a query, given the papers nobody judged.

        Each of the first `depth` papers without a judgment (by default, as many as the metric
        looks at) may have any grade from 0 to `top` (by default, the largest one given); the
        others stay not relevant. Raises EvaluationError for a depth below 1.
        """
        return find_bounds(self.run, self._grades, tuple(self.metrics), depth=depth, top=top)

    def write_run(self, path: str | Path, tag: str = "workbench") -> None:
        """Write what was ranked as a TREC run, for trec_eval, ranx and others; see `trec`.

        ranx knows the format by a name that ends in .trec, of qrels too.
        """
        write_run(path, self.run, tag)

    @staticmethod
    def from_run(
        run: Run | str | Path,
        judgments: str | Path | Iterable[Judgment],
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        queries: Iterable[Query | str] | None = None,
        label: str = "",
    ) -> Report:
        """The report of a run made elsewhere: a TREC file, or query id -> paper ids, best first.

        `queries` are those asked; without them, every query of the run or with a judgment. Raises
        what `read_run`, `read_judgments` and `make_report` raise.
        """
        ranked = read_run(run) if isinstance(run, str | Path) else run
        judged = read_judgments(judgments)
        if queries is None:
            queries = dict.fromkeys((*ranked, *(judgment.query_id for judgment in judged)))
        name = label or (Path(run).stem if isinstance(run, str | Path) else "")
        return make_report(ranked, queries, judged, metrics, label=name)

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
        return {
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
            "queries": self.queries,
            "judged_at_10": self.judged_at_10,
            "label": self.label,
            "without_judgments": list(self.without_judgments),
            "without_relevant": list(self.without_relevant),
            "without_results": list(self.without_results),
            "unknown_queries": self.unknown_queries,
            "negative_grades": self.negative_grades,
            "settled": self.settled,
            "bounds": {name: bound.to_dict() for name, bound in self.bounds.items()},
        }

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {value.mean:.4f}" for name, value in self.metrics.items())
        return f"Report({self.label!r}, {self.queries} queries, {means})"

    @terminal_safe
    def __str__(self) -> str:
        return report_text(self)

    def _repr_html_(self) -> str:
        return report_html(self)


def make_report(
    run: Run,
    queries: Iterable[Query | str],
    judgments: Iterable[Judgment],
    metrics: str | Iterable[str] = DEFAULT_METRICS,
    label: str = "",
    *,
    settled: int = 0,
    resamples: int = 1_000,
    seed: int = 0,
) -> Report:
    """Evaluate a run: query id -> paper ids, best first.

    `queries` are those asked for, records or ids; one that the run lacks counts as a query for
    which nothing was found. `settled` is only reported. The same input gives the same report, bit
    for bit.

    Raises EvaluationError for a query without id or given twice, a run of other queries, no
    judgment for any query, and what `per_query` raises.
    """
    ids = _query_ids(queries)
    names = tuple(parse_metrics(metrics))
    judgments = list(judgments)
    grades = grades_by_query(judgments)
    _check_ids(run, ids, grades)
    asked = {query_id: run.get(query_id, ()) for query_id in ids}
    frame = per_query(asked, judgments, dict.fromkeys((*names, JUDGED)))
    evaluated = list(frame.index)
    of_evaluated = {query_id: grades[query_id] for query_id in evaluated}
    intervals = {
        name: Interval(*bootstrap_mean(frame[name].to_numpy(), resamples, seed)) for name in names
    }
    return Report(
        per_query=frame[list(names)],
        metrics=intervals,
        judged_at_10=float(frame[JUDGED].mean()),
        without_judgments=tuple(i for i in ids if i not in grades),
        without_relevant=tuple(i for i in evaluated if max(grades[i].values()) <= 0),
        without_results=tuple(i for i in evaluated if not len(asked[i])),
        unknown_queries=len(grades) - len(evaluated),
        negative_grades=sum(grade < 0 for i in evaluated for grade in grades[i].values()),
        label=label,
        settled=settled,
        bounds=find_bounds(asked, of_evaluated, names).bounds,
        run=asked,
        _grades=of_evaluated,
    )


def _query_ids(queries: Iterable[Query | str]) -> list[str]:
    if isinstance(queries, str):
        raise EvaluationError(f"queries are the text {queries!r}; give a list of queries or ids")
    ids = [query.id if isinstance(query, Query) else query for query in queries]
    seen: set[str] = set()
    for query_id in ids:
        if not isinstance(query_id, str) or not query_id:
            raise EvaluationError(f"a query has the id {query_id!r}; judgments need one, a text")
        if query_id in seen:
            raise EvaluationError(f"query {query_id!r} is there twice; remove one")
        seen.add(query_id)
    return ids


def _check_ids(run: Run, ids: list[str], grades: Mapping[str, Any]) -> None:
    known = set(ids)
    others = [query_id for query_id in run if query_id not in known]
    if others:
        raise EvaluationError(
            f"the run ranks {count_queries(len(others))} not asked for: {first_ids(others)}; pass "
            "them as queries too, or take them out of the run"
        )
    if not any(query_id in grades for query_id in ids):
        raise EvaluationError(
            f"none of {count_queries(len(ids))} ({first_ids(ids) or 'none'}) has a judgment; the "
            f"judgments are for {first_ids(list(grades)) or 'no query'}. Check that the ids match"
        )
