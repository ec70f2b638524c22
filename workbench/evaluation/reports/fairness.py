"""In what two reports differ besides their values, and what of it makes comparing them unfair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from workbench.evaluation.reports.metrics import parse_metrics
from workbench.present.words import first_ids

if TYPE_CHECKING:
    import pandas as pd


class Measured(Protocol):
    """What is compared: a `Report`."""

    @property
    def label(self) -> str:
        """Profile and weights."""
        ...

    @property
    def per_query(self) -> pd.DataFrame:
        """Values, float64 (queries, metrics)."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What made the run, by dotted name."""
        ...

    @property
    def judgments(self) -> Mapping[str, Mapping[str, int]]:
        """Query id -> paper id -> grade."""
        ...


def setting_differences(this: Mapping[str, Any], that: Mapping[str, Any]) -> tuple[str, ...]:
    """Every setting that two reports do not share, as "weights.dense 0.7 against 1"; none where
    one of them does not say what made it."""
    if not this or not that:
        return ()
    names = dict.fromkeys((*this, *that))
    return tuple(
        f"{name} {_shown(this.get(name))} against {_shown(that.get(name))}"
        for name in names
        if this.get(name) != that.get(name)
    )


def unfair(this: Measured, that: Measured, shared: pd.DataFrame) -> Iterator[str]:
    """Sentences on what makes differences of values be of something else than of the settings.

    `shared` has the queries and metrics that both have.
    """
    queries = list(shared.index)
    other = [query for query in queries if this.judgments.get(query) != that.judgments.get(query)]
    if other:
        pairs = sum(_pairs_apart(this.judgments[query], that.judgments[query]) for query in other)
        yield (
            f"not measured by the same judgments ({pairs:,} pairs of {len(other):,} of the "
            f"{len(queries):,} queries are graded differently or in one only: {first_ids(other)}), "
            "so a difference is of the judgments too"
        )
    mine, theirs = (report.settings.get("k") for report in (this, that))
    if mine is not None and theirs is not None and mine != theirs:
        deep = [name for name in shared.columns if _sees(name, min(mine, theirs))]
        if deep:
            yield (
                f"k is {mine} against {theirs}, and {first_ids(deep)} look further than "
                "the smaller, so a difference is of the depth too"
            )
    corpora = [report.settings.get("corpus") for report in (this, that)]
    if None not in corpora and corpora[0] != corpora[1]:
        yield "not the same index or engine, so a difference is of the papers or the engine too"


def _pairs_apart(this: Mapping[str, int], that: Mapping[str, int]) -> int:
    return sum(this.get(paper) != that.get(paper) for paper in {*this, *that})


def _sees(metric: str, depth: int) -> bool:
    """Whether a metric looks at papers below the depth."""
    [measure] = parse_metrics(metric).values()
    return bool(measure.params.get("cutoff", depth + 1) > depth)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
