"""Searches that have more pages: which papers they found, so that later pages are of the same list.

One SQLite file of the service, which all of its workers write to and read: a worker that was
replaced since, or never saw the first page, gives the next one of the generation it began with.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOST = 10_000
"""Searches that are remembered; the oldest go first."""

LIVES = 900.0
"""Seconds between two pages of one search."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A list of papers that a search found: ids best first, in which state of the corpus, and what
    its engine calls that (`Engine.version`)."""

    ids: tuple[str, ...]
    fingerprint: str
    version: str


class OpenSearches:
    """Lists by name. Safe to share between threads and processes. Where the file cannot be used,
    nothing is remembered."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)  # what cleans /tmp knows of no service
        self._db = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS begun (name TEXT PRIMARY KEY, at REAL, version TEXT, "
            "fingerprint TEXT, ids TEXT)"
        )
        self._puts = 0

    def put(self, name: str, begun: Begun) -> None:
        """Remember a list, in place of an earlier one of that name."""
        row = name, time.time(), begun.version, begun.fingerprint, json.dumps(begun.ids)
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("INSERT OR REPLACE INTO begun VALUES (?, ?, ?, ?, ?)", row)
            self._puts += 1
            if self._puts % 256 == 1:
                self._forget()

    def get(self, name: str) -> Begun | None:
        """The list of a name, None where it was forgotten."""
        found = None
        with self._lock, suppress(sqlite3.Error):
            found = self._db.execute(
                "SELECT ids, fingerprint, version FROM begun WHERE name = ? AND at > ?",
                (name, time.time() - LIVES),
            ).fetchone()
        return Begun(tuple(json.loads(found[0])), *found[1:]) if found else None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _forget(self) -> None:
        self._db.execute("DELETE FROM begun WHERE at < ?", (time.time() - LIVES,))
        self._db.execute(
            "DELETE FROM begun WHERE name NOT IN (SELECT name FROM begun ORDER BY at DESC LIMIT ?)",
            (MOST,),
        )
