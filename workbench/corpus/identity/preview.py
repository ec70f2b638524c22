"""Which records of sources are the same paper, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.corpus.checking import checked
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import OWN
from workbench.corpus.identity.library import Library
from workbench.errors import RecordError

SHOWN = 5
"""Examples that are kept."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Records that would be no papers of their own: `within` are the same as others that were
    looked at, `known` as papers of the corpus. `examples` of those: (title, paper, why)."""

    within: int = 0
    known: int = 0
    examples: tuple[tuple[str, str, str], ...] = ()


class Preview:
    """Sources one after the other, as they would be placed; kept in memory alone."""

    def __init__(self) -> None:
        self._seen = Library(None)
        self._seen.begin()

    def overlap(self, entries: Iterable[Entry], corpus: Library | None) -> Overlap:
        """How a further source's records overlap with those before, and with a corpus."""
        within = known = 0
        examples: list[tuple[str, str, str]] = []
        for entry in entries:
            try:
                record, _ = checked(entry)
                own = entry.format == OWN and "id" in record
                placed = self._seen.place(entry, record, authoritative=own)
            except RecordError:
                continue  # the inspection lists it
            within += placed.kind == "duplicate"
            found = None if corpus is None else corpus.like(record)
            if found is not None:
                known += 1
                examples.append((str(record.get("title", "")), *found))
        return Overlap(within, known, tuple(examples[:SHOWN]))

    def close(self) -> None:
        """Forget what was seen."""
        self._seen.close()
