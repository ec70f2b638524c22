"""What watching memory costs: a sample, an hour of them, and one update of the live plot."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import Figure, arguments, heading, interleave, note, ratios, table, targets

from workbench.models.memory.ledger import Ledger, Usage
from workbench.monitor.sampler import HISTORY, Sampler

MODELS = ("bge-large", "e5-base")
LAYERS = 2 * len(MODELS) + 1
"""Weights and activations of each model, and the line of the process."""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--updates", type=int, default=300, help="of each plot")
    given = parser.parse_args()
    heading("Monitor")
    ledger = Ledger({"cpu": 2**31})
    for number, name in enumerate(MODELS, start=1):
        ledger.record("load", name, "cpu", Usage(number * 2**28))
    sample = _sample_cost(ledger)
    kept, grown = _memory(ledger)
    note(
        f"One sample of every device with {len(MODELS)} models: {sample * 1e6:.0f} us. "
        f"An hour of them keeps {kept / 1e6:.2f} MB, four hours {grown / 1e3:+.1f} kB more; "
        f"in a file, {_line(ledger):.0f} bytes each."
    )
    sent, rows = _plots(ledger, given.updates)
    table(f"One update of a plot of {HISTORY // 2:,} seconds", ("plot", "kB", "ms", "x"), rows)
    targets(
        [
            Figure("one sample", sample * 1e3, 1, "ms"),
            Figure("memory of an hour of samples", kept / 1e6, 5, "MB"),
            Figure("growth after it", max(0.0, grown) / 1e3, 50, "kB"),
            Figure("one update of the plot", sent / 1e3, 1, "kB"),
        ]
    )


def _sample_cost(ledger: Ledger) -> float:
    """Median seconds of a sample."""
    made = Sampler(ledger)
    return interleave({"take": lambda _: made.take()}, range(300))["take"].p50


def _memory(ledger: Ledger) -> tuple[int, int]:
    """Bytes that HISTORY samples keep, and how many more after three times as many again; every
    sample differs, as while models work."""
    tracemalloc.start()
    made = Sampler(ledger)
    before = tracemalloc.get_traced_memory()[0]

    def work(count: int) -> int:
        for number in range(count):
            ledger.set(MODELS[0], "cpu", Usage(2**28, number % 1000))
            made.take()
        return tracemalloc.get_traced_memory()[0]

    full = work(HISTORY)
    grown = work(3 * HISTORY)
    tracemalloc.stop()
    return full - before, grown - full


def _line(ledger: Ledger) -> float:
    """Bytes of a sample in a recording."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.jsonl"
        made = Sampler(ledger, record=file)
        before = file.stat().st_size
        for _ in range(100):
            made.take()
        size = file.stat().st_size - before
        made.stop()
    return size / 100


def _plots(ledger: Ledger, updates: int) -> tuple[float, list[list[str]]]:
    """Bytes of our update, and the table beside a plotly FigureWidget that shows the same."""
    import plotly.graph_objects as go

    from workbench.models.memory.pool import ModelPool
    from workbench.widgets.memory_plot import MemoryPlot

    sizes: dict[str, list[int]] = {"workbench": [], "plotly FigureWidget": []}
    plot = MemoryPlot(ModelPool(ledger=ledger), None)
    figure: Any = go.FigureWidget([go.Scatter(stackgroup="one") for _ in range(LAYERS)])
    history = np.zeros((LAYERS + 1, HISTORY // 2))

    def ours(_: int) -> None:
        assert plot._sampler is not None
        plot._send_update(*plot._sampler.take())

    def plotly(number: int) -> None:
        history[:, :-1] = history[:, 1:]
        history[:, -1] = number
        with figure.batch_update():
            for trace, row in zip(figure.data, history[1:], strict=True):
                trace.x, trace.y = history[0], row

    timings = interleave(
        {
            "workbench": _counted(plot, sizes["workbench"], ours),
            "plotly FigureWidget": _counted(figure, sizes["plotly FigureWidget"], plotly),
        },
        range(updates),
    )
    times = ratios(timings)
    rows = [
        [name, f"{np.median(sizes[name]) / 1e3:.2f}", f"{timing.p50 * 1e3:.2f}", times[name]]
        for name, timing in timings.items()
    ]
    return float(np.median(sizes["workbench"])), rows


def _counted(widget: Any, sizes: list[int], update: Callable[[int], None]) -> Callable[[int], None]:
    """The update, with the bytes that it hands to the widget's channel written down."""
    sent: list[int] = []

    def publish(_: str, data: Any = None, buffers: Any = None, **__: Any) -> None:
        whole = len(json.dumps(data, default=str)) + sum(
            memoryview(b).nbytes for b in buffers or ()
        )
        sent.append(whole)

    widget.comm.publish_msg = publish

    def run(number: int) -> None:
        sent.clear()
        update(number)
        sizes.append(sum(sent))

    return run


if __name__ == "__main__":
    main()
