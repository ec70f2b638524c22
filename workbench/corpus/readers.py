"""Readers: any source to a stream of entries, each a raw record or the reason it is none.

JSONL (own and BEIR's), plain or .gz or .xz; CSV; Parquet; a pandas DataFrame; a BEIR folder;
dicts and Papers.
Every reader streams: its memory is bounded by one line or one batch, not by the file.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from workbench.corpus.faults import as_path, disk_faults, exists, is_file, is_folder
from workbench.errors import CorpusNotFound, MissingDependency, UnsupportedSource, shown
from workbench.records import Paper

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
    """Entries of a file, a folder, a pandas DataFrame, or of records: a dict, a Paper, several.

    Raises CorpusNotFound where nothing is there, UnsupportedSource for an unknown kind.
    """
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return _read_frame(source)
    if isinstance(source, Mapping | Paper):
        return _read_records([source])
    if isinstance(source, Iterable) and not isinstance(source, str | bytes):
        return _read_records(source)
    if not isinstance(source, str | PathLike):
        raise UnsupportedSource(
            f"the source is {shown(source)}; give the path of a file or folder, a DataFrame, a "
            "dict, a Paper, or a list of dicts or Papers"
        )
    path = source_file(as_path(source))
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
    with _faults_of(path), _open(path) as stream:
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
    for number, line in read_lines(path):
        entry = _json_entry(path, number, line)
        if entry is not None:
            yield entry


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    try:
        with disk_faults(path):
            yield
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
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingDependency(
            f"{path}: reading Parquet needs pyarrow; pip install pyarrow"
        ) from None
    number = 0
    try:
        with disk_faults(path), parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=512):
                for record in arrow_records(batch):
                    number += 1
                    yield Entry(str(path), number, record)
    except (OSError, ValueError, ArrowException, MemoryError) as error:
        raise UnsupportedSource(
            f"{path}: not a readable Parquet file ({error}); write it again. What was read before "
            "the damage is kept"
        ) from error


class Unreadable:
    """In the place of a value that its reader could not make: bad only where it is needed."""

    def __init__(self, reason: object) -> None:
        self._reason = reason

    def __repr__(self) -> str:
        return f"a value that cannot be read ({self._reason})"


def arrow_records(batch: Any) -> Iterator[dict[str, Any]]:
    """Records of an Arrow batch; value by value where one of them is beyond Python."""
    names = batch.schema.names
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except Exception:  # Arrow and what it calls raise of every kind
        columns = [[_value(column, row) for row in range(len(column))] for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _value(column: Any, row: int) -> Any:
    try:
        return column[row].as_py()
    except Exception as error:
        return Unreadable(error)


def _read_frame(frame: Any) -> Iterator[Entry]:
    columns = [str(name) for name in frame.columns]
    for number, row in enumerate(frame.itertuples(index=False, name=None), start=1):
        record = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        yield Entry("DataFrame", number, record)


def _read_records(records: Iterable[Any]) -> Iterator[Entry]:
    for number, record in enumerate(records, start=1):
        if isinstance(record, Paper):
            yield Entry("records", number, asdict(record))
        elif isinstance(record, Mapping):
            values = {name: _plain(value) for name, value in record.items()}
            yield Entry("records", number, values)
        else:
            problem = f"expected a dict or a Paper, got {shown(record)}"
            yield Entry("records", number, problem=problem)


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
