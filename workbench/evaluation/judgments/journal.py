"""The file behind `Judgments`: one JSON record a line, appended under a lock, never rewritten.

A record is on the disk when `append` returns (one write, then fsync), so a killed process loses
nothing that it acknowledged. What a kill leaves of a line is moved to `FILE.torn` on the next
opening. Several processes may append; each reads what the others added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.entry import Entry, parse_entry
from workbench.system.files import replacing, sync_folder
from workbench.system.fork import Lock

WAIT = 20.0
"""Seconds to wait for another process that is writing; an append takes milliseconds."""

_BOM = b"\xef\xbb\xbf"


class Journal:
    """The entries of one file, in its order. Safe from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: dict[str, Any] = {}
        self.notes: list[str] = []
        self._entries: list[Entry] = []
        self._read = self._lines = 0
        self._file: tuple[int, int] | None = None
        self._mutex = Lock()
        self._open()

    def entries(self) -> Sequence[Entry]:
        """All entries up to now, those of other processes too. Raises EvaluationError for a line
        that is none, with its number."""
        with self._mutex:
            try:
                with self.path.open("rb") as stream:
                    self._catch_up(stream)
            except FileNotFoundError:
                self._forget()
            except OSError as problem:
                raise EvaluationError(f"{self.path}: cannot be read ({problem})") from problem
            return self._entries

    def append(self, make: Callable[[Sequence[Entry]], Sequence[Entry]]) -> Sequence[Entry]:
        """Add the entries that `make` returns, given all up to now, and return them.

        On the disk when this returns; all of them or, where writing fails, none. Raises
        EvaluationError where the file cannot be locked or written, or is a snapshot.
        """
        if self.header:
            raise EvaluationError(
                f"{self.path} is a snapshot of {self.header.get('of', 'judgments')}; add to that "
                "file, or copy the lines after the first into a new one"
            )
        with self._mutex, self._locked(), self._stream() as stream:
            self._catch_up(stream)
            self._repair(stream)  # another process may have been killed meanwhile
            made = make(self._entries)
            lines = [json.dumps(entry.to_dict(), ensure_ascii=False) + "\n" for entry in made]
            self._add(stream, "".join(lines).encode("utf-8"))
            self._catch_up(stream)
            return made

    def _open(self) -> None:
        """Read the file where there is one, and end its last line."""
        self.entries()
        if not self.path.exists() or self.path.stat().st_size == self._read:
            return
        try:
            with self._locked(), self._stream() as stream:
                self._catch_up(stream)
                self._repair(stream)
        except EvaluationError:
            self._take_unended()
        self.entries()

    def _catch_up(self, stream: BinaryIO) -> None:
        """Read the whole lines that were added since the last time."""
        state = os.fstat(stream.fileno())
        if (state.st_dev, state.st_ino) != self._file or state.st_size < self._read:
            self._forget()  # another file stands at this path
            self._file = (state.st_dev, state.st_ino)
        if state.st_size == self._read:
            return
        stream.seek(self._read)
        content = stream.read(state.st_size - self._read)
        content = content[: content.rfind(b"\n") + 1]
        start = _BOM if not self._read else b""
        lines = content.removeprefix(start).split(b"\n")[:-1]
        numbered = enumerate(lines, start=self._lines + 1)
        # All of them or none, so that a bad line is met again the next time.
        self._entries += [
            entry
            for number, line in numbered
            if line.strip() and (entry := self._parse(line, number)) is not None
        ]
        self._lines += len(lines)
        self._read += len(content)

    def _parse(self, line: bytes, number: int) -> Entry | None:
        """The entry of a line; None for the header of a snapshot, which is kept."""
        where = f"{self.path} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as problem:
            remedy = "mend the line or take it out"
            if number == 1:  # a file of judgments from elsewhere, most likely
                remedy += ", or name a new file and take this one's grades in with `import_qrels`"
            raise EvaluationError(f"{where}: no JSON ({problem}); {remedy}") from problem
        if number == 1 and isinstance(record, dict) and "snapshot" in record:
            self.header = record
            return None
        return parse_entry(record, where)

    def _repair(self, stream: BinaryIO) -> None:
        """End a last line without an end: as it is where it is whole, else aside with it."""
        stream.seek(self._read)
        tail = stream.read()
        if not tail:
            return
        if _is_whole(tail):
            _write(stream, b"\n")
        else:
            aside = self.path.with_name(self.path.name + ".torn")
            with aside.open("ab") as rest:
                rest.write(tail + b"\n")
            stream.truncate(self._read)
            self.notes.append(
                f"the last line was cut off ({len(tail)} bytes); it is in {aside.name} now"
            )
        os.fsync(stream.fileno())
        self._catch_up(stream)

    def _take_unended(self) -> None:
        """The last line of a file that cannot be written to."""
        tail = self.path.read_bytes()[self._read :]
        if _is_whole(tail):
            self._entries.append(parse_entry(json.loads(tail.removeprefix(_BOM)), ""))
            self._lines += 1
            self._read += len(tail)
        else:
            self.notes.append(f"the last line was cut off ({len(tail)} bytes) and is left out")

    def _add(self, stream: BinaryIO, content: bytes) -> None:
        size = stream.seek(0, os.SEEK_END)
        try:
            _write(stream, content)
            os.fsync(stream.fileno())
        except OSError as problem:
            stream.truncate(size)
            raise EvaluationError(
                f"{self.path}: cannot write ({problem.strerror}); nothing was added. Free some "
                "space, then judge again"
            ) from problem

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_name(self.path.name + ".lock"), timeout=WAIT)
            lock.acquire()
        except Timeout:
            raise EvaluationError(
                f"{self.path}: another process has been writing for {WAIT:g} s; stop it, or judge "
                "again when it is done"
            ) from None
        except OSError as problem:
            raise self._not_writable(problem) from problem
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        """The file for reading and writing, made where it is not there. Unbuffered: what fails to
        be written must not be tried again on closing."""
        new = not self.path.exists()
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as problem:
            raise self._not_writable(problem) from problem
        if new:
            sync_folder(self.path.parent)
        with os.fdopen(handle, "r+b", buffering=0) as stream:
            yield stream

    def _forget(self) -> None:
        self._entries = []
        self._read = self._lines = 0
        self._file, self.header = None, {}

    def _not_writable(self, problem: OSError) -> EvaluationError:
        return EvaluationError(
            f"{self.path}: cannot write here ({problem.strerror or problem}); choose a file that "
            "you may write to"
        )


def is_journal(path: Path) -> bool:
    """Whether a file is one that `Judgments` keeps, by its first line; where that is none or torn,
    by the name .jsonl. False where no file is."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        first = next((line for line in stream if line.strip()), b"").removeprefix(_BOM)
    try:
        record = json.loads(first)
    except ValueError:
        record = None
    if isinstance(record, dict):
        return "snapshot" in record or record.keys() >= {"id", "at", "who", "query_id"}
    return path.suffix == ".jsonl" and (not first or first.startswith(b'{"id"'))


def write_snapshot(path: Path, entries: Sequence[Entry], fingerprint: str, of: str) -> None:
    """Entries under a line that says what they are; the file is there whole or not at all.

    Raises EvaluationError where it cannot be written.
    """
    header = {"snapshot": fingerprint, "of": of, "at": datetime.now(UTC).isoformat()}
    records = [header, *(entry.to_dict() for entry in entries)]
    try:
        with replacing(path) as stream:
            stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    except OSError as problem:
        raise EvaluationError(f"{path}: cannot write the snapshot ({problem})") from problem


def _is_whole(tail: bytes) -> bool:
    """Whether a line without an end is a whole record all the same: somebody's editor."""
    try:
        parse_entry(json.loads(tail.removeprefix(_BOM)), "")
    except (ValueError, RecursionError, EvaluationError):
        return False
    return True


def _write(stream: BinaryIO, content: bytes) -> None:
    """All of it: an unbuffered write may take a part only."""
    while content:
        content = content[stream.write(content) :]
