"""Readers: any source to a stream of entries, each a raw record or the reason it is none.

JSONL (own and BEIR's), plain or .gz or .xz; CSV; Parquet; a pandas DataFrame; a BEIR folder.
Every reader streams: its memory is bounded by one line or one batch, not by the file.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workbench.errors import CorpusNotFound, MissingDependency, UnsupportedSource

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


def read_entries(source: str | Path | Any) -> Iterator[Entry]:
    """Entries of a file, a folder or a pandas DataFrame.

    Raises CorpusNotFound where nothing is there, UnsupportedSource for an unknown kind.
    """
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return _read_frame(source)
    path = source_file(Path(source))
    name = path.name.lower()
    for ending, reader in _READERS.items():
        if name.endswith(ending):
            return reader(path)
    raise UnsupportedSource(
        f"{path}: no reader for this kind of file; give one of {', '.join(_READERS)}, "
        "a BEIR folder or a pandas DataFrame"
    )


def source_file(path: Path) -> Path:
    """The file to read: the path itself, or the source inside a folder."""
    if path.is_dir():
        found = find_source(path)
        if found is None:
            raise CorpusNotFound(
                f"{path}: a folder without a source; put one of {', '.join(SOURCE_NAMES)} "
                "(also .gz or .xz) into it, or name the file itself"
            )
        return found
    if not path.is_file():
        raise CorpusNotFound(f"{path}: no such file or folder; check the path")
    return path


def find_source(folder: Path) -> Path | None:
    """The source inside a corpus folder, or None."""
    names = (name + ending for name in SOURCE_NAMES for ending in ("", ".gz", ".xz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_lines(path: Path, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """(line number, bytes) of a possibly compressed file; None for a line over the limit."""
    with _open(path) as stream:
        number = 0
        while chunk := stream.readline(limit + 1):
            number += 1
            if len(chunk) <= limit or (len(chunk) == limit + 1 and chunk.endswith(b"\n")):
                yield number, chunk
                continue
            while chunk and not chunk.endswith(b"\n"):
                chunk = stream.readline(limit)
            yield number, None


def _read_jsonl(path: Path) -> Iterator[Entry]:
    try:
        for number, line in read_lines(path):
            entry = _json_entry(path, number, line)
            if entry is not None:
                yield entry
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
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


def _read_csv(path: Path) -> Iterator[Entry]:
    """A header line, then one record a row. A row may span lines; `line` is its last one."""
    csv.field_size_limit(MAX_LINE)
    lines = _CsvLines(path)
    rows = csv.DictReader(lines, strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Entry(str(path), lines.number, problem=f"not CSV: {error}")
            continue
        yield _csv_entry(path, lines.number, row)


class _CsvLines:
    """Lines with bad bytes escaped; csv.Error for one over the limit, after which it goes on."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self._lines = read_lines(path)

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            raise csv.Error(f"line over {MAX_LINE // 2**20} MiB")
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", errors="surrogateescape")


def _csv_entry(path: Path, number: int, row: dict[str, Any]) -> Entry:
    if None in row:
        return Entry(str(path), number, problem="more values than columns in the header")
    values = {name: value for name, value in row.items() if value not in (None, "")}
    if any("\udc80" <= c <= "\udcff" for value in values.values() for c in value):
        return Entry(str(path), number, problem="not UTF-8")
    return Entry(str(path), number, values)


def _read_parquet(path: Path) -> Iterator[Entry]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingDependency(
            f"{path}: reading Parquet needs pyarrow; pip install pyarrow"
        ) from None
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=512):
            for record in batch.to_pylist():
                number += 1
                yield Entry(str(path), number, record)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise UnsupportedSource(f"{path}: not a readable Parquet file ({error})") from error


def _read_frame(frame: Any) -> Iterator[Entry]:
    columns = [str(name) for name in frame.columns]
    for number, row in enumerate(frame.itertuples(index=False, name=None), start=1):
        record = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        yield Entry("DataFrame", number, record)


def _plain(value: Any) -> Any:
    """A numpy or pandas scalar as Python's own; missing values as None."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _open(path: Path) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    if path.name.lower().endswith(".xz"):
        return lzma.open(path, "rb")
    return open(path, "rb")


_READERS: dict[str, Callable[[Path], Iterator[Entry]]] = {
    ".jsonl": _read_jsonl,
    ".jsonl.gz": _read_jsonl,
    ".jsonl.xz": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
