"""The papers as they were last brought to the store, so that what changed them there is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

SCHEMA = """
CREATE TABLE IF NOT EXISTS stored(
    paper TEXT PRIMARY KEY, digest BLOB NOT NULL, run INTEGER NOT NULL, fate TEXT NOT NULL,
    covered INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS planned(no INTEGER PRIMARY KEY, paper TEXT NOT NULL);
"""

_KEEP = """
INSERT INTO stored VALUES (?, ?, ?, ?, ?) ON CONFLICT(paper) DO UPDATE SET
    fate = CASE WHEN run = excluded.run AND fate IN ('added', 'replaced') THEN fate
           ELSE excluded.fate END,
    digest = excluded.digest, covered = excluded.covered, run = excluded.run
"""


class StoredPapers:
    """One row a paper: its digest in the store, and what became of it in the run that wrote it.
    On disk, since a corpus may have more papers than memory should hold."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def keep(self, rows: Iterable[tuple[str, bytes, int, str, int]]) -> None:
        """(paper, digest, run, "added", "replaced" or "unchanged", bits of the fields it has).
        What was added or replaced in a run stays that, however often it comes again."""
        self._db.executemany(_KEEP, rows)

    def forget(self, papers: Iterable[str]) -> None:
        """These are in the store no longer."""
        self._db.executemany("DELETE FROM stored WHERE paper = ?", ((name,) for name in papers))

    def plan(self, papers: Iterable[str]) -> None:
        """These are about to be written or deleted; commit before, `done` after."""
        self._db.executemany("INSERT INTO planned(paper) VALUES (?)", ((n,) for n in papers))

    def planned(self) -> list[str]:
        """What an interrupted run planned, and may not have done, in its order."""
        query = "SELECT paper FROM planned ORDER BY no"
        return list(dict.fromkeys(name for (name,) in self._db.execute(query)))

    def done(self) -> None:
        """All that was planned is in the store."""
        self._db.execute("DELETE FROM planned")

    def fates(self, run: int) -> dict[str, int]:
        """How many papers a run added, replaced, and found unchanged."""
        query = "SELECT fate, count(*) FROM stored WHERE run = ? GROUP BY fate"
        return dict(self._db.execute(query, (run,)))

    def covered(self, run: int) -> list[tuple[int, int]]:
        """(bits of fields, papers that have just these) of the papers of a run."""
        query = "SELECT covered, count(*) FROM stored WHERE run = ? GROUP BY covered"
        return self._db.execute(query, (run,)).fetchall()

    def names(self, run: int) -> set[str]:
        """The papers of a run."""
        return {
            name for (name,) in self._db.execute("SELECT paper FROM stored WHERE run = ?", (run,))
        }

    def differences(self, living: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bool]]:
        """(paper, whether it is in the store) of those that came, changed or went without us.
        `living` has (id, digest) of the store's papers in order of their ids."""
        known = iter(self._db.execute("SELECT paper, digest FROM stored ORDER BY paper"))
        ours = next(known, None)
        for name, content in living:
            while ours is not None and ours[0] < name:
                yield ours[0], False
                ours = next(known, None)
            if ours is None or ours[0] != name:
                yield name, True
                continue
            if ours[1] != content:
                yield name, True
            ours = next(known, None)
        while ours is not None:
            yield ours[0], False
            ours = next(known, None)
