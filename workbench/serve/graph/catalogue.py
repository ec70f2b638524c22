"""Look-ups that a search cannot do: papers by DOI and the like, authors, titles as they are typed.

A SQLite file beside the other caches, made once a fingerprint of a corpus by whichever worker needs
it first, and read by all. It holds ids and names, no texts; the engine has those.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from workbench.corpus.analysis import fold_name
from workbench.corpus.database import Database
from workbench.corpus.faults import disk_faults
from workbench.engines.base import Engine
from workbench.errors import CorpusDamaged, CorpusError, CorpusMismatch
from workbench.records import Paper
from workbench.serve.faults import Refused
from workbench.serve.graph.identity import author_id, corpus_id, folded_name, key_of, keys_of
from workbench.system.deadline import check_deadline

FORMAT = 1
KEPT = 6
"""Files that are kept: a service, its generation before, and some other corpora."""

READ = 500
"""Papers read at a time."""

_TABLES = """
CREATE TABLE state (fingerprint TEXT, papers INTEGER);
CREATE TABLE papers (no INTEGER PRIMARY KEY, id TEXT UNIQUE, corpus_id INTEGER, year INTEGER,
                     open INTEGER);
CREATE TABLE keys (key TEXT, no INTEGER, PRIMARY KEY (key, no)) WITHOUT ROWID;
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT, papers INTEGER DEFAULT 0);
CREATE TABLE wrote (author INTEGER, no INTEGER, PRIMARY KEY (author, no)) WITHOUT ROWID;
CREATE VIRTUAL TABLE titles USING fts5(title, tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE names USING fts5(name, tokenize='unicode61 remove_diacritics 2');
"""
_INDEXES = """
CREATE INDEX papers_corpus_id ON papers(corpus_id);
CREATE INDEX papers_open ON papers(open) WHERE open;
UPDATE authors SET papers = (SELECT count(*) FROM wrote WHERE author = authors.id);
INSERT INTO names(rowid, name) SELECT id, name FROM authors;
"""


@dataclass(frozen=True, slots=True)
class Author:
    """An author: everybody of one name, without case and accents."""

    id: str
    name: str
    papers: int


class LookUps:
    """One file of look-ups. One that is damaged is removed, and CorpusMismatch says that the corpus
    is to be opened again, which makes it anew. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = Database(path)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of an answer."""
        try:
            return self._db.rows(statement, parameters)
        except CorpusDamaged as error:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            raise CorpusMismatch(f"{self._path} was damaged; it is made anew") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


class Catalogue:
    """The look-ups of one state of a corpus. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._db = LookUps(path)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def find(self, texts: Sequence[str]) -> list[str | None]:
        """The corpus's id of each paper that a client names; None where there is none. Of several
        with one key, the least id."""
        return [self._find(text) for text in texts]

    def _find(self, text: str) -> str | None:
        key = key_of(text)
        kind, _, rest = key.partition(":")
        own = self._db.rows("SELECT id FROM papers WHERE id = ?", (text,))
        if own or not key:
            return own[0][0] if own else None
        if kind == "id":
            found = self._db.rows("SELECT id FROM papers WHERE id = ?", (rest,))
        elif kind == "corpusid":
            number = int(rest) if len(rest) < 18 else -1
            found = self._db.rows(
                "SELECT id FROM papers WHERE corpus_id = ? ORDER BY id LIMIT 1", (number,)
            )
        else:
            found = self._db.rows(
                "SELECT id FROM papers JOIN keys ON keys.no = papers.no WHERE key = ? "
                "ORDER BY id LIMIT 1",
                (key,),
            )
        return found[0][0] if found else None

    def titled(self, title: str) -> list[str]:
        """Ids of papers with this title, without case, accents and signs."""
        return self._ids(
            "SELECT id FROM papers JOIN keys ON keys.no = papers.no WHERE key = ? ORDER BY id",
            f"title:{fold_name(title)}",
        )

    def begun(self, text: str, most: int) -> list[str]:
        """Ids of papers whose titles have the words that were typed, the last one perhaps not to
        its end."""
        words = fold_name(text).split()
        if not words:
            return []
        query = " ".join(f'"{word}"' for word in words) + "*"
        return self._ids(
            "SELECT id FROM papers WHERE no IN (SELECT rowid FROM titles WHERE titles MATCH ? "
            f"ORDER BY rank LIMIT {most:d}) ORDER BY id",
            query,
        )

    def ids(self, offset: int, limit: int) -> list[str]:
        """A page of all ids, in their order."""
        rows = self._db.rows("SELECT id FROM papers ORDER BY id LIMIT ? OFFSET ?", (limit, offset))
        return [name for (name,) in rows]

    def open_access(self) -> list[str]:
        """Ids of papers that are known to be open to read."""
        return [name for (name,) in self._db.rows("SELECT id FROM papers WHERE open")]

    def by_authors(self, names: Iterable[str]) -> list[str]:
        """Ids of papers that have, for each name, an author with all of its words; a word also
        stands for what begins with it."""
        found: set[str] | None = None
        for name in names:
            words = fold_name(name).split()
            query = " ".join(f'"{word}"*' for word in words)
            ids = set(
                self._ids(
                    "SELECT DISTINCT papers.id FROM names JOIN wrote ON author = names.rowid "
                    "JOIN papers ON papers.no = wrote.no WHERE names MATCH ?",
                    query,
                )
                if words
                else ()
            )
            found = ids if found is None else found & ids
        return sorted(found or ())

    def _ids(self, statement: str, value: str) -> list[str]:
        return [name for (name,) in self._db.rows(statement, (value,))]

    # Authors

    def author(self, author: str) -> Author | None:
        """The author with an id."""
        if not (author.isascii() and author.isdecimal() and len(author) < 18):
            return None
        found = self._db.rows("SELECT id, name, papers FROM authors WHERE id = ?", (int(author),))
        return Author(str(found[0][0]), *found[0][1:]) if found else None

    def author_named(self, name: str) -> Author | None:
        """The author of a name as papers have it."""
        identity = author_id(name)
        return None if identity is None else self.author(identity)

    def authors_found(self, name: str, offset: int, limit: int) -> tuple[int, list[Author]]:
        """How many authors have all words of a name, and a page of them, those with the most papers
        first."""
        words = fold_name(name).split()
        if not words:
            return 0, []
        query = " ".join(f'"{word}"' for word in words)
        [(total,)] = self._db.rows("SELECT count(*) FROM names WHERE names MATCH ?", (query,))
        rows = self._db.rows(
            "SELECT authors.id, authors.name, papers FROM names JOIN authors "
            "ON authors.id = names.rowid WHERE names MATCH ? "
            "ORDER BY papers DESC, authors.id LIMIT ? OFFSET ?",
            (query, limit, offset),
        )
        return total, [Author(str(row[0]), *row[1:]) for row in rows]

    def papers_by(
        self, author: str, offset: int, limit: int, years: tuple[int | None, int | None] | None
    ) -> list[str]:
        """A page of the ids of an author's papers, the newest first."""
        first, last = years or (None, None)
        rows = self._db.rows(
            "SELECT id FROM papers JOIN wrote ON wrote.no = papers.no WHERE author = ? "
            "AND (? IS NULL OR year >= ?) AND (? IS NULL OR year <= ?) "
            "ORDER BY year IS NULL, year DESC, id LIMIT ? OFFSET ?",
            (int(author), first, first, last, last, limit, offset),
        )
        return [name for (name,) in rows]


def open_catalogue(engine: Engine, folder: Path) -> Catalogue:
    """The catalogue of an engine's corpus, made now where there is none; others who need it wait.

    Raises Refused (400) where the engine cannot list its papers, DiskFull, DeadlineExceeded.
    """
    return Catalogue(made_once(folder, "papers", engine, _fill))


Fill = Callable[[sqlite3.Connection, Engine], None]


def made_once(folder: Path, name: str, engine: Engine, fill: Fill) -> Path:
    """A file that `fill(connection, engine)` makes once a fingerprint of a corpus."""
    path = folder / f"{name}-{FORMAT}-{engine.fingerprint}.sqlite"
    with disk_faults(path):
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not path.exists():
                    _make(path, engine, fill)
                    _remove_old(folder, name)
        else:
            with suppress(OSError):  # the times say what is in use; a read-only place has none
                os.utime(path)
    return path


def _make(path: Path, engine: Engine, fill: Fill) -> None:
    partial = path.with_name(f"{path.name}.{uuid4().hex[:8]}.partial")
    try:
        with closing(sqlite3.connect(partial)) as db:
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            with db:
                fill(db, engine)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _remove_old(folder: Path, name: str) -> None:
    """Remove all but the files used last, and what killed workers left."""
    files = sorted(folder.glob(f"{name}-*.sqlite"), key=lambda file: -file.stat().st_mtime)
    stale = [file for file in folder.glob(f"{name}-*.partial") if file.stat().st_nlink == 1]
    for file in [*files[KEPT:], *stale]:
        with suppress(OSError):
            file.unlink()


def every_paper(engine: Engine) -> Iterator[Paper]:
    """All papers of an engine, in the order of their ids. Raises Refused (400) where it cannot list
    them, as somebody else's index cannot."""
    try:
        ids = sorted(engine.paper_ids())
    except (CorpusDamaged, CorpusMismatch):
        raise
    except CorpusError as error:
        raise Refused(
            400, "this corpus cannot list its papers, which such a request needs"
        ) from error
    for start in range(0, len(ids), READ):
        check_deadline()
        yield from engine.papers(ids[start : start + READ])


def _fill(db: sqlite3.Connection, engine: Engine) -> None:
    db.executescript(_TABLES)
    count = 0
    for no, paper in enumerate(every_paper(engine)):
        count += 1
        facts = no, paper.id, corpus_id(paper.id), paper.year, int(bool(paper.arxiv_id))
        db.execute("INSERT INTO papers VALUES (?, ?, ?, ?, ?)", facts)
        keys = {*keys_of(paper), f"title:{fold_name(paper.title)}"}
        db.executemany("INSERT INTO keys VALUES (?, ?)", [(key, no) for key in keys])
        if paper.title:
            db.execute("INSERT INTO titles(rowid, title) VALUES (?, ?)", (no, paper.title))
        authors = {author_id(name): name for name in paper.authors if folded_name(name)}
        known = [(int(identity), name) for identity, name in authors.items() if identity]
        db.executemany("INSERT OR IGNORE INTO authors(id, name) VALUES (?, ?)", known)
        db.executemany("INSERT OR IGNORE INTO wrote VALUES (?, ?)", [(a, no) for a, _ in known])
    db.executescript(_INDEXES)
    db.execute("INSERT INTO state VALUES (?, ?)", (engine.fingerprint, count))
