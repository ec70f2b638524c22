"""Writing to the corpus store; only the holder of the write lock may."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import cast

from workbench.corpus.analysis import fold_name
from workbench.corpus.store import Store
from workbench.corpus.term_counts import Counts, Packed, Vocabulary
from workbench.records import Paper

SCHEMA = """
CREATE TABLE IF NOT EXISTS papers(
    no INTEGER PRIMARY KEY, id TEXT NOT NULL, digest BLOB NOT NULL, record TEXT NOT NULL,
    year INTEGER, alive INTEGER NOT NULL DEFAULT 1, title_terms BLOB, title_counts BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS living_papers ON papers(id) WHERE alive = 1;
CREATE INDEX IF NOT EXISTS papers_by_id ON papers(id, no);
CREATE TABLE IF NOT EXISTS passages(
    no INTEGER PRIMARY KEY, paper INTEGER NOT NULL, number INTEGER NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, terms BLOB, counts BLOB);
CREATE INDEX IF NOT EXISTS passages_by_paper ON passages(paper);
CREATE TABLE IF NOT EXISTS terms(no INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS names(
    no INTEGER PRIMARY KEY, kind TEXT NOT NULL, folded TEXT NOT NULL, UNIQUE(kind, folded));
CREATE TABLE IF NOT EXISTS paper_names(
    name INTEGER NOT NULL, paper INTEGER NOT NULL, PRIMARY KEY(name, paper)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS said(id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vector_blocks(
    first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL);
"""
_FIELDS = tuple(field.name for field in fields(Paper))
_SORTED_FIELDS = tuple(sorted(_FIELDS))
_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class StoredForm:
    """What the store keeps of a paper whatever its passages: its digest, its fields as JSON, and
    (kind, folded name) of its authors, fields and venue."""

    digest: bytes
    record: str
    names: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, paper: Paper) -> StoredForm:
        """That of a paper."""
        names = {("author", fold_name(author)) for author in paper.authors}
        names |= {("field", _fold_common(field)) for field in paper.fields}
        names |= {("venue", _fold_common(paper.venue))} if paper.venue else set()
        record = _json({name: value for name in _FIELDS if (value := getattr(paper, name))})
        return cls(digest(paper), record, tuple(sorted(names)))


_fold_common = lru_cache(maxsize=4096)(fold_name)


@dataclass(frozen=True, slots=True)
class EmbeddingIds:
    """What is embedded of a paper, as tokens: how many characters of its title go before each
    passage, and of each passage the token ids, int32."""

    title: int
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AnalysedPaper:
    """A paper ready to be stored: its passages as (start, end, term counts), its title's terms;
    where they are known, its passages' tokens."""

    paper: Paper
    passages: tuple[tuple[int, int, Counts], ...]
    title_terms: Counts
    form: StoredForm
    tokens: EmbeddingIds | None = None


class StoreWriter(Store):
    """A store that can be written to. Every change is one transaction. `added` is called with
    papers, and the row of their first passage, after they were added."""

    writable = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._vocabulary: Vocabulary | None = None
        self.added: Callable[[int, Sequence[AnalysedPaper]], None] = nothing
        self._db.script(SCHEMA)

    def add(self, papers: Sequence[AnalysedPaper]) -> None:
        """Add or replace papers, all in one transaction."""
        row = self.passage_count
        try:
            self._add(papers)
        except BaseException:
            self._vocabulary = None  # it may hold terms that were rolled back
            raise
        self.added(row, papers)

    def _add(self, papers: Sequence[AnalysedPaper]) -> None:
        with self._db.transaction() as db:
            self._bury(db, [item.paper.id for item in papers])
            first, row = self.paper_count, self.passage_count
            records: list[tuple[object, ...]] = []
            passages: list[tuple[object, ...]] = []
            terms = iter(self._pack(db, papers))
            for no, item in enumerate(papers, first):
                form = item.form
                values = item.paper.id, form.digest, form.record, item.paper.year
                records.append((no, *values, *next(terms)))
                for number, (start, end, _) in enumerate(item.passages):
                    place = row + len(passages), no, number, start, end
                    passages.append((*place, *next(terms)))
            db.executemany("INSERT INTO papers VALUES (?, ?, ?, ?, ?, 1, ?, ?)", records)
            db.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", passages)
            self._insert_names(db, first, [item.form.names for item in papers])
            self._stamp(db, ((str(record[1]), cast("bytes", record[2])) for record in records))

    def delete(self, ids: Iterable[str]) -> int:
        """Mark papers dead; returns how many were alive."""
        names = list(ids)
        with self._db.transaction() as db:
            self._stamp(db, ((name, b"") for name in names))
            return self._bury(db, names)

    @property
    def stamp(self) -> str:
        """Hexadecimal digits that are equal for two stores that went through the same additions and
        deletions; "" for one that has had none."""
        return str(self.state("stamp", ""))

    def _stamp(self, db: sqlite3.Connection, changes: Iterable[tuple[str, bytes]]) -> None:
        """Changes (id, digest), one after the other, whatever the transactions."""
        stamp = self.stamp
        for name, content in changes:
            stamp = blake2b(f"{stamp} {name} ".encode() + content, digest_size=16).hexdigest()
        db.execute("REPLACE INTO state VALUES ('stamp', ?)", (json.dumps(stamp),))

    def set_state(self, key: str, value: object) -> None:
        """Remember a small JSON value."""
        with self._db.transaction() as db:
            db.execute("REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))

    def said(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Digest of each paper among `ids` as the folder's own source last gave it."""
        query = "SELECT id, digest FROM said WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._db.rows(query, (json.dumps(list(ids)),)))

    def all_said(self) -> Iterator[tuple[str, bytes, bytes | None]]:
        """(id, digest as the source last gave it, the living paper's) of all it ever gave."""
        return self._db.stream(
            "SELECT said.id, said.digest, papers.digest FROM said "
            "LEFT JOIN papers ON papers.id = said.id AND alive = 1"
        )

    def remember_said(self, papers: Iterable[tuple[str, bytes]]) -> None:
        """Keep (id, digest) of papers as the source gives them now."""
        with self._db.transaction() as db:
            db.executemany("REPLACE INTO said VALUES (?, ?)", papers)

    def forget_said(self, ids: Iterable[str]) -> None:
        """The source no longer has these."""
        with self._db.transaction() as db:
            db.executemany("DELETE FROM said WHERE id = ?", ((name,) for name in ids))

    def vector_blocks(self) -> list[tuple[int, int, int]]:
        """(first row, rows, CRC-32 of their bytes) of the vectors file, in order."""
        return self._db.rows("SELECT first, rows, crc FROM vector_blocks ORDER BY first")

    def set_vector_blocks(self, blocks: Iterable[tuple[int, int, int]], rows: int) -> None:
        """Keep checksums, and that the first `rows` rows of the vectors file count."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM vector_blocks WHERE first >= ?", (rows,))
            db.executemany("REPLACE INTO vector_blocks VALUES (?, ?, ?)", blocks)
            db.execute("REPLACE INTO state VALUES ('vectors', ?)", (json.dumps(rows),))

    def checkpoint(self) -> None:
        """Everything into the file itself, on the disk."""
        self._db.checkpoint()

    def _bury(self, db: sqlite3.Connection, ids: Iterable[str]) -> int:
        statement = "UPDATE papers SET alive = 0 WHERE id = ? AND alive = 1"
        return db.executemany(statement, ((name,) for name in ids)).rowcount

    def _insert_names(
        self, db: sqlite3.Connection, first: int, names: Sequence[Sequence[tuple[str, str]]]
    ) -> None:
        rows = [(no, *name) for no, own in enumerate(names, first) for name in own]
        new = dict.fromkeys((kind, folded) for _, kind, folded in rows)
        db.executemany("INSERT OR IGNORE INTO names(kind, folded) VALUES (?, ?)", new)
        db.executemany(
            "INSERT INTO paper_names SELECT no, ? FROM names WHERE kind = ? AND folded = ?", rows
        )

    def _pack(self, db: sqlite3.Connection, papers: Sequence[AnalysedPaper]) -> list[Packed]:
        """The terms of each paper's title and passages; unknown ones get the next numbers."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(dict(db.execute("SELECT term, no FROM terms")))
        known, texts = self._vocabulary, []
        for item in papers:
            texts += [item.title_terms, *(counts for _, _, counts in item.passages)]
        packed = list(known.pack_all(texts))
        rows = enumerate(known.new, len(known) - len(known.new))
        db.executemany("INSERT INTO terms VALUES (?, ?)", rows)
        known.new.clear()
        return packed


def nothing(row: int, papers: Sequence[AnalysedPaper]) -> None:
    """What is called where nobody waits for papers."""


def digest(paper: Paper) -> bytes:
    """16 bytes that change with any field of the paper."""
    content = _json({name: getattr(paper, name) for name in _SORTED_FIELDS})
    return blake2b(content.encode(), digest_size=16).digest()
