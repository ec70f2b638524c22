"""Bulk search: every paper that a boolean query matches, by pages of a thousand, unranked.

A SQLite full-text index (FTS5, Porter's stemmer) of titles and abstracts, made once a fingerprint
on first use. It holds no text. A page's token names the state of the corpus that it is of.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.analysis import fold_name
from workbench.engines.base import Engine
from workbench.records import Filters
from workbench.serve.faults import Refused
from workbench.serve.graph.boolean import Node, Not, Term, within
from workbench.serve.graph.catalogue import FORMAT, LookUps, every_paper, made_once

PAGE = 1000
MOST_SPELLINGS = 64
"""Words of the corpus that one misspelt word stands for."""

_TABLES = """
CREATE TABLE state (fingerprint TEXT);
CREATE TABLE papers (no INTEGER PRIMARY KEY, id TEXT, year INTEGER, open INTEGER, venue TEXT,
                     fields TEXT);
CREATE VIRTUAL TABLE texts USING fts5(title, abstract, content='',
                                      tokenize="porter unicode61 remove_diacritics 2");
CREATE TABLE spellings (word TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: how many papers came before, and the state of the corpus."""

    offset: int
    fingerprint: str
    version: str

    def token(self) -> str:
        """For the client, who sends it back."""
        text = json.dumps([self.offset, self.fingerprint, self.version])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @staticmethod
    def read(token: str) -> Place:
        """Raises Refused (400) for what was never a token."""
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            offset, fingerprint, version = json.loads(text)
            named = isinstance(fingerprint, str) and fingerprint.replace("-", "").isalnum()
            if not (named and isinstance(version, str) and type(offset) is int):
                raise ValueError
            if not 0 <= offset < 2**53:
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise Refused(400, "token is none that this service gave") from None
        return Place(offset, fingerprint, version)


class Matches:
    """The full-text index of one state of a corpus. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._db = LookUps(path)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def page(
        self, query: Node | None, filters: Filters, open_access: bool, sort: str, offset: int
    ) -> tuple[int, list[str]]:
        """How many papers match, and the ids of a page of them. `sort` is `paperId` or
        `publicationDate` (the year), with `:asc` or `:desc`; what has no year comes last."""
        where, values = _conditions(filters, open_access)
        if query is not None:
            part, more = self._matching(query)
            where.append(f"no IN ({part})")
            values += more
        condition = " AND ".join(where) or "1"
        [(total,)] = self._db.rows(f"SELECT count(*) FROM papers WHERE {condition}", values)
        name, _, way = sort.partition(":")
        down = "DESC" if way == "desc" else "ASC"
        order = f"id {down}" if name == "paperId" else f"year IS NULL, year {down}, id"
        rows = self._db.rows(
            f"SELECT id FROM papers WHERE {condition} ORDER BY {order} LIMIT {PAGE} OFFSET ?",
            [*values, offset],
        )
        return total, [row[0] for row in rows]

    def _matching(self, node: Node) -> tuple[str, list[Any]]:
        """A SELECT of the numbers of the papers that a tree matches, and its values."""
        if isinstance(node, Term):
            match = self._spellings(node) if node.edits else node.match()
            return "SELECT rowid FROM texts WHERE texts MATCH ?", [match]
        if isinstance(node, Not):
            inner, values = self._matching(node.part)
            return f"SELECT no FROM papers WHERE no NOT IN ({inner})", values
        joined = " UNION " if node.any else " INTERSECT "
        found = [self._matching(part) for part in node.parts]
        parts = joined.join(f"SELECT * FROM ({part})" for part, _ in found)
        return parts, [value for _, values in found for value in values]

    def _spellings(self, term: Term) -> str:
        [asked], edits = term.words, term.edits
        rows = self._db.rows(
            "SELECT word FROM spellings WHERE length(word) BETWEEN ? AND ?",
            (len(asked) - edits, len(asked) + edits),
        )
        near = [word for (word,) in rows if within(asked, word, edits)][:MOST_SPELLINGS]
        return " OR ".join(f'"{word}"' for word in [asked, *near])


def _conditions(filters: Filters, open_access: bool) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    if filters.year is not None:
        for year, sign in zip(filters.year, (">=", "<="), strict=True):
            if year is not None:
                where.append(f"year {sign} ?")
                values.append(year)
    for name, wanted in (("venue", filters.venue), ("fields", filters.field)):
        if wanted:
            where.append("(" + " OR ".join(f"instr({name}, ?)" for _ in wanted) + ")")
            values += [f" {fold_name(text)} " for text in wanted]
    if open_access:
        where.append("open")
    return where, values


def open_matches(engine: Engine, folder: Path) -> Matches:
    """The full-text index of an engine's corpus, made now where there is none."""
    return Matches(made_once(folder, "texts", engine, _fill))


def earlier_matches(folder: Path, place: Place) -> Matches:
    """The index of an earlier state. Raises Refused (400) where it is gone."""
    path = folder / f"texts-{FORMAT}-{place.fingerprint}.sqlite"
    if not path.is_file():
        raise Refused(400, "token is too old: the corpus changed since; begin the search again")
    return Matches(path)


def _fill(db: sqlite3.Connection, engine: Engine) -> None:
    db.executescript(_TABLES)
    db.execute("INSERT INTO state VALUES (?)", (engine.fingerprint,))
    for no, paper in enumerate(every_paper(engine)):
        names = f" {fold_name(paper.venue)} ", _folded(paper.fields)
        row = no, paper.id, paper.year, int(bool(paper.arxiv_id)), *names
        db.execute("INSERT INTO papers VALUES (?, ?, ?, ?, ?, ?)", row)
        text = no, paper.title, paper.abstract
        db.execute("INSERT INTO texts(rowid, title, abstract) VALUES (?, ?, ?)", text)
        words = set(fold_name(f"{paper.title} {paper.abstract}").split())
        db.executemany("INSERT OR IGNORE INTO spellings VALUES (?)", [(word,) for word in words])


def _folded(names: Sequence[str]) -> str:
    return "".join(f" {fold_name(name)} |" for name in names)
