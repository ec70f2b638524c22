"""Digests of an open generation, a paper at a time, whatever the order of its rows."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import Manifest
from workbench.corpus.store import Store
from workbench.engines.embedded.generation import Generation
from workbench.engines.paper_digests import PaperDigests


def read_paper_digests(store: Store, generation: Generation, manifest: Manifest) -> PaperDigests:
    """The digests of the papers that are alive in the generation."""
    rows = generation.rows
    digests = store.paper_digests(manifest.paper_rows)
    if not digests:
        nothing = np.zeros(0, dtype=np.uint64)
        return PaperDigests(np.zeros(0, dtype=np.str_), nothing, nothing, nothing)
    spans = np.array(store.passage_spans(manifest.passage_rows), dtype=np.int64).reshape(-1, 5)
    starts = np.searchsorted(spans[:, 0], np.arange(len(digests) + 1))
    alive = np.flatnonzero(rows.alive[rows.first_passage[: len(digests)]])
    papers = alive[np.argsort(rows.order[alive], kind="stable")]
    places = np.ascontiguousarray(spans[:, 1:4].astype("<i8"))
    vectors = np.asarray(generation.dense.vectors)
    source = [_digest(digests[row][1]) for row in papers]
    passages = [_digest(places[starts[row] : starts[row + 1]].tobytes()) for row in papers]
    encoded = [
        _digest(_rows(vectors, spans[starts[row] : starts[row + 1], 4]).tobytes()) for row in papers
    ]
    columns = (np.array(part, dtype=np.uint64) for part in (source, passages, encoded))
    return PaperDigests(np.asarray(rows.ids[papers]), *columns)


def _rows(vectors: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows; as a view where they stand together, which they mostly do."""
    if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:
        return vectors[numbers[0] : numbers[-1] + 1]
    return vectors[numbers]


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
