"""Recordings: a time line as a file of JSON lines, written as it happens, read back checked.

The first line is a header: format version, machine, start. Then samples and events in the order
in which they were seen. A process that is killed loses at most the line it was writing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from workbench.corpus.faults import as_file
from workbench.errors import RecordingError, shown
from workbench.models.memory.ledger import Kind, MemoryEvent, Usage
from workbench.monitor.timeline import Entry, Sample, Timeline, entry_line
from workbench.system.files import replacing

VERSION = 1
MAX_BYTES = 64 * 2**20
"""Largest recording, some 70 hours of two models at one sample a second."""

KINDS = get_args(Kind)
MOST, LATEST = 2**62, 9_000_000_000
"""Bytes, and seconds since the epoch (year 2255), that tables of pandas hold with room for sums."""


class Recorder:
    """Writes a recording line by line. Use `with` or `close()`.

    Raises RecordingError where the file is there already (unless `replace`) or cannot be written.
    """

    def __init__(
        self, path: str | Path, machine: Mapping[str, Any], *, replace: bool = False
    ) -> None:
        self.path = as_file(path, RecordingError)
        self._written = 0
        if self.path.exists() and not replace:
            raise RecordingError(
                f"{self.path}: there is a file already; give another name, or replace=True"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The earlier file goes once there is a disk that holds the first line of the new one.
            header = _line({"type": "header", "version": VERSION, "machine": dict(machine)})
            with replacing(self.path) as first:
                first.write(header)
            self._written = len(header.encode())
            # Unbuffered: what is written is there at once, and a full disk is noticed at its line.
            self._stream = self.path.open("ab", buffering=0)
        except OSError as error:
            raise RecordingError(_unwritable(self.path, error)) from error

    def write(self, entry: Entry) -> None:
        """Append a sample or an event. Raises RecordingError past MAX_BYTES or on a full disk."""
        self._write(entry_line(entry))

    def missed(self, count: int) -> None:
        """Say that events were lost before they could be written."""
        self._write({"type": "missed", "count": count})

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _write(self, values: Mapping[str, Any]) -> None:
        line = _line(values).encode()
        if self._written + len(line) > MAX_BYTES:
            raise RecordingError(
                f"{self.path}: the recording has reached {self._written:,} bytes, the limit is "
                f"{MAX_BYTES:,}; what is there is complete, start another for more"
            )
        try:
            while line:
                line = line[self._count(self._stream.write(line)) :]
        except OSError as error:
            raise RecordingError(_unwritable(self.path, error)) from error

    def _count(self, written: int | None) -> int:
        self._written += written or 0
        return written or 0


def read_recording(path: str | Path) -> Timeline:
    """A time line from a file. A last line that was cut off is left out, and `notes` says so.

    Raises RecordingError that names file, line and remedy where the file is absent, too large,
    of a newer version, or damaged.
    """
    file = as_file(path, RecordingError)
    lines = _lines(file)
    notes = []
    if lines[-1]:
        notes.append("The last line was cut off, as when a recording process is killed.")
    machine = _header(file, lines[0])
    samples: list[Sample] = []
    events: list[MemoryEvent] = []
    missed = 0
    for number, line in enumerate(lines[1:-1], start=2):
        kind, values = _parsed(file, number, line)
        try:
            if kind == "sample":
                samples.append(_sample(values))
            elif kind == "event":
                events.append(_event(values))
            elif kind == "missed":
                missed += _count(values["count"])
            # Other types are of a later minor change: additions do not break old readers.
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(file, number, f"{type(error).__name__}: {error}") from error
    samples.sort(key=lambda sample: sample.time)
    events.sort(key=lambda event: (event.time, event.number))
    return Timeline(tuple(samples), tuple(events), machine, missed, tuple(notes))


def _line(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text.encode("utf-8", "replace").decode()


def _lines(file: Path) -> list[str]:
    """All lines; what stands after the last line end comes last and is empty in a whole file."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise RecordingError(
                f"{file}: {size:,} bytes, the limit of a recording is {MAX_BYTES:,}; split it, "
                "keeping its first line in each part"
            )
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(
            f"{file}: not a readable recording ({error}); check the path, or record again"
        ) from error
    if len(lines) < 2:
        raise RecordingError(f"{file}: no complete line in it; record again")
    return lines


def _header(file: Path, line: str) -> dict[str, Any]:
    kind, values = _parsed(file, 1, line)
    version, machine = values.get("version"), values.get("machine")
    if kind != "header" or not isinstance(version, int) or not isinstance(machine, dict):
        raise _damaged(file, 1, "no header with a version and a machine")
    if version > VERSION:
        raise RecordingError(
            f"{file}: a recording of version {version}, this workbench reads up to {VERSION}; "
            "use a newer one"
        )
    return machine


def _parsed(file: Path, number: int, line: str) -> tuple[str, dict[str, Any]]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, number, str(error)) from error
    if not isinstance(values, dict) or not isinstance(values.get("type"), str):
        raise _damaged(file, number, "not an object with a type")
    return values["type"], values


def _sample(values: dict[str, Any]) -> Sample:
    process, budget = values.get("process_bytes"), values.get("budget_bytes")
    return Sample(
        _time(values["time"]),
        _name(values["device"]),
        _count(values["used_bytes"]),
        None if process is None else _count(process),
        None if budget is None else _count(budget),
        {_name(name): _usage(usage) for name, usage in values["models"].items()},
        {_name(stage): _time(seconds) for stage, seconds in values.get("work", {}).items()},
    )


def _event(values: dict[str, Any]) -> MemoryEvent:
    if values["kind"] not in KINDS:
        raise ValueError(f"kind {values['kind']!r} is none of {', '.join(KINDS)}")
    return MemoryEvent(
        _count(values["number"]),
        _time(values["time"]),
        values["kind"],
        _name(values["model"]),
        _name(values["device"]),
        _usage(values["usage"]),
        _name(values.get("note", "")),
    )


def _usage(values: dict[str, Any]) -> Usage:
    return Usage(_count(values["weights"]), _count(values["activations"]))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise ValueError(f"{shown(value)} is no whole number from 0 to {MOST}")
    return value


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise ValueError(f"{shown(value)} is no time in seconds")
    return float(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or value.encode("utf-8", "ignore").decode() != value:
        raise ValueError(f"{shown(value)} is no name")
    return value


def _damaged(file: Path, number: int, reason: str) -> RecordingError:
    return RecordingError(
        f"{file}, line {number}: damaged ({reason}); remove that line, or record again"
    )


def _unwritable(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror or error}); free space, or another folder"
