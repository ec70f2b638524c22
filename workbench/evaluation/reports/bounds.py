"""What the unjudged papers could do to a report: bounds of its metrics, and how much is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import EvaluationError
from workbench.evaluation.reports.bound_formulas import FORMULAS, JudgedRanks, Measure, bounds
from workbench.evaluation.reports.metrics import MAX_GRADE, parse_metrics, whole_grade

if TYPE_CHECKING:
    import pandas as pd

GradesByQuery = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, repr=False)
class Bounds:
    """Between which values the mean of a metric lies, whatever the unjudged papers turn out to be.

    `judged` is the mean share of judged papers among the first `depth` found, and `holes` how many
    of them nobody judged, over all queries; `depth` None means all papers found.
    """

    low: float
    high: float
    judged: float
    holes: int
    depth: int | None

    def __repr__(self) -> str:
        return f"Bounds({self.low:.4f} to {self.high:.4f} with {self.holes:,} unjudged)"

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields by name."""
        return {name: getattr(self, name) for name in Bounds.__dataclass_fields__}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unjudged:
    """Bounds of each metric. `per_query` is float64, its columns (metric, "low" or "high").

    `top` is the largest grade that an unjudged paper was allowed. `unbounded` names the metrics
    whose bounds are not computed.
    """

    bounds: Mapping[str, Bounds]
    per_query: pd.DataFrame
    top: int
    unbounded: tuple[str, ...] = ()

    def __repr__(self) -> str:
        means = ", ".join(f"{n} {b.low:.4f} to {b.high:.4f}" for n, b in self.bounds.items())
        return f"Unjudged({means}; grades up to {self.top})"

    def to_frame(self) -> pd.DataFrame:
        """One row a metric: low, high, judged, holes, depth."""
        import pandas as pd

        rows = {name: bound.to_dict() for name, bound in self.bounds.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(_FIELDS))


_FIELDS = tuple(Bounds.__dataclass_fields__)


def find_bounds(
    run: Mapping[str, Sequence[str]],
    grades: GradesByQuery,
    metrics: str | Iterable[str],
    *,
    depth: int | None = None,
    top: int | None = None,
) -> Unjudged:
    """Exact bounds of nDCG, AP, P, R, RR, Success and RBP for the queries of `grades`.

    Each paper without a judgment among the first `depth` of a ranking may have any grade from 0 to
    `top`; papers further down, or not found, stay not relevant. `depth` is by default the metric's
    cutoff, or all papers found for a metric without one; `top` the largest grade in the judgments,
    at least 1. Raises EvaluationError for no query, a depth below 1, or a `top` that is no grade.
    """
    import pandas as pd

    if not grades:
        raise EvaluationError("no query has a judgment, so there is nothing to bound; give some")
    if depth is not None and depth < 1:
        raise EvaluationError(f"depth is {depth}; give at least 1, or None")
    if top is None:
        top = max((grade for given in grades.values() for grade in given.values()), default=1)
    top = max(1, whole_grade("any", "any", top))
    measures = parse_metrics(metrics)
    parsed = {name: _measure(measure) for name, measure in measures.items()}
    known = {name: measure for name, measure in parsed.items() if measure is not None}
    prepared = [_prepare(run.get(query_id, ()), given) for query_id, given in grades.items()]
    columns: dict[tuple[str, str], list[float]] = {}
    summary: dict[str, Bounds] = {}
    for name, measure in known.items():
        deep = depth or (None if np.isinf(measure.cutoff) else int(measure.cutoff))
        ends = [bounds(_ranked(each, deep, top), measure) for each in prepared]
        low, high = [end[0] for end in ends], [end[1] for end in ends]
        columns[name, "low"], columns[name, "high"] = low, high
        shares, holes = _judged([each[0] for each in prepared], deep)
        summary[name] = Bounds(float(np.mean(low)), float(np.mean(high)), shares, holes, deep)
    frame = pd.DataFrame(columns, index=pd.Index(list(grades), name="query_id", dtype=object))
    unbounded = tuple(name for name in measures if name not in known)
    return Unjudged(summary, frame, top, unbounded)


_UNJUDGED = -MAX_GRADE - 1
"""Stands for no grade; every negative grade is raised to -1."""


def _prepare(ranking: Any, given: Mapping[str, int]) -> tuple[Any, Any]:
    """Grades along the ranking, with _UNJUDGED for holes, and all grades of the query."""
    along = [max(given[paper], -1) if paper in given else _UNJUDGED for paper in ranking]
    every = [max(grade, -1) for grade in given.values()]
    return np.array(along, dtype=np.int64), np.array(every, dtype=np.int64)


def _ranked(prepared: tuple[Any, Any], depth: int | None, top: int) -> JudgedRanks:
    along, every = prepared
    judged = along != _UNJUDGED
    holes = np.flatnonzero(~judged[:depth]) + 1
    return JudgedRanks(np.flatnonzero(judged) + 1, along[judged], every, holes, top)


def _judged(rankings: list[Any], depth: int | None) -> tuple[float, int]:
    """Mean share of judged papers in the first `depth`, 0 if nothing was found, and the holes."""
    cut = [along[:depth] != _UNJUDGED for along in rankings]
    shares = [float(judged.mean()) if len(judged) else 0.0 for judged in cut]
    return float(np.mean(shares)), int(sum((~judged).sum() for judged in cut))


def _measure(measure: Any) -> Measure | None:
    """The metric as `holes` computes it, or None for one that it does not."""
    params = dict(measure.params)
    cutoff = params.pop("cutoff", np.inf)
    rel, p = params.pop("rel", 1), measure["p"] if measure.NAME == "RBP" else 0.0
    params.pop("p", None)
    if measure.NAME not in FORMULAS or params:
        return None
    return Measure(measure.NAME, cutoff, rel, p)
