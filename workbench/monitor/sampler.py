"""The sampler: one reading a second of every device, merged with the ledger's events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from workbench.errors import RecordingError, shown
from workbench.models.memory.ledger import EVENTS, Ledger, MemoryEvent, Usage
from workbench.models.memory.pool import default_pool
from workbench.monitor.devices import Devices
from workbench.monitor.recording import Recorder
from workbench.monitor.timeline import NO_MODELS, NO_WORK, Entry, Sample, Timeline
from workbench.profiles.settings import finite
from workbench.system.fork import Lock
from workbench.system.stages import PROCESS

HISTORY = 3_600
"""Samples kept of each device: an hour at one a second, some 2 MB."""

MOST = 1_000_000
"""Samples of a device at most: some 600 MB."""

SHORTEST = 0.01
"""Seconds between samples at least: a reading takes some 0.2 ms, and its plot more."""


class Sampler:
    """Samples memory in a thread of its own between `start()` and `stop()`, or under `with`.

    `ledger` is read for what models hold and what happened, by default that of the process's own
    pool; `interval` is in seconds. Memory is bounded: the newest `history` samples of each device
    and EVENTS events are kept. `record` names a file that every sample and event is also written
    to, as it comes; it ends when it is full, and sampling goes on. Safe to share between threads.

    Raises RecordingError where `record` is there already (unless `replace`) or not writable, and
    for an interval, history or ledger that cannot be meant.
    """

    def __init__(
        self,
        ledger: Ledger | None = None,
        *,
        interval: float = 1.0,
        history: int = HISTORY,
        record: str | Path | None = None,
        replace: bool = False,
    ) -> None:
        seconds = finite(interval)
        if seconds is None or not SHORTEST <= seconds <= threading.TIMEOUT_MAX:
            raise RecordingError(
                f"interval is {shown(interval)}; give seconds between samples, from {SHORTEST} up"
            )
        if isinstance(history, bool) or not isinstance(history, int) or not 1 <= history <= MOST:
            raise RecordingError(
                f"history is {shown(history)}; give a number of samples from 1 to {MOST:,}"
            )
        if not isinstance(ledger, Ledger | None):
            raise RecordingError(f"ledger is {shown(ledger)}; give that of a pool: pool.ledger")
        self.ledger = default_pool().ledger if ledger is None else ledger
        self.interval = seconds
        self._history = history
        self._devices = Devices()
        self._machine = self._devices.machine()
        self._samples: dict[str, deque[Sample]] = {}
        self._events: deque[MemoryEvent] = deque(maxlen=EVENTS)
        self._last_event = 0
        self._worked = PROCESS.read()
        self._missed = 0
        self._notes: list[str] = []
        self._lock = Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorder: Recorder | None = None
        if record is not None:
            self._recorder = Recorder(record, self._machine, replace=replace)

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"Sampler(every {self.interval:g} s, {state})"

    @property
    def running(self) -> bool:
        """Whether the thread samples."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def machine(self) -> Mapping[str, object]:
        """The machine that is sampled, as recordings state it."""
        return MappingProxyType(self._machine)

    def start(self) -> Sampler:
        """Begin to sample; nothing where it runs already."""
        with self._lock:
            if not self.running:
                self._stop.clear()
                self._thread = threading.Thread(
                    target=self._run, name="workbench-sampler", daemon=True
                )
                self._thread.start()
        return self

    def stop(self) -> Timeline:
        """End the thread, take a last sample, close the recording; gives the time line."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            if self._thread is not None or self._recorder is not None:
                self.take()
            self._thread = None
            if self._recorder is not None:
                self._recorder.close()
                self._recorder = None
        return self.timeline()

    def take(self) -> tuple[list[Sample], list[MemoryEvent]]:
        """One reading now, also without the thread: the samples, and the events since the last."""
        with self._lock:
            events = self._new_events()
            samples = self._new_samples()
            self._record((*events, *samples))
            return samples, events

    def timeline(self) -> Timeline:
        """What was sampled so far, as it is now; later samples do not change it."""
        with self._lock:
            kept = [sample for history in self._samples.values() for sample in history]
            events = sorted(self._events, key=lambda event: (event.time, event.number))
            notes = (*self._notes, *([self._devices.note] if self._devices.note else []))
            missed = self._missed
        kept.sort(key=lambda sample: sample.time)
        return Timeline(tuple(kept), tuple(events), dict(self._machine), missed, notes)

    def __enter__(self) -> Sampler:
        return self.start()

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.take()
            # After a pause of the machine there is nothing to catch up with.
            due = max(due + self.interval, time.monotonic())

    def _new_events(self) -> list[MemoryEvent]:
        events = self.ledger.events(self._last_event)
        if not events:
            return []
        # The ledger numbers without gaps, and drops the oldest when it is full.
        missed = events[0].number - self._last_event - 1
        if missed:
            self._missed += missed
            self._record((), missed)
        self._last_event = events[-1].number
        self._events.extend(events)
        return events

    def _new_samples(self) -> list[Sample]:
        usage = self.ledger.usage()
        now, work, samples = time.time(), self._new_work(), []
        for memory in self._devices.read():
            models = {name: u for (name, device), u in usage.items() if device == memory.device}
            history = self._samples.setdefault(memory.device, deque(maxlen=self._history))
            sample = Sample(
                now,
                memory.device,
                memory.used,
                memory.process,
                self.ledger.budgets.get(memory.device),
                _shared(models, history),
                work if memory.device == "cpu" else NO_WORK,
            )
            history.append(sample)
            samples.append(sample)
        return samples

    def _new_work(self) -> Mapping[str, float]:
        """Seconds by stage since this was asked last; stages that have not worked are left out."""
        before, self._worked = self._worked, PROCESS.read()
        work = {
            stage: round(seconds - before.get(stage, 0.0), 6)
            for stage, seconds in self._worked.items()
        }
        worked = {stage: seconds for stage, seconds in work.items() if seconds > 0}
        return MappingProxyType(worked) if worked else NO_WORK

    def _record(self, entries: Iterable[Entry], missed: int = 0) -> None:
        """Write to the file, if there is one; a full file or disk ends it, and only it."""
        if self._recorder is None:
            return
        try:
            if missed:
                self._recorder.missed(missed)
            for entry in entries:
                self._recorder.write(entry)
        except RecordingError as error:
            self._notes.append(f"Recording ended: {error}")
            self._recorder.close()
            self._recorder = None


def _shared(models: dict[str, Usage], history: deque[Sample]) -> Mapping[str, Usage]:
    """The last sample's mapping where nothing changed: an idle hour holds one, not 3,600."""
    if not models:
        return NO_MODELS
    if history and history[-1].models == models:
        return history[-1].models
    return MappingProxyType(models)
