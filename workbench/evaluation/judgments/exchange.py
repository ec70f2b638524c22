"""Judgments of other programs with who, when and note: tables in, CSV out."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from workbench.corpus.collection import judgment_rows
from workbench.corpus.tables import Row
from workbench.errors import CorpusError, EvaluationError
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
    """Entries of a table or of any other file that `read_qrels` reads.

    `who`, `at` and `note` are read where they are there; `who` and `now` stand in. A repeated line
    counts once. Raises EvaluationError with file and line for no such file, a column missing, a
    bad line, or two lines by one person that disagree.
    """
    try:
        rows = list(judgment_rows(path))
    except CorpusError as problem:
        raise EvaluationError(str(problem)) from problem
    known: dict[tuple[str, str, str], int | None] = {}
    for row in rows:
        entry = _entry(row, who, now)
        cell = entry.query_id, entry.paper_id, entry.who
        if known.get(cell, entry.grade) != entry.grade:
            raise EvaluationError(
                f"{row.where}: query {cell[0]!r}, paper {cell[1]!r} has grade {entry.grade} "
                f"here and {known[cell]} before, both by {cell[2]!r}; keep one"
            )
        if cell not in known:
            yield entry
        known[cell] = entry.grade


_FORMULA = re.compile("'*[=+@\\t\\r\\n\uff1d\uff0b\uff0d\uff20-]")


def _as_cell(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _as_text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _entry(row: Row, who: str, now: datetime) -> Entry:
    given = {name: row.values.get(name) or "" for name in ("who", "at", "note")}
    record = {
        "query_id": _as_text(row.values["query_id"]),
        "paper_id": _as_text(row.values["paper_id"]),
        "grade": row.values["grade"],
        "id": new_id(),
        "at": given["at"] or now.isoformat(),
        "who": _as_text(given["who"]) or who,
        "note": _as_text(given["note"]),
    }
    return parse_entry(record, row.where)
