"""Figures of tuning in plotly, imported when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.present.view import render

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
    others: bool = False,
    current: tuple[float, float] | None,
    sure: Ends | None,
) -> Figure:
    """The curve of two signals. Weights are the second's; `best`: weight, value and interval,
    `default` and `current`: weight and value, `sure`: the bootstrap interval of the best; `others`:
    whether the default weighs further signals, so that its value need not lie on the curve."""
    figure_class = _figure_class()

    first, second = signals
    weight, value, interval = best
    figure = figure_class()
    if sure:
        _band(figure, sure, LINE, 0.12, f"best weight, 95 %: {sure[0]:.2f} to {sure[1]:.2f}")
    _band(figure, interval, OPTIMUM, 0.45, f"best interval: {weight:g}")
    _steps(figure, metric, second, LINE, edges, values)
    _mark(figure, weight, value, OPTIMUM, "star", f"best {value:.4f}")
    if default:
        name = "default, with further signals" if others else "default"
        _mark(figure, *default, DEFAULT, "diamond", f"{name} {default[1]:.4f}")
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
    figure_class = _figure_class()

    figure = figure_class()
    for (signal, (edges, values)), colour in zip(curves.items(), cycle(PALETTE)):
        if signal in sure:
            _band(figure, sure[signal], colour, 0.1, f"{signal}, 95 %")
        _steps(figure, signal, signal, colour, edges, values)
        _mark(figure, weights[signal], best, colour, "star", f"best {signal} {weights[signal]:g}")
    _lay_out(figure, "weight of one signal (the others in their best proportions)", metric)
    return figure


@cache
def _figure_class() -> type[Figure]:
    """plotly's figure, with its curves as an SVG for where plotly's script is not."""
    import plotly.io
    from plotly.graph_objects import Figure

    class TuningFigure(Figure):  # type: ignore[misc]  # plotly has no types
        def _ipython_display_(self) -> None:
            show: Any = import_module("IPython.display")  # which has no types
            live = plotly.io.renderers["plotly_mimetype"].to_mimebundle(self.to_dict())
            show.display({**live, "text/html": still(self)}, raw=True)

    return TuningFigure


def still(figure: Figure, width: int = 640, height: int = 240) -> str:
    """The lines and marks of a figure of this module as HTML with an SVG."""
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    values = np.concatenate([np.asarray(trace.y, dtype=float) for trace in lines])
    low, high = float(values.min()), float(values.max())

    def place(x: float, y: float) -> tuple[float, float]:
        return x * width, height - 8 - (y - low) / ((high - low) or 1.0) * (height - 16)

    drawn = []
    for trace in lines:
        x = (np.arange(width) + 0.5) / width
        edges = np.asarray(trace.x, dtype=float)
        y = np.asarray(trace.y)[np.clip(np.searchsorted(edges, x, "right") - 1, 0, None)]
        points = [place(*pair) for pair in zip(x, y, strict=True)]
        drawn.append((trace.line.color, " ".join(f"{a:.1f},{b:.1f}" for a, b in points)))
    marks = [
        (*place(float(trace.x[0]), float(trace.y[0])), trace.marker.color, trace.name)
        for trace in figure.data
        if trace.mode == "markers"
    ]
    shapes = [shape for shape in figure.layout.shapes if shape.name]
    bands = [
        (shape.x0 * width, (shape.x1 - shape.x0) * width, shape.fillcolor, shape.opacity)
        for shape in shapes
    ]
    names = [str(part.name) for part in (*figure.data, *shapes)]
    axes = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    return render(
        "still.html", bands=bands, lines=drawn, marks=marks, names=names, axes=axes, low=low,
        high=high, width=width, height=height,
    )  # fmt: skip


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
    grid = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.5)"}
    figure.update_layout(
        # No ground of its own and a grey that both light and dark pages show.
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#808080"},
        height=380,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis={"title": {"text": weight}, "range": [-0.01, 1.01], **grid},
        yaxis={"title": {"text": f"mean {metric}"}, "tickformat": ".3f", **grid},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )


def _band(figure: Figure, ends: Ends, colour: str, opacity: float, name: str) -> None:
    figure.add_vrect(
        x0=ends[0], x1=ends[1], fillcolor=colour, opacity=opacity, line_width=0, layer="below",
        name=name, showlegend=True,
    )  # fmt: skip


def _mark(figure: Figure, x: float, y: float, colour: str, symbol: str, name: str) -> None:
    outlined = {"color": "rgba(128,128,128,0.8)", "width": 1}
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 12, "line": outlined},
        hovertemplate=f"{name}<extra></extra>",
    )
