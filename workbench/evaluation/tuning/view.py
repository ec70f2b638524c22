"""How tuning's results look: a fact a line, and a small picture of a curve. Takes values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.present.view import View

Vector = NDArray[np.float64]
Fact = tuple[str, str, str]
"""Name, value, explanation."""


def facts_view(
    head: str,
    facts: Sequence[Fact],
    notes: Sequence[str] = (),
    template: str = "facts.html",
    **more: Any,
) -> View:
    """Facts as a table; as text a fact a line."""
    width = max((len(name) for name, _, _ in facts), default=0)
    rows = tuple(f"  {name:<{width}}  {value}  {why}" for name, value, why in facts)
    return View(head, rows, tuple(notes), template, {"facts": facts, **more})


def named(weights: Mapping[str, float]) -> str:
    """Signals that weigh something, with their weights."""
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items() if weight)


def span(ends: tuple[float, float], decimals: int = 4) -> str:
    """An interval as a person reads it: "0.1000 to 0.2000"."""
    return f"{ends[0]:.{decimals}f} to {ends[1]:.{decimals}f}"


def picture(
    breakpoints: Vector,
    values: Vector,
    best: float,
    interval: tuple[float, float],
    width: int = 480,
    height: int = 90,
) -> dict[str, Any]:
    """A curve as the points of an SVG polyline, and where the marks stand, in its units."""
    low, high = float(values.min()), float(values.max())
    # One point a dot of the picture: thousands of breakpoints would be more than it can show.
    x = (np.arange(width) + 0.5) / width
    y = values[np.searchsorted(breakpoints, x, side="right")]
    y = height - 4 - (y - low) / ((high - low) or 1.0) * (height - 8)
    return {
        "width": width,
        "height": height,
        "points": " ".join(f"{i + 0.5:g},{dot:.1f}" for i, dot in enumerate(y)),
        "weight": best,
        "best": best * width,
        "left": interval[0] * width,
        "right": interval[1] * width,
        "low": low,
        "high": high,
    }
