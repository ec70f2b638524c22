"""Entry: one line of a file of judgments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from workbench.errors import EvaluationError
from workbench.evaluation.reports.metrics import whole_grade

KINDS = ("judge", "retract", "undo")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: somebody judged a pair, took that back, or undid one of the two.

    `at` is in UTC. `grade` is a whole number for "judge", else None. `undoes` is the `id` of the
    entry that an "undo" makes as if it had not been.
    """

    kind: str
    query_id: str
    paper_id: str
    grade: int | None
    who: str
    at: datetime
    note: str = ""
    undoes: str = ""
    id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record as it stands in the file; empty fields are left out."""
        record = {
            "id": self.id,
            "at": self.at.isoformat(timespec="milliseconds"),
            "who": self.who,
            "kind": self.kind,
            "query_id": self.query_id,
            "paper_id": self.paper_id,
            "grade": self.grade,
            "note": self.note,
            "undoes": self.undoes,
        }
        return {name: value for name, value in record.items() if value not in ("", None)}


def new_id() -> str:
    """An id that no other entry has, also of other files: files may be concatenated."""
    return uuid4().hex[:16]


def parse_entry(record: Any, where: str) -> Entry:
    """The entry of a parsed line. Raises EvaluationError for what is none."""
    try:
        at = datetime.fromisoformat(record["at"])
        entry = Entry(
            kind=record.get("kind", "judge"),
            query_id=record["query_id"],
            paper_id=record["paper_id"],
            grade=record.get("grade"),
            who=record["who"],
            at=at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC),
            note=record.get("note", ""),
            undoes=record.get("undoes", ""),
            id=record["id"],
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise EvaluationError(
            f"{where}: no judgment ({type(problem).__name__}: {problem}); a line needs id, at, "
            "who, query_id, paper_id and grade"
        ) from problem
    if entry.kind == "judge":
        whole_grade(entry.query_id, entry.paper_id, entry.grade, where)
    texts = (entry.query_id, entry.paper_id, entry.who, entry.id)
    targets = entry.kind == "undo" and entry.undoes in ("", entry.id)
    named = all(_is_text(text) and text for text in texts)
    noted = _is_text(entry.note) and _is_text(entry.undoes)
    if entry.kind not in KINDS or targets or not named or not noted:
        raise EvaluationError(
            f"{where}: no judgment (kind {entry.kind!r}, ids {texts}, note {entry.note!r}); kinds "
            f"are {', '.join(KINDS)}, ids and notes are texts, an undo names "
            "what it undoes, another line, and all is UTF-8; mend the line or take it out"
        )
    return entry


def _is_text(value: Any) -> bool:
    """Whether a value is a text that can be written as UTF-8: JSON may escape half a character."""
    return isinstance(value, str) and value.encode("utf-8", "ignore").decode() == value
