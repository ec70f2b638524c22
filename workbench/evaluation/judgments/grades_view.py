"""How standing grades look: the newest of them, under where they are and whose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.evaluation.judgments.entry import Entry
from workbench.present.view import View
from workbench.present.words import count

SHOWN = 10
"""Grades in a notebook's table; `to_frame` has all."""


def grades_view(
    path: Path, pairs: int, people: Sequence[str], entries: Sequence[Entry], line: str,
    notes: Sequence[str],
) -> View:  # fmt: skip
    """`entries` oldest first; `line` is what else is to be said of them."""
    head = f"{count(pairs, 'pair')} judged by {', '.join(people) or 'nobody yet'} in {path}"
    more = {"line": line, "entries": entries[: -SHOWN - 1 : -1], "total": len(entries)}
    return View(head, (line,), tuple(notes), "judgments.html", more)
