"""Rows of a small file whose columns go by many names: JSON lines, JSON, TSV, CSV, TREC's columns.

What a file is, its content says and not its name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults
from workbench.corpus.text_files import read_text
from workbench.errors import MissingDependency, RecordError, UnsupportedSource

Names = Mapping[str, tuple[str, ...]]
"""A column's own name -> the other names that it goes by, in small letters, words with `_`."""

QUERY_NAMES: Names = {
    "query_id": ("id", "_id", "qid", "q_id", "topic", "topic_id", "query_number"),
    "text": ("query", "question", "title", "query_text"),
}
JUDGMENT_NAMES: Names = {
    "query_id": ("qid", "q_id", "query", "topic", "topic_id"),
    "paper_id": (
        *("paper", "pid", "doc", "doc_id", "docid", "docno", "document", "document_id"),
        *("corpus_id", "corpusid"),
    ),
    "grade": ("score", "relevance", "rel", "label", "judgment", "judgement", "rating"),
    "who": ("annotator", "assessor", "judge"),
    "at": (),
    "note": (),
    "kind": (),
}
"""BEIR's, TREC's, PyTerrier's and ir_measures' names among them."""

_SHOWN = 200
"""Characters of a line that a message shows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: values by their column's own name, where it stands, and how it reads there."""

    where: str
    shown: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file may hold: the names of its columns, those it must have, and without a header
    which columns so many cells are. `expected` says it in words."""

    names: Names
    needed: tuple[str, ...]
    bare: Mapping[int, tuple[str, ...]]
    expected: str


def read_json(path: Path) -> Any:
    """The value of a file that is JSON as a whole and no list of records; else None."""
    text = "" if _is_parquet(path) else read_text(path).strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None  # JSON lines
    return value if all(isinstance(key, str) for key in value) else None


def read_rows(path: Path, layout: Layout) -> Iterator[Row]:
    """The records of a file. Raises RecordError with file and line for what is none, for cells
    without a column, and for a header that lacks a column; and what `read_text` raises."""
    if _is_parquet(path):
        for number, record in enumerate(parquet_records(path), start=1):
            yield _record(record, f"{path} record {number}", layout)
        return
    text = read_text(path)
    first = "" if _is_columns(text) else text.lstrip()[:1]
    if first == "[":
        yield from _array(text, path, layout)
    elif first == "{":
        yield from _json_lines(text, path, layout)
    else:
        yield from _table(text, path, layout)


def _is_columns(text: str) -> bool:
    """Whether the first line is a judgment's columns, whose ids may begin like JSON: "{q 0 p 1"."""
    columns = text.lstrip().partition("\n")[0].split()
    return 3 <= len(columns) <= 4 and bool(
        _GRADE.fullmatch(columns[-1]) and not columns[0].endswith(":")
    )


_GRADE = re.compile(r"[+-]?\d+", flags=re.ASCII)


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


class Unreadable:
    """In the place of a value that its reader could not make: bad only where it is needed."""

    def __init__(self, reason: object) -> None:
        self._reason = reason

    def __repr__(self) -> str:
        return f"a value that cannot be read ({self._reason})"


def parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a Parquet file, in batches. Raises MissingDependency, and UnsupportedSource for
    one that is damaged, after the records before the damage."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingDependency(
            f"{path}: reading Parquet needs pyarrow; pip install pyarrow"
        ) from None
    try:
        with disk_faults(path), parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=512):
                yield from _arrow_records(batch)
    except (OSError, ValueError, ArrowException, MemoryError) as error:
        raise UnsupportedSource(
            f"{path}: not a readable Parquet file ({error}); write or fetch it again"
        ) from error


def _arrow_records(batch: Any) -> Iterator[dict[str, Any]]:
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


def own_names(record: Mapping[Any, Any], names: Names) -> dict[str, Any]:
    """The values of a record by the columns' own names; the first name that is there counts."""
    given = {_plain(name): value for name, value in record.items()}
    found = {}
    for own, others in names.items():
        name = next((name for name in (own, *others) if name in given), None)
        if name is not None:
            found[own] = given[name]
    return found


def _plain(name: Any) -> str:
    return str(name).strip().lower().lstrip("#").replace("-", "_").replace(" ", "_")


def _array(text: str, path: Path, layout: Layout) -> Iterator[Row]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RecordError(f"{path}: not JSON: {problem}") from None
    for number, record in enumerate(records, start=1):
        yield _record(record, f"{path} record {number}", layout)


def _json_lines(text: str, path: Path, layout: Layout) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise RecordError(f"{where}: not JSON: {problem}") from None
        yield _record(record, where, layout)


def _record(record: Any, where: str, layout: Layout) -> Row:
    if not isinstance(record, dict):
        raise RecordError(f"{where}: expected an object, got {type(record).__name__}")
    return Row(where, str(record)[:_SHOWN], own_names(record, layout.names))


def _table(text: str, path: Path, layout: Layout) -> Iterator[Row]:
    start = next((line for line in text.splitlines() if line.strip()), "")
    split = _header_delimiter(start, layout)
    header: Sequence[str] | None = None
    if split is None:
        _check_no_header(start, path, layout)
    for number, shown, cells in _cells(text, split or _delimiter(start, layout), path, layout):
        where = f"{path} line {number}"
        if header is None and split is not None:
            header = cells
            continue
        if header is None:
            yield _bare_row(where, shown, cells, layout)
        elif len(cells) > len(header):
            raise RecordError(
                f"{where}: {len(cells)} cells under {len(header)} columns, got {shown!r}; give "
                "each cell a column, or quote cells that hold the separator"
            )
        else:
            record = dict(zip(header, cells, strict=False))
            values = own_names(record, layout.names)
            yield Row(where, shown, dict.fromkeys(layout.needed, "") | values)


def _bare_row(where: str, shown: str, cells: list[str], layout: Layout) -> Row:
    columns = layout.bare.get(len(cells))
    if columns is None:
        raise RecordError(f"{where}: expected {layout.expected}, got {shown!r}")
    return Row(where, shown, dict(zip(columns, cells, strict=True)))


def _check_no_header(line: str, path: Path, layout: Layout) -> None:
    """A first line that names some of the needed columns and lacks others is a header all the
    same: its names are not ids."""
    for delimiter in _DELIMITERS:
        found = own_names(dict.fromkeys(_split(line, delimiter)), layout.names)
        missing = [name for name in layout.needed if name not in found]
        if missing and len(layout.needed) - len(missing) > 1:
            raise RecordError(
                f"{path} line 1: no column {', '.join(missing)} in the header {line[:_SHOWN]!r}; "
                f"name {', '.join(layout.needed)}"
            )


_DELIMITERS = ("\t", ",", ";", "")
"""Of which "" is any white space."""


def _header_delimiter(line: str, layout: Layout) -> str | None:
    """What separates the cells of a first line that names all needed columns; else None."""
    for delimiter in _DELIMITERS:
        cells = _split(line, delimiter)
        if len(cells) > 1 and own_names(dict.fromkeys(cells), layout.names).keys() >= set(
            layout.needed
        ):
            return delimiter
    return None


def _delimiter(line: str, layout: Layout) -> str:
    """What separates the cells of a first line that is no header."""
    if "\t" in line or len(line.split()) in layout.bare:
        return "\t" if "\t" in line else ""
    return next((d for d in ",;" if len(_split(line, d)) in layout.bare), "")


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter in ("", "\t"):
        return line.split(delimiter or None)
    return next(csv.reader([line], delimiter=delimiter), [])


def _cells(
    text: str, delimiter: str, path: Path, layout: Layout
) -> Iterator[tuple[int, str, list[str]]]:
    """(line number, the line as it reads, its cells) of every line that is not blank."""
    if delimiter in ("", "\t"):
        for number, line in enumerate(text.split("\n"), start=1):
            cells = [cell.strip() for cell in line.split("\t")] if delimiter else line.split()
            if delimiter and len(cells) not in layout.bare and len(line.split()) in layout.bare:
                cells = line.split()  # TREC's tools take any white space
            if line.strip():
                yield number, line.strip()[:_SHOWN], cells
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, delimiter.join(cells)[:_SHOWN], cells
    except csv.Error as problem:
        raise RecordError(f"{path} line {reader.line_num}: not CSV: {problem}") from None
