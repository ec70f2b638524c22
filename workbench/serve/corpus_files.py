"""The files of a corpus folder, looked at beside the requests: whether it could be opened now."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from workbench.corpus.faults import exists
from workbench.corpus.manifest import NAME, STORE, VECTORS, Manifest, read_manifest
from workbench.engines.embedded.generation import problem_of
from workbench.errors import WorkbenchError, first_line
from workbench.opening import INDEX

_Stamp = tuple[int, int, int]
"""Inode, time of the last change, bytes."""

TRIES = 5
"""Looks in a row at an index that is replaced meanwhile; the next question looks again."""


class CorpusFiles:
    """What is there of a corpus. Looking again costs a `stat` a file, until one of them changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: dict[Path, _Stamp] | None = None
        self._arrays = ""
        self._found = ""

    @property
    def index(self) -> Path:
        """The folder of the index: this one, or one inside where it holds a source."""
        return self._folder if (self._folder / NAME).exists() else self._folder / INDEX

    @property
    def stamp(self) -> _Stamp | None:
        """Changes with the manifest, which is replaced in one step; None where there is none."""
        return _stamp(self.index / NAME)

    def problem(self) -> str:
        """Why the index could not be opened now, in words; empty where it could."""
        with self._lock:
            now = self._stamps()
            if self._seen is None or _differ(self._seen, now):
                now = self._look_again()
            self._seen = now
            return self._found

    def _look_again(self) -> dict[Path, _Stamp]:
        """The stamps of what was looked at: what changes meanwhile is looked at again."""
        now: dict[Path, _Stamp] = {}
        for _ in range(TRIES):
            before = self.stamp
            try:
                manifest = read_manifest(self.index)
                self._arrays = manifest.folder
                now = self._stamps()
                self._found = self._problem_of(manifest)
            except WorkbenchError as error:
                now, self._found = self._stamps(), first_line(error)
            if not self._found or self.stamp == before:
                break  # else a newer generation took its place
        return now

    def _problem_of(self, manifest: Manifest) -> str:
        if not exists(self.index / STORE):
            return f"{self.index / STORE} is missing"
        problem = problem_of(self.index, manifest)
        return f"{self.index}: {problem}" if problem else ""

    def _stamps(self) -> dict[Path, _Stamp]:
        index = self.index
        paths = [index / NAME, index / STORE, index / VECTORS]
        if self._arrays:
            with suppress(OSError):  # it goes while it is listed
                paths += (index / self._arrays).rglob("*")
        stamps = ((path, _stamp(path)) for path in paths)
        return {path: stamp for path, stamp in stamps if stamp is not None}


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _differ(before: dict[Path, _Stamp], now: dict[Path, _Stamp]) -> bool:
    """Whether files are other than they were, but for what a writer adds to vectors and store."""
    if before.keys() != now.keys():
        return True
    return any(
        stamp != before[path] and not _added(path.name, before[path], stamp)
        for path, stamp in now.items()
    )


def _added(name: str, before: _Stamp, now: _Stamp) -> bool:
    """Vectors are appended; SQLite also writes into the middle of its file."""
    if now[0] != before[0]:
        return False
    return (name == VECTORS and now[2] > before[2]) or (name == STORE and now[2] >= before[2])
