"""Tables: CSV with any separator, XLSX, Parquet, pandas frames."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.encoding import MAX_LINE, TOO_LONG, head_text, text_lines
from workbench.corpus.formats.columns import Columns, known_columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import OWN
from workbench.corpus.tables import Unreadable, parquet_records
from workbench.errors import MissingDependency, UnsupportedSource

_SEPARATORS = ",;\t|"
_PREAMBLE = 15
"""Rows in which the header may stand: Embase writes its search before it."""

_NAME_THEM = 'say which column is what: columns={"title": ...}'
_QUOTE = "put quotes around cells that hold quotes, separators or line ends"

Row = tuple[int, Sequence[Any]]


def separator_of(head: str) -> tuple[str, int]:
    """(separator, known columns in the header) of text; 0 known columns where it is no table."""
    best = (",", 0, 0)
    for mark in _SEPARATORS:
        try:
            rows = list(islice(csv.reader(head.splitlines()[:60], delimiter=mark), _PREAMBLE))
        except csv.Error:
            continue
        for row in rows:
            # A cell with another separator in it is several: "A,B" is no column "ab".
            names = [cell for cell in row if not any(c in cell for c in _SEPARATORS)]
            known, width = len(known_columns(names)), len([cell for cell in row if cell.strip()])
            if (known, width) > best[1:]:
                best = (mark, known, width)
    return best[0], best[1]


def first_row_known(head: str, separator: str) -> bool:
    """Whether the first row names a known column: a table of one column, say, of titles."""
    rows = csv.reader(head.lstrip("\ufeff").lstrip().splitlines()[:2], delimiter=separator)
    return bool(known_columns(next(rows, [])))


def read_csv(path: Path, columns: Columns | None = None) -> Iterator[Entry]:
    """Rows of a CSV file; `line` is a row's last line."""
    separator, _ = separator_of(head_text(path))
    yield from _read(str(path), _csv_rows(path, separator), columns or Columns(), "CSV")


def _csv_rows(path: Path, separator: str) -> Iterator[Row | Entry]:
    csv.field_size_limit(MAX_LINE)
    lines = _Lines(path)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Entry(str(path), lines.number, None, f"not CSV: {error}", _QUOTE, None, "CSV")
            continue
        yield lines.number, row


class _Lines:
    """Lines of a file; csv.Error for one over the limit, after which it goes on."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self._lines = text_lines(path)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line == TOO_LONG:
            raise csv.Error(f"line over {MAX_LINE // 2**20} MiB")
        return line + "\n"


def read_xlsx(path: Path, columns: Columns | None = None) -> Iterator[Entry]:
    """Rows of every sheet that has a header."""
    try:
        import openpyxl
    except ImportError:
        raise MissingDependency(
            f"{path}: reading XLSX needs openpyxl; pip install openpyxl"
        ) from None
    import zipfile

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        problem = f"not a readable XLSX file ({error})"
        yield Entry(str(path), 1, None, problem, "save it again as XLSX or CSV", None, "XLSX")
        return
    try:
        for sheet in book.worksheets:
            rows = enumerate(sheet.iter_rows(values_only=True), start=1)
            yield from _read(str(path), rows, columns or Columns(), "XLSX")
    finally:
        book.close()


def _read(
    file: str, rows: Iterable[Row | Entry], columns: Columns, format_name: str
) -> Iterator[Entry]:
    """Entries of the rows below the header."""
    rows = iter(rows)
    first = list(islice(rows, _PREAMBLE))
    start = _header(first, columns)
    if start is None:
        yield from (item for item in first if isinstance(item, Entry))
        if any(not isinstance(item, Entry) and any(item[1]) for item in first):
            problem = "no row that names a title or an abstract"
            yield Entry(file, 1, None, problem, _NAME_THEM, None, format_name)
        return
    names = _names(first[start][1])  # type: ignore[index]
    roles = columns.guess(names)
    for item in chain(first[start + 1 :], rows):
        if isinstance(item, Entry):
            yield item
            continue
        number, cells = item
        if not any(cell not in (None, "") and str(cell).strip() for cell in cells):
            continue
        if any(cell not in (None, "") for cell in cells[len(names) :]):
            problem = "more values than columns in the header"
            yield Entry(file, number, None, problem, _QUOTE, None, format_name)
            continue
        row = {
            name: cell for name, cell in zip(names, cells, strict=False) if cell not in (None, "")
        }
        yield Entry(file, number, roles.record(row), "", "", row, format_name)


def _header(rows: Sequence[Row | Entry], columns: Columns) -> int | None:
    """The row with the most known names; it must name a text, or what the user named."""
    best, found = 0, None
    for index, item in enumerate(rows):
        if isinstance(item, Entry):
            continue
        names = [str(cell).strip() for cell in item[1] if cell not in (None, "")]
        known = known_columns(names)
        if columns.given and set(columns.given.values()) <= set(names):
            return index
        if {"title", "abstract", "body"} & known.keys() and len(known) > best:
            best, found = len(known), index
    if found is None and not columns.given:
        for index, item in enumerate(rows):
            if not isinstance(item, Entry) and len([c for c in item[1] if c]) > 1:
                roles = Columns().guess(_names(item[1])).mapping
                return index if {"title", "abstract"} & roles.keys() else None
    return found


def _names(cells: Sequence[Any]) -> list[str]:
    """Column names, made different where the header has one twice."""
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = str(cell).strip().removeprefix("\ufeff") if cell not in (None, "") else ""
        name = name or f"column {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def read_parquet(path: Path, columns: Columns | None = None) -> Iterator[Entry]:
    """Rows of a Parquet file, in batches; a damaged one gives a reject after those before."""
    try:
        rows = parquet_records(path)
        yield from _read_records(str(path), rows, columns or Columns(), "Parquet")
    except UnsupportedSource as error:
        problem, _, cure = str(error).removeprefix(f"{path}: ").rpartition("; ")
        yield Entry(str(path), 1, None, problem, cure, None, "Parquet")


def read_frame(frame: Any, columns: Columns | None = None) -> Iterator[Entry]:
    """Rows of a pandas frame."""
    names = [str(name) for name in frame.columns]
    rows = (
        {name: _scalar(value) for name, value in zip(names, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    )
    yield from _read_records("DataFrame", rows, columns or Columns(), "DataFrame")


def _read_records(
    file: str, rows: Iterable[Mapping[str, Any]], columns: Columns, format_name: str
) -> Iterator[Entry]:
    """Rows with the workbench's own names pass as they are; others through their columns."""
    roles: Columns | None = None
    own = False
    for number, row in enumerate(rows, start=1):
        if roles is None:
            own = not columns.given and _is_own(row)
            roles = columns if own else columns.guess(list(row))
        bad = next((n for n in roles.mapping.values() if isinstance(row.get(n), Unreadable)), None)
        if bad is not None:
            yield Entry(
                file, number, None, f"{bad}: {row[bad]!r}", "mend this cell", None, format_name
            )
            continue
        record = row if own else roles.record(row)
        yield Entry(file, number, record, "", "", row, OWN if own else format_name)


def _is_own(row: Mapping[str, Any]) -> bool:
    texts = {"title", "abstract", "text", "contents", "summary", "body"} & row.keys()
    return bool(texts and {"id", "_id", "paper_id", "paperId", "corpusid", "docno"} & row.keys())


def _scalar(value: Any) -> Any:
    """A numpy or pandas scalar as Python's own; missing values as None."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value
