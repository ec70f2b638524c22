"""Judgments of other programs: CSV in and out. Qrels are read by corpus.collection."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.entry import Entry, new_id, parse_entry
from workbench.writing import replacing

COLUMNS = ("query_id", "paper_id", "grade", "who", "at", "note")


def write_csv(path: Path, entries: Iterable[Entry]) -> None:
    """One line a standing grade under a header; replaces the file. OSError where it cannot.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, the sign for
    text there; `read_csv` takes it away again (CWE-1236).
    """
    with replacing(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for entry in entries:
            at = entry.at.isoformat(timespec="milliseconds")
            texts = (entry.query_id, entry.paper_id, entry.who, entry.note)
            query, paper, who, note = map(_as_cell, texts)
            writer.writerow((query, paper, entry.grade, who, at, note))


def read_csv(path: Path, who: str, now: datetime) -> Iterator[Entry]:
    """Entries of a CSV file with a header that names query_id, paper_id and grade.

    `who`, `at` and `note` are read where they are there; `who` and `now` stand in. A repeated line
    counts once. Raises EvaluationError with file and line for no such file, a column missing, a
    bad line, or two lines by one person that disagree.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = {"query_id", "paper_id", "grade"} - set(reader.fieldnames or ())
            if missing:
                raise EvaluationError(
                    f"{path}: no column {', '.join(sorted(missing))}; the first line must name "
                    f"{', '.join(COLUMNS)} (the last three may be left out)"
                )
            known: dict[tuple[str, str, str], int | None] = {}
            for row in reader:
                where = f"{path} line {reader.line_num}"
                entry = _read_row(row, where, who, now)
                cell = entry.query_id, entry.paper_id, entry.who
                if known.get(cell, entry.grade) != entry.grade:
                    raise EvaluationError(
                        f"{where}: query {cell[0]!r}, paper {cell[1]!r} has grade {entry.grade} "
                        f"here and {known[cell]} before, both by {cell[2]!r}; keep one"
                    )
                if cell not in known:
                    yield entry
                known[cell] = entry.grade
    except OSError as problem:
        raise EvaluationError(f"{path}: cannot be read ({problem}); check the path") from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        raise EvaluationError(f"{path}: no CSV in UTF-8 ({problem}); convert it") from problem


_FORMULA = re.compile("'*[=+@\\t\\r\\n\uff1d\uff0b\uff0d\uff20-]")


def _as_cell(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _as_text(cell: str | None) -> str | None:
    quoted = cell and cell.startswith("'") and _FORMULA.match(cell)
    return cell[1:] if cell and quoted else cell


def _read_row(row: Mapping[str, str | None], where: str, who: str, now: datetime) -> Entry:
    grade = row["grade"]
    try:
        whole = int(grade or "")
    except ValueError:
        raise EvaluationError(f"{where}: grade {grade!r} is no whole number; give one") from None
    record = {
        "id": new_id(),
        "at": row.get("at") or now.isoformat(),
        "who": _as_text(row.get("who")) or who,
        "query_id": _as_text(row["query_id"]),
        "paper_id": _as_text(row["paper_id"]),
        "grade": whole,
        "note": _as_text(row.get("note")) or "",
    }
    return parse_entry(record, where)
