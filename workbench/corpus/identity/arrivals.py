"""Records that nothing in the library is like, stored many at a time: most of a first import."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from workbench.corpus.formats.entry import Entry
from workbench.corpus.identity.keys import derived_id, keys_of
from workbench.corpus.identity.storage import packed


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record on its way to the library, and all that it is stored with.

    `authoritative`: its id is the paper's, whatever file it stands in (the workbench's own
    records); others' ids hold inside their file. `source` is the file as the library names it,
    `wanted` the id that the record asks for; `content` is the record as it is kept, `raw` what the
    file says where that differs.
    """

    entry: Entry
    record: Mapping[str, Any]
    authoritative: bool
    source: str
    wanted: str
    keys: Sequence[str]
    content: bytes
    raw: bytes | None

    @property
    def scope(self) -> str:
        """Where its id holds: everywhere, or in its file."""
        return "" if self.authoritative else self.source

    @property
    def digest(self) -> bytes:
        """16 bytes that change with the record."""
        return blake2b(self.content, digest_size=16).digest()

    @property
    def place(self) -> tuple[str, str]:
        """Its scope and its name there."""
        return self.scope, self.wanted


def arrival(entry: Entry, record: Mapping[str, Any], authoritative: bool, source: str) -> Arrival:
    """An entry's record, packed."""
    wanted = str(record.get("id", "")) or derived_id(record)
    raw = None if entry.raw is None or entry.raw is entry.record else packed(entry.raw)
    keys, content = keys_of(record), packed(record)
    return Arrival(entry, record, authoritative, source, wanted, keys, content, raw)


def source_of(file: str) -> str:
    """A file as the library names it; records that stand in none keep their word for it."""
    return str(Path(file).absolute()) if file not in ("records", "DataFrame") else file


class Newcomers:
    """Of a batch of arrivals, those that are new without any doubt: no record has their place, id,
    or a key of theirs, neither in the database nor before them in the batch."""

    def __init__(self, db: sqlite3.Connection, run: int, batch: Sequence[Arrival]) -> None:
        self._db = db
        self._run = run
        self._pending: list[Arrival] = []
        wanted = [one.wanted for one in batch]
        self._places = {
            (scope, place)
            for scope in {one.scope for one in batch}
            for place in self._known("place", "records", wanted, "AND scope = ?", scope)
        }
        self._names = {*self._known("own", "records", wanted)}
        self._names |= {*self._known("paper", "records", wanted)}
        self._keys = {*self._known("key", "keys", [key for one in batch for key in one.keys])}

    def take(self, one: Arrival) -> bool:
        """Whether it is new: `flush` stores it, as the paper of its id. Else it has to be looked
        at."""
        new = (
            one.place not in self._places
            and one.wanted not in self._names
            and self._keys.isdisjoint(one.keys)
            and not {"#", "~"}.intersection(one.wanted)  # marks of names that were taken
        )
        self.seen(one, one.wanted)
        if new:
            self._pending.append(one)
        return new

    def seen(self, one: Arrival, *names: str) -> None:
        """What comes later may be like this one, or want one of the names."""
        self._places.add(one.place)
        self._names.update(names)
        self._keys.update(one.keys)

    def flush(self) -> None:
        """Store those that were taken, in the order in which they came."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        [(first,)] = self._db.execute("SELECT coalesce(max(no), 0) + 1 FROM records")
        records, keys, flags = [], [], []
        for no, one in enumerate(pending, first):
            where = no, one.scope, one.wanted, one.source, one.entry.line, one.entry.format
            own = one.wanted, one.wanted, one.digest, one.content, one.raw
            records.append((*where, *own, self._run))
            keys += [(key, no) for key in one.keys]
            if status := one.record.get("status"):
                flags.append((no, status))
        marks = ",".join("?" * 12)
        self._db.executemany(f"INSERT INTO records VALUES ({marks})", records)
        self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)
        self._db.executemany("INSERT INTO flags VALUES (?, ?)", flags)

    def _known(self, column: str, table: str, values: Iterable[str], *also: str) -> Iterable[str]:
        """Those of the values that a column of a table has; `also` is a condition and its value."""
        condition, given = (also[0], also[1:]) if also else ("", ())
        query = (
            f"SELECT DISTINCT asked.value FROM json_each(?) AS asked CROSS JOIN {table} AS there "
            f"ON there.{column} = asked.value {condition}"
        )
        listed = json.dumps(list(values))
        return (value for (value,) in self._db.execute(query, (listed, *given)))
