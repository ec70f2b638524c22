"""Judgments: who graded which paper for which query, in a file that only grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.collection import read_qrels
from workbench.corpus.faults import as_file
from workbench.corpus.identifiers import identifier, plain_text
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.agreement import Agreement, agreement
from workbench.evaluation.judgments.entry import Entry, new_id
from workbench.evaluation.judgments.exchange import read_csv, write_csv
from workbench.evaluation.judgments.grades_view import grades_view
from workbench.evaluation.judgments.journal import Journal, write_snapshot
from workbench.evaluation.judgments.progress import Progress, measure
from workbench.evaluation.judgments.redo import Undone
from workbench.evaluation.judgments.standing import (
    Conflict,
    Pair,
    Standing,
    check_rule,
    fingerprint,
    one_grade,
)
from workbench.evaluation.reports.metrics import whole_grade
from workbench.evaluation.reports.trec import write_qrels
from workbench.present.view import Shown, View
from workbench.present.words import count
from workbench.profiles import person
from workbench.records import Hit, Judgment, Query
from workbench.system.fork import Lock

if TYPE_CHECKING:
    import pandas as pd


class Judgments(Shown):
    """Graded judgments in a JSONL file; `evaluate`, `tune` and `judge_next` take the object or the
    path. The file is made with the first judgment. Several people and processes may add at once.

    Nothing is ever rewritten: a new grade of the same person for the same pair takes the place of
    the old one, `retract` takes a grade back, `undo` takes back either (`redo` enters it again),
    and all of it stays in the file (`history`). `who` is the person that adds, by default the login
    name.

    Iterating gives one `Judgment` a pair. Where people disagree, `conflicts` says what counts:
    "error" (the default) raises EvaluationError, "median" takes the lower median, "latest" the
    newest grade in the file, "lowest" and "highest" what they say.

    In a notebook it shows as a table; `str()` gives plain text. Raises EvaluationError for a line
    that is no judgment (with its number), a snapshot that was changed, and bad arguments.
    """

    def __init__(
        self, path: str | Path, *, who: str | None = None, conflicts: str = "error"
    ) -> None:
        self.rule = check_rule(conflicts)
        self.who = plain_text("who", person() if who is None else who)
        self._journal = Journal(as_file(path, EvaluationError))
        self._standing = Standing()
        self._undone: defaultdict[str, Undone] = defaultdict(Undone)
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

    # Adding

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
        name = self.who if who is None else plain_text("who", who)
        undone: list[Entry] = []

        def make(entries: Sequence[Entry]) -> list[Entry]:
            self._replayed(entries)
            last = self._standing.undoable(name)
            if last is None:
                return []
            undone.append(last)
            line = self._entry("undo", last.query_id, last.paper_id, None, name, "")
            self._undone[name].last(entries, name)
            self._undone[name].push(last, line)
            return [replace(line, undoes=last.id)]

        self._journal.append(make)
        return undone[0] if undone else None

    def redo(self, *, who: str | None = None) -> Entry | None:
        """Enter again what this object's last `undo` took back, and then what the one before did.
        Returns the new entry, None where nothing is left or the person went on since."""
        name = self.who if who is None else plain_text("who", who)

        def make(entries: Sequence[Entry]) -> list[Entry]:
            last = self._undone[name].last(entries, name)
            if last is None:
                return []
            line = self._entry(last.kind, last.query_id, last.paper_id, last.grade, name, last.note)
            self._undone[name].pop(line)
            return [line]

        return next(iter(self._journal.append(make)), None)

    # What stands

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

    def current(self, who: str | None = None) -> list[Judgment]:
        """One judgment a pair, by the rule for conflicts, or the grades of one person.

        Pairs stand in the order in which they were first judged. Raises EvaluationError where
        people disagree and the rule is "error".
        """
        if who is not None:
            return [
                Judgment(query, paper, _grade(people[who]))
                for (query, paper), people in self._grades().items()
                if who in people
            ]
        settled: list[Judgment] = []
        clash: list[Pair] = []
        for pair, people in self._grades().items():
            grade = one_grade(self.rule, self._by_age(people.values()))
            if grade is None:
                clash.append(pair)
            else:
                settled.append(Judgment(*pair, grade))
        if clash:
            raise EvaluationError(
                f"{self.path}: people disagree on {len(clash)} of {len(settled) + len(clash)} "
                f"pairs, first query {clash[0][0]!r}, paper {clash[0][1]!r}; settle them "
                "(`conflicts()`), "
                'or choose what counts: Judgments(path, conflicts="median")'
            )
        return settled

    def conflicts(self) -> list[Conflict]:
        """The pairs to which people give different grades."""
        return [
            Conflict(*pair, tuple(self._by_age(people.values())))
            for pair, people in self._grades().items()
            if len({entry.grade for entry in people.values()}) > 1
        ]

    def agreement(self) -> Agreement:
        """How alike people judge, where two or more judged the same pair."""
        return agreement(
            {
                pair: {who: _grade(entry) for who, entry in people.items()}
                for pair, people in self._grades().items()
            }
        )

    @property
    def people(self) -> list[str]:
        """Everybody who has a standing grade, by name."""
        return sorted({who for people in self._grades().values() for who in people})

    def progress(
        self,
        queries: Iterable[str | Query],
        depth: int,
        run: Mapping[str, Sequence[str | Hit]],
        *,
        who: str | None = None,
        seed: int | None = None,
    ) -> Progress:
        """How many of the first `depth` papers of each query's ranking have a grade (of `who`).

        `run` maps query id to paper ids or hits, best first (a `Ranking` is one). With a `seed`
        `left` hides the ranks: each query's papers in an order that is random, but the same every
        time. Raises EvaluationError for a depth below 1 or a query that is not in the run.
        """
        return measure(self._grades(), queries, depth, run, who, seed)

    # In and out

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

    def import_qrels(self, path: str | Path, *, who: str | None = None) -> int:
        """Add the judgments of a qrels file (`read_qrels`) as this person's; returns how many were
        new. What the person judged the same already is left as it is, so it can be repeated.

        Raises RecordError with the line for a bad file; then nothing is added.
        """
        judged = read_qrels(path)
        return self._import(
            [self._entry("judge", j.query_id, j.paper_id, j.grade, who, "") for j in judged],
            str(path),
        )

    def import_csv(self, path: str | Path, *, who: str | None = None) -> int:
        """The same for a CSV file (or any that `read_qrels` reads) with columns query_id, paper_id,
        grade, and who, at, note where they are there. A grade that is older than what its person
        did last for the pair is not taken; `notes` count them. Raises EvaluationError with the line
        for a bad file."""
        name = self.who if who is None else plain_text("who", who)
        path = Path(path).expanduser()
        return self._import(list(read_csv(path, name, datetime.now(UTC))), str(path))

    def export_qrels(self, path: str | Path) -> int:
        """Write `current()` as TREC qrels; returns how many lines. Raises what `current` and
        `write_qrels` raise."""
        judged = self.current()
        write_qrels(path, judged)
        return len(judged)

    def export_csv(self, path: str | Path) -> int:
        """Write every standing grade with who, when and note; `import_csv` reads it back."""
        entries = self.entries()
        write_csv(Path(path), entries)
        return len(entries)

    def to_frame(self) -> pd.DataFrame:
        """One row a standing grade: query_id, paper_id, grade, who, at, note."""
        import pandas as pd

        names = ["query_id", "paper_id", "grade", "who", "at", "note"]
        rows = [[getattr(entry, name) for name in names] for entry in self.entries()]
        return pd.DataFrame(rows, columns=names)

    def to_dict(self) -> dict[str, Any]:
        """The facts of the file, as plain values."""
        return {
            "path": str(self.path),
            "pairs": len(self),
            "people": self.people,
            "entries": len(self._journal.entries()),
            "conflicts": len(self.conflicts()),
            "fingerprint": self.fingerprint,
        }

    def __iter__(self) -> Iterator[Judgment]:
        return iter(self.current())

    def __len__(self) -> int:
        """How many pairs have a grade."""
        return len(self._grades())

    def __bool__(self) -> bool:
        return True  # a file without judgments yet is not the absence of one

    def __repr__(self) -> str:
        return f"Judgments({str(self.path)!r}, {len(self)} pairs, {len(self.people)} people)"

    def view(self) -> View:
        """The facts of the file, and the newest grades."""
        facts, notes = self.to_dict(), list(self.notes)
        if facts["conflicts"]:
            notes.append(
                f"{count(facts['conflicts'], 'pair')} judged differently: see conflicts() and "
                "agreement()"
            )
        line = f"{count(facts['entries'], 'entry')}, fingerprint {facts['fingerprint']}"
        entries = self._by_age(self.entries())
        return grades_view(self.path, len(self), facts["people"], entries, line, notes)

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


def _grade(entry: Entry) -> int:
    """The grade of a standing entry, which always has one."""
    return 0 if entry.grade is None else entry.grade
