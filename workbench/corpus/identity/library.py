"""Every record that was read, beside the papers made of them: one SQLite file, sources.sqlite.

A record is known by its source and its place there, so reading a file again changes what changed.
Records of the same paper carry the same paper id. Nothing here is needed for searching.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.formats.entry import Entry
from workbench.corpus.identity.arrivals import Arrival, Newcomers, arrival, source_of
from workbench.corpus.identity.keys import conflict, derived_id, keys_of, same_paper
from workbench.corpus.identity.merging import merge
from workbench.corpus.identity.storage import Member, Placed, connect, unpacked
from workbench.corpus.identity.stored import StoredPapers
from workbench.errors import RecordError

_CANDIDATES = 64
"""Records with a common key that are compared; a key that more share tells nothing."""


class Library:
    """The records of one corpus. Changes are kept by `commit`, together.

    `path` None keeps them in memory. One thread at a time. Raises CorpusDamaged.
    """

    def __init__(self, path: Path | None, *, write: bool = True) -> None:
        self._db = connect(path, write)
        self.stored = StoredPapers(self._db)
        self._lone: dict[str, bytes] = {}  # records of papers that just came, and have one each
        self.run = int(self.state("run", 0))

    def begin(self) -> None:
        """Start a run: what it does not read is `unseen` at its end."""
        self.run += 1
        self.set_state("run", self.run)

    def close(self) -> None:
        """Close the file; what was not committed is dropped."""
        self._db.close()

    def commit(self) -> None:
        """Keep the changes since the last commit."""
        self._lone.clear()
        self._db.commit()

    def state(self, key: str, default: Any = None) -> Any:
        """A value kept by `set_state`."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set_state(self, key: str, value: object) -> None:
        """Remember a small JSON value."""
        self._db.execute("REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))

    def place(self, entry: Entry, record: Mapping[str, Any], *, authoritative: bool) -> Placed:
        """Store an entry's record, and find the paper it belongs to; `authoritative` as in an
        Arrival. Raises RecordError where such an id comes twice in one run."""
        return self._place(arrival(entry, record, authoritative, source_of(entry.file)))

    def place_all(self, arrivals: Sequence[Arrival]) -> Generator[Placed | RecordError, None, None]:
        """`place` for each, in order; where it would raise, the error. Those that are new are
        stored together, all of them once the iterator is closed."""
        new = Newcomers(self._db, self.run, arrivals)
        try:
            for one in arrivals:
                if new.take(one):
                    self._lone[one.wanted] = one.content
                    yield Placed(one.wanted, "new")
                    continue
                new.flush()
                try:
                    placed = self._place(one)
                except RecordError as error:
                    yield error
                    continue
                touched = placed.paper, *placed.remake, *placed.gone
                new.seen(one, derived_id(one.record), *touched)
                for name in touched:
                    self._lone.pop(name, None)
                yield placed
        finally:
            new.flush()

    def _place(self, one: Arrival) -> Placed:
        entry, record, authoritative = one.entry, one.record, one.authoritative
        source, scope, wanted = one.source, one.scope, one.wanted
        place, known = self._known(scope, wanted, authoritative)
        hashed = one.digest
        if known is not None and known[1] == hashed:
            query = "UPDATE records SET run = ?, line = ?, source = ? WHERE no = ?"
            self._db.execute(query, (self.run, entry.line, source, known[0]))
            return Placed(known[2], "unchanged")
        values = (source, entry.line, entry.format, hashed, one.content, one.raw, self.run)
        if known is not None:
            query = (
                "UPDATE records SET source = ?, line = ?, format = ?, digest = ?, record = ?, "
                "raw = ?, run = ? WHERE no = ?"
            )
            self._db.execute(query, (*values, known[0]))
            return self._regroup(known[0], record, known[2], authoritative)
        own = self._free_id(wanted, record)
        cursor = self._db.execute(
            "INSERT INTO records(source, line, format, digest, record, raw, run, scope, place, "
            "own, paper) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, scope, place, own, own),
        )
        return self._regroup(int(cursor.lastrowid or 0), record, "", authoritative)

    def _known(
        self, scope: str, wanted: str, authoritative: bool
    ) -> tuple[str, tuple[int, bytes, str] | None]:
        """(the record's place, what is stored there); a place that this run has used already is
        taken, and the next record of that name stands behind it."""
        number = 1
        while True:
            place = wanted if number == 1 else f"{wanted}#{number}"
            row = self._db.execute(
                "SELECT no, digest, paper, run FROM records WHERE scope = ? AND place = ?",
                (scope, place),
            ).fetchone()
            if row is None or row[3] != self.run:
                return place, None if row is None else row[:3]
            if authoritative:
                raise RecordError(f"id {wanted!r} came before; the first one is kept")
            number += 1

    def _free_id(self, wanted: str, record: Mapping[str, Any]) -> str:
        """The wanted id, else one derived from the record, where another record has the first."""
        for name in (wanted, derived_id(record)):
            if not self._taken(name):
                return name
        number = 2
        while self._taken(f"{wanted}~{number}"):
            number += 1
        return f"{wanted}~{number}"

    def _taken(self, name: str) -> bool:
        row = self._db.execute("SELECT 1 FROM records WHERE own = ? LIMIT 1", (name,)).fetchone()
        return row is not None

    def _regroup(
        self, no: int, record: Mapping[str, Any], former: str, authoritative: bool
    ) -> Placed:
        """Join a record that is new or changed to the papers that it is the same as."""
        affected = {former} - {""}
        if former:
            self._alone(no, former)
        keys = keys_of(record)
        self._index(no, keys, record)
        groups = self._groups_like(no, record, keys, authoritative)
        papers = {member.paper for group in groups for member in group} | {self._paper_of(no)}
        paper = self._united(papers)
        kind = "duplicate" if groups else "changed" if former else "new"
        affected |= papers
        alive = {name for name in affected if self._paper_exists(name)}
        return Placed(paper, kind, tuple(sorted(alive - {paper})), tuple(sorted(affected - alive)))

    def _alone(self, no: int, former: str) -> None:
        """Take a changed record out of its paper; the others keep together under the first's id."""
        others = [member for member in self.members(former) if member.no != no]
        if others:
            for member in others:
                query = "UPDATE records SET paper = ? WHERE no = ?"
                self._db.execute(query, (others[0].own, member.no))
        self._db.execute("UPDATE records SET paper = own WHERE no = ?", (no,))

    def _index(self, no: int, keys: Sequence[str], record: Mapping[str, Any]) -> None:
        self._db.execute("DELETE FROM keys WHERE no = ?", (no,))
        self._db.execute("DELETE FROM flags WHERE no = ?", (no,))
        rows = [(key, no) for key in keys]
        self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)
        if record.get("status"):
            self._db.execute("INSERT INTO flags VALUES (?, ?)", (no, record["status"]))

    def _united(self, papers: Iterable[str]) -> str:
        """One paper of several: the id is that of our own record, else of the one that came
        first."""
        names = sorted(papers)
        marks = ",".join("?" * len(names))
        query = f"SELECT own FROM records WHERE paper IN ({marks}) ORDER BY scope != '', no LIMIT 1"
        (first,) = self._db.execute(query, names).fetchone()
        if names != [first]:
            query = f"UPDATE records SET paper = ? WHERE paper IN ({marks})"
            self._db.execute(query, (first, *names))
        return str(first)

    def _paper_of(self, no: int) -> str:
        (name,) = self._db.execute("SELECT paper FROM records WHERE no = ?", (no,)).fetchone()
        return str(name)

    def _paper_exists(self, paper: str) -> bool:
        row = self._db.execute("SELECT 1 FROM records WHERE paper = ? LIMIT 1", (paper,)).fetchone()
        return row is not None

    def _groups_like(
        self, no: int, record: Mapping[str, Any], keys: Sequence[str], authoritative: bool
    ) -> list[list[Member]]:
        """Papers of which a record is the same as this one, and none speaks against it."""
        marks = ",".join("?" * len(keys))
        rows = self._db.execute(
            f"SELECT DISTINCT paper FROM records JOIN keys USING (no) WHERE key IN ({marks}) "
            "AND no != ? UNION SELECT paper FROM records JOIN decisions ON same = 1 AND "
            "(one = ? AND no = other OR other = ? AND no = one) LIMIT ?",
            (*keys, no, no, no, _CANDIDATES),
        ).fetchall()
        found: list[list[Member]] = []
        for (paper,) in rows:
            members = self.members(paper)
            decided = {self._decided(no, member.no) for member in members}
            others = [record, *(member.record for group in found for member in group)]
            if False in decided:
                continue
            if True not in decided:
                if authoritative and any(not member.scope for member in members):
                    continue  # two of our own records with different ids are two papers
                if any(conflict(one, member.record) for one in others for member in members):
                    continue
                if not any(same_paper(record, member.record) for member in members):
                    continue
            found.append(members)
        return found

    def like(self, record: Mapping[str, Any]) -> tuple[str, str] | None:
        """(the paper that a record would join, why); None where it would be one of its own."""
        named = self.members(str(record.get("id", "")))
        if any(not member.scope for member in named):
            return named[0].paper, "same id"
        for group in self._groups_like(0, record, keys_of(record), False):
            reasons = (same_paper(record, member.record) for member in group)
            return group[0].paper, next(filter(None, reasons), "")
        return None

    def _decided(self, one: int, other: int) -> bool | None:
        """What a person said of two records: the same paper or not; None for nothing."""
        row = self._db.execute(
            "SELECT same FROM decisions WHERE one = ? AND other = ?",
            (min(one, other), max(one, other)),
        ).fetchone()
        return None if row is None else bool(row[0])

    def _decide(self, pairs: Iterable[tuple[int, int]], *, same: bool) -> None:
        rows = [(one, other, same) for one, other in pairs]
        self._db.executemany("REPLACE INTO decisions VALUES (?, ?, ?)", rows)

    def members(self, paper: str) -> list[Member]:
        """The records of a paper, in the order in which they came."""
        rows = self._db.execute(
            "SELECT no, scope, source, line, format, own, paper, record FROM records "
            "WHERE paper = ? ORDER BY no",
            (paper,),
        )
        return [
            Member(no, scope, source, line, name, own, group, unpacked(content))
            for no, scope, source, line, name, own, group, content in rows
        ]

    def raw(self, paper: str) -> list[tuple[Member, Mapping[str, Any]]]:
        """Each record of a paper with what its file says."""
        found = []
        for member in self.members(paper):
            row = self._db.execute("SELECT raw FROM records WHERE no = ?", (member.no,)).fetchone()
            found.append((member, member.record if row[0] is None else unpacked(row[0])))
        return found

    def is_lone(self, paper: str) -> bool:
        """Whether a paper came since the last commit, and one record makes it."""
        return paper in self._lone

    def merged(self, paper: str) -> dict[str, Any]:
        """The paper's fields, the best of its records."""
        if paper in self._lone:
            return {**unpacked(self._lone[paper]), "id": paper}
        record, _ = merge([member.record for member in self.members(paper)])
        return {**record, "id": paper}

    def groups(self) -> list[str]:
        """Papers that several records make, in the order in which they came."""
        query = "SELECT paper FROM records GROUP BY paper HAVING count(*) > 1 ORDER BY min(no)"
        return [name for (name,) in self._db.execute(query)]

    def flagged(self) -> list[tuple[str, str]]:
        """(paper, "retracted" or "withdrawn") of papers that a record says so of."""
        query = "SELECT DISTINCT paper, status FROM flags JOIN records USING (no) ORDER BY paper"
        return self._db.execute(query).fetchall()

    def separate(self, paper: str) -> list[str]:
        """Undo a merge for good: each record is a paper of its own. Returns their ids."""
        members = self.members(paper)
        pairs = [(a.no, b.no) for a in members for b in members if a.no < b.no]
        self._decide(pairs, same=False)
        self._db.execute("UPDATE records SET paper = own WHERE paper = ?", (paper,))
        return [member.own for member in members]

    def join(self, papers: Sequence[str]) -> tuple[str, list[str]]:
        """Make one paper of several, whatever their records say: (its id, the ids given up)."""
        members = [member for name in papers for member in self.members(name)]
        first = min(members, key=lambda member: member.no)
        for member in members:
            self._db.execute("UPDATE records SET paper = ? WHERE no = ?", (first.paper, member.no))
        numbers = [(a.no, b.no) for a in members for b in members if a.no < b.no]
        self._decide(numbers, same=True)
        return first.paper, sorted({member.paper for member in members} - {first.paper})

    def see(self, file: str, place: str) -> None:
        """A record whose new version is bad was seen: its old version stays."""
        source = source_of(file)
        query = "UPDATE records SET run = ? WHERE place = ? AND scope IN ('', ?)"
        self._db.execute(query, (self.run, place, source))

    def see_file(self, file: Path, stat: str) -> bool:
        """Whether a file is as it was when it was read; then its records count as seen."""
        source = str(file.absolute())
        row = self._db.execute("SELECT stat FROM files WHERE source = ?", (source,)).fetchone()
        if row is None or row[0] != stat:
            return False
        self.see_inside(file)  # an archive has several sources in it
        return True

    def keep_stat(self, file: Path, stat: str) -> None:
        """Remember a file as it is now that it was read to its end."""
        self._db.execute("REPLACE INTO files VALUES (?, ?)", (str(file.absolute()), stat))

    def see_inside(self, path: Path) -> None:
        """Count the records of a file, or of all files in a folder, as seen."""
        query = f"UPDATE records SET run = ? WHERE {_INSIDE}"
        self._db.execute(query, (self.run, *_inside(path)))

    def unseen(self, path: Path) -> dict[str, tuple[int, int]]:
        """{source: (records that this run did not read, all)} of a file, or of those in a folder;
        sources that are complete are left out."""
        query = (
            f"SELECT source, sum(run != ?), count(*) FROM records WHERE {_INSIDE} GROUP BY source "
            "HAVING sum(run != ?) > 0"
        )
        rows = self._db.execute(query, (self.run, *_inside(path), self.run))
        return {source: (unseen, total) for source, unseen, total in rows.fetchall()}

    def forget_unseen(self, sources: Iterable[str]) -> tuple[set[str], set[str]]:
        """Drop records of these sources that this run did not read: (papers that lost a record
        and are made anew, papers without any now)."""
        touched: set[str] = set()
        for source in set(sources):
            query = "SELECT no, paper FROM records WHERE source = ? AND run != ?"
            rows = self._db.execute(query, (source, self.run)).fetchall()
            self._drop([no for no, _ in rows])
            for paper in {paper for _, paper in rows}:
                touched |= {paper, self._renamed(paper)}
        alive = {paper for paper in touched if self._paper_exists(paper)}
        return alive, touched - alive

    def _renamed(self, paper: str) -> str:
        """The id of a paper whose first record is gone: that of the first one left."""
        query = "SELECT own FROM records WHERE paper = ? ORDER BY scope != '', no LIMIT 1"
        row = self._db.execute(query, (paper,)).fetchone()
        if row is None or row[0] == paper:
            return paper
        self._db.execute("UPDATE records SET paper = ? WHERE paper = ?", (row[0], paper))
        return str(row[0])

    def remove(self, papers: Iterable[str]) -> None:
        """Drop all records of papers that were deleted."""
        for paper in papers:
            rows = self._db.execute("SELECT no FROM records WHERE paper = ?", (paper,)).fetchall()
            self._drop([no for (no,) in rows])
            self.stored.forget([paper])

    def _drop(self, numbers: Sequence[int]) -> None:
        values = [(no,) for no in numbers]
        self._db.executemany("DELETE FROM keys WHERE no = ?", values)
        self._db.executemany("DELETE FROM flags WHERE no = ?", values)
        self._db.executemany("DELETE FROM decisions WHERE ?1 IN (one, other)", values)
        self._db.executemany("DELETE FROM records WHERE no = ?", values)


_INSIDE = "(source = ? OR substr(source, 1, ?) = ?)"


def _inside(path: Path) -> tuple[str, int, str]:
    """Values for _INSIDE."""
    name = str(path.absolute())
    return name, len(name) + 1, f"{name}/"
