"""Token vectors of passages on disk, int8, one SQLite file a model.

Keyed by the text that was encoded, so papers that are added or changed cost only their own
passages, and engines and corpora share what they have in common. A kill loses at most the batch
that was being written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.forking import Lock, abandon, renew_in_children
from workbench.profiles import cache_folder

LIMIT = 2 * 2**30
"""Bytes of codes kept a model, some 35,000 passages; the oldest leave first."""

FULL = 0.99
"""Share of the limit from which a store counts as full."""

_ASKED = 500
"""Keys in one statement; SQLite allows 999 parameters everywhere."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, key BLOB UNIQUE, bytes INTEGER);
CREATE TABLE IF NOT EXISTS codes (id INTEGER PRIMARY KEY, data BLOB);
"""


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """One passage: vectors close to codes * scales. int8 (tokens, dimension), float32 (tokens,)."""

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]


def quantised(vectors: NDArray[np.float32]) -> TokenVectors:
    """float32 (tokens, dimension) to int8, each token by its own scale."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.float32(1e-12)) / np.float32(127)
    return TokenVectors(np.rint(vectors / scales[:, None]).astype(np.int8), scales)


class TokenStore:
    """The token vectors of one model. Safe to share between threads and processes.

    A cache: where it cannot be read or written it keeps nothing and raises nothing, and a file
    that is no database is replaced. `limit` bounds its bytes.
    """

    def __init__(
        self, model: str, dimension: int, *, folder: Path | None = None, limit: int = LIMIT
    ) -> None:
        self.path = (folder or cache_folder() / "token-vectors") / f"{model}.sqlite"
        self._dimension = dimension
        self._limit = limit
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._hopeless = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """A connection must not be used, nor closed, in two processes."""
        abandon(self._db)
        self._db = None

    @property
    def size(self) -> int:
        """Bytes of the vectors that are kept."""
        found = self._ask("SELECT total(bytes) FROM entries")
        return int(found[0][0]) if found else 0

    @property
    def full(self) -> bool:
        """Whether another passage may make an older one leave."""
        return self.size > self._limit * FULL

    def read(self, texts: Sequence[str]) -> dict[str, TokenVectors]:
        """Those that are kept, by text."""
        keys = {_key(text): text for text in texts}
        rows = self._ask_for(keys, "SELECT key, data FROM entries JOIN codes USING (id)")
        return {keys[key]: self._unpacked(data) for key, data in rows}

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Those that are not, in order, each once."""
        keys = {_key(text): text for text in texts}
        kept = {key for (key,) in self._ask_for(keys, "SELECT key FROM entries")}
        return [text for key, text in keys.items() if key not in kept]

    def write(self, vectors: Mapping[str, TokenVectors]) -> None:
        """Keep them, in one transaction; the oldest make room."""
        packed = {_key(text): _packed(found) for text, found in vectors.items()}
        with self._lock, suppress(sqlite3.DatabaseError):
            db = self._opened()
            if db is None:
                return
            with db:
                db.execute("BEGIN IMMEDIATE")
                for key, data in packed.items():
                    row = db.execute(
                        "INSERT OR IGNORE INTO entries (key, bytes) VALUES (?, ?)", (key, len(data))
                    )
                    if row.rowcount:
                        db.execute("INSERT INTO codes VALUES (?, ?)", (row.lastrowid, data))
                self._make_room(db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _make_room(self, db: sqlite3.Connection) -> None:
        over = db.execute("SELECT total(bytes) FROM entries").fetchone()[0] - self._limit
        if over <= 0:
            return
        leaving = []
        for number, size in db.execute("SELECT id, bytes FROM entries ORDER BY id"):
            if over <= 0:
                break
            leaving.append((number,))
            over -= size
        for table in ("entries", "codes"):
            db.executemany(f"DELETE FROM {table} WHERE id = ?", leaving)

    def _ask_for(self, keys: Iterable[bytes], statement: str) -> list[tuple[Any, ...]]:
        wanted, found = list(keys), []
        for start in range(0, len(wanted), _ASKED):
            some = wanted[start : start + _ASKED]
            found += self._ask(f"{statement} WHERE key IN ({','.join('?' * len(some))})", some)
        return found

    def _ask(self, statement: str, values: Sequence[bytes] = ()) -> list[tuple[Any, ...]]:
        """The rows, or none where the file cannot be read."""
        with self._lock, suppress(sqlite3.DatabaseError):
            db = self._opened()
            return db.execute(statement, values).fetchall() if db else []
        return []

    def _opened(self) -> sqlite3.Connection | None:
        """The database; None, from the first failure on, where there can be none."""
        if self._db is None and not self._hopeless:
            self._db = self._connect() or self._anew()
            self._hopeless = self._db is None
        return self._db

    def _anew(self) -> sqlite3.Connection | None:
        """A damaged cache is worth nothing; one that cannot be opened at all stays."""
        try:
            damaged = not self.path.read_bytes()[:16].startswith(b"SQLite format 3")
            if damaged:
                self.path.unlink()
        except OSError:
            return None
        return self._connect() if damaged else None

    def _connect(self) -> sqlite3.Connection | None:
        db = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(
                self.path, timeout=30, check_same_thread=False, isolation_level=None
            )
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
        except (OSError, sqlite3.DatabaseError):
            if db is not None:
                db.close()
            return None
        return db

    def _unpacked(self, data: bytes) -> TokenVectors:
        tokens = len(data) // (self._dimension + 4)
        scales = np.frombuffer(data, dtype="<f4", count=tokens)
        codes = np.frombuffer(data, dtype=np.int8, offset=4 * tokens)
        return TokenVectors(codes.reshape(tokens, self._dimension), scales)


def _packed(vectors: TokenVectors) -> bytes:
    return vectors.scales.astype("<f4").tobytes() + np.ascontiguousarray(vectors.codes).tobytes()


def _key(text: str) -> bytes:
    return sha256(text.encode("utf-8", errors="surrogatepass")).digest()[:16]
