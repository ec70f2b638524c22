"""A folder's own source, JSON lines (ours and BEIR's, plain or .gz or .xz), as a stream of entries.

Memory is bounded by one line, not by the file. What other people's files are: `corpus.formats`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.encoding import DAMAGE, open_bytes
from workbench.corpus.faults import as_path, disk_faults, exists, is_file, is_folder
from workbench.errors import CorpusNotFound, UnsupportedSource

MAX_LINE = 8 * 2**20
"""Bytes. A longer line is not a paper but a broken export, and is never read whole."""

SOURCE_NAMES = ("papers.jsonl", "corpus.jsonl")
"""Files that a corpus folder may hold: ours and BEIR's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a source: `record`, or `problem` where there is none. `line` counts from 1."""

    file: str
    line: int
    record: Mapping[str, Any] | None = None
    problem: str = ""


def read_entries(source: str | Path) -> Iterator[Entry]:
    """Entries of a file of JSON lines, or of the one inside a folder.

    Raises CorpusNotFound where nothing is there, UnsupportedSource for what is no file.
    """
    return _read_json_lines(source_file(as_path(source)))


def source_file(path: Path) -> Path:
    """The file to read: the path itself, or the source inside a folder."""
    if is_folder(path):
        found = find_source(path)
        if found is None:
            raise CorpusNotFound(
                f"{path}: a folder without a source; put one of {', '.join(SOURCE_NAMES)} "
                "(also .gz or .xz) into it, or name the file itself"
            )
        return found
    if is_file(path):
        return path
    if exists(path):
        raise UnsupportedSource(f"{path}: a pipe or device, not a file; write it to a file first")
    raise CorpusNotFound(f"{path}: no such file or folder; check the path")


def find_source(folder: Path) -> Path | None:
    """The source inside a corpus folder, or None."""
    names = (name + ending for name in SOURCE_NAMES for ending in ("", ".gz", ".xz"))
    return next((folder / name for name in names if is_file(folder / name)), None)


def read_lines(path: Path, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """(line number, bytes) of a possibly compressed file; None for a line over the limit.

    Raises UnsupportedSource where an archive is damaged, after the lines before the damage.
    """
    with _faults_of(path), open_bytes(path) as stream:
        number = 0
        while chunk := stream.readline(limit + 1):
            number += 1
            if len(chunk) <= limit or (len(chunk) == limit + 1 and chunk.endswith(b"\n")):
                yield number, chunk
                continue
            while chunk and not chunk.endswith(b"\n"):
                chunk = stream.readline(limit)
            yield number, None


def _read_json_lines(path: Path) -> Iterator[Entry]:
    for number, line in read_lines(path):
        entry = _json_entry(path, number, line)
        if entry is not None:
            yield entry


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    try:
        with disk_faults(path):
            yield
    except (*DAMAGE, OSError) as error:  # bz2 says it with an OSError that has no number
        raise UnsupportedSource(
            f"{path}: damaged or cut-off archive ({error}); fetch the file again. What was read "
            "before the damage is kept"
        ) from error


def _json_entry(path: Path, number: int, line: bytes | None) -> Entry | None:
    if line is None:
        return Entry(str(path), number, problem=f"line over {MAX_LINE // 2**20} MiB")
    if not line.strip():
        return None
    try:
        record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Entry(str(path), number, problem=f"not UTF-8: byte {error.start}")
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        return Entry(str(path), number, problem=f"not JSON: {error}")
    if not isinstance(record, dict):
        return Entry(str(path), number, problem=f"expected an object, got {type(record).__name__}")
    return Entry(str(path), number, record)
