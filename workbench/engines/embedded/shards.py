"""Several corpora as the source of one: their papers, and the vectors that they have already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import chunking
from workbench.corpus.manifest import STORE, VECTORS, read_manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import map_vectors
from workbench.models.embedders.base import Embedder
from workbench.records import Paper

Vectors = NDArray[np.float32]
READ = 1000
"""Rows read at a time."""


class KnownVectors:
    """An embedder that takes vectors from the shards, and computes what none of them has.

    A text is known by 64 bits of its BLAKE2b: 16 bytes a passage in memory, whatever its length.
    Among ten million texts, two share them with a chance of 1 in 370,000.
    """

    def __init__(self, embedder: Embedder, folders: Sequence[Path]) -> None:
        self._embedder = embedder
        self._folders = list(folders)
        self._maps: list[Vectors] = []
        digests, places = [], []
        for number, folder in enumerate(self._folders):
            manifest = read_manifest(folder)
            shape = manifest.passage_rows, manifest.dimension
            self._maps.append(np.asarray(map_vectors(folder / VECTORS, *shape)))
            found = np.fromiter(self._texts(folder, shape[0]), np.uint64, shape[0])
            digests.append(found)
            places.append(np.arange(shape[0], dtype=np.int64) | (number << 40))
        every = np.concatenate(digests)
        order = np.argsort(every, kind="stable")
        self._digests, self._places = every[order], np.concatenate(places)[order]

    @property
    def name(self) -> str:
        """What a person calls the model."""
        return self._embedder.name

    @property
    def fingerprint(self) -> str:
        """Equal for two embedders that give the same vectors."""
        return self._embedder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    @property
    def window(self) -> int:
        """Tokens that one text may have."""
        return self._embedder.window

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """First character of each token of each text."""
        return self._embedder.token_starts(texts)

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Documents to float32 (len(texts), dimension), in order."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        wanted = np.array([_digest(text) for text in texts], np.uint64)
        at = np.searchsorted(self._digests, wanted)
        missing = []
        for row, place in enumerate(at.tolist()):
            if place < len(self._digests) and self._digests[place] == wanted[row]:
                where = int(self._places[place])
                vectors[row] = self._maps[where >> 40][where & ((1 << 40) - 1)]
            else:
                missing.append(row)
        if missing:
            new = self._embedder.encode([texts[row] for row in missing], progress=progress)
            vectors[missing] = new
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """One query to float32 (dimension,)."""
        return self._embedder.encode_query(text)

    def papers(self) -> Iterator[Paper]:
        """Every paper of the shards, in their order."""
        for folder in self._folders:
            rows = read_manifest(folder).paper_rows
            with closing(Store(folder / STORE)) as store:
                for start in range(0, rows, READ):
                    for _, _, paper, *_ in store.living_papers(start, min(start + READ, rows)):
                        yield paper

    def _texts(self, folder: Path, rows: int) -> Iterator[int]:
        """The digest of what was embedded for each passage row."""
        with closing(Store(folder / STORE)) as store:
            for start in range(0, rows, READ):
                found = list(store.passage_texts(start, min(start + READ, rows)))
                titles = chunking.short_titles([title for title, _ in found], self._embedder)
                for title, (_, passage) in zip(titles, found, strict=True):
                    yield _digest(chunking.embedding_text(title, passage))


def _digest(text: str) -> int:
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
