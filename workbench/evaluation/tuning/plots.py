"""Figures of tuning in plotly, imported when one is asked for."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbench.evaluation.tuning.curve import WeightCurve
    from workbench.evaluation.tuning.weight_search import WeightSearch

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
LINE, OPTIMUM, CURRENT, DEFAULT = "#0072B2", "#009E73", "#D55E00", "#666666"
"""Okabe and Ito's palette, told apart by colour-blind readers too."""


def plot_curve(curve: WeightCurve, current: float | None, bootstrap: bool) -> Figure:
    """What `WeightCurve.plot` returns. Raises WeightError for a `current` outside [0, 1]."""
    from plotly.graph_objects import Figure, Scatter

    best = curve.best
    first, second = curve.signals
    figure = Figure()
    if bootstrap:
        low, high = curve.bootstrap().interval
        _band(figure, low, high, LINE, 0.12, f"best weight, 95 %: {low:.2f} to {high:.2f}")
    _band(figure, best.low, best.high, OPTIMUM, 0.45, f"best interval: {best.weight:g}")
    figure.add_trace(
        Scatter(
            x=curve.edges,
            y=np.append(curve.values, curve.values[-1]),
            mode="lines",
            line={"color": LINE, "shape": "hv", "width": 2},
            name=curve.metric,
            hovertemplate=f"{second} from %{{x:.4f}}: %{{y:.4f}}<extra></extra>",
        )
    )
    _mark(figure, best.weight, best.value, OPTIMUM, "star", f"best {best.value:.4f}")
    if (place := _default_place(curve)) is not None:
        _mark(figure, place, curve.default, DEFAULT, "diamond", f"default {curve.default:.4f}")
    if current is not None:
        value = curve.at(current)
        _mark(figure, current, value, CURRENT, "circle", f"{current:g}: {value:.4f}")
        figure.add_vline(x=current, line={"color": CURRENT, "width": 1, "dash": "dot"})
    _lay_out(figure, f"weight of {second} (the rest is {first})", curve.metric)
    return figure


def plot_search(search: WeightSearch, bootstrap: bool) -> Figure:
    """What `WeightSearch.plot` returns."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for signal, colour in zip(search.signals, cycle(PALETTE)):
        edges, values = search.curve(signal)
        best = search.best.weights[signal]
        if bootstrap:
            _band(figure, *search.bootstrap().interval[signal], colour, 0.1, f"{signal}, 95 %")
        figure.add_trace(
            Scatter(
                x=edges,
                y=np.append(values, values[-1]),
                mode="lines",
                line={"color": colour, "shape": "hv", "width": 2},
                name=signal,
                hovertemplate=f"{signal} from %{{x:.4f}}: %{{y:.4f}}<extra></extra>",
            )
        )
        _mark(figure, best, search.best.value, colour, "star", f"best {signal} {best:g}")
    _lay_out(figure, "weight of one signal (the others in their best proportions)", search.metric)
    return figure


def _lay_out(figure: Figure, weight: str, metric: str) -> None:
    figure.update_layout(
        template="plotly_white",
        height=380,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis={"title": {"text": weight}, "range": [-0.01, 1.01]},
        yaxis={"title": {"text": f"mean {metric}"}, "tickformat": ".3f"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def _band(figure: Figure, low: float, high: float, colour: str, opacity: float, name: str) -> None:
    figure.add_vrect(
        x0=low, x1=high, fillcolor=colour, opacity=opacity, line_width=0, layer="below",
        name=name, showlegend=True,
    )  # fmt: skip


def _mark(figure: Figure, x: float, y: float, colour: str, symbol: str, name: str) -> None:
    outlined = {"color": "white", "width": 1}
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 12, "line": outlined},
        hovertemplate=f"{name}<extra></extra>",
    )


def _default_place(curve: WeightCurve) -> float | None:
    """Where the default's ratio of the two signals stands; None where it weighs neither."""
    first, second = (curve.base.weights.get(signal, 0.0) for signal in curve.signals)
    return second / (first + second) if first + second else None
