"""Papers and numbers of terms as one generation sees them, remembered for the next query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.corpus.faults import damaged
from workbench.corpus.store import PassageRow, Store
from workbench.engines.embedded.generation import Generation
from workbench.errors import CorpusError
from workbench.records import Paper
from workbench.system.fork import Lock

PAPERS = 2048
"""Papers kept in memory."""

TOGETHER = 100
"""More papers than so many are read without their passages, and not kept."""

TERMS = 2**16
"""Terms whose numbers are kept."""


@dataclass(frozen=True, slots=True)
class StoredPaper:
    """A paper, its row, its text (joined once), and where its passages stand."""

    row: int
    paper: Paper
    text: str
    places: tuple[PassageRow, ...]

    def place(self, number: int) -> PassageRow:
        """Where a passage stands. Raises CorpusError for a number that the paper lacks."""
        if not 0 <= number < len(self.places):
            raise CorpusError(
                f"paper {self.paper.id!r} has no passage {number}; it has 0 to "
                f"{len(self.places) - 1}"
            )
        return self.places[number]


class StoredPapers:
    """Papers by id, those asked for last kept. Safe to share between threads."""

    def __init__(self, store: Store, generation: Generation, folder: Path) -> None:
        self._store = store
        self._generation = generation
        self._folder = folder
        self._kept: OrderedDict[str, StoredPaper] = OrderedDict()
        self._lock = Lock()

    def read(self, ids: Sequence[str]) -> list[StoredPaper]:
        """Papers in the order of `ids`, those not kept in two statements. Raises CorpusError for
        an id that this generation lacks."""
        with self._lock:
            known = {paper_id: self._kept[paper_id] for paper_id in ids if paper_id in self._kept}
            for paper_id in known:
                self._kept.move_to_end(paper_id)
        missing = list(dict.fromkeys(paper_id for paper_id in ids if paper_id not in known))
        if missing:
            known |= self._from_store(missing)
            with self._lock:
                for paper_id in missing:
                    self._kept[paper_id] = known[paper_id]
                while len(self._kept) > PAPERS:
                    self._kept.popitem(last=False)
        return [known[paper_id] for paper_id in ids]

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """The same without where passages stand. Raises CorpusError as `read` does."""
        if len(ids) <= TOGETHER:
            return [stored.paper for stored in self.read(ids)]
        found = self._living(ids)
        return [found[paper_id][1] for paper_id in ids]

    def _living(self, ids: Sequence[str]) -> dict[str, tuple[int, Paper]]:
        rows = self._generation.rows
        found = self._store.papers(ids, self._generation.manifest.paper_rows)
        for paper_id in ids:
            if paper_id not in found or not rows.alive[rows.first_passage[found[paper_id][0]]]:
                raise CorpusError(f"no paper with id {paper_id!r} in {self._folder}; check the id")
        return found

    def _from_store(self, ids: Sequence[str]) -> dict[str, StoredPaper]:
        found = self._living(ids)
        places = self._store.passages_of([row for row, _ in found.values()])
        return {
            paper_id: StoredPaper(row, paper, paper.text, tuple(places.get(row, ())))
            for paper_id, (row, paper) in found.items()
        }


class TermNumbers:
    """The numbers of the terms that a generation has, and the terms of numbers."""

    def __init__(self, store: Store, terms: int) -> None:
        self._store = store
        self._terms = terms
        self._kept: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def names(self, numbers: Sequence[int]) -> list[str]:
        """The terms of numbers that this generation has."""
        names = self._names
        missing = [number for number in numbers if number not in names]
        if missing:
            found = self._store.term_names(missing)
            if len(found) < len(missing):
                raise damaged(self._store.path, f"terms: {len(found)} of {missing}")
            if len(names) + len(found) > TERMS:
                # Another thread may still read the one before.
                names = self._names = {n: names[n] for n in numbers if n in names}
            names.update(found)
        return [names[number] for number in numbers]

    def of(self, terms: Iterable[str]) -> dict[str, int]:
        """The number of each term that has one, in the order of `terms`."""
        kept, asked = self._kept, list(terms)
        known = {term: kept[term] for term in asked if term in kept}
        missing = [term for term in asked if term not in known]
        if missing:
            found = self._store.term_numbers(missing)
            # A term that came later has no posting here; -1 keeps that it was looked up.
            new = {term: found.get(term, -1) for term in missing}
            new = {term: no if no < self._terms else -1 for term, no in new.items()}
            if len(kept) + len(new) > TERMS:
                kept = self._kept = {}  # another thread may still read the one before
            kept.update(new)
            known |= new
        return {term: known[term] for term in asked if known[term] >= 0}
