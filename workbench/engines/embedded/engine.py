"""The embedded engine: SQLite, memory-mapped BM25 scores and vectors; every value is a true one."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import STORE, Manifest, read_manifest
from workbench.corpus.store import Store
from workbench.engines.base import FEEDBACK, LOWER, SIGNALS, Ahead, Counted, Engine, Occurrences
from workbench.engines.embedded.dense import DenseQuery, best_matching
from workbench.engines.embedded.generation import Generation, RowArrays, check_counts
from workbench.engines.embedded.lexical import field_size, terms_of
from workbench.engines.embedded.masks import PassageMasks
from workbench.engines.embedded.paper_digests import read_paper_digests
from workbench.engines.embedded.projection import BEST, PRUNES_FROM, QUERIES
from workbench.engines.embedded.stored_papers import StoredPapers, TermNumbers
from workbench.engines.paper_digests import PaperDigests
from workbench.errors import CorpusMismatch, CorpusNotFound
from workbench.models.memory.hardware import cores
from workbench.records import Candidates, Filters, Paper, Passage, Query
from workbench.system.deadline import check_deadline
from workbench.system.fork import Turns

Scores = NDArray[np.float32]
Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

FEW = 10
"""Passages whose rows are looked for among the last candidates."""


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
        # Of a small corpus, most of a query is Python: more than two threads at once only hand the
        # interpreter to and fro (eight did .77 of one's queries a second, with turns .93).
        many = self.manifest.passage_rows >= PRUNES_FROM
        self._turns = Turns(max(2, cores()) if many else 2)
        self._always_exact = False
        self._digests: PaperDigests | None = None
        self._field_size = lru_cache(maxsize=2)(self._read_size)
        self._papers = StoredPapers(self._store, self._generation, self.folder)
        self._terms = TermNumbers(self._store, self.manifest.terms)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def fingerprint(self) -> str:
        projected = None if self.exact else self._generation.dense.projection
        reads = "" if projected is None else f"+projection-{projected.digest}"
        return f"embedded-{self.manifest.fingerprint}{reads}"

    @property
    def exact(self) -> bool:
        return self._always_exact or not self._generation.projected

    def exactly(self) -> EmbeddedEngine:
        if self.exact:
            return self
        twin = copy(self)  # the same files and memory
        twin._always_exact, twin._last = True, threading.local()
        return twin

    def facts(self) -> dict[str, Any]:
        projected = None if self.exact else self._generation.dense.projection
        if projected is None:
            return super().facts()
        recall = {f"recall@{BEST}": projected.recall, "depth": projected.depth}
        return {"dense": {"search": "approximate", **recall, "queries": QUERIES}}

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
        with self._turns:
            check_deadline()
            return self._candidates(query, n, filters, n_keyword, expanded)

    def _candidates(
        self, query: Query, n: int, filters: Filters, n_keyword: int | None, expanded: Query | None
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
        rows = np.unique(np.concatenate(arms))
        papers = index.paper_of[rows]
        canonical = np.argsort(index.order[papers], kind="stable")
        rows, papers = rows[canonical], papers[canonical]
        columns = [column for arm in asked for column in arm.scores(rows)]
        columns.insert(1, title[papers])
        signals = SIGNALS if expanded is None else SIGNALS + FEEDBACK
        ids, numbers = index.ids[papers], index.number_of[rows]
        self._last.rows = ids, numbers, rows
        return Candidates(
            query=query,
            signals=signals,
            paper_ids=ids,
            numbers=numbers,
            values=np.stack(columns, axis=1).astype(np.float64),
            lower=np.array([LOWER[signal] for signal in signals]),
            fingerprint=self.fingerprint,
        )

    def vectors(self, keys: Sequence[tuple[str, int]]) -> Vectors:
        return self._generation.dense.vectors[self._row_numbers(keys)]

    def _row_numbers(self, keys: Sequence[tuple[str, int]]) -> list[int]:
        """The rows of passages. Of a few from the thread's last candidates, as feedback asks, they
        are known."""
        last = getattr(self._last, "rows", None)
        if last is not None and len(keys) <= FEW:
            ids, numbers, rows = last
            found = [rows[(ids == paper) & (numbers == number)].tolist() for paper, number in keys]
            if all(found):
                return [row for row, *_ in found]
        stored = self._papers.read([paper_id for paper_id, _ in keys])
        return [paper.place(number).no for paper, (_, number) in zip(stored, keys, strict=True)]

    def passage_keys(self) -> list[tuple[str, int]]:
        """(paper id, number) of every passage, in the order of the rows."""
        index = self._generation.rows
        rows = np.flatnonzero(index.alive)
        ids = index.ids[index.paper_of[rows]].tolist()
        return list(zip(ids, index.number_of[rows].tolist(), strict=True))

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        known = self._terms.of(terms)
        counts = self._generation.body.frequencies(np.array([*known.values()], dtype=np.intp))
        found = {t: count for t, count in zip(known, counts.tolist(), strict=True) if count}
        return found, self.manifest.passages

    def occurrences(self, keys: Sequence[tuple[str, int]]) -> Occurrences:
        rows = self._row_numbers(keys)
        numbers, sizes, counts = terms_of(self._store, rows, self.manifest.terms)
        known, terms = np.unique(numbers, return_inverse=True)
        return Occurrences(
            passages=np.repeat(np.arange(len(rows)), sizes),
            terms=terms,
            counts=counts,
            frequencies=self._generation.body.frequencies(known),
            documents=self.manifest.passages,
            names=lambda places: self._terms.names(known[places].tolist()),
        )

    def counted(self, signal: str, terms: Sequence[str]) -> Counted:
        """What the BM25 of "bm25" or "title" counts; the first call reads all postings."""
        title = signal == "title"
        index = self._generation.title if title else self._generation.body
        known = self._terms.of(terms)
        counts = index.frequencies(np.array([*known.values()], dtype=np.intp))
        found = dict(zip(known, counts.tolist(), strict=True))
        documents, length = self._field_size("title" if title else "body")
        return Counted(documents, length / max(documents, 1) or 1.0, found, rounded=False)

    def known(self, ids: Collection[str]) -> set[str]:
        rows = self._generation.rows
        alive = rows.ids[: len(rows.first_passage)][rows.alive[rows.first_passage]]
        return set(ids).intersection(alive.tolist())

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        return self._papers.papers(ids)

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
        papers = self._papers.read([paper_id for paper_id, _ in keys])
        for stored, (paper_id, number) in zip(papers, keys, strict=True):
            place = stored.place(number)
            text = stored.text[place.start : place.end]
            found.append(Passage(paper_id, number, place.start, place.end, text))
        return found

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        [stored] = self._papers.read([paper_id])
        names = {no: term for term, no in self._terms.of(query.terms).items()}
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
        return {no: query.terms[term] for term, no in self._terms.of(query.terms).items()}

    def _dense(self, vector: Vectors | None) -> DenseQuery | None:
        if vector is None:
            return None
        if vector.shape != (self.manifest.dimension,):
            raise CorpusMismatch(
                f"query vector has shape {vector.shape}, the index has "
                f"{self.manifest.dimension} dimensions; use the model {self.manifest.model!r}"
            )
        return self._generation.dense.ask(vector, exact=self._always_exact)

    def _title_arm(self, scores: Scores, n: int, mask: Mask | None) -> Rows:
        """The first passage of each of the papers with the best titles."""
        index = self._generation.rows
        first = index.first_passage
        chosen = None if mask is None else mask[first]
        papers = best_matching(scores, n, chosen, lambda rows: index.order[rows])
        rows: Rows = first[papers].astype(np.intp)
        return rows

    def _read_size(self, field: str) -> tuple[int, int]:
        of_papers = field == "title"
        rows = self.manifest.paper_rows if of_papers else self.manifest.passage_rows
        return field_size(self._store, field, rows)


class _Arms:
    """The lexical and the dense arm of one query; what the last asker got is kept for the next."""

    def __init__(self, body: Scores, dense: DenseQuery | None) -> None:
        self._body = body
        self._dense = dense
        self._found: tuple[int, Mask | None, list[Rows]] | None = None

    def best(self, n: int, mask: Mask | None, index: RowArrays) -> list[Rows]:
        """The `n` best rows of each. Ties at the end go by paper id, not by when it was added."""
        if self._found is not None and self._found[0] == n and self._found[1] is mask:
            return self._found[2]

        def order(rows: Rows) -> NDArray[Any]:
            return index.order[index.paper_of[rows]]

        arms = [best_matching(self._body, n, mask, order)]
        if self._dense is not None:
            arms.append(self._dense.best(n, mask, order))
        self._found = n, mask, arms
        return arms

    def scores(self, rows: Rows) -> list[NDArray[np.floating[Any]]]:
        """The value of each row, in both."""
        cosines = np.zeros(len(rows)) if self._dense is None else self._dense.scores(rows)
        return [self._body[rows], cosines]
