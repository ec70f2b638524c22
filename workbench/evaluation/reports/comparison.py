"""Comparison: one report against others, query by query, with tests and their adjustment."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError
from workbench.evaluation.reports.fairness import Measured, setting_differences, unfair
from workbench.evaluation.statistics import (
    ROUNDING,
    Vector,
    benjamini_hochberg,
    cohens_d,
    holm,
    paired_t,
    randomisation,
    wilcoxon,
    win_tie_loss,
)
from workbench.present.view import Shown, View
from workbench.present.words import count, p_value, setting, signed

if TYPE_CHECKING:
    import pandas as pd

TESTS = ("t", "wilcoxon", "randomisation")


@dataclass(frozen=True, slots=True, repr=False)
class Contrast:
    """One metric against one other report, over the `queries` that both have.

    `p`, `holm` and `benjamini_hochberg` map a test ("t", "wilcoxon", "randomisation") to its p
    value: raw, and adjusted over all contrasts of the comparison. `win` counts the queries where
    this report is better. `effect_size` is Cohen's d of the paired differences, NaN where they
    have no spread.
    """

    metric: str
    other: str
    queries: int
    mean: float
    other_mean: float
    p: Mapping[str, float]
    holm: Mapping[str, float]
    benjamini_hochberg: Mapping[str, float]
    win: int
    tie: int
    loss: int
    effect_size: float

    @property
    def difference(self) -> float:
        """This report's mean minus the other's: above 0, this one is better."""
        return self.mean - self.other_mean

    def __repr__(self) -> str:
        return (
            f"Contrast({self.metric} against {self.other!r}: {self.difference:+.4f}, "
            f"p {p_value(self.p['randomisation'])})"
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Shown):
    """What `Report.compare` returns: a contrast for every other report and metric.

    `pairs` maps the other report's label to both values a query (this, other), each float64
    (shared queries, shared metrics). `differences` says by label in which settings the two differ,
    `notes` what makes a comparison unfair or smaller. In a notebook it shows as a table; `str()`
    gives plain text.
    """

    label: str
    contrasts: tuple[Contrast, ...]
    pairs: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
    notes: tuple[str, ...] = ()
    differences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def moved(self, metric: str, n: int = 10, other: str | None = None) -> pd.DataFrame:
        """The `n` queries whose value differs most: columns this, other, difference.

        The index holds query ids, the largest difference of either sign first; equal ones stay in
        the report's order, and queries that did not move are not there. `other` is a label, and
        may be left out where there is one. Raises EvaluationError for one that is not here.
        """
        import pandas as pd

        this, that = self._pair(metric, other)
        frame = pd.DataFrame({"this": this[metric], "other": that[metric]})
        frame["difference"] = frame["this"] - frame["other"]
        frame = frame[frame["difference"].abs() > ROUNDING]
        return frame.sort_values(
            "difference", key=lambda d: -d.abs().round(12), kind="stable"
        ).head(n)

    def to_frame(self) -> pd.DataFrame:
        """One row a contrast; p values as p_TEST, holm_TEST and benjamini_hochberg_TEST."""
        import pandas as pd

        return pd.DataFrame([_row(contrast) for contrast in self.contrasts])

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an effect size that is not defined is None."""
        rows = [_row(contrast) for contrast in self.contrasts]
        for row in rows:
            row["effect_size"] = None if math.isnan(row["effect_size"]) else row["effect_size"]
        differences = {label: list(said) for label, said in self.differences.items()}
        return {
            "label": self.label,
            "contrasts": rows,
            "notes": list(self.notes),
            "differences": differences,
        }

    def __repr__(self) -> str:
        first = self.contrasts[0]
        return (
            f"Comparison({self.label!r} against {', '.join(map(repr, self.pairs))}: "
            f"{first.metric} {first.difference:+.4f}, p {p_value(first.p['randomisation'])})"
        )

    def view(self) -> View:
        """The contrasts with their tests, the settings that differ, and what moved most."""
        said = [f"{label}: {', '.join(s)}" for label, s in self.differences.items() if s]
        rows = [f"  {line}" for line in said]
        moved = [self._moved_most(c) for c in self.contrasts]
        for c in self.contrasts:
            rows += [
                f"  {c.metric} - {c.other}: {c.mean:.4f} - {c.other_mean:.4f} = "
                f"{c.difference:+.4f} over {count(c.queries, 'query')}, d {signed(c.effect_size)}",
                f"    randomisation p {p_value(c.p['randomisation'])}, Holm "
                f"{p_value(c.holm['randomisation'])}, t {p_value(c.p['t'])}, Wilcoxon "
                f"{p_value(c.p['wilcoxon'])}; win {c.win}, tie {c.tie}, loss {c.loss}",
            ]
        contrasts = list(zip(self.contrasts, moved, strict=True))
        rows += [f"  moved most, {c.metric} - {c.other}: {m}" for c, m in contrasts if m]
        head = f"{self.label or 'Report'} against {', '.join(self.pairs)}"
        more = {"contrasts": contrasts, "differences": said}
        return View(head, tuple(rows), self.notes, "comparison.html", more)

    def _moved_most(self, contrast: Contrast, most: int = 4) -> str:
        """The queries that moved most under one contrast, with their differences."""
        moved = self.moved(contrast.metric, most, contrast.other)["difference"]
        return ", ".join(f"{query} {difference:+.3f}" for query, difference in moved.items())

    def _pair(self, metric: str, other: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        if other is None and len(self.pairs) == 1:
            other = next(iter(self.pairs))
        if other is None or other not in self.pairs:
            raise EvaluationError(
                f"other is {other!r}; name one of {', '.join(map(repr, self.pairs))}"
            )
        this, that = self.pairs[other]
        if metric not in this.columns:
            raise EvaluationError(
                f"metric {metric!r} was not compared with {other!r}; these were: "
                f"{', '.join(this.columns)}"
            )
        return this, that


def compare(
    report: Measured, others: Sequence[Measured], *, flips: int = 100_000, seed: int = 0
) -> Comparison:
    """What `Report.compare` does; p values are adjusted over every contrast, test by test."""
    if not others:
        raise EvaluationError("no report to compare with; give at least one")
    pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    notes: list[str] = []
    differences: dict[str, tuple[str, ...]] = {}
    for other in others:
        apart = setting_differences(report.settings, other.settings)
        label = _free(other.label or "other", {*pairs, report.label}, other.settings, apart)
        pairs[label] = _shared(report.per_query, other.per_query, label)
        differences[label] = apart
        notes += [f"{label}: {note}" for note in unfair(report, other, pairs[label][0])]
        notes += _left_out(report.per_query, other.per_query, label)
    tests: dict[str, Callable[[Vector], float]] = {
        "t": paired_t,
        "wilcoxon": wilcoxon,
        "randomisation": lambda differences: randomisation(differences, flips, seed),
    }
    raw = [{name: test(d) for name, test in tests.items()} for d in _differences(pairs)]
    return Comparison(
        label=report.label,
        contrasts=tuple(_contrasts(pairs, raw)),
        pairs=pairs,
        notes=tuple(notes),
        differences=differences,
    )


def _contrasts(
    pairs: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], raw: Sequence[Mapping[str, float]]
) -> Iterator[Contrast]:
    strict = {test: holm([p[test] for p in raw]) for test in TESTS}
    mild = {test: benjamini_hochberg([p[test] for p in raw]) for test in TESTS}
    places = [(other, metric) for other, pair in pairs.items() for metric in pair[0].columns]
    for i, ((other, metric), values) in enumerate(zip(places, _differences(pairs), strict=True)):
        this, that = pairs[other]
        win, tie, loss = win_tie_loss(values)
        yield Contrast(
            metric=metric,
            other=other,
            queries=len(this),
            mean=float(this[metric].mean()),
            other_mean=float(that[metric].mean()),
            p=raw[i],
            holm={test: float(strict[test][i]) for test in TESTS},
            benjamini_hochberg={test: float(mild[test][i]) for test in TESTS},
            win=win,
            tie=tie,
            loss=loss,
            effect_size=cohens_d(values),
        )


def _differences(pairs: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Iterator[Vector]:
    """This minus other, shape (queries,), for every other report and metric in it."""
    for this, that in pairs.values():
        for metric in this.columns:
            yield this[metric].to_numpy() - that[metric].to_numpy()


def _shared(
    this: pd.DataFrame, that: pd.DataFrame, label: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames on the queries and metrics that they share, in the order of `this`."""
    queries = [query for query in this.index if query in that.index]
    metrics = [metric for metric in this.columns if metric in that.columns]
    if not queries:
        raise EvaluationError(
            f"no query is in this report and in {label!r} ({len(this)} and {len(that)} queries); "
            "evaluate both on the same queries"
        )
    if not metrics:
        raise EvaluationError(
            f"no metric is in this report ({', '.join(this.columns)}) and in {label!r} "
            f"({', '.join(that.columns)}); evaluate both with the same metrics"
        )
    return this.loc[queries, metrics], that.loc[queries, metrics]


def _left_out(this: pd.DataFrame, that: pd.DataFrame, label: str) -> Iterator[str]:
    shared = int(this.index.isin(that.index).sum())
    if shared < max(len(this), len(that)):
        yield (
            f"{label}: compared on the {shared} queries in both; {len(this) - shared} only here, "
            f"{len(that) - shared} only there"
        )
    alone = [metric for metric in this.columns if metric not in that.columns]
    alone += [metric for metric in that.columns if metric not in this.columns]
    if alone:
        yield f"{label}: metrics not in both, not compared: {', '.join(alone)}"


def _free(
    label: str, taken: Collection[str], settings: Mapping[str, Any], apart: Sequence[str]
) -> str:
    """The label; where another report has the same, with the settings that differ, or a number."""
    names = [said.split(" ", 1)[0] for said in apart]
    if label in taken and names:
        label += f" ({', '.join(f'{n} {setting(settings.get(n))}' for n in names[:2])})"
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{label} ({number})"
    return name


def _row(contrast: Contrast) -> dict[str, Any]:
    row: dict[str, Any] = {
        "metric": contrast.metric,
        "other": contrast.other,
        "queries": contrast.queries,
        "mean": contrast.mean,
        "other_mean": contrast.other_mean,
        "difference": contrast.difference,
        "win": contrast.win,
        "tie": contrast.tie,
        "loss": contrast.loss,
        "effect_size": contrast.effect_size,
    }
    for kind in ("p", "holm", "benjamini_hochberg"):
        row |= {f"{kind}_{test}": getattr(contrast, kind)[test] for test in TESTS}
    return row
