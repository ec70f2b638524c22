"""What a search of several weights found, for people and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.evaluation.reports.present import count_queries, render
from workbench.evaluation.tuning.present_tuning import (
    facts_text,
    honest_facts,
    named,
    notes_of,
    recommended_fact,
)

if TYPE_CHECKING:
    from workbench.evaluation.tuning.weight_search import WeightSearch


def search_dict(search: WeightSearch) -> dict[str, Any]:
    """What `workbench tune --json` prints for more than two signals; fields are only added.

    As for two, but `interval` and `bootstrap.interval` map each signal to its interval, and
    `curve` is on the line on which the second signal's weight moves and the others keep their
    proportions; `curves` has it for every signal.
    """
    best, sure = search.best, search.bootstrap()
    checked = search.cross_validate() if len(search.queries) > 1 else None
    curves = {}
    for signal in search.signals:
        edges, values = search.curve(signal)
        curves[signal] = np.column_stack((edges[:-1], values)).tolist()
    return {
        "metric": search.metric,
        "signals": list(search.signals),
        "queries": len(search.queries),
        "best": {
            "weights": dict(best.weights),
            "interval": {signal: list(ends) for signal, ends in best.intervals.items()},
            "value": best.value,
        },
        "recommended": search.recommended.to_dict(),
        "default": {"weights": dict(search.base.weights), "value": search.default},
        "bootstrap": {
            "interval": {signal: list(ends) for signal, ends in sure.interval.items()},
            "value": list(sure.value),
        },
        "optimism": checked.optimism if checked else None,
        "cross_validation": checked.to_dict() if checked else None,
        "warning": checked.warning if checked else "",
        "reach": search.to_frame().to_dict("records"),
        "upper_bound": search.bound.upper if search.bound else None,
        "proven": search.bound.proven if search.bound else False,
        "left_out": search.left_out.to_dict(),
        "curve": curves[search.signals[1]],
        "curves": curves,
    }


def search_facts(search: WeightSearch) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what a person wants to know first."""
    best, sure = search.best, search.bootstrap()
    facts = [
        recommended_fact(search),
        ("best", f"{best.value:.4f}", f"{named(best.weights)}; {proof(search)}"),
        ("default", f"{search.default:.4f}", named(search.base.weights)),
        ("95 % interval", f"{sure.value[0]:.4f} to {sure.value[1]:.4f}", "of the best value"),
    ]
    return [*facts, *honest_facts(search)]


def reach_facts(search: WeightSearch) -> list[tuple[str, str, str]]:
    """What each weight matters, a signal a line."""
    return [
        (
            row.signal,
            f"{row.weight:g}",
            f"from {row.low:.2f} to {row.high:.2f} within a standard error "
            f"({search.standard_error:.4f}); {row.without:.4f} without it",
        )
        for row in search.reach
    ]


def proof(search: WeightSearch) -> str:
    """What is known about other weights."""
    if search.bound is None:
        return f"no line through them is better ({search.lines} line searches)"
    if search.bound.proven:
        return "no weights are better: proven over the whole simplex, single ties inside it aside"
    return f"no weights are better than {search.bound.upper:.4f}"


def search_text(search: WeightSearch) -> str:
    """Plain text, a fact a line."""
    head = (
        f"{search.metric} over the weights of {', '.join(search.signals)}: "
        f"{count_queries(len(search.queries))}"
    )
    return facts_text(head, [*search_facts(search), *reach_facts(search)], notes_of(search))


def search_html(search: WeightSearch) -> str:
    """The tables that a notebook shows."""
    return render(
        "search.html",
        search=search,
        facts=search_facts(search),
        reach=reach_facts(search),
        notes=notes_of(search),
        count_queries=count_queries,
    )
