"""The corpus on disk: papers, passages, terms and names in one SQLite file.

Rows are never rewritten: a replaced or deleted paper is marked dead and its rows stay, so a
process that has an older generation open still finds every text it points to. Row numbers are
contiguous from 0; a passage's number is its row in the vectors file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.database import Database
from workbench.corpus.faults import damaged
from workbench.records import Paper

PARAMETERS = 500
"""Values given to one statement; SQLite takes 999 at least."""

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
    """One SQLite file, opened for reading. Safe to share between threads.

    Raises CorpusDamaged (missing, empty or unreadable), CorpusUnavailable, CorpusLocked.
    """

    writable = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = Database(path, writable=self.writable)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

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
        [(value,)] = self._db.rows(f"SELECT coalesce(max(no) + 1, 0) FROM {table}")
        return int(value)

    def state(self, key: str, default: Any = None) -> Any:
        """A value kept by `set_state`."""
        found = self._db.rows("SELECT value FROM state WHERE key = ?", (key,))
        try:
            return json.loads(found[0][0]) if found else default
        except (ValueError, TypeError) as error:
            raise damaged(self.path, f"state {key!r}: {error}") from error

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Content digest of each living paper among `ids`."""
        marks = ",".join("?" * len(ids))
        query = f"SELECT id, digest FROM papers WHERE alive = 1 AND id IN ({marks})"
        return dict(self._db.rows(query, list(ids)))

    def living_counts(self) -> tuple[int, int]:
        """(papers, passages) that are not deleted."""
        query = (
            "SELECT (SELECT count(*) FROM papers WHERE alive = 1), (SELECT count(*) FROM passages "
            "JOIN papers ON papers.no = paper WHERE alive = 1)"
        )
        [(papers, passages)] = self._db.rows(query)
        return papers, passages

    def living_digests(self) -> Iterator[tuple[str, bytes]]:
        """(id, content digest) of every living paper, by id."""
        return self._db.stream("SELECT id, digest FROM papers WHERE alive = 1 ORDER BY id")

    def living_ids(self) -> Iterator[str]:
        """Ids of all papers that are not deleted."""
        return (name for (name,) in self._db.stream("SELECT id FROM papers WHERE alive = 1"))

    def paper(self, paper_id: str, before: int) -> tuple[int, Paper] | None:
        """(row, paper) as a generation of `before` paper rows sees it."""
        return self.papers([paper_id], before).get(paper_id)

    def papers(self, ids: Sequence[str], before: int) -> dict[str, tuple[int, Paper]]:
        """(row, paper) of each known id, as a generation of `before` paper rows sees it."""
        found = self._db.rows(
            "SELECT id, max(no), record FROM papers WHERE no < ? AND id IN "
            "(SELECT value FROM json_each(?)) GROUP BY id",  # the record of the largest number
            (before, json.dumps(list(ids))),
        )
        return {name: (no, self._paper(record)) for name, no, record in found}

    def passages_of(self, papers: Sequence[int]) -> dict[int, list[PassageRow]]:
        """The passages of each paper row that has any, in order."""
        found: dict[int, list[PassageRow]] = {}
        query = (
            "SELECT no, paper, number, start, stop FROM passages "
            "WHERE paper IN (SELECT value FROM json_each(?)) ORDER BY paper, number"
        )
        for row in self._db.rows(query, (json.dumps(list(papers)),)):
            found.setdefault(row[1], []).append(PassageRow(*row))
        return found

    def passage_texts(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        """(title, passage text) of the passage rows start <= no < stop, in order."""
        query = "SELECT paper, start, stop FROM passages WHERE no >= ? AND no < ? ORDER BY no"
        current, title, text = -1, "", ""
        for row, first, last in self._db.stream(query, (start, stop)):
            if row != current:  # each record is parsed once, however many passages it has
                found = self._db.rows("SELECT record FROM papers WHERE no = ?", (row,))
                if not found:
                    raise damaged(self.path, f"paper row {row} is missing")
                paper = self._paper(found[0][0])
                current, title, text = row, paper.title, paper.text
            yield title, text[first:last]

    def term_numbers(self, terms: Sequence[str]) -> dict[str, int]:
        """The number of each known term."""
        known: dict[str, int] = {}
        for start in range(0, len(terms), PARAMETERS):
            part = terms[start : start + PARAMETERS]
            marks = ",".join("?" * len(part))
            known.update(self._db.rows(f"SELECT term, no FROM terms WHERE term IN ({marks})", part))
        return known

    def term_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """The term of each number."""
        query = "SELECT no, term FROM terms WHERE no IN (SELECT value FROM json_each(?))"
        return dict(self._db.rows(query, (json.dumps(list(numbers)),)))

    def living_papers(self, start: int, stop: int) -> list[tuple[int, bytes, Paper, bytes, bytes]]:
        """(row, digest, paper, title's terms int32, their counts int32), start <= row < stop."""
        query = (
            "SELECT no, digest, record, title_terms, title_counts FROM papers "
            "WHERE alive = 1 AND no >= ? AND no < ? ORDER BY no"
        )
        rows = self._db.rows(query, (start, stop))
        return [(no, digest, self._paper(record), *title) for no, digest, record, *title in rows]

    def analysed_passages(self, start: int, stop: int) -> list[tuple[PassageRow, bytes, bytes]]:
        """Passages of the paper rows start <= row < stop with their terms and counts, int32."""
        query = (
            "SELECT no, paper, number, start, stop, terms, counts FROM passages "
            "WHERE paper >= ? AND paper < ? ORDER BY paper, number"
        )
        rows = self._db.rows(query, (start, stop))
        return [(PassageRow(*row[:5]), row[5], row[6]) for row in rows]

    def postings(self, field: str, start: int, stop: int) -> list[tuple[int, bytes, bytes]]:
        """(row, terms int32, counts int32) of living rows: `body` or `title`."""
        query = {
            "body": "SELECT passages.no, terms, counts FROM passages JOIN papers "
            "ON papers.no = paper WHERE alive = 1 AND passages.no >= ? AND passages.no < ?",
            "title": "SELECT no, title_terms, title_counts FROM papers "
            "WHERE alive = 1 AND no >= ? AND no < ?",
        }[field]
        return self._db.rows(query, (start, stop))

    def passage_terms(self, rows: Sequence[int]) -> dict[int, tuple[bytes, bytes]]:
        """By passage row its terms and their counts, int32, the title's included."""
        query = (
            "SELECT no, terms, counts FROM passages WHERE no IN (SELECT value FROM json_each(?))"
        )
        found = self._db.rows(query, (json.dumps(list(rows)),))
        return {no: (terms, counts) for no, terms, counts in found}

    def paper_rows(self, first: int = 0) -> Iterator[tuple[int, str, int | None, int]]:
        """(row, id, year, alive) of every paper row from the `first` on, in order."""
        query = "SELECT no, id, year, alive FROM papers WHERE no >= ? ORDER BY no"
        return self._db.stream(query, (first,))

    def dead_papers(self) -> NDArray[np.int64]:
        """Rows of the papers that were replaced or deleted."""
        found = self._db.rows("SELECT no FROM papers WHERE alive = 0")
        return np.fromiter((no for (no,) in found), np.int64)

    def paper_digests(self, before: int) -> list[tuple[int, bytes]]:
        """(row, content digest) of the paper rows below `before`, in order."""
        return self._db.rows("SELECT no, digest FROM papers WHERE no < ? ORDER BY no", (before,))

    def passage_spans(self, before: int) -> list[tuple[int, int, int, int, int]]:
        """(paper row, number, start, stop, row) of the passage rows below `before`, by paper."""
        query = (
            "SELECT paper, number, start, stop, no FROM passages WHERE no < ? "
            "ORDER BY paper, number"
        )
        return self._db.rows(query, (before,))

    def passage_places(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """(paper row, number) of every passage row from the `first` on, in order."""
        query = "SELECT paper, number FROM passages WHERE no >= ? ORDER BY no"
        return self._db.stream(query, (first,))

    def papers_named(self, kind: str, folded: str) -> NDArray[np.int64]:
        """Rows of papers with a name of `kind` that contains the whole words of `folded`."""
        query = (
            "SELECT paper FROM paper_names WHERE name IN (SELECT no FROM names WHERE kind = ? "
            "AND instr(' ' || folded || ' ', ?))"
        )
        return np.fromiter((no for (no,) in self._db.rows(query, (kind, f" {folded} "))), np.int64)

    def papers_with_ids(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Rows of the papers with these ids, dead versions included."""
        query = "SELECT no FROM papers WHERE id IN (SELECT value FROM json_each(?))"
        found = self._db.rows(query, (json.dumps(list(ids)),))
        return np.fromiter((no for (no,) in found), np.int64)

    def _paper(self, record: str) -> Paper:
        try:
            values = json.loads(record)
            for name in _LISTS:
                values[name] = tuple(values.get(name, ()))
            return Paper(**{"title": "", **values})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(self.path, f"a stored paper: {error}") from error
