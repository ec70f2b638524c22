"""The tables of sources.sqlite, and what a row of it is."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.faults import sqlite_error
from workbench.corpus.identity.stored import SCHEMA as STORED

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(
    no INTEGER PRIMARY KEY, scope TEXT NOT NULL, place TEXT NOT NULL, source TEXT NOT NULL,
    line INTEGER NOT NULL, format TEXT NOT NULL, own TEXT NOT NULL, paper TEXT NOT NULL,
    digest BLOB NOT NULL, record BLOB NOT NULL, raw BLOB, run INTEGER NOT NULL,
    UNIQUE(scope, place));
CREATE INDEX IF NOT EXISTS records_by_paper ON records(paper);
CREATE INDEX IF NOT EXISTS records_by_own ON records(own);
CREATE INDEX IF NOT EXISTS records_by_source ON records(source);
CREATE TABLE IF NOT EXISTS keys(
    key TEXT NOT NULL, no INTEGER NOT NULL, PRIMARY KEY(key, no)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_record ON keys(no);
CREATE TABLE IF NOT EXISTS flags(no INTEGER PRIMARY KEY, status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS decisions(
    one INTEGER NOT NULL, other INTEGER NOT NULL, same INTEGER NOT NULL, PRIMARY KEY(one, other));
CREATE TABLE IF NOT EXISTS files(source TEXT PRIMARY KEY, stat TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record went: its paper, and what it is there: "new", "changed", "unchanged" or
    "duplicate". `remake` are papers whose records changed, `gone` those without any now."""

    paper: str
    kind: str
    remake: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A stored record: where it stands, the id it would have alone, and its cleaned fields."""

    no: int
    scope: str
    source: str
    line: int
    format: str
    own: str
    paper: str
    record: Mapping[str, Any]

    @property
    def where(self) -> str:
        """File and line, for messages; the file alone where the line is not known."""
        return f"{self.source}:{self.line}" if self.line else self.source


def connect(path: Path | None, write: bool) -> sqlite3.Connection:
    """The database, in memory without a path. Raises CorpusDamaged."""
    try:
        if path is not None and not write:
            return _open_readable(path)
        if path is None:  # the collector may close it in any thread
            db = sqlite3.connect(":memory:", check_same_thread=False)
        else:
            db = sqlite3.connect(path, timeout=60)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA + STORED)
    except sqlite3.DatabaseError as error:
        raise sqlite_error(error, path or Path(":memory:")) from error
    return db


def packed(value: Mapping[str, Any]) -> bytes:
    """A record as compressed JSON; values that JSON does not know as their text."""
    return zlib.compress(_json(value).encode("utf-8", "replace"), 1)


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def unpacked(value: bytes) -> Any:
    """What `packed` was given."""
    return json.loads(zlib.decompress(value))


def _open_readable(path: Path) -> sqlite3.Connection:
    location = path.absolute().as_uri()
    for mode in ("mode=ro", "mode=ro&immutable=1"):  # the second for folders without permission
        db = sqlite3.connect(f"{location}?{mode}", uri=True, timeout=60)
        try:
            db.execute("SELECT 1 FROM state LIMIT 1")
        except sqlite3.OperationalError:
            db.close()
            continue
        return db
    raise sqlite3.DatabaseError("no such file, or not one of the workbench's")
