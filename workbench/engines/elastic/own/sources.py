"""What is written to an index: papers of a corpus folder with their vectors, or of any reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import chunking
from workbench.corpus.manifest import STORE, VECTORS, Manifest
from workbench.corpus.store import PassageRow, Store
from workbench.corpus.writer import AnalysedPaper
from workbench.engines.elastic.own.mapping import PaperDocuments
from workbench.engines.elastic.own.writing import IndexWriter
from workbench.engines.elastic.wire.smile import float_rows
from workbench.models.embedders.base import Embedder
from workbench.records import Paper

BATCH = 128
"""Papers read at a time."""

REMEMBERED_TERMS = 100_000


def folder_papers(folder: Path) -> list[tuple[str, bytes]]:
    """(id, digest) of every living paper of a corpus folder."""
    with closing(Store(folder / STORE)) as store:
        return list(store.living_digests())


def folder_documents(
    folder: Path, manifest: Manifest, writer: IndexWriter, only: set[str] | None = None
) -> Iterator[tuple[int, list[PaperDocuments]]]:
    """(papers read, those that the index lacks) batch by batch; `only` narrows it to some ids."""
    with closing(Store(folder / STORE)) as store, open(folder / VECTORS, "rb") as vectors:
        terms = _Terms(store)
        for start in range(0, manifest.paper_rows, BATCH):
            stop = min(start + BATCH, manifest.paper_rows)
            rows = store.living_papers(start, stop)
            if only is not None:
                rows = [row for row in rows if row[2].id in only]
            known = writer.digests([row[2].id for row in rows])
            rows = [row for row in rows if known.get(row[2].id) != row[1]]
            passages: dict[int, list[tuple[PassageRow, bytes, bytes]]] = {
                row[0]: [] for row in rows
            }
            for item in store.analysed_passages(start, stop) if rows else ():
                if item[0].paper in passages:
                    passages[item[0].paper].append(item)
            yield (
                stop - start,
                [
                    _documents(row, passages[row[0]], terms, vectors, manifest.dimension)
                    for row in rows
                ],
            )


def _documents(
    row: tuple[int, bytes, Paper, bytes, bytes],
    passages: Sequence[tuple[PassageRow, bytes, bytes]],
    terms: _Terms,
    vectors: IO[bytes],
    dimension: int,
) -> PaperDocuments:
    _, content, paper, title_terms, title_counts = row
    # A paper's passages stand in consecutive rows, so its vectors are one read.
    vectors.seek(passages[0][0].no * dimension * 4)
    block = np.frombuffer(vectors.read(len(passages) * dimension * 4), dtype="<f4")
    return PaperDocuments(
        paper=paper,
        digest=content,
        spans=tuple((place.start, place.end) for place, _, _ in passages),
        counts=tuple(terms.counts(numbers, counts) for _, numbers, counts in passages),
        title_counts=terms.counts(title_terms, title_counts),
        vectors=tuple(float_rows(block.reshape(-1, dimension))),
    )


class _Terms:
    """Terms by number, so many remembered that memory does not grow with the vocabulary."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, str] = {}

    def counts(self, numbers: bytes, counts: bytes) -> Mapping[str, int]:
        """Term counts from the store's two int32 arrays."""
        wanted = np.frombuffer(numbers, dtype=np.int32).tolist()
        missing = [number for number in wanted if number not in self._known]
        if missing:
            if len(self._known) > REMEMBERED_TERMS:
                self._known.clear()
                missing = wanted
            self._known.update(self._store.term_names(missing))
        values = np.frombuffer(counts, dtype=np.int32).tolist()
        return {self._known[no]: count for no, count in zip(wanted, values, strict=True)}


class IndexStore:
    """An index as the place where `Ingestor` brings papers; it embeds what is new."""

    def __init__(self, writer: IndexWriter, embedder: Embedder) -> None:
        self._writer = writer
        self._embedder = embedder

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Content digest of each stored paper among `ids`."""
        return self._writer.digests(ids)

    def living_ids(self) -> Iterator[str]:
        """Ids of all papers."""
        self._writer.finish()
        self._writer.refresh()
        return (paper_id for paper_id, _ in self._writer.papers())

    def add(self, papers: Sequence[AnalysedPaper]) -> None:
        """Embed and write papers."""
        vectors = self._vectors(papers)
        documents, row = [], 0
        for item in papers:
            stop = row + len(item.passages)
            documents.append(
                PaperDocuments(
                    paper=item.paper,
                    digest=item.form.digest,
                    spans=tuple((start, end) for start, end, _ in item.passages),
                    counts=tuple(counts for _, _, counts in item.passages),
                    title_counts=item.title_terms,
                    vectors=tuple(float_rows(vectors[row:stop])),
                )
            )
            row = stop
        self._writer.add(documents)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; returns how many there were."""
        names = list(dict.fromkeys(ids))
        there: list[str] = []
        for start in range(0, len(names), 500):
            there += self._writer.digests(names[start : start + 500])
        self._writer.delete(there)
        return len(there)

    def _vectors(self, papers: Sequence[AnalysedPaper]) -> NDArray[np.float32]:
        """As the embedded index makes them: the title before each passage."""
        titles = chunking.short_titles([item.paper.title for item in papers], self._embedder)
        texts = [
            chunking.embedding_text(title, item.paper.text[start:end])
            for title, item in zip(titles, papers, strict=True)
            for start, end, _ in item.passages
        ]
        return self._embedder.encode(texts)
