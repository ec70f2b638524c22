"""One time line of memory: samples of each device, and what happened between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.errors import shown
from workbench.models.memory.ledger import MemoryEvent, Usage
from workbench.present.view import Shown, View
from workbench.present.words import clock, human_bytes

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
"""Events in a notebook's table; `to_frame` has all."""

NO_MODELS: Mapping[str, Usage] = MappingProxyType({})
NO_WORK: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """Memory of one device at one moment.

    `time` is in seconds since the epoch. `used_bytes` is what all processes hold on the device
    (for `cpu`, the machine's memory that is not available to others); `process_bytes` what this
    process holds, None where the driver does not tell, as inside most containers; `budget_bytes`
    the ledger's budget there, None without one. `models` is what the ledger says of each model.
    `work`, of `cpu` alone, is seconds since the sample before that each stage of this process was
    at work, such as "index: encode"; stages of several threads overlap.
    """

    time: float
    device: str
    used_bytes: int
    process_bytes: int | None = None
    budget_bytes: int | None = None
    models: Mapping[str, Usage] = field(default_factory=lambda: NO_MODELS)
    work: Mapping[str, float] = field(default_factory=lambda: NO_WORK)

    def __repr__(self) -> str:
        held = f"{human_bytes(self.used_bytes)} used, {human_bytes(self.model_bytes)} by models"
        return f"Sample({shown(self.device, 20)} at {clock(self.time)}: {held})"

    @property
    def model_bytes(self) -> int:
        """Weights and activations of all models on this device."""
        return sum(usage.weights + usage.activations for usage in self.models.values())


Entry = Sample | MemoryEvent


@dataclass(frozen=True, slots=True, repr=False)
class Timeline(Shown):
    """Samples and events, each ordered by time; iterating merges them.

    `machine` describes where it was recorded. `missed` counts events that the ledger had dropped
    before the sampler read them. `notes` says what a person should know, in sentences.
    """

    samples: tuple[Sample, ...] = ()
    events: tuple[MemoryEvent, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    missed: int = 0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Timeline({shown(self.headline, 120)})"

    def __iter__(self) -> Iterator[Entry]:
        return heapq.merge(self.events, self.samples, key=_moment)

    def __len__(self) -> int:
        return len(self.samples) + len(self.events)

    @property
    def devices(self) -> list[str]:
        """Devices that occur, GPUs first."""
        found = {entry.device for entry in self}
        return sorted(found, key=lambda device: (device == "cpu", device))

    @property
    def models(self) -> list[str]:
        """Models that occur, in order of their first appearance."""
        names: dict[str, None] = {}
        for entry in self:
            names.update(
                dict.fromkeys(entry.models if isinstance(entry, Sample) else [entry.model])
            )
        return list(names)

    @property
    def work(self) -> dict[str, float]:
        """Seconds that each stage was at work, all samples together, in order of the names."""
        sums: dict[str, float] = {}
        for sample in self.samples:
            for stage, seconds in sample.work.items():
                sums[stage] = sums.get(stage, 0.0) + seconds
        return dict(sorted(sums.items()))

    @property
    def seconds(self) -> float:
        """From the first entry to the last."""
        moments = [entry.time for entry in self]
        return moments[-1] - moments[0] if moments else 0.0

    def peak_bytes(self, device: str) -> int:
        """The most that models held on a device, in samples and in events' own models."""
        held = [s.model_bytes for s in self.samples if s.device == device]
        held += [_held(e.usage) for e in self.events if e.device == device]
        return max(held, default=0)

    def to_frame(self) -> pd.DataFrame:
        """One row an entry, in order of time.

        Columns: time (UTC), entry (`sample` or an event's kind), device, used_bytes,
        process_bytes, budget_bytes (of samples, nullable integers), model (of events), note (an
        event's reason; seconds that stages were at work, of a sample), weights_bytes and
        activations_bytes (all models of a sample; the event's own model).
        """
        import pandas as pd

        frame = pd.DataFrame([_row(entry) for entry in self], columns=list(_COLUMNS))
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
        return frame.astype({name: "Int64" for name in _COLUMNS if name.endswith("_bytes")})

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `entries` are the lines of a recording (monitor.recording)."""
        return {
            "machine": dict(self.machine),
            "missed": self.missed,
            "notes": list(self.notes),
            "entries": [entry_line(entry) for entry in self],
        }

    @property
    def headline(self) -> str:
        """What it holds, in one line."""
        where = ", ".join(self.devices) or "no device"
        return (
            f"{len(self.samples):,} samples and {len(self.events):,} events on {where} "
            f"in {self.seconds:,.0f} s"
        )

    def view(self) -> View:
        """The headline, and the last events as a table."""
        notes = self.notes
        if self.missed:
            missed = f"{self.missed:,} events came faster than they were read and are missing."
            notes = (missed, *notes)
        last = self.events[-SHOWN:]
        rows = (
            f"{clock(event.time)}  {event.kind:<10} {event.model} on {event.device}: "
            f"{human_bytes(event.usage.weights)} weights, "
            f"{human_bytes(event.usage.activations)} activations  {event.note}".rstrip()
            for event in last
        )
        peaks = {device: self.peak_bytes(device) for device in self.devices}
        work = self.work
        stages = (f"{stage} was at work for {seconds:.1f} s" for stage, seconds in work.items())
        more = {"events": last, "total": len(self.events), "peaks": peaks, "work": work}
        return View(self.headline, (*rows, *stages), notes, "timeline.html", more)


def entry_line(entry: Entry) -> dict[str, Any]:
    """A sample or an event as a line of a recording holds it."""
    if isinstance(entry, MemoryEvent):
        return {"type": "event", **asdict(entry)}
    return {
        "type": "sample",
        "time": entry.time,
        "device": entry.device,
        "used_bytes": entry.used_bytes,
        "process_bytes": entry.process_bytes,
        "budget_bytes": entry.budget_bytes,
        "models": {name: asdict(usage) for name, usage in entry.models.items()},
        **({"work": dict(entry.work)} if entry.work else {}),
    }


_COLUMNS = (
    "time",
    "entry",
    "device",
    "used_bytes",
    "process_bytes",
    "budget_bytes",
    "model",
    "weights_bytes",
    "activations_bytes",
    "note",
)


def _row(entry: Entry) -> tuple[Any, ...]:
    if isinstance(entry, MemoryEvent):
        usage = entry.usage
        own = (entry.model, usage.weights, usage.activations, entry.note)
        return entry.time, entry.kind, entry.device, None, None, None, *own
    weights = sum(usage.weights for usage in entry.models.values())
    whole = (entry.used_bytes, entry.process_bytes, entry.budget_bytes)
    work = ", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in entry.work.items())
    held = weights, entry.model_bytes - weights
    return entry.time, "sample", entry.device, *whole, "", *held, work


def _moment(entry: Entry) -> float:
    return entry.time


def _held(usage: Usage) -> int:
    return usage.weights + usage.activations
