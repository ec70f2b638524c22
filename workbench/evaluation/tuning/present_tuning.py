"""What tuning found, for people and scripts: HTML, text, and the contract of `tune --json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.evaluation.reports.present import count_queries, render
from workbench.present.words import printable

if TYPE_CHECKING:
    from workbench.evaluation.tuning.certainty import CrossValidation
    from workbench.evaluation.tuning.curve import WeightCurve
    from workbench.evaluation.tuning.regret import Regret

SHOWN = 5
"""Queries that lose most, in a table."""


def curve_dict(curve: WeightCurve) -> dict[str, Any]:
    """What `workbench tune --json` prints; a contract: fields are only added."""
    best, sure = curve.best, curve.bootstrap()
    checked = curve.cross_validate() if len(curve.queries) > 1 else None
    return {
        "metric": curve.metric,
        "signals": list(curve.signals),
        "queries": len(curve.queries),
        "best": {
            "weights": curve.weights(best.weight),
            "interval": [best.low, best.high],
            "value": best.value,
        },
        "recommended": curve.recommended.to_dict(),
        "tolerance": list(curve.tolerance),
        "steady": {"weights": curve.weights(curve.steady), "value": curve.at(curve.steady)},
        "default": {"weights": dict(curve.base.weights), "value": curve.default},
        "bootstrap": {"interval": list(sure.interval), "value": list(sure.value)},
        "optimism": checked.optimism if checked else None,
        "cross_validation": checked.to_dict() if checked else None,
        "warning": checked.warning if checked else "",
        "left_out": curve.left_out.to_dict(),
        "curve": np.column_stack((curve.edges[:-1], curve.values)).tolist(),
    }


def curve_facts(curve: WeightCurve) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what a person wants to know first."""
    best, (low, high) = curve.best, curve.tolerance
    first, second = curve.signals
    sure = curve.bootstrap()
    facts = [
        recommended_fact(curve),
        (
            "best",
            f"{best.value:.4f}",
            f"{named(curve.weights(best.weight))}; the same from {best.low:.4f} to "
            f"{best.high:.4f}, within a standard error from {low:.2f} to {high:.2f}",
        ),
        ("default", f"{curve.default:.4f}", named(curve.base.weights)),
        (f"{first} alone", f"{curve.values[0]:.4f}", f"{second} just above 0"),
        (f"{second} alone", f"{curve.values[-1]:.4f}", f"{first} just above 0"),
        (
            "95 % interval",
            f"{sure.value[0]:.4f} to {sure.value[1]:.4f}",
            f"of the best value; the best {second} lies from {sure.interval[0]:.2f} to "
            f"{sure.interval[1]:.2f}",
        ),
    ]
    return [*facts, *honest_facts(curve), *_steady_facts(curve)]


def recommended_fact(tuned: Any) -> tuple[str, str, str]:
    """What to use, and why."""
    found = tuned.recommended
    return "recommended", f"{found.value:.4f}", f"{named(found.weights)}; {found.reason}"


def honest_facts(curve: Any) -> list[tuple[str, str, str]]:
    """What cross-validation says, where there are queries for it."""
    if len(curve.queries) < 2:
        return []
    checked = curve.cross_validate()
    return [
        (
            "honest value",
            f"{checked.value:.4f}",
            f"on queries not tuned on; optimism {checked.optimism:+.4f}, gain over the default "
            f"{checked.difference:+.4f} [{checked.low:+.4f}, {checked.high:+.4f}]",
        )
    ]


def _steady_facts(curve: WeightCurve) -> list[tuple[str, str, str]]:
    """The weight of the broad optimum, and what it is worth on other queries."""
    value = f"{curve.at(curve.steady):.4f}"
    why = f"{named(curve.weights(curve.steady))}; highest over 0.1 to both sides"
    if len(curve.queries) > 1:
        honest = curve.cross_validate(steady=True).value
        why += f", {honest:.4f} on queries not tuned on"
    return [("steady", value, why)]


def notes_of(curve: Any) -> list[str]:
    """What a person should know, in sentences: doubts first, then what was left out."""
    warning = curve.cross_validate().warning if len(curve.queries) > 1 else ""
    others = [name for name, weight in curve.base.weights.items() if weight]
    others = [name for name in others if name not in curve.signals]
    if others:
        warning += "; " if warning else ""
        warning += (
            f"the default also weighs {', '.join(others)}, which these weights leave at 0: name "
            "them in `signals` to tune them too"
        )
    return [*([warning] if warning else []), *curve.left_out.notes]


def curve_text(curve: WeightCurve) -> str:
    """Plain text, a fact a line."""
    head = (
        f"{curve.metric} at every weight of {curve.signals[1]} against {curve.signals[0]}: "
        f"{count_queries(len(curve.queries))}, {len(curve.breakpoints):,} breakpoints"
    )
    return facts_text(head, curve_facts(curve), notes_of(curve))


def curve_html(curve: WeightCurve) -> str:
    """The table that a notebook shows, under a small picture of the curve."""
    return render(
        "curve.html", curve=curve, facts=curve_facts(curve), notes=notes_of(curve),
        picture=_picture(curve),
    )  # fmt: skip


def regret_text(regret: Regret) -> str:
    """Plain text: the means, then the queries that lose most."""
    worst = regret.worst(SHOWN)
    lines = [
        f"{regret.metric} over {count_queries(len(regret.queries))}",
        f"  one weight for all ({named(regret.weights)})  {regret.value:.4f}",
        f"  each query's own best  {regret.oracle:.4f}",
        f"  {losers(regret)}",
    ]
    lines += [
        f"  {row['value']:.4f} of {row['own_best']:.4f} (own weight {row['own_low']:.2f} to "
        f"{row['own_high']:.2f})  {row['query_id']}  {row['query'][:80]}"
        for row in worst.to_dict("records")
    ]
    return "\n".join(printable(line) for line in lines)


def regret_html(regret: Regret) -> str:
    """The table that a notebook shows."""
    rows = regret.worst(2 * SHOWN).to_dict("records")
    return render(
        "regret.html", regret=regret, rows=rows, named=named, losers=losers(regret),
        count_queries=count_queries,
    )  # fmt: skip


def checked_text(checked: CrossValidation) -> str:
    """Plain text, a fact a line."""
    return facts_text(_checked_head(checked), _checked_facts(checked), _warning(checked))


def checked_html(checked: CrossValidation) -> str:
    """The table that a notebook shows for `cross_validate`."""
    return render(
        "facts.html",
        head=_checked_head(checked),
        facts=_checked_facts(checked),
        notes=_warning(checked),
    )


def _warning(checked: CrossValidation) -> list[str]:
    return [checked.warning] if checked.warning else []


def _checked_head(checked: CrossValidation) -> str:
    return (
        f"{count_queries(checked.queries)} in {checked.folds} folds, {checked.repeats} times: "
        "tuned on some, measured on the others"
    )


def _checked_facts(checked: CrossValidation) -> list[tuple[str, str, str]]:
    facts = [
        ("tuned", f"{checked.tuned:.4f}", "on the very queries that were tuned on: too high"),
        ("honest value", f"{checked.value:.4f}", f"optimism {checked.optimism:+.4f}"),
        (
            "default",
            f"{checked.default:.4f}",
            f"tuning gains {checked.difference:+.4f} [{checked.low:+.4f}, {checked.high:+.4f}], "
            f"p {checked.p:.3f}",
        ),
    ]
    if checked.nested is None or checked.kept is None:
        return facts
    why = f"taking it only where inner folds prefer it; kept the default {checked.kept:.0%}"
    return [*facts, ("nested", f"{checked.nested:.4f}", f"{why} of the time")]


def losers(regret: Regret) -> str:
    """How many queries lose something."""
    count = int((regret.to_frame()["regret"] > 1e-12).sum())
    return f"{count_queries(count)} would do better with a weight of their own"


def named(weights: Mapping[str, float]) -> str:
    """Signals that weigh something, with their weights."""
    shown = [f"{name} {weight:g}" for name, weight in weights.items() if weight]
    return ", ".join(shown)


def facts_text(head: str, facts: list[tuple[str, str, str]], notes: list[str]) -> str:
    """Plain text: a head, a fact a line, notes."""
    width = max(len(name) for name, _, _ in facts)
    lines = [head, *(f"  {name:<{width}}  {value}  {why}" for name, value, why in facts), *notes]
    return "\n".join(printable(line) for line in lines)


def _picture(curve: WeightCurve, width: int = 480, height: int = 90) -> dict[str, Any]:
    """The curve as the points of an SVG polyline, and where the marks stand, in its units."""
    low, high = float(curve.values.min()), float(curve.values.max())
    span = (high - low) or 1.0
    # One point a dot of the picture: thousands of breakpoints would be more than it can show.
    x = (np.arange(width) + 0.5) / width
    y = curve.values[np.searchsorted(curve.breakpoints, x, side="right")]
    y = height - 4 - (y - low) / span * (height - 8)
    best, (left, right) = curve.best, curve.bootstrap().interval
    return {
        "width": width,
        "height": height,
        "points": " ".join(f"{i + 0.5:g},{dot:.1f}" for i, dot in enumerate(y)),
        "best": best.weight * width,
        "left": left * width,
        "right": right * width,
        "low": low,
        "high": high,
    }
