"""One SQLite file of records and annotations: rows are added, and nothing else is possible.

Without a write-ahead log, so that a copy of the file is whole; a connection an operation, so that
any number of processes and threads may write, one after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults, is_file
from workbench.errors import CorpusDamaged, ExperimentError

NAME = "experiments.sqlite"
FORMAT = 1
"""Of the file and of every record. Raised where an older version would read something else."""

BUSY_SECONDS = 60.0
"""How long other writers are waited for."""

_APPENDED = ("experiments", "annotations")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS experiments (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, parent TEXT NOT NULL,
    summary TEXT NOT NULL, document TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_key ON experiments (key);
CREATE INDEX IF NOT EXISTS by_parent ON experiments (parent);
CREATE TABLE IF NOT EXISTS annotations (
    no INTEGER PRIMARY KEY, experiment TEXT NOT NULL, moment REAL NOT NULL, kind TEXT NOT NULL,
    text TEXT NOT NULL);
""" + "\n".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} are only added'); END;"
    for table in _APPENDED
    for verb in ("UPDATE", "DELETE")
)


class ExperimentDatabase:
    """The file in one folder. Raises ExperimentError (damaged, newer), DiskFull, CorpusLocked, and
    CorpusError where it may not be written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def add(self, statement: str, values: Sequence[Any]) -> None:
        """One row, all of it or nothing."""
        with self._faults():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect("rwc")) as db:
                # One transaction with the row: of two processes that start here at once, the
                # second waits, and finds the tables made.
                db.execute("BEGIN IMMEDIATE")
                try:
                    self._check(db, make=True)
                    db.execute(statement, values)
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of an answer; none where nothing was ever kept."""
        if not is_file(self.path):
            return []
        # Not "ro": what a killed writer left half-done could not be rolled back. Where the file
        # may not be written, SQLite reads it all the same.
        with self._faults(), closing(self._connect("rw")) as db:
            if not self._check(db, make=False):
                return []
            return db.execute(statement, values).fetchall()

    def _connect(self, mode: str) -> sqlite3.Connection:
        place = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None)

    def _check(self, db: sqlite3.Connection, *, make: bool) -> bool:
        """Whether the tables are there; they are made where that is wanted."""
        known = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'state'").fetchone()[0]
        if not known and not make:
            return False
        if not known:
            for statement in _statements(_SCHEMA):
                db.execute(statement)
            db.execute("INSERT INTO state VALUES ('format', ?)", (str(FORMAT),))
        [(found,)] = db.execute("SELECT value FROM state WHERE key = 'format'").fetchall()
        if int(found) > FORMAT:
            raise newer(self.path, int(found))
        return True

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with disk_faults(self.path):
                yield
        except CorpusDamaged as problem:
            raise ExperimentError(
                f"{self.path}: not a readable file of experiments "
                f"({problem.__cause__ or problem}); restore it from a copy, or move it away: new "
                "experiments go into a new one"
            ) from problem


def newer(where: object, found: int) -> ExperimentError:
    """The error for what a newer version wrote."""
    return ExperimentError(
        f"{where}: written by a newer version (format {found}, this one reads {FORMAT}); update "
        "the package. Nothing was changed"
    )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would end the transaction."""
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""
