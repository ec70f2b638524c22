"""Figures of tuning in plotly, imported when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


Vector = NDArray[np.float64]
Ends = tuple[float, float]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
LINE, OPTIMUM, CURRENT, DEFAULT = "#0072B2", "#009E73", "#D55E00", "#666666"
"""Okabe and Ito's palette, told apart by colour-blind readers too."""


def curve_figure(
    metric: str,
    signals: tuple[str, str],
    edges: Vector,
    values: Vector,
    *,
    best: tuple[float, float, Ends],
    default: tuple[float, float] | None,
    current: tuple[float, float] | None,
    sure: Ends | None,
) -> Figure:
    """The curve of two signals. Weights are the second's; `best`: weight, value and interval,
    `default` and `current`: weight and value, `sure`: the bootstrap interval of the best."""
    from plotly.graph_objects import Figure

    first, second = signals
    weight, value, interval = best
    figure = Figure()
    if sure:
        _band(figure, sure, LINE, 0.12, f"best weight, 95 %: {sure[0]:.2f} to {sure[1]:.2f}")
    _band(figure, interval, OPTIMUM, 0.45, f"best interval: {weight:g}")
    _steps(figure, metric, second, LINE, edges, values)
    _mark(figure, weight, value, OPTIMUM, "star", f"best {value:.4f}")
    if default:
        _mark(figure, *default, DEFAULT, "diamond", f"default {default[1]:.4f}")
    if current:
        _mark(figure, *current, CURRENT, "circle", f"{current[0]:g}: {current[1]:.4f}")
        figure.add_vline(x=current[0], line={"color": CURRENT, "width": 1, "dash": "dot"})
    _lay_out(figure, f"weight of {second} (the rest is {first})", metric)
    return figure


def search_figure(
    metric: str,
    best: float,
    weights: Mapping[str, float],
    curves: Mapping[str, tuple[Vector, Vector]],
    sure: Mapping[str, Ends],
) -> Figure:
    """A curve for each signal (edges, values), marked at its best weight; `best` is the value
    there, `sure` the bootstrap intervals to show."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for (signal, (edges, values)), colour in zip(curves.items(), cycle(PALETTE)):
        if signal in sure:
            _band(figure, sure[signal], colour, 0.1, f"{signal}, 95 %")
        _steps(figure, signal, signal, colour, edges, values)
        _mark(figure, weights[signal], best, colour, "star", f"best {signal} {weights[signal]:g}")
    _lay_out(figure, "weight of one signal (the others in their best proportions)", metric)
    return figure


def _steps(
    figure: Figure, name: str, signal: str, colour: str, edges: Vector, values: Vector
) -> None:
    figure.add_scatter(
        x=edges,
        y=np.append(values, values[-1]),
        mode="lines",
        line={"color": colour, "shape": "hv", "width": 2},
        name=name,
        hovertemplate=f"{signal} from %{{x:.4f}}: %{{y:.4f}}<extra></extra>",
    )


def _lay_out(figure: Figure, weight: str, metric: str) -> None:
    figure.update_layout(
        template="plotly_white",
        height=380,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis={"title": {"text": weight}, "range": [-0.01, 1.01]},
        yaxis={"title": {"text": f"mean {metric}"}, "tickformat": ".3f"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def _band(figure: Figure, ends: Ends, colour: str, opacity: float, name: str) -> None:
    figure.add_vrect(
        x0=ends[0], x1=ends[1], fillcolor=colour, opacity=opacity, line_width=0, layer="below",
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
