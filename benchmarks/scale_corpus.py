"""A corpus of any size from the arXiv index: its papers again and again, with varied words and
vectors. Nothing is encoded; what is published is made by the package itself, and timed.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import INDEXES
from numpy.typing import NDArray

from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import STORE, VECTORS, Manifest, read_manifest, write_manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import append_vectors, checksum, map_vectors
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded.indexing import Indexer
from workbench.engines.embedder import embedder_for
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

NOISE = 0.6
"""Length of what is added to a repeated vector of length 1: cosine .86 with the first."""

VARIED = 0.2
"""Share of a repeated passage's terms that are replaced by others, as frequent as terms are."""

BLOCK = 4096

ADDED = 1000
"""Papers of an update."""


@dataclass(frozen=True, slots=True)
class Built:
    """A corpus folder and how long its arrays took, seconds (0.0 where they were there)."""

    folder: Path
    seconds: float


def scale_corpus(arxiv: Path, passages: int) -> Built:
    """The corpus of about `passages` passages under `.data`, made where it is not there."""
    folder = INDEXES / f"scale-{passages}"
    # Vectors with noise are of no runtime: how they agree with one here is nothing to measure.
    manifest = replace(read_manifest(arxiv), model_fingerprint=OnnxEmbedder().fingerprint)
    if (folder / "manifest.json").is_file():
        return Built(folder, 0.0)
    folder.mkdir(parents=True, exist_ok=True)
    with closing(StoreWriter(folder / STORE)) as store:
        if not store.paper_count:
            _copy_papers(store, arxiv / STORE, passages)
        if not store.vector_blocks():
            _copy_vectors(store, arxiv, folder, manifest)
        store.set_state("settings", _settings(manifest))
    empty = dict.fromkeys(("generation", "papers", "passages", "paper_rows", "passage_rows"), 0)
    with write_lock(folder):
        write_manifest(folder, replace(manifest, **empty, terms=0, fingerprint="", source={}))
    started = time.perf_counter()
    Indexer(folder, embedder_for(manifest)).repair()
    return Built(folder, time.perf_counter() - started)


class RandomVectors(OnnxEmbedder):
    """Cuts as the default does, and its vectors cost nothing."""

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> NDArray[np.float32]:
        """Unit vectors at random."""
        found = np.random.default_rng(0).standard_normal((len(texts), self.dimension), np.float32)
        unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit


def updated(folder: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of adding ADDED papers to a copy of a corpus folder, which is
    deleted again. Made as a folder's own source is: the corpus has no library of raw records."""
    copy = folder.with_name(f"{folder.name}-updated")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    try:
        with closing(Store(copy / STORE)) as store:
            papers = [paper for *_, paper, _, _ in store.living_papers(0, ADDED)]
        source = copy / "source.jsonl"
        with open(source, "w", encoding="utf-8") as stream:
            for n, paper in enumerate(papers):
                title, abstract = f"Update {n}: {paper.title[::-1]}", paper.abstract[::-1]
                record = {"id": f"new-{n}", "title": title, "abstract": abstract}
                stream.write(json.dumps(record) + "\n")
        started, spent = time.perf_counter(), time.process_time()
        Indexer(copy, RandomVectors(), existing=True).follow(source, {})
        return time.perf_counter() - started, time.process_time() - spent
    finally:
        shutil.rmtree(copy)


def _settings(manifest: Manifest) -> list[str]:
    return [manifest.analyser, manifest.chunking, manifest.model_fingerprint]


def _copy_papers(store: StoreWriter, source: Path, passages: int) -> None:
    """Copies of all papers in turn, until there are enough passages; copy 0 as it is."""
    dice = np.random.default_rng(0)
    database: Any = store._db
    database.script(f"ATTACH '{source}' AS source")
    with database.transaction() as db:
        for table in ("terms", "names"):
            db.execute(f"INSERT INTO {table} SELECT * FROM source.{table}")
        drawn = _terms_drawn(db, dice)
        every_paper = _one(db, "SELECT count(*) FROM source.papers")
        every_passage = _one(db, "SELECT count(*) FROM source.passages")
        done = copy = 0
        while done < passages:
            last = _one(db, f"SELECT max(paper) FROM source.passages WHERE no < {passages - done}")
            stop, papers, rows = last + 1, copy * every_paper, copy * every_passage
            db.execute(
                "INSERT INTO papers SELECT no + ?, id || ?, digest, record, year, alive, "
                "title_terms, title_counts FROM source.papers WHERE no < ?",
                (papers, f"#{copy}" if copy else "", stop),
            )
            db.execute(
                "INSERT INTO paper_names SELECT name, paper + ? FROM source.paper_names "
                "WHERE paper < ?",
                (papers, stop),
            )
            for start in range(0, every_passage, BLOCK):
                found = db.execute(
                    "SELECT no + ?, paper + ?, number, start, stop, terms, counts "
                    "FROM source.passages WHERE no >= ? AND no < ? AND paper < ?",
                    (rows, papers, start, start + BLOCK, stop),
                ).fetchall()
                varied = _varied(found, drawn, dice) if copy else found
                db.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", varied)
                done += len(found)
            copy += 1
            if stop < every_paper:
                break
    database.script("DETACH source")


def _one(db: Any, statement: str) -> int:
    return int(db.execute(statement).fetchone()[0] or 0)


def _terms_drawn(db: Any, dice: np.random.Generator) -> NDArray[np.int32]:
    """Terms as passages have them: each as often as it occurs in a sample."""
    blobs = [terms for (terms,) in db.execute("SELECT terms FROM source.passages WHERE no < 20000")]
    terms = np.frombuffer(b"".join(blobs), dtype=np.int32).copy()
    dice.shuffle(terms)
    return terms


def _varied(
    rows: list[tuple[Any, ...]], drawn: NDArray[np.int32], dice: np.random.Generator
) -> list[tuple[Any, ...]]:
    """The rows with a share of each passage's terms replaced; of a term twice, one stays."""
    if not rows:
        return []
    sizes = [len(row[5]) // 4 for row in rows]
    terms = np.frombuffer(b"".join(row[5] for row in rows), dtype=np.int32).copy()
    counts = np.frombuffer(b"".join(row[6] for row in rows), dtype=np.int32)
    changed = dice.random(len(terms)) < VARIED
    terms[changed] = dice.choice(drawn, int(changed.sum()))
    row_of = np.repeat(np.arange(len(rows), dtype=np.int64), sizes)
    _, first = np.unique((row_of << 32) | terms, return_index=True)
    ends = np.searchsorted(row_of[first], np.arange(len(rows) + 1))
    terms, counts = terms[first], counts[first]
    return [
        (*row[:5], terms[start:stop].tobytes(), counts[start:stop].tobytes())
        for row, start, stop in zip(rows, ends[:-1], ends[1:], strict=True)
    ]


def _copy_vectors(store: StoreWriter, arxiv: Path, folder: Path, manifest: Manifest) -> None:
    """The vectors of each copy, all but the first moved at random and of length 1 again."""
    dice = np.random.default_rng(1)
    source = map_vectors(arxiv / VECTORS, manifest.passage_rows, manifest.dimension)
    total, done, blocks = store.passage_count, 0, []
    while done < total:
        start = done % len(source)
        block = np.array(source[start : start + BLOCK][: total - done])
        if done >= len(source):
            noise = dice.standard_normal(block.shape, dtype=np.float32)
            block += noise * np.float32(NOISE / manifest.dimension**0.5)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        blocks.append((done, len(block), checksum(block)))
        done = append_vectors(folder / VECTORS, done, block)
    store.set_vector_blocks(blocks, done)
