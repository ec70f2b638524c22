"""The corpus on disk: papers, passages, terms and names in one SQLite file.

Rows are never rewritten: a replaced or deleted paper is marked dead and its rows stay, so a
process that has an older generation open still finds every text it points to. Row numbers are
contiguous from 0; a passage's number is its row in the vectors file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import CorpusDamaged
from workbench.records import Paper

_LISTS = tuple(f.name for f in fields(Paper) if "tuple" in str(f.type))


@dataclass(frozen=True, slots=True)
class PassageRow:
    """Where a passage stands: its row, its paper's row, and its characters in the paper's text."""

    no: int
    paper: int
    number: int
    start: int
    end: int


class Store:
    """One SQLite file, opened for reading, with a connection per thread."""

    writable = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        db = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            del self._local.db

    @property
    def _db(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = _connect(self.path, self.writable)
        return db

    @property
    def paper_count(self) -> int:
        """Paper rows, dead ones included."""
        return self._next("papers")

    @property
    def passage_count(self) -> int:
        """Passage rows, dead ones included."""
        return self._next("passages")

    @property
    def term_count(self) -> int:
        """Size of the vocabulary."""
        return self._next("terms")

    def _next(self, table: str) -> int:
        (value,) = self._db.execute(f"SELECT coalesce(max(no) + 1, 0) FROM {table}").fetchone()
        return int(value)

    def state(self, key: str, default: Any = None) -> Any:
        """A value kept by `set_state`."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Content digest of each living paper among `ids`."""
        marks = ",".join("?" * len(ids))
        query = f"SELECT id, digest FROM papers WHERE alive = 1 AND id IN ({marks})"
        return dict(self._db.execute(query, list(ids)))

    def living_counts(self) -> tuple[int, int]:
        """(papers, passages) that are not deleted."""
        query = (
            "SELECT (SELECT count(*) FROM papers WHERE alive = 1), (SELECT count(*) FROM passages "
            "JOIN papers ON papers.no = paper WHERE alive = 1)"
        )
        papers, passages = self._db.execute(query).fetchone()
        return papers, passages

    def living_digests(self) -> Iterator[tuple[str, bytes]]:
        """(id, content digest) of every living paper, by id."""
        return self._db.execute("SELECT id, digest FROM papers WHERE alive = 1 ORDER BY id")

    def living_ids(self) -> Iterator[str]:
        """Ids of all papers that are not deleted."""
        return (name for (name,) in self._db.execute("SELECT id FROM papers WHERE alive = 1"))

    def paper(self, paper_id: str, before: int) -> tuple[int, Paper] | None:
        """(row, paper) as a generation of `before` paper rows sees it."""
        row = self._db.execute(
            "SELECT no, record FROM papers WHERE id = ? AND no < ? ORDER BY no DESC LIMIT 1",
            (paper_id, before),
        ).fetchone()
        return None if row is None else (row[0], _paper(row[1]))

    def paper_passages(self, paper: int) -> list[PassageRow]:
        """The passages of a paper row, in order."""
        query = (
            "SELECT no, paper, number, start, stop FROM passages WHERE paper = ? ORDER BY number"
        )
        return [PassageRow(*row) for row in self._db.execute(query, (paper,))]

    def passage_texts(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        """(title, passage text) of the passage rows start <= no < stop, in order."""
        query = (
            "SELECT record, start, stop FROM passages JOIN papers ON papers.no = paper "
            "WHERE passages.no >= ? AND passages.no < ? ORDER BY passages.no"
        )
        for record, first, last in self._db.execute(query, (start, stop)):
            paper = _paper(record)
            yield paper.title, paper.text[first:last]

    def term_numbers(self, terms: Sequence[str]) -> dict[str, int]:
        """The number of each known term."""
        known: dict[str, int] = {}
        for start in range(0, len(terms), 500):
            part = terms[start : start + 500]
            marks = ",".join("?" * len(part))
            known.update(
                self._db.execute(f"SELECT term, no FROM terms WHERE term IN ({marks})", part)
            )
        return known

    def term_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """The term of each number."""
        query = "SELECT no, term FROM terms WHERE no IN (SELECT value FROM json_each(?))"
        return dict(self._db.execute(query, (json.dumps(list(numbers)),)))

    def living_papers(self, start: int, stop: int) -> list[tuple[int, bytes, Paper, bytes, bytes]]:
        """(row, digest, paper, title's terms int32, their counts int32), start <= row < stop."""
        query = (
            "SELECT no, digest, record, title_terms, title_counts FROM papers "
            "WHERE alive = 1 AND no >= ? AND no < ? ORDER BY no"
        )
        rows = self._db.execute(query, (start, stop)).fetchall()
        return [(no, digest, _paper(record), *title) for no, digest, record, *title in rows]

    def analysed_passages(self, start: int, stop: int) -> list[tuple[PassageRow, bytes, bytes]]:
        """Passages of the paper rows start <= row < stop with their terms and counts, int32."""
        query = (
            "SELECT no, paper, number, start, stop, terms, counts FROM passages "
            "WHERE paper >= ? AND paper < ? ORDER BY paper, number"
        )
        rows = self._db.execute(query, (start, stop))
        return [(PassageRow(*row[:5]), row[5], row[6]) for row in rows]

    def postings(self, field: str, start: int, stop: int) -> list[tuple[int, bytes, bytes]]:
        """(row, terms int32, counts int32) of living rows: `body` or `title`."""
        query = {
            "body": "SELECT passages.no, terms, counts FROM passages JOIN papers "
            "ON papers.no = paper WHERE alive = 1 AND passages.no >= ? AND passages.no < ?",
            "title": "SELECT no, title_terms, title_counts FROM papers "
            "WHERE alive = 1 AND no >= ? AND no < ?",
        }[field]
        return self._db.execute(query, (start, stop)).fetchall()

    def paper_rows(self) -> Iterator[tuple[int, str, int | None, int]]:
        """(row, id, year, alive) of every paper row, in order."""
        return self._db.execute("SELECT no, id, year, alive FROM papers ORDER BY no")

    def passage_places(self) -> Iterator[tuple[int, int]]:
        """(paper row, number) of every passage row, in order."""
        return self._db.execute("SELECT paper, number FROM passages ORDER BY no")

    def papers_named(self, kind: str, folded: str) -> NDArray[np.int64]:
        """Rows of papers with a name of `kind` that contains the whole words of `folded`."""
        query = (
            "SELECT paper FROM paper_names WHERE name IN (SELECT no FROM names WHERE kind = ? "
            "AND instr(' ' || folded || ' ', ?))"
        )
        return np.fromiter(
            (no for (no,) in self._db.execute(query, (kind, f" {folded} "))), np.int64
        )

    def papers_with_ids(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Rows of the papers with these ids, dead versions included."""
        query = "SELECT no FROM papers WHERE id IN (SELECT value FROM json_each(?))"
        found = self._db.execute(query, (json.dumps(list(ids)),))
        return np.fromiter((no for (no,) in found), np.int64)


def _paper(record: str) -> Paper:
    values = json.loads(record)
    for name in _LISTS:
        values[name] = tuple(values.get(name, ()))
    return Paper(**{"title": "", **values})


def damaged(path: Path, error: Exception) -> CorpusDamaged:
    """The error for a file that SQLite cannot read."""
    return CorpusDamaged(
        f"{path}: not a readable corpus ({error}); restore the file, or delete the index folder "
        "and run `workbench index` again"
    )


def _connect(path: Path, writable: bool) -> sqlite3.Connection:
    try:
        return _open_writable(path) if writable else _open_readable(path)
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


def _open_writable(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _open_readable(path: Path) -> sqlite3.Connection:
    location = path.absolute().as_uri()
    db = sqlite3.connect(f"{location}?mode=ro", uri=True, timeout=60)
    try:
        db.execute("SELECT 1 FROM state LIMIT 1")
    except sqlite3.OperationalError:
        # A folder without write permission cannot hold the shared memory that WAL readers need.
        db.close()
        db = sqlite3.connect(f"{location}?mode=ro&immutable=1", uri=True)
        db.execute("SELECT 1 FROM state LIMIT 1")
    return db
