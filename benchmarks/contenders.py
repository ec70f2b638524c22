"""What stands beside the workbench: the usual libraries, glued by hand, over the same texts.

`Glue` is bm25s, faiss and a weighted sum; `Lance` is LanceDB's own hybrid query. Both hold the
workbench's passages and vectors, as read from its index.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import INDEXES, cores
from numpy.typing import NDArray

from workbench.corpus.chunking import embedding_text
from workbench.corpus.manifest import STORE, VECTORS, read_manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import map_vectors
from workbench.engines.bm25 import K1, B
from workbench.models.weights.find import find_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LANCEDB_LOG", "error")

Vectors = NDArray[np.float32]
Found = list[tuple[str, str]]
"""Paper id and text of each hit, best first."""

DEPTH = 1000
"""Candidates from each arm."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What the contenders search, one entry a passage; `folder` keeps what they build."""

    folder: Path
    paper_ids: list[str]
    texts: list[str]
    vectors: Vectors


def passages_of(index: Path) -> Texts:
    """The passages of an index as it embeds them, title first, and its vectors."""
    manifest = read_manifest(index)
    store = Store(index / STORE)
    ids = [name for _, name, _, _ in store.paper_rows()]
    paper_ids = [ids[paper] for paper, _ in store.passage_places()]
    rows = store.passage_texts(0, manifest.passage_rows)
    texts = [embedding_text(title, passage) for title, passage in rows]
    vectors = map_vectors(index / VECTORS, manifest.passage_rows, manifest.dimension)
    store.close()
    folder = INDEXES / "bench" / f"{index.name}-{manifest.fingerprint}"
    folder.mkdir(parents=True, exist_ok=True)
    return Texts(folder, paper_ids, texts, np.ascontiguousarray(vectors))


def sentence_transformer() -> Any:
    """The same weights in sentence-transformers, on the CPUs of this process."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(cores())
    return SentenceTransformer(str(find_model().path), device="cpu")


def embed_query(model: Any) -> Callable[[str], Vectors]:
    """One query to a unit vector."""

    def embed(text: str) -> Vectors:
        vector: Vectors = model.encode(text, normalize_embeddings=True, show_progress_bar=False)
        return vector

    return embed


def tokens(texts: Sequence[str], *, ids: bool = True) -> Any:
    """bm25s' own tokens with Snowball stems."""
    import bm25s
    import Stemmer

    return bm25s.tokenize(
        list(texts),
        stopwords="en",
        stemmer=Stemmer.Stemmer("english"),
        return_ids=ids,
        show_progress=False,
    )


def bm25(texts: Texts) -> Any:
    """A bm25s index of the texts, kept on disk with the workbench's k1 and b."""
    import bm25s

    folder = texts.folder / "bm25s"
    if not (folder / "params.index.json").is_file():
        made = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy")
        made.index(tokens(texts.texts), show_progress=False)
        made.save(folder, show_progress=False)
    return bm25s.BM25.load(folder, show_progress=False)


def save_plain(texts: Texts) -> Path:
    """What plain_search.py loads: bm25s' index, the vectors, the texts."""
    bm25(texts)
    np.save(texts.folder / "vectors.npy", texts.vectors)
    rows = [list(row) for row in zip(texts.paper_ids, texts.texts, strict=True)]
    (texts.folder / "texts.json").write_text(json.dumps(rows), "utf-8")
    return texts.folder


class Glue:
    """bm25s and faiss, the union of their best 1,000, min-max, a weighted sum.

    A document that only BM25 found counts as the worst of the other arm, as such glue does.
    """

    def __init__(self, texts: Texts, dense: float) -> None:
        import faiss

        self._ids = texts.paper_ids
        self._texts = dict(enumerate(texts.texts))
        self._bm25 = bm25(texts)
        self._faiss = faiss.IndexFlatIP(texts.vectors.shape[1])
        self._faiss.add(texts.vectors)
        self._dense = dense

    def search(self, query: str, vector: Vectors, k: int = 10) -> Found:
        """The best `k` papers, each by its best passage."""
        rows, lexical, dense = self.signals(query, vector)
        return self.rank(rows, lexical, dense, self._dense, k)

    def signals(self, query: str, vector: Vectors) -> tuple[Any, Any, Any]:
        """Rows of the union, their BM25 and their cosines, both scaled to [0, 1]."""
        terms = tokens([query], ids=False)[0]
        scores = self._bm25.get_scores(terms) if terms else np.zeros(len(self._ids))
        depth = min(DEPTH, len(scores))
        found = np.argpartition(scores, len(scores) - depth)[-depth:]
        lexical = found[scores[found] > 0]
        values, near = self._faiss.search(vector[None], depth)
        rows = np.union1d(lexical, near[0])
        dense = np.zeros(len(rows))
        dense[np.searchsorted(rows, near[0])] = _min_max(values[0])
        return rows, _min_max(scores[rows]), dense

    def rank(self, rows: Any, lexical: Any, dense: Any, weight: float, k: int) -> Found:
        """The best `k` papers at a weight of the dense arm."""
        order = np.argsort(-((1 - weight) * lexical + weight * dense), kind="stable")
        ordered = rows[order]
        best = best_papers((self._ids[row] for row in ordered), k)
        return [(name, self._texts[int(ordered[place])]) for name, place in best.items()]


class Lance:
    """LanceDB: an FTS index, an exact scan of the vectors, its default fusion (RRF)."""

    def __init__(self, texts: Texts) -> None:
        import lancedb
        from lancedb.rerankers import RRFReranker

        database = lancedb.connect(texts.folder / "lancedb")
        finished = texts.folder / "lancedb.finished"
        if not finished.is_file():
            self._build(database, texts)
            finished.touch()
        self._table: Any = database.open_table("passages")
        self._reranker = RRFReranker()

    def search(self, query: str, vector: Vectors, k: int = 10) -> Found:
        """The best `k` papers of LanceDB's best 1,000 passages."""
        found = (
            self._table.search(query_type="hybrid")
            .vector(vector)
            .text(query)
            .distance_type("dot")
            .rerank(self._reranker)
            .select(["paper_id", "text"])
            .limit(DEPTH)
            .to_arrow()
        )
        best = best_papers(found["paper_id"].to_pylist(), k)
        return [(name, found["text"][row].as_py()) for name, row in best.items()]

    @staticmethod
    def _build(database: Any, texts: Texts) -> None:
        import pyarrow as pa
        from lancedb.index import FTS

        vectors = pa.array(texts.vectors.ravel())
        vectors = pa.FixedSizeListArray.from_arrays(vectors, texts.vectors.shape[1])
        columns = {"paper_id": texts.paper_ids, "text": texts.texts, "vector": vectors}
        table = database.create_table("passages", pa.table(columns), mode="overwrite")
        table.create_index("text", config=FTS())
        table.optimize()


def best_papers(passages: Iterable[str], k: int) -> dict[str, int]:
    """The first `k` papers among the papers of passages, each with the place of its first."""
    best: dict[str, int] = {}
    for place, paper_id in enumerate(passages):
        best.setdefault(paper_id, place)
        if len(best) == k:
            break
    return best


def _min_max(values: NDArray[Any]) -> NDArray[Any]:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
