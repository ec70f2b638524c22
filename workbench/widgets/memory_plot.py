"""The memory plot: live while somebody can see it, or a recording that is played.

An anywidget rather than a plotly FigureWidget: an update is .25 kB, where a figure sends every
trace anew (145 kB for half an hour of two models), and colours follow JupyterLab's theme.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from workbench.errors import ModelError, WorkbenchError, shown
from workbench.models.memory.ledger import MemoryEvent
from workbench.monitor.recording import read_recording
from workbench.monitor.sampler import Sampler
from workbench.monitor.timeline import Sample, Timeline
from workbench.present.view import View
from workbench.widgets.activity import Activity
from workbench.widgets.base import error_content, static
from workbench.widgets.live import Live

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool

INTERVAL = 1.0
HISTORY = 1_800
"""Samples of each device that plot and page keep: half an hour."""

IDLE = 60.0
"""Seconds without a cell, an event or a change of memory after which the plot pauses."""

UNHEARD = 35.0
"""Seconds without a word from the page, which speaks every 10, after which it counts as gone."""

MOVED = 8 * 2**20
"""Bytes of the process that count as a change."""


class MemoryPlot(Live, anywidget.AnyWidget):
    """Memory by model over time. `memory_plot` makes it.

    A thread samples once a second while a view of it can be seen. It ends when the last view is
    hidden or gone, and pauses when the kernel idles; the next cell or message wakes it.
    """

    _esm = static("dom.js", "kernel.js", "memory_chart.js", "memory_parts.js", "memory_plot.js")
    _css = static("style.css", "memory_plot.css")
    recorded = traitlets.Bool(False).tag(sync=True)
    history = traitlets.Int(HISTORY).tag(sync=True)

    def __init__(self, pool: ModelPool | None, timeline: Timeline | None) -> None:
        super().__init__(recorded=timeline is not None)
        self._pool = pool
        self._timeline = timeline
        self._problem: dict[str, str] | None = None
        self._lock = threading.RLock()
        self._views: dict[str, float] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._idle = False
        self._activity: Activity | None = None
        self._sampler: Sampler | None = None
        if pool is not None:
            self._sampler = Sampler(pool.ledger, interval=INTERVAL, history=HISTORY)
        self.on_msg(self._hear)

    @property
    def running(self) -> bool:
        """Whether the thread samples now."""
        return self._thread is not None

    def timeline(self) -> Timeline:
        """What the plot holds: the samples so far, or the recording."""
        if self._sampler is not None:
            return self._sampler.timeline()
        return self._timeline or Timeline()

    def close(self) -> None:
        """Stop sampling and take the plot away."""
        with self._lock:
            self._views.clear()
            self._wake.set()
            if self._activity is not None:
                self._activity.close()
        super().close()

    def show_problem(self, error: BaseException) -> None:
        """Say in the plot what is wrong, now and wherever it is shown later."""
        self._problem = error_content(error)
        self.send({"type": "message", "message": self._problem})

    def view(self) -> View:
        """The most that models held, and the last events."""
        return self.timeline().view()

    def _ipython_display_(self) -> None:
        # The cell that shows the plot may be followed by one that works for minutes, while which
        # the page cannot say that it sees the plot: sampling begins now, and ends if it never does.
        if self._sampler is not None:
            with self._lock:
                self._views["shown"] = time.monotonic()
                if not self._sampler.timeline().samples:
                    self._sampler.take()  # the static form beside the plot has a sample too
            self._start()
        super()._ipython_display_()

    # What the page says

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        try:
            self._answer(content)
        except Exception as error:  # a callback must not end in a traceback under the plot
            self.show_problem(error)

    def _answer(self, content: dict[str, Any]) -> None:
        kind, view = content.get("type"), str(content.get("view"))
        if kind == "hello":
            self._send_history()
        elif kind in ("show", "resume") and self._sampler is not None:
            with self._lock:
                self._views.pop("shown", None)
                self._views[view] = time.monotonic()
                if kind == "resume":
                    self._idle = False
            self._start()
        elif kind == "hide":
            with self._lock:
                self._views.pop("shown", None)
                self._views.pop(view, None)
                self._wake.set()
        elif kind == "release":
            self._release(str(content.get("model")))

    def _release(self, name: str) -> None:
        if self._pool is None:
            return
        freed = self._pool.release(name)
        text = "" if freed else f"{name} is in use; it is released when its call ends."
        self._problem = None
        self.send({"type": "message", "message": {"kind": "note", "title": "", "text": text}})
        self._wake.set()

    def _send_history(self) -> None:
        timeline = self.timeline()
        self.send(
            {
                "type": "history",
                "samples": [_sample(sample) for sample in timeline.samples],
                "events": [_event(event) for event in timeline.events[-2_000:]],
                "loaded": self._loaded(),
            }
        )
        notes = [*timeline.notes]
        if timeline.missed:
            notes.append(f"{timeline.missed:,} events came faster than they were read.")
        if self._problem is None and notes:
            self._problem = {"kind": "note", "title": "", "text": " ".join(notes)}
        if self._problem is not None:
            self.send({"type": "message", "message": self._problem})

    # Sampling

    def _start(self) -> None:
        with self._lock:
            if self._activity is None:
                self._activity = Activity(self._resume)
            self._idle = False
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="workbench-memory-plot", daemon=True
                )
                self._thread.start()

    def _resume(self) -> None:
        """The kernel does something again."""
        with self._lock:
            if self._idle and self._views:
                self._start()

    def _run(self) -> None:
        try:
            self._sample_while_seen()
        except Exception as error:
            self._thread = None
            self.show_problem(error)

    def _sample_while_seen(self) -> None:
        assert self._sampler is not None
        assert self._activity is not None
        changed, resident = time.monotonic(), 0
        while self._go_on(max(changed, self._activity.last_cell)):
            self._wake.clear()
            samples, events = self._sampler.take()
            now = next((s.process_bytes or 0 for s in samples if s.device == "cpu"), 0)
            if events or self._activity.busy or abs(now - resident) > MOVED:
                changed, resident = time.monotonic(), now
            self._send_update(samples, events)
            self._wake.wait(INTERVAL)

    def _go_on(self, changed: float) -> bool:
        """Whether a view can be seen and something happened lately; else this thread is done."""
        assert self._activity is not None
        now = time.monotonic()
        with self._lock:
            # While a cell runs, and just after, the page may not have been able to speak.
            if not self._activity.busy and now - self._activity.last_done > UNHEARD:
                self._views = {v: t for v, t in self._views.items() if now - t < UNHEARD}
            self._idle = bool(self._views) and now - changed > IDLE
            if self._views and not self._idle:
                return True
            self._thread = None
        if self._idle:
            self.send({"type": "state", "state": "idle"})
        return False

    def _send_update(self, samples: Sequence[Sample], events: Sequence[MemoryEvent]) -> None:
        self.send(
            {
                "type": "update",
                "samples": [_sample(sample) for sample in samples],
                "events": [_event(event) for event in events],
                "loaded": self._loaded(),
            }
        )

    def _loaded(self) -> list[str]:
        """Names in the ledger that the pool can release."""
        if self._pool is None:
            return []
        names = {model.name for model in self._pool.models() if model.loaded}
        held = {key for key, _ in self._pool.ledger.usage()}
        # A second model of a name is "name #2" in the ledger.
        return sorted(key for key in held if key.partition(" #")[0] in names or key in names)


def memory_plot(
    pool: ModelPool | None = None, *, recording: str | Path | None = None
) -> MemoryPlot:
    """The plot of a pool's models (the process's own by default), or of a recording.

    A recording that cannot be read is a message in the plot that says what to do.
    """
    if recording is not None:
        try:
            return MemoryPlot(None, read_recording(recording))
        except WorkbenchError as error:
            plot = MemoryPlot(None, Timeline())
            plot.show_problem(error)
            return plot
    if pool is None:
        from workbench.models.memory.pool import default_pool

        pool = default_pool()
    if not hasattr(pool, "ledger"):
        raise ModelError(f"the pool is {shown(pool)}; give a ModelPool, or leave it out")
    return MemoryPlot(pool, None)


def _sample(sample: Sample) -> dict[str, Any]:
    """Short keys: one goes over the wire every second."""
    return {
        "t": sample.time,
        "d": sample.device,
        "u": sample.used_bytes,
        "p": sample.process_bytes,
        "b": sample.budget_bytes,
        "m": {name: [u.weights, u.activations] for name, u in sample.models.items()},
        **({"w": dict(sample.work)} if sample.work else {}),
    }


def _event(event: MemoryEvent) -> dict[str, Any]:
    return {
        "i": event.number,
        "t": event.time,
        "d": event.device,
        "k": event.kind,
        "n": event.model,
        "w": event.usage.weights,
        "a": event.usage.activations,
        "o": event.note,
    }
