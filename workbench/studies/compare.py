"""`wb.compare`: systems side by side on one collection, with significance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError
from workbench.evaluation.inputs import JudgmentInput, QueryInput
from workbench.evaluation.metric_names import metric_names
from workbench.evaluation.reports.comparison import Comparison
from workbench.evaluation.reports.metrics import DEFAULT_METRICS
from workbench.evaluation.reports.report import Report
from workbench.experiments.evaluating import Collection, check_depth
from workbench.present.view import Shown, View
from workbench.present.words import aligned, count, first_ids, p_value
from workbench.ranking.weights import check_k
from workbench.session import Workbench
from workbench.studies.measuring import Outcome, measure
from workbench.studies.systems import System, as_systems

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SystemComparison(Shown):
    """What `wb.compare` returns. `outcomes` in the order given; `comparison` is the baseline's
    report against the others', None where fewer than two were measured."""

    outcomes: tuple[Outcome, ...]
    baseline: str
    comparison: Comparison | None

    @property
    def reports(self) -> dict[str, Report]:
        """By label, of the systems that were measured."""
        return {o.label: o.report for o in self.outcomes if o.report is not None}

    @property
    def failures(self) -> dict[str, str]:
        """By label, the traceback of each system that failed."""
        return {o.label: o.error for o in self.outcomes if o.error}

    def __getitem__(self, label: str) -> Report:
        """The report of a system. Raises EvaluationError for one that failed or is not here."""
        if label not in self.reports:
            raise EvaluationError(
                f"no report of {label!r}; there are {first_ids(list(self.reports)) or 'none'}"
            )
        return self.reports[label]

    def to_frame(self) -> pd.DataFrame:
        """One row a system and metric: mean, interval, range over ties, difference to the baseline
        (above 0: better than it) and its p value, adjusted after Holm."""
        import pandas as pd

        tests = self._tests()
        rows = [
            {
                "system": label,
                "metric": metric,
                **value.to_dict(),
                "tie_low": ties[0],
                "tie_high": ties[1],
                "difference": tests.get((label, metric), (0.0, 1.0))[0],
                "holm": tests.get((label, metric), (0.0, 1.0))[1],
                "experiment": outcome.experiment,
            }
            for outcome in self.outcomes
            if outcome.report is not None
            for label in [outcome.label]
            for metric, value in outcome.report.metrics.items()
            for ties in [(outcome.ties or {}).get(metric, (value.mean, value.mean))]
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        comparison = self.comparison.to_dict() if self.comparison else None
        return {
            "baseline": self.baseline,
            "systems": self.to_frame().to_dict("records"),
            "failures": self.failures,
            "comparison": comparison,
        }

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"SystemComparison({count(len(self.outcomes), 'system')}{failed})"

    def view(self) -> View:
        """One row a system, one column a metric; a star where Holm's p is below 0.05."""
        tests = self._tests()
        metrics = list(dict.fromkeys(m for r in self.reports.values() for m in r.metrics))
        rows = []
        for label, report in self.reports.items():
            cells = [label + (" (baseline)" if label == self.baseline else "")]
            for metric in metrics:
                value = report.metrics.get(metric)
                difference, p = tests.get((label, metric), (0.0, 1.0))
                star = "*" if p < 0.05 else ""
                said = f" ({difference:+.4f}{star})" if (label, metric) in tests else ""
                cells.append("" if value is None else f"{value.mean:.4f}{said}")
            rows.append((label == self.baseline, cells))
        columns = ["system", *metrics]
        lines = aligned([columns, *(cells for _, cells in rows)])
        notes = [
            f"{label} failed: {e.strip().splitlines()[-1]}" for label, e in self.failures.items()
        ]
        notes += [f"{label}: {said}" for label, said in self._ties()]
        notes += list(self.comparison.notes) if self.comparison else []
        head = f"{count(len(self.outcomes), 'system')}, baseline {self.baseline}"
        if self.comparison:
            least = min(c.holm["randomisation"] for c in self.comparison.contrasts)
            head += f"; * p below 0.05 after Holm (least {p_value(least)})"
        more = {"columns": columns, "table": rows, "words": 1}
        return View(head, tuple(lines), tuple(notes), "table.html", more)

    def _tests(self) -> dict[tuple[str, str], tuple[float, float]]:
        if self.comparison is None:
            return {}
        return {  # 0.0 - 0.0 has no sign
            (c.other, c.metric): (0.0 - c.difference, c.holm["randomisation"])
            for c in self.comparison.contrasts
        }

    def _ties(self) -> list[tuple[str, str]]:
        said = []
        for outcome in self.outcomes:
            wide = {m: e for m, e in (outcome.ties or {}).items() if e[1] - e[0] > 1e-12}
            if wide:
                text = ", ".join(f"{m} {low:.4f} to {high:.4f}" for m, (low, high) in wide.items())
                said.append((outcome.label, f"equal scores: {text} over their orders"))
        return said


def compare_systems(
    systems: Iterable[Any] | Mapping[str, Any],
    queries: QueryInput,
    judgments: JudgmentInput,
    metrics: str | Iterable[str] = DEFAULT_METRICS,
    *,
    baseline: int | str = 0,
    bench: Workbench | None = None,
    k: int = 1000,
    progress: bool = True,
) -> SystemComparison:
    """Systems side by side, with significance against the `baseline` (a place or a label).

    A system is a Workbench (an engine, a model: what it was opened with); a Profile, the name of
    one, weights, or an engine over `bench`; (Workbench, profile); or a run of another system: a
    TREC file, {query: {paper: score}}, a ranx.Run, or PyTerrier's frame. A dict gives labels. Runs
    have `k` papers; `queries`, `judgments` and `metrics` as in `Workbench.evaluate`.

    What systems share is computed once, equal measurements made before are taken from their
    records, so it may be killed and run again. A system that fails is recorded with its traceback,
    and the others finish. Raises EvaluationError for no system, for a baseline that is none of
    them or failed, and what reading queries and judgments raises.
    """
    names, depth = metric_names(metrics), check_k(k)
    check_depth(names, depth)
    collection = Collection.of(queries, judgments)
    chosen = as_systems(systems, bench)
    label = _baseline(chosen, baseline)
    told: dict[str, Any] = {}
    with ExitStack() as stack:
        home = next((system.bench for system in chosen if system.bench is not None), None)
        if home is not None:
            name = f"{count(len(chosen), 'system')} compared"
            stack.enter_context(home.recorder.block(name, "comparison", told))
        outcomes = measure(chosen, collection, names, depth, progress=progress)
        reports = {o.label: o.report for o in outcomes if o.report is not None}
        if label in reports:
            told["metrics"] = {n: v.to_dict() for n, v in reports[label].metrics.items()}
    others = [report for name, report in reports.items() if name != label]
    comparison = reports[label].compare(*others) if label in reports and others else None
    return SystemComparison(tuple(outcomes), label, comparison)


def _baseline(systems: list[System], baseline: int | str) -> str:
    labels = [system.label for system in systems]
    if isinstance(baseline, str) and baseline in labels:
        return baseline
    if isinstance(baseline, int) and 0 <= baseline < len(labels):
        return labels[baseline]
    raise EvaluationError(
        f"baseline is {baseline!r}; give a place from 0 to {len(labels) - 1}, or one of "
        f"{first_ids(labels)}"
    )
