"""Grades given on a search panel's cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from workbench.evaluation.judgments.entry import Entry
from workbench.widgets.judged import Judged
from workbench.widgets.search_view import SearchView

OnGrade = Callable[[str, str], None]


class CardGrades:
    """What the cards' grades do to the file, and what the file says to the cards.

    `changed()` is called when a pair has another grade, under `lock`, the panel's.
    """

    def __init__(
        self, page: SearchView, judged: Judged, lock: RLock, changed: Callable[[], None]
    ) -> None:
        self._page = page
        self._judged = judged
        self._lock = lock
        self._changed = changed
        self._listeners: list[OnGrade] = []
        self.answers = {"grade": self.give, "ungrade": self.undo, "regrade": self.redo}

    def on_grade(self, listener: OnGrade) -> None:
        """Call `listener(query_id, paper_id)` after each grade given or taken back on a card."""
        self._listeners.append(listener)

    def follow(self, query_id: str, paper_id: str) -> None:
        """Show what the file says of a pair, that was graded elsewhere."""
        with self._lock, self._page.told(keep=True):
            self._show(query_id, paper_id)

    def give(self, message: Mapping[str, Any]) -> None:
        """A grade, or None to take it back; on the disk before the page hears of it. It is for the
        query that its card was shown for: another may have been asked meanwhile."""
        query, paper = str(message["query"]), str(message["paper"])
        try:
            query_id = self._judged.grade(query, paper, message["grade"])
        except Exception:  # the page shows what was there before
            self._page.send({"type": "graded", "query": query, "paper": paper, "failed": True})
            raise
        self._tell(query_id, paper)

    def undo(self, _: Mapping[str, Any]) -> None:
        """Make this person's last grade in the file as if it had not been."""
        if self._judged.file is not None:
            self._tell_of(self._judged.file.undo())

    def redo(self, _: Mapping[str, Any]) -> None:
        """Give the grade again that was undone last."""
        if self._judged.file is not None:
            self._tell_of(self._judged.file.redo())

    def _tell_of(self, entry: Entry | None) -> None:
        if entry is not None:
            self._tell(entry.query_id, entry.paper_id, undone=True)

    def _tell(self, query_id: str, paper_id: str, **more: Any) -> None:
        self._show(query_id, paper_id, **more)
        for listener in self._listeners:
            listener(query_id, paper_id)

    def _show(self, query_id: str, paper_id: str, **more: Any) -> None:
        text = self._judged.text_of(query_id)
        if text is None:  # a file may hold other queries too
            return
        grade = (self._judged.grades_of(text) or {}).get(paper_id)
        told = {"type": "graded", "query": text.strip(), "paper": paper_id, "grade": grade}
        self._page.send(told | more)
        self._changed()
