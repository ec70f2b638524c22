"""`wb.sweep`: a grid of settings, of which those that retrieve alike share one retrieval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError, ProfileError, shown
from workbench.evaluation.inputs import JudgmentInput, QueryInput
from workbench.evaluation.metric_names import metric_names
from workbench.evaluation.reports.report import Interval
from workbench.experiments.candidates import retrieval_settings
from workbench.experiments.evaluating import Collection, check_depth
from workbench.measurement.measure import measure_profiles
from workbench.measurement.measurements import Measured
from workbench.present.view import Shown, View
from workbench.present.words import count, setting
from workbench.profiles import Profile
from workbench.session import Workbench
from workbench.studies.measuring import measure
from workbench.studies.systems import System

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

MOST = 10_000
"""Points of a grid."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Point:
    """One setting of the grid: `values` by name, its `profile`, means by metric; `p50_ms` and
    `memory_mb` where costs were measured, for all points that retrieve alike together."""

    values: Mapping[str, Any]
    profile: Profile
    metrics: Mapping[str, Interval]
    experiment: str
    error: str = ""
    p50_ms: float | None = None
    memory_mb: float | None = None

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {setting(value)}" for name, value in self.values.items())
        means = ", ".join(f"{name} {v.mean:.4f}" for name, v in self.metrics.items())
        return f"Point({said}: {means or 'failed'})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sweep(Shown):
    """What `wb.sweep` returns: the points in the order of the grid, and how many candidate sets
    they share."""

    points: tuple[Point, ...]
    metric: str
    retrievals: int

    @property
    def best(self) -> Point:
        """The point with the highest mean; of equal ones the first. Of many points the highest is
        partly chance: `bench.tune` says how much."""
        measured = [point for point in self.points if point.metrics]
        if not measured:
            raise EvaluationError(f"every point failed, the first so: {self.points[0].error}")
        return max(measured, key=self._mean)

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that none beats in quality without costing more: the Pareto front of quality,
        latency and memory; without costs, the best alone."""
        having = [p for p in self.points if p.p50_ms is not None and p.metrics]
        if not having:
            return (self.best,)
        rows = {id(p): _as_measured(p, self.metric) for p in having}
        return tuple(p for p in having if not any(rows[id(o)].beats(rows[id(p)]) for o in having))

    def to_frame(self) -> pd.DataFrame:
        """One row a point: the settings, the mean and interval of each metric, the costs."""
        import pandas as pd

        rows = []
        for point in self.points:
            row: dict[str, Any] = dict(point.values)
            for name, value in point.metrics.items():
                row |= {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
            row |= {"p50_ms": point.p50_ms, "memory_mb": point.memory_mb}
            rows.append({**row, "experiment": point.experiment, "error": point.error})
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Quality over latency, the size of a mark its memory, the front in a line; without costs,
        quality over the points."""
        from plotly.graph_objects import Figure

        having = [point for point in self.points if point.metrics]
        costs = [p for p in having if p.p50_ms is not None]
        figure = Figure()
        shown_points = costs or having
        x = [p.p50_ms if costs else n for n, p in enumerate(shown_points)]
        y = [p.metrics[self.metric].mean for p in shown_points]
        memory = [p.memory_mb or 0.0 for p in shown_points]
        largest = max(memory, default=0.0) or 1.0
        figure.add_scatter(
            x=x, y=y, mode="markers", name="points", text=[repr(p) for p in shown_points],
            marker={"size": [8 + 16 * m / largest for m in memory] if costs else 8},
        )  # fmt: skip
        if costs:
            front = sorted(self.front, key=lambda p: p.p50_ms or 0.0)
            figure.add_scatter(
                x=[p.p50_ms for p in front], y=[p.metrics[self.metric].mean for p in front],
                mode="lines+markers", name="no other beats it",
            )  # fmt: skip
        axis = "median latency, ms (size: peak memory)" if costs else "point of the grid"
        figure.update_layout(xaxis_title=axis, yaxis_title=self.metric, template="plotly_white")
        return figure

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        best = max((p for p in self.points if p.metrics), key=self._mean, default=None)
        return f"Sweep({count(len(self), 'point')}, {self.retrievals} retrieved, best {best!r})"

    def _mean(self, point: Point) -> float:
        return point.metrics[self.metric].mean

    def view(self) -> View:
        """The ten best points, and the front."""
        ranked = sorted((p for p in self.points if p.metrics), key=self._mean, reverse=True)
        rows = [f"  {point!r}" for point in ranked[:10]]
        rows += [
            f"  front: {p!r}, {p.p50_ms:.1f} ms, {p.memory_mb:.0f} MB"
            for p in self.front
            if p.p50_ms is not None and p.memory_mb is not None
        ]
        notes = [f"{p!r}: {p.error.strip().splitlines()[-1]}" for p in self.points if p.error]
        head = f"{count(len(self), 'point')}, {count(self.retrievals, 'set')} of candidates"
        return View(head, tuple(rows), tuple(notes[:5]))


def sweep(
    profile: Profile | str | None,
    grid: Mapping[str, Iterable[Any]],
    queries: QueryInput,
    judgments: JudgmentInput,
    metrics: str | Iterable[str] = "nDCG@10",
    *,
    bench: Workbench,
    k: int = 1000,
    costs: bool = False,
    progress: bool = True,
) -> Sweep:
    """Every combination of a grid over `bench`, from a profile (None: the session's), measured as
    by `Workbench.evaluate`.

    `grid` maps settings of a Profile to the values to try; `weights.SIGNAL` means that weight, the
    others sharing what is left to 1. Points with the same retrieval settings share one retrieval,
    and a point that was measured before is taken from its record. With `costs`, latency and memory
    are measured too, in a fresh process for each different retrieval. Raises EvaluationError for an
    empty or too large grid, ProfileError and WeightError for what cannot be searched with.
    """
    names = metric_names(metrics)
    check_depth(names, k)
    base = bench.chosen(profile, None)
    points = _points(grid)
    profiles = [_with(bench, base, values) for values in points]
    collection = Collection.of(queries, judgments)
    systems = [
        System(", ".join(f"{n}={setting(v)}" for n, v in values.items()), bench, chosen)
        for values, chosen in zip(points, profiles, strict=True)
    ]
    told: dict[str, Any] = {}
    with bench.recorder.block(f"sweep of {', '.join(grid)}", "comparison", told):
        outcomes = measure(systems, collection, names, k, progress=progress)
        reports = [outcome.report for outcome in outcomes if outcome.report is not None]
        if reports:
            best = max(reports, key=lambda report: report.metrics[names[0]].mean)
            told["metrics"] = {n: v.to_dict() for n, v in best.metrics.items()}
    kinds = [repr(retrieval_settings(chosen)) for chosen in profiles]
    spent = _costs(bench, kinds, profiles, collection, names[0], progress) if costs else {}
    found = [
        Point(
            values, chosen, outcome.report.metrics if outcome.report else {}, outcome.experiment,
            outcome.error, *spent.get(kind, (None, None)),
        )
        for values, chosen, outcome, kind in zip(points, profiles, outcomes, kinds, strict=True)
    ]  # fmt: skip
    return Sweep(tuple(found), names[0], len(set(kinds)))


def _points(grid: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    if not isinstance(grid, Mapping) or not grid:
        raise EvaluationError(
            f"the grid is {shown(grid)}; give settings and the values to try, like "
            '{"weights.dense": [0.3, 0.5, 0.7]}'
        )
    values = []
    for name, given in grid.items():
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise EvaluationError(f"the values of {name!r} are {shown(given)}; give a list")
        values.append(list(given))
    size = 1
    for each in values:
        size *= len(each)
    if not 0 < size <= MOST:
        raise EvaluationError(f"the grid has {size:,} points; give 1 to {MOST:,}")
    return [dict(zip(grid, point, strict=True)) for point in product(*values)]


def _with(bench: Workbench, base: Profile, values: Mapping[str, Any]) -> Profile:
    """The profile with a point's settings; weights are completed after the others are set."""
    weights = {n.partition(".")[2]: v for n, v in values.items() if n.startswith("weights.")}
    settings = {n: v for n, v in values.items() if not n.startswith("weights.")}
    unknown = [name for name in settings if "." in name]
    if unknown:
        raise ProfileError(
            f"unknown setting {unknown[0]!r}; give one of a Profile, or weights.NAME"
        )
    return bench.chosen(base.replace(**settings), weights or None)


def _costs(
    bench: Workbench,
    kinds: list[str],
    profiles: list[Profile],
    collection: Collection,
    metric: str,
    progress: bool,
) -> dict[str, tuple[float, float]]:
    """(median latency in ms, peak memory in MB) by retrieval settings."""
    firsts = {kind: profiles[kinds.index(kind)] for kind in dict.fromkeys(kinds)}
    named = [
        profile.replace(name=f"sweep {place}") for place, profile in enumerate(firsts.values())
    ]
    folder = bench.recorder.folder.parent
    found = measure_profiles(
        folder, collection.queries, collection.judgments, named, metric=metric, progress=progress
    )
    return {kind: (row.p50_ms, row.memory_mb) for kind, row in zip(firsts, found, strict=True)}


def _as_measured(point: Point, metric: str) -> Measured:
    value = point.metrics[metric]
    costs = (point.p50_ms or 0.0, point.p50_ms or 0.0, point.memory_mb or 0.0)
    return replace(Measured("", "", value.mean, value.low, value.high, *costs))
