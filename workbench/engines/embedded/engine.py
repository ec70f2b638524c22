"""The embedded engine: SQLite, memory-mapped BM25 scores and vectors, exact in every signal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import STORE, Manifest, read_manifest
from workbench.corpus.store import PassageRow, Store
from workbench.engines.base import FEEDBACK, LOWER, SIGNALS, Ahead, Counted, Engine
from workbench.engines.embedded.dense import DenseQuery, best_places
from workbench.engines.embedded.generation import Generation, RowArrays, check_counts
from workbench.engines.embedded.lexical import field_size
from workbench.engines.embedded.masks import PassageMasks
from workbench.engines.embedded.paper_digests import read_paper_digests
from workbench.engines.paper_digests import PaperDigests
from workbench.errors import CorpusError, CorpusMismatch, CorpusNotFound
from workbench.records import Candidates, Filters, Paper, Passage, Query

Scores = NDArray[np.float32]
Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]


TOGETHER = 100
"""More papers than so many are read in one statement, and not remembered."""


class EmbeddedEngine(Engine):
    """One generation of a corpus folder, opened for reading; nothing is loaded until used."""

    signals = SIGNALS

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._manifest = read_manifest(self.folder)
        self._generation = Generation(self.folder, self.manifest)
        self._store = Store(self.folder / STORE)
        check_counts(self._store, self.manifest)
        self._masks = PassageMasks(self._store, self._generation)
        self._last = threading.local()
        self._digests: PaperDigests | None = None
        self._field_size = lru_cache(maxsize=2)(self._read_size)
        self._cached_paper = lru_cache(maxsize=2048)(self._read_paper)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def fingerprint(self) -> str:
        return f"embedded-{self.manifest.fingerprint}"

    def paper_digests(self) -> PaperDigests:
        """Read once a generation: all spans and all vectors."""
        if self._digests is None:
            self._digests = read_paper_digests(self._store, self._generation, self.manifest)
        return self._digests

    def close(self) -> None:
        self._store.close()

    def candidates(
        self,
        query: Query,
        n: int,
        filters: Filters = Filters(),
        *,
        n_keyword: int | None = None,
        expanded: Query | None = None,
        ahead: Ahead | None = None,
    ) -> Candidates:
        mask = self._masks.mask(filters)
        title, own = self._scored(query)
        asked = [own]
        if expanded is not None:
            more = self._generation.body.scores(self._numbered(expanded))
            asked.append(_Arms(more, self._dense(expanded.vector)))
        index = self._generation.rows
        arms = [rows for arm in asked for rows in arm.best(n, mask, index)]
        arms.append(self._title_arm(title, n if n_keyword is None else n_keyword, mask))
        found = np.zeros(len(index.paper_of), dtype=bool)
        found[np.concatenate(arms)] = True
        rows = np.flatnonzero(found)
        papers = index.paper_of[rows]
        canonical = np.argsort(index.order[papers], kind="stable")
        rows, papers = rows[canonical], papers[canonical]
        columns = [column for arm in asked for column in arm.scores(rows)]
        columns.insert(1, title[papers])
        signals = SIGNALS if expanded is None else SIGNALS + FEEDBACK
        return Candidates(
            query=query,
            signals=signals,
            paper_ids=index.ids[papers],
            numbers=index.number_of[rows],
            values=np.stack(columns, axis=1).astype(np.float64),
            lower=np.array([LOWER[signal] for signal in signals]),
            fingerprint=self.fingerprint,
        )

    def vectors(self, keys: Sequence[tuple[str, int]]) -> Vectors:
        rows = [self._cached_paper(paper_id).place(number).no for paper_id, number in keys]
        return self._generation.dense.vectors[rows]

    def passage_keys(self) -> list[tuple[str, int]]:
        """(paper id, number) of every passage, in the order of the rows."""
        index = self._generation.rows
        rows = np.flatnonzero(index.alive)
        ids = index.ids[index.paper_of[rows]].tolist()
        return list(zip(ids, index.number_of[rows].tolist(), strict=True))

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        known = self._store.term_numbers(list(terms))
        body = self._generation.body
        found = {t: body.frequency(no) for t, no in known.items() if no < self.manifest.terms}
        return {term: count for term, count in found.items() if count}, self.manifest.passages

    def counted(self, signal: str, terms: Sequence[str]) -> Counted:
        """What the BM25 of "bm25" or "title" counts; the first call reads all postings."""
        title = signal == "title"
        index = self._generation.title if title else self._generation.body
        known = self._store.term_numbers(list(terms))
        found = {t: index.frequency(no) for t, no in known.items() if no < self.manifest.terms}
        documents, length = self._field_size("title" if title else "body")
        return Counted(documents, length / max(documents, 1) or 1.0, found, rounded=False)

    def known(self, ids: Collection[str]) -> set[str]:
        rows = self._generation.rows
        alive = rows.ids[: len(rows.first_passage)][rows.alive[rows.first_passage]]
        return set(ids).intersection(alive.tolist())

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        if len(ids) <= TOGETHER:
            return [self._cached_paper(paper_id).paper for paper_id in ids]
        found = self._store.papers(ids, self.manifest.paper_rows)
        return [self._alive(paper_id, found.get(paper_id))[1] for paper_id in ids]

    @property
    def version(self) -> str:
        return str(self.manifest.paper_rows)

    def papers_at(self, version: str, ids: Sequence[str]) -> list[Paper | None]:
        # Rows are never rewritten, so a state is as many of them as it had.
        if not (version.isdecimal() and int(version) <= self.manifest.paper_rows):
            raise CorpusNotFound(f"{self.folder}: no earlier state {version[:100]!r} is kept")
        found = self._store.papers(ids, int(version))
        return [found[paper_id][1] if paper_id in found else None for paper_id in ids]

    def paper_ids(self) -> Iterator[str]:
        rows = self._generation.rows
        alive = rows.alive[rows.first_passage]
        return iter(rows.ids[: len(rows.first_passage)][alive].tolist())

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        found = []
        for paper_id, number in keys:
            stored = self._cached_paper(paper_id)
            place = stored.place(number)
            text = stored.text[place.start : place.end]
            found.append(Passage(paper_id, number, place.start, place.end, text))
        return found

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        stored = self._cached_paper(paper_id)
        names = {no: term for term, no in self._store.term_numbers(list(query.terms)).items()}
        terms = self._numbered(query)
        body = self._generation.body.parts(terms, stored.place(number).no)
        title = self._generation.title.parts(terms, stored.row)
        return {
            "bm25": {names[no]: part for no, part in body.items()},
            "title": {names[no]: part for no, part in title.items()},
        }

    def _scored(self, query: Query) -> tuple[Scores, _Arms]:
        """Title scores and arms; kept for the thread's last query, which feedback asks twice."""
        known = getattr(self._last, "scored", None)
        if known is None or known[0] is not query:
            terms = self._numbered(query)
            arms = _Arms(self._generation.body.scores(terms), self._dense(query.vector))
            known = self._last.scored = query, self._generation.title.scores(terms), arms
        return known[1], known[2]

    def _numbered(self, query: Query) -> dict[int, float]:
        known = self._store.term_numbers(list(query.terms))
        in_index = self.manifest.terms
        return {
            known[term]: weight
            for term, weight in query.terms.items()
            if known.get(term, in_index) < in_index
        }

    def _dense(self, vector: Vectors | None) -> DenseQuery | None:
        if vector is None:
            return None
        if vector.shape != (self.manifest.dimension,):
            raise CorpusMismatch(
                f"query vector has shape {vector.shape}, the index has "
                f"{self.manifest.dimension} dimensions; use the model {self.manifest.model!r}"
            )
        return self._generation.dense.ask(vector)

    def _title_arm(self, scores: Scores, n: int, mask: NDArray[np.bool_] | None) -> Rows:
        """The first passage of each of the papers with the best titles."""
        index = self._generation.rows
        first = index.first_passage
        chosen = None if mask is None else mask[first]
        papers = _best_matching(scores, n, chosen, lambda rows: index.order[rows])
        rows: Rows = first[papers].astype(np.intp)
        return rows

    def _read_size(self, field: str) -> tuple[int, int]:
        of_papers = field == "title"
        rows = self.manifest.paper_rows if of_papers else self.manifest.passage_rows
        return field_size(self._store, field, rows)

    def _alive(self, paper_id: str, found: tuple[int, Paper] | None) -> tuple[int, Paper]:
        """What the store has of an id. Raises CorpusError where that is nothing, or deleted."""
        rows = self._generation.rows
        if found is None or not rows.alive[rows.first_passage[found[0]]]:
            raise CorpusError(f"no paper with id {paper_id!r} in {self.folder}; check the id")
        return found

    def _read_paper(self, paper_id: str) -> _StoredPaper:
        found = self._store.paper(paper_id, self.manifest.paper_rows)
        row, paper = self._alive(paper_id, found)
        return _StoredPaper(row, paper, paper.text, tuple(self._store.paper_passages(row)))


@dataclass(frozen=True, slots=True)
class _Arms:
    """The lexical and the dense arm of one query."""

    body: Scores
    dense: DenseQuery | None

    def best(self, n: int, mask: NDArray[np.bool_] | None, index: RowArrays) -> list[Rows]:
        """The `n` best rows of each. Ties at the end go by paper id, not by when it was added."""

        def order(rows: Rows) -> NDArray[Any]:
            return index.order[index.paper_of[rows]]

        lexical = _best_matching(self.body, n, mask, order)
        return [lexical] if self.dense is None else [lexical, self.dense.best(n, mask, order)]

    def scores(self, rows: Rows) -> list[NDArray[np.floating[Any]]]:
        """The value of each row, in both."""
        cosines = np.zeros(len(rows)) if self.dense is None else self.dense.scores(rows)
        return [self.body[rows], cosines]


@dataclass(frozen=True, slots=True)
class _StoredPaper:
    """A paper, its row, its text (joined once), and where its passages stand."""

    row: int
    paper: Paper
    text: str
    places: tuple[PassageRow, ...]

    def place(self, number: int) -> PassageRow:
        if not 0 <= number < len(self.places):
            raise CorpusError(
                f"paper {self.paper.id!r} has no passage {number}; it has 0 to "
                f"{len(self.places) - 1}"
            )
        return self.places[number]


def _best_matching(
    scores: Scores, n: int, mask: NDArray[np.bool_] | None, order: Callable[[Rows], NDArray[Any]]
) -> Rows:
    """Rows of the `n` best scores over 0 that the mask lets through; ties by the least order."""
    matching = np.flatnonzero(scores > 0 if mask is None else (scores > 0) & mask)
    return matching[best_places(scores[matching], n, lambda places: order(matching[places]))]
