"""Judgments: who graded which paper for which query, in a file that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.collection import read_qrels
from workbench.corpus.identifiers import plain_text
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.adding import Ledger
from workbench.evaluation.judgments.agreement import Agreement, agreement
from workbench.evaluation.judgments.entry import Entry
from workbench.evaluation.judgments.exchange import read_csv, write_csv
from workbench.evaluation.judgments.progress import Progress, measure
from workbench.evaluation.judgments.standing import Pair, check_rule, one_grade
from workbench.evaluation.reports.trec import write_qrels
from workbench.evaluation.tables import judgments_text, rendered
from workbench.records import Hit, Judgment, Query
from workbench.terminal import terminal_safe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Conflict:
    """A pair to which people give different grades: the standing entry of each, oldest first."""

    query_id: str
    paper_id: str
    entries: tuple[Entry, ...]


class Judgments(Ledger):
    """Graded judgments in a JSONL file; `evaluate`, `tune` and `judge_next` take the object or the
    path. The file is made with the first judgment. Several people and processes may add at once.

    Nothing is ever rewritten: a new grade of the same person for the same pair takes the place of
    the old one, `retract` takes a grade back, `undo` takes back either, and all of it stays in the
    file (`history`). `who` is the person that adds, the login name by default.

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
        super().__init__(path, who)

    # What stands

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
        found: list[Judgment] = []
        clash: list[Pair] = []
        for pair, people in self._grades().items():
            grade = one_grade(self.rule, self._by_age(people.values()))
            if grade is None:
                clash.append(pair)
            else:
                found.append(Judgment(*pair, grade))
        if clash:
            raise EvaluationError(
                f"{self.path}: people disagree on {len(clash)} of {len(found) + len(clash)} pairs, "
                f"first query {clash[0][0]!r}, paper {clash[0][1]!r}; settle them (`conflicts()`), "
                'or choose what counts: Judgments(path, conflicts="median")'
            )
        return found

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

    @terminal_safe
    def __str__(self) -> str:
        return judgments_text(self)

    def _repr_html_(self) -> str:
        newest_last = self._by_age(self.entries())
        return rendered("judgments.html", judgments=self, facts=self.to_dict(), entries=newest_last)


def _grade(entry: Entry) -> int:
    """The grade of a standing entry, which always has one."""
    return 0 if entry.grade is None else entry.grade
