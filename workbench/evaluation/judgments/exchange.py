"""Judgments of other programs with who, when and note: tables in, CSV out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from workbench.corpus.collection import judgment_rows
from workbench.corpus.tables import Row
from workbench.errors import CorpusError, EvaluationError
from workbench.evaluation.judgments.entry import Entry, new_id, parse_entry

COLUMNS = ("query_id", "paper_id", "grade", "who", "at", "note")


def write_csv(path: Path, entries: Iterable[Entry]) -> None:
    """One line a standing grade under a header; replaces the file. OSError where it cannot."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for entry in entries:
            at = entry.at.isoformat(timespec="milliseconds")
            writer.writerow(
                (entry.query_id, entry.paper_id, entry.grade, entry.who, at, entry.note)
            )


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


def _entry(row: Row, who: str, now: datetime) -> Entry:
    given = {name: row.values.get(name) or "" for name in ("who", "at", "note")}
    record = {
        **{name: row.values[name] for name in ("query_id", "paper_id", "grade")},
        "id": new_id(),
        "at": given["at"] or now.isoformat(),
        "who": given["who"] or who,
        "note": given["note"],
    }
    return parse_entry(record, row.where)
