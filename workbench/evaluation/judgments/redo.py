"""What was undone and may be entered again."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.evaluation.judgments.entry import Entry


class Undone:
    """What one person undid, for as long as they enter nothing else, here or in another process."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._line = ""

    def last(self, entries: Sequence[Entry], who: str) -> Entry | None:
        """What `redo` would enter again, given all that stands in the file."""
        own = next((entry.id for entry in reversed(entries) if entry.who == who), "")
        if own != self._line:
            self._entries.clear()
        return self._entries[-1] if self._entries else None

    def push(self, entry: Entry, line: Entry) -> None:
        """Undone, by this line."""
        self._entries.append(entry)
        self._line = line.id

    def pop(self, line: Entry) -> None:
        """The last one is entered again, by this line."""
        self._entries.pop()
        self._line = line.id
