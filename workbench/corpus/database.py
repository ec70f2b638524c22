"""One SQLite file: one connection for all threads of a process, opened anew in a forked child."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.corpus.faults import damaged, disk_faults, is_file, sqlite_error
from workbench.corpus.forking import ForkLock
from workbench.errors import CorpusUnavailable

BUSY_SECONDS = 20.0
"""How long a lock of another program is waited for."""

ROWS = 1024
"""Rows fetched at a time from a long answer."""

_inherited: list[sqlite3.Connection] = []
"""A parent's connections: SQLite forbids a child even to close them."""


class Database:
    """Statements on one file, opened on first use; errors are the package's.

    Three handles (file, WAL and its index) whatever the number of threads. Safe to share between
    threads for reading: SQLite takes turns on one connection, so a lock costs no time, and a fork
    waits for a running statement, whose locks inside of SQLite the child could not release.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._writable = writable
        self._lock = ForkLock(whole=True)
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a short answer."""
        with self._connected() as db:
            return db.execute(statement, parameters).fetchall()

    def stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of an answer of any length, ROWS in memory."""
        with self._connected() as db:
            cursor = db.execute(statement, parameters)
            rows = cursor.fetchmany(ROWS)
        while rows:
            yield from rows
            with self._connected():
                rows = cursor.fetchmany(ROWS)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is done inside."""
        with self._connected() as db, db:
            yield db

    def script(self, statements: str) -> None:
        """Run statements that have no parameters."""
        with self._connected() as db:
            db.executescript(statements)

    def checkpoint(self) -> None:
        """Bring everything into the file itself, and that to the disk: a copy without the WAL is
        then whole. Readers in the middle of a statement may leave some of it in the WAL."""
        with self._connected() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file; statements of other threads end before."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                connection.close()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock, disk_faults(self.path):
            if self._connection is not None and self._process != os.getpid():
                _inherited.append(self._connection)
                self._connection = None
            try:
                if self._connection is None:
                    self._process = os.getpid()
                    self._connection = _open(self.path, self._writable)
                yield self._connection
            except UnicodeDecodeError as error:  # a damaged name in one of SQLite's own messages
                raise damaged(self.path, error) from error


def _open(path: Path, writable: bool) -> sqlite3.Connection:
    if writable:
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            db.close()
            raise
        return db
    if not is_file(path):
        raise damaged(path, "missing")
    if not path.stat().st_size:
        raise damaged(path, "empty")
    try:
        return _readable(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # A folder without write permission cannot hold the shared memory that WAL readers need.
        code = error.sqlite_errorcode & 0xFF
        if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or _may_write(path):
            raise sqlite_error(error, path) from error
    wal = path.with_name(f"{path.name}-wal")
    if is_file(wal) and wal.stat().st_size:
        raise CorpusUnavailable(
            f"{wal}: changes that are not yet in {path.name} cannot be read where the folder "
            "cannot be written to; copy the whole folder to a place where it can, and open that"
        )
    return _readable(path, "mode=ro&immutable=1")


def _readable(path: Path, how: str) -> sqlite3.Connection:
    location = f"{path.absolute().as_uri()}?{how}"
    db = sqlite3.connect(location, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        db.execute("SELECT 1 FROM state LIMIT 1")
    except BaseException:
        db.close()
        raise
    return db


def _may_write(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and os.access(path, os.R_OK)
