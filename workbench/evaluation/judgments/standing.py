"""What stands after all entries of a file: each person's grade of each pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.entry import Entry

Pair = tuple[str, str]
"""Query id, paper id."""

CONFLICTS = ("error", "median", "latest", "lowest", "highest")
"""What one grade is made of several people's: see `Judgments`."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A pair to which people give different grades: the standing entry of each, oldest first."""

    query_id: str
    paper_id: str
    entries: tuple[Entry, ...]


class Standing:
    """Entries replayed in the file's order; `grades` maps pair -> person -> the entry that counts,
    `last_change` pair and person -> when the newest of their entries was made.

    Pairs stand in the order in which they were first judged. An entry whose id was there before is
    the same line once more (files were concatenated) and counts once.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.grades: dict[Pair, dict[str, Entry]] = {}
        self.order: dict[str, int] = {}
        self.undone: set[str] = set()
        self.last_change: dict[tuple[Pair, str], datetime] = {}
        self._cells: dict[tuple[Pair, str], list[Entry]] = {}
        self._by_id: dict[str, Entry] = {}
        self._source: Sequence[Entry] = ()
        self._taken = 0

    def replay(self, entries: Sequence[Entry]) -> None:
        """Take what is new in `entries`, or start again where it is another list."""
        if entries is not self._source:
            self._start()
            self._source = entries
        for entry in entries[self._taken :]:
            if entry.id not in self.order:
                self._take(entry)
        self._taken = len(entries)

    def undoable(self, who: str) -> Entry | None:
        """The person's last judgment or retraction that is not undone."""
        changes = (
            entry
            for entry in reversed(self._by_id.values())
            if entry.who == who and entry.kind != "undo" and entry.id not in self.undone
        )
        return next(changes, None)

    def _take(self, entry: Entry) -> None:
        self.order[entry.id] = len(self.order)
        self._by_id[entry.id] = entry
        changed = (entry.query_id, entry.paper_id), entry.who
        self.last_change[changed] = max(entry.at, self.last_change.get(changed, entry.at))
        if entry.kind == "undo":
            target = self._by_id.get(entry.undoes)
            self.undone.add(entry.undoes)
            if target is None or target.kind == "undo":
                return  # what it undoes comes later, or is an undo: those stand
            entry = target
        else:
            cell = (entry.query_id, entry.paper_id), entry.who
            self._cells.setdefault(cell, []).append(entry)
        self._settle((entry.query_id, entry.paper_id), entry.who)

    def _settle(self, pair: Pair, who: str) -> None:
        """What counts of one person's entries for one pair: the last that is not undone."""
        entries = self._cells[pair, who]
        last = next((e for e in reversed(entries) if e.id not in self.undone), None)
        # A new mapping each time: a thread may still read the old one.
        people = {name: e for name, e in self.grades.get(pair, {}).items() if name != who}
        if last is not None and last.kind == "judge":
            people[who] = last
        if people:
            self.grades[pair] = people
        else:
            self.grades.pop(pair, None)


def one_grade(rule: str, entries: Sequence[Entry]) -> int | None:
    """One grade of several people's, given oldest first; None where they differ and the rule is
    "error"."""
    grades = [entry.grade for entry in entries if entry.grade is not None]
    if rule == "latest" or len(set(grades)) == 1:
        return grades[-1]
    ordered = sorted(grades)
    places = {"lowest": 0, "median": (len(ordered) - 1) // 2, "highest": len(ordered) - 1}
    return ordered[places[rule]] if rule in places else None


def fingerprint(entries: Iterable[Entry]) -> str:
    """16 hexadecimal digits over pair, person and grade, in any order."""
    content = sorted((e.query_id, e.paper_id, e.who, e.grade) for e in entries)
    return sha256(json.dumps(content).encode()).hexdigest()[:16]


def check_rule(rule: str) -> str:
    """The rule. Raises EvaluationError for an unknown one."""
    if rule not in CONFLICTS:
        raise EvaluationError(f"conflicts is {rule!r}; choose one of {', '.join(CONFLICTS)}")
    return rule
