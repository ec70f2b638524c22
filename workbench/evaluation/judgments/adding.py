"""A file of judgments as a ledger: adding to it, and what stands after all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from workbench.corpus.identifiers import identifier, plain_text
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.entry import Entry, new_id
from workbench.evaluation.judgments.journal import Journal, write_snapshot
from workbench.evaluation.judgments.standing import Pair, Standing, fingerprint
from workbench.evaluation.reports.metrics import whole_grade
from workbench.forking import Lock
from workbench.profiles import person


class Ledger:
    """What of `Judgments` adds entries and replays them."""

    def __init__(self, path: str | Path, who: str | None = None) -> None:
        self.who = plain_text("who", person() if who is None else who)
        self._journal = Journal(Path(path).expanduser())
        self._standing = Standing()
        self._mutex = Lock()
        stated = self._journal.header.get("snapshot")
        if stated is not None and stated != self.fingerprint:
            raise EvaluationError(
                f"{self.path} says it is snapshot {stated}, but its grades are "
                f"{self.fingerprint}; it was changed, take the original"
            )

    @property
    def path(self) -> Path:
        """The file."""
        return self._journal.path

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person should know about the file, in sentences."""
        return tuple(self._journal.notes)

    def add(
        self, query_id: str, paper_id: str, grade: int, note: str = "", *, who: str | None = None
    ) -> Entry:
        """Judge a pair: 0 is not relevant, more is better, up to 1,000. On the disk on return.

        Raises EvaluationError for ids that are empty or no text, a grade that is no whole number,
        or where the file cannot be written; then nothing is added.
        """
        grade = whole_grade(query_id, paper_id, grade)
        entry = self._entry("judge", query_id, paper_id, grade, who, note)
        return self._journal.append(lambda _: [entry])[0]

    def retract(
        self, query_id: str, paper_id: str, *, note: str = "", who: str | None = None
    ) -> Entry:
        """Take a grade back: the pair counts as not judged by this person.

        Raises EvaluationError where the person has no grade there.
        """
        entry = self._entry("retract", query_id, paper_id, None, who, note)

        def make(entries: Sequence[Entry]) -> list[Entry]:
            if entry.who not in self._replayed(entries).get((entry.query_id, entry.paper_id), {}):
                raise EvaluationError(
                    f"{entry.who!r} has no grade for query {query_id!r}, paper {paper_id!r}, so "
                    "there is nothing to retract"
                )
            return [entry]

        return self._journal.append(make)[0]

    def undo(self, *, who: str | None = None) -> Entry | None:
        """Make this person's last `add` or `retract` as if it had not been; a grade that it
        replaced stands again. Called again it goes further back. Returns the entry undone, None
        where nothing is left."""
        undone: list[Entry] = []

        def make(entries: Sequence[Entry]) -> list[Entry]:
            self._replayed(entries)
            last = self._standing.undoable(self.who if who is None else plain_text("who", who))
            if last is None:
                return []
            undone.append(last)
            entry = self._entry("undo", last.query_id, last.paper_id, None, last.who, "")
            return [replace(entry, undoes=last.id)]

        self._journal.append(make)
        return undone[0] if undone else None

    def entries(self) -> list[Entry]:
        """The standing grade of each person for each pair, pair by pair."""
        return [entry for people in self._grades().values() for entry in people.values()]

    def history(self, query_id: str | None = None, paper_id: str | None = None) -> list[Entry]:
        """Everything that was ever entered, oldest first; of one query, paper or pair if named."""
        query_id = None if query_id is None else identifier("query_id", query_id)
        paper_id = None if paper_id is None else identifier("paper_id", paper_id)
        return [
            entry
            for entry in self._journal.entries()
            if query_id in (None, entry.query_id) and paper_id in (None, entry.paper_id)
        ]

    @property
    def fingerprint(self) -> str:
        """Equal for the same grades by the same people; time, notes and history do not count."""
        return fingerprint(self.entries())

    def snapshot(self, path: str | Path | None = None) -> Path:
        """Freeze the judgments of now: a file of everything up to now, named by fingerprint.

        `path` is a folder, by default `NAME.snapshots` beside the file. Returns the file;
        `Judgments` opens it like any other, adds nothing to it, and refuses it if it was changed.
        """
        folder = self.path.with_suffix(".snapshots") if path is None else Path(path).expanduser()
        entries = list(self._journal.entries())
        frozen = Standing()
        frozen.replay(entries)
        name = fingerprint(e for people in frozen.grades.values() for e in people.values())
        target = folder / f"{self.path.stem}-{name}.jsonl"
        if not target.exists():
            write_snapshot(target, entries, name, self.path.name)
        return target

    def _grades(self) -> Mapping[Pair, Mapping[str, Entry]]:
        """What stands now: pair -> person -> entry."""
        return self._replayed(self._journal.entries())

    def _replayed(self, entries: Sequence[Entry]) -> Mapping[Pair, Mapping[str, Entry]]:
        with self._mutex:
            self._standing.replay(entries)
            return dict(self._standing.grades)

    def _by_age(self, entries: Iterable[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: self._standing.order[entry.id])

    def _entry(
        self, kind: str, query_id: str, paper_id: str, grade: int | None, who: str | None, note: str
    ) -> Entry:
        """A new entry, its texts checked."""
        now = datetime.now(UTC)
        return Entry(
            kind=kind,
            query_id=identifier("query_id", query_id),
            paper_id=identifier("paper_id", paper_id),
            grade=grade,
            who=self.who if who is None else plain_text("who", who),
            at=now.replace(microsecond=now.microsecond // 1000 * 1000),  # as the file keeps it
            note=plain_text("note", note) if note else "",
            id=new_id(),
        )

    def _import(self, entries: list[Entry], source: str) -> int:
        """Add those entries that change something and are no older than what the person did last
        for the pair, all in one write; `notes` say how many were older."""
        older: list[Entry] = []

        def make(known: Sequence[Entry]) -> list[Entry]:
            grades = self._replayed(known)
            new: list[Entry] = []
            for entry in entries:
                pair = entry.query_id, entry.paper_id
                old = grades.get(pair, {}).get(entry.who)
                if old and (old.grade, old.note) == (entry.grade, entry.note or old.note):
                    continue
                last = self._standing.last_change.get((pair, entry.who))
                (older if last is not None and entry.at < last else new).append(entry)
            return new

        added = len(self._journal.append(make))
        if older:
            first = older[0]
            self._journal.notes.append(
                f"{source}: {len(older)} grades are older than what stands here and were not taken "
                f"(first query {first.query_id!r}, paper {first.paper_id!r}, by {first.who!r} at "
                f"{first.at.isoformat(timespec='minutes')}); `add` them if they count"
            )
        return added
