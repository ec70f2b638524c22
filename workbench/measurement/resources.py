"""What a process and its children take of the machine, over time."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.errors import ServiceError
from workbench.present.view import Shown, View
from workbench.present.words import human_bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """At `seconds` since the start: processes, bytes of memory that are theirs alone (`private`),
    their share of what is shared added (`pss`), and CPUs busy since the reading before."""

    seconds: float
    processes: int
    private: int
    pss: int
    cpus: float


@dataclass(frozen=True, slots=True)
class Resources(Shown):
    """Readings of one process tree."""

    pid: int
    readings: tuple[Reading, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `workbench bench monitor --json` prints."""
        return {"pid": self.pid, "readings": [asdict(reading) for reading in self.readings]}

    @property
    def growth(self) -> int:
        """Bytes of private memory that the last quarter's mean is above the second quarter's; the
        first one holds what is loaded."""
        values = [reading.private for reading in self.readings]
        quarter = max(1, len(values) // 4)
        before, after = values[quarter : 2 * quarter] or values[:1], values[-quarter:]
        return round(sum(after) / len(after) - sum(before) / len(before))

    def __repr__(self) -> str:
        peak = human_bytes(max(reading.private for reading in self.readings))
        return f"Resources(process {self.pid}, {len(self.readings)} readings, peak {peak})"

    def view(self) -> View:
        """Peak, end and growth."""
        last = self.readings[-1]
        peak = max(reading.private for reading in self.readings)
        busy = sum(r.cpus for r in self.readings) / len(self.readings)
        lines = (
            f"private memory: peak {human_bytes(peak)}, at the end {human_bytes(last.private)}, "
            f"growth {human_bytes(abs(self.growth))}{' less' if self.growth < 0 else ''}",
            f"with its share of shared memory {human_bytes(last.pss)}; {busy:.2f} CPUs busy",
        )
        return View(f"Process {self.pid} over {last.seconds:.0f} s", lines)

    def plot(self) -> Any:
        """Memory and CPUs over time, a plotly figure."""
        import plotly.graph_objects as go

        times = [reading.seconds for reading in self.readings]
        figure = go.Figure()
        for name in ("private", "pss"):
            values = [getattr(reading, name) / 1e6 for reading in self.readings]
            figure.add_scatter(x=times, y=values, name=f"{name}, MB")
        busy = [reading.cpus for reading in self.readings]
        figure.add_scatter(x=times, y=busy, name="CPUs", yaxis="y2")
        figure.update_layout(
            xaxis_title="seconds",
            yaxis={"title": "MB", "rangemode": "tozero"},
            yaxis2={"title": "CPUs", "overlaying": "y", "side": "right", "rangemode": "tozero"},
        )
        return figure


def watch(pid: int, seconds: float = 10.0, every: float = 0.5) -> Resources:
    """Look at a process and its children until `seconds` are over or it ends.

    Raises ServiceError for a process that is not there, and for times that are none.
    """
    if not (0 < every <= seconds <= 86_400 * 7):
        raise ServiceError("give seconds above 0, and at least as many as between two readings")
    try:
        root = psutil.Process(pid)
        start = before = time.monotonic()
        busy = _cpu_seconds(root)
        readings = [_reading(root, 0.0, 0.0)]
    except psutil.Error as error:
        raise ServiceError(f"process {pid} cannot be looked at ({error}); check its id") from error
    while time.monotonic() - start + every <= seconds:
        time.sleep(every)
        try:
            now, used = time.monotonic(), _cpu_seconds(root)
            cpus = max(0.0, used - busy) / (now - before)
            readings.append(_reading(root, now - start, cpus))
        except psutil.Error:
            break
        before, busy = now, used
    return Resources(pid, tuple(readings))


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _cpu_seconds(root: psutil.Process) -> float:
    total = 0.0
    for process in _tree(root):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def _reading(root: psutil.Process, seconds: float, cpus: float) -> Reading:
    found = [memory_of(process.pid) for process in _tree(root)]
    private, pss = (sum(values) for values in zip(*found, strict=True))
    return Reading(round(seconds, 3), len(found), private, pss, round(cpus, 3))


def memory_of(pid: int) -> tuple[int, int]:
    """(private, proportional) bytes of a process; RSS for both where the system says no more. The
    resident size alone misleads: mapped files count in every process that reads them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        try:
            resident = int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0, 0
        return resident, resident
    parts = (line.partition(":") for line in lines)
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in parts}
    return sizes["Private_Clean"] + sizes["Private_Dirty"], sizes["Pss"]
