"""What stands beside the workbench at a million passages: over its own vectors and postings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import cores
from numpy.typing import NDArray

from workbench.corpus.manifest import STORE, VECTORS, read_manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import map_vectors
from workbench.records import Query

DEPTH = 80
BEST = 100
TRAINED = 100_000
WIDEST = 6400
"""Nodes of a graph that are looked at, at most."""

PER_LIST = 250
"""Rows a list: about 4 sqrt(n) lists for a million, as FAISS's guidelines say."""


class FaissAndBm25s:
    """FAISS IVF over int8 and bm25s, the union of the best 80, min-max, a weighted sum."""

    def __init__(self, folder: Path) -> None:
        import bm25s
        import faiss

        manifest = read_manifest(folder)
        vectors = map_vectors(folder / VECTORS, manifest.passage_rows, manifest.dimension)
        faiss.omp_set_num_threads(cores())
        started, before = time.perf_counter(), _private()
        dice = np.random.default_rng(0)
        lists = max(16, len(vectors) // PER_LIST)
        chosen = np.sort(dice.choice(len(vectors), min(TRAINED, len(vectors)), replace=False))
        index = faiss.index_factory(
            manifest.dimension, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT
        )
        index.cp.niter, index.cp.min_points_per_centroid = 5, 1
        index.train(np.array(vectors[chosen]))
        for start in range(0, len(vectors), 65_536):
            index.add(np.array(vectors[start : start + 65_536]))
        self._faiss, self._lists = index, lists
        self.seconds, self.megabytes = time.perf_counter() - started, _private() - before
        # The workbench's postings are in bm25s' own format: the same scores, nothing built.
        arrays = folder / manifest.folder / "body"
        self._bm25 = bm25s.BM25.load(arrays, mmap=True, load_vocab=False)
        self._store = Store(folder / STORE)

    @property
    def about(self) -> str:
        """What it was set to."""
        return f"{self._lists:,} lists, {self._faiss.nprobe} probed"

    def reach(self, queries: Sequence[Query], exact: Sequence[set[int]], least: float) -> float:
        """Probe as many lists as it takes to reach a recall; what was reached."""
        probed, recall = 1, 0.0
        asked = np.stack([query.vector for query in queries if query.vector is not None])
        while recall < least and probed < self._lists:
            probed = min(probed * 2, self._lists)
            self._faiss.nprobe = probed
            _, near = self._faiss.search(asked, BEST)
            recall = _recall(exact, near)
        return recall

    def search(self, query: Query) -> Any:
        """Rows and scores of the ten best passages."""
        known = self._store.term_numbers(list(query.terms))
        scores = self._bm25.get_scores_from_ids(list(known.values()))
        found = np.argpartition(scores, len(scores) - DEPTH)[-DEPTH:]
        assert query.vector is not None
        values, near = self._faiss.search(query.vector[None], DEPTH)
        rows = np.union1d(found, near[0])
        dense = np.zeros(len(rows))
        dense[np.searchsorted(rows, near[0])] = _min_max(values[0])
        fused = 0.35 * _min_max(scores[rows]) + 0.65 * dense
        return rows[np.argsort(-fused, kind="stable")[:10]]


class LanceVectors:
    """LanceDB's IVF index with scalar quantisation, refined; the vectors alone."""

    def __init__(self, folder: Path) -> None:
        import lancedb
        import pyarrow as pa

        manifest = read_manifest(folder)
        vectors = map_vectors(folder / VECTORS, manifest.passage_rows, manifest.dimension)
        database = lancedb.connect(folder.parent / "bench" / folder.name / "lancedb")
        self._lists = max(16, len(vectors) // (4 * PER_LIST))
        started, before = time.perf_counter(), _private()

        def batches() -> Any:
            for start in range(0, len(vectors), 65_536):
                block = np.array(vectors[start : start + 65_536])
                column = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), block.shape[1])
                number = pa.array(np.arange(start, start + len(block)))
                yield pa.record_batch([number, column], names=["row", "vector"])

        schema = pa.schema(
            [("row", pa.int64()), ("vector", pa.list_(pa.float32(), manifest.dimension))]
        )
        table = database.create_table("rows", batches(), schema=schema, mode="overwrite")
        from lancedb.index import IvfSq

        table.create_index("vector", config=IvfSq(distance_type="dot", num_partitions=self._lists))
        self._table, self._probed = table, 1
        self.seconds, self.megabytes = time.perf_counter() - started, _private() - before

    @property
    def about(self) -> str:
        """What it was set to."""
        return f"{self._lists:,} lists, {self._probed} probed"

    def reach(self, queries: Sequence[Query], exact: Sequence[set[int]], least: float) -> float:
        """Probe as many lists as it takes to reach a recall; what was reached."""
        recall = 0.0
        while recall < least and self._probed < self._lists:
            self._probed = min(self._probed * 2, self._lists)
            near = np.stack([self._near(query, BEST) for query in queries])
            recall = _recall(exact, near)
        return recall

    def search(self, query: Query) -> Any:
        """Rows of the 80 nearest vectors."""
        return self._near(query, DEPTH)

    def _near(self, query: Query, n: int) -> NDArray[np.int64]:
        asked = self._table.search(query.vector).distance_type("dot").nprobes(self._probed)
        found = asked.refine_factor(2).select(["row"]).limit(n).to_arrow()
        rows = found["row"].to_numpy()
        return np.pad(rows, (0, n - len(rows)), constant_values=-1)


class UsearchVectors:
    """usearch's HNSW graph over int8; the vectors alone."""

    MOST = 200_000
    """Vectors; a graph of a million takes an hour on two cores."""

    def __init__(self, folder: Path) -> None:
        from usearch.index import Index

        manifest = read_manifest(folder)
        vectors = map_vectors(folder / VECTORS, manifest.passage_rows, manifest.dimension)
        started, before = time.perf_counter(), _private()
        self._index = Index(ndim=manifest.dimension, metric="cos", dtype="i8")
        for start in range(0, len(vectors), 65_536):
            block = np.array(vectors[start : start + 65_536])
            self._index.add(np.arange(start, start + len(block)), block, threads=cores())
        self.seconds, self.megabytes = time.perf_counter() - started, _private() - before

    @property
    def about(self) -> str:
        """What it was set to."""
        return f"connectivity {self._index.connectivity}, expansion {self._index.expansion_search}"

    def reach(self, queries: Sequence[Query], exact: Sequence[set[int]], least: float) -> float:
        """Look at as many nodes as it takes to reach a recall; what was reached."""
        recall, looked = 0.0, BEST
        while recall < least and looked < WIDEST:
            looked *= 2
            self._index.expansion_search = looked
            recall = _recall(exact, np.stack([self._near(query, BEST) for query in queries]))
        return recall

    def search(self, query: Query) -> Any:
        """Rows of the 80 nearest vectors."""
        return self._near(query, DEPTH)

    def _near(self, query: Query, n: int) -> NDArray[np.int64]:
        assert query.vector is not None
        rows = np.asarray(self._index.search(query.vector, n).keys, dtype=np.int64)
        return np.pad(rows, (0, n - len(rows)), constant_values=-1)


class ElasticsearchHybrid:
    """One node with its default HNSW over int8: a match and a kNN search in one request, the union
    of the best 80 of each, min-max, a weighted sum, as with FAISS and bm25s."""

    MOST = 200_000
    """Passages; a graph of a million takes an hour on two cores."""

    def __init__(self, folder: Path, url: str) -> None:
        from elasticsearch import Elasticsearch
        from elasticsearch.helpers import streaming_bulk

        manifest = read_manifest(folder)
        vectors = map_vectors(folder / VECTORS, manifest.passage_rows, manifest.dimension)
        store = Store(folder / STORE)
        self._client = Elasticsearch(url, request_timeout=600)
        self._name, self._looked = f"rival-{folder.name}", BEST
        started = time.perf_counter()
        vector = {"type": "dense_vector", "dims": manifest.dimension, "similarity": "cosine"}
        fields = {"row": {"type": "integer"}, "text": {"type": "text"}, "vector": vector}
        self._client.options(ignore_status=404).indices.delete(index=self._name)
        self._client.indices.create(
            index=self._name,
            settings={"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"},
            mappings={"_source": {"enabled": False}, "properties": fields},
        )

        def documents() -> Any:
            for row, text in enumerate(store.passage_texts(0, manifest.passages)):
                yield {"row": row, "text": text, "vector": vectors[row].tolist()}

        for _ in streaming_bulk(self._client, documents(), index=self._name, chunk_size=1_000):
            pass
        self._client.indices.forcemerge(index=self._name, max_num_segments=1)
        self._client.indices.refresh(index=self._name)
        size = self._client.indices.stats(index=self._name, metric="store")
        self.megabytes = size["_all"]["total"]["store"]["size_in_bytes"] / 1e6
        self.seconds = time.perf_counter() - started

    @property
    def about(self) -> str:
        """What it was set to."""
        return f"{self._looked:,} candidates; MB on its disk"

    def reach(self, queries: Sequence[Query], exact: Sequence[set[int]], least: float) -> float:
        """Look at as many candidates as it takes to reach a recall; what was reached."""
        recall = 0.0
        while recall < least and self._looked < WIDEST:
            self._looked *= 2
            found = [[row for row, _ in self._ask([self._near(q, BEST)])[0]] for q in queries]
            recall = _recall(exact, np.array(found))
        return recall

    def search(self, query: Query) -> Any:
        """Rows of the ten best passages."""
        words = {"query": {"match": {"text": query.text}}, "size": DEPTH}
        scores: dict[int, float] = {}
        for weight, found in zip(
            (0.35, 0.65), self._ask([words, self._near(query, DEPTH)]), strict=True
        ):
            values = _min_max(np.array([score for _, score in found] or [0.0]))
            for (row, _), value in zip(found, values, strict=False):
                scores[row] = scores.get(row, 0.0) + weight * float(value)
        return sorted(scores, key=lambda row: -scores[row])[:10]

    def _near(self, query: Query, n: int) -> dict[str, Any]:
        assert query.vector is not None
        near = {"field": "vector", "query_vector": query.vector.tolist(), "k": n}
        return {"knn": {**near, "num_candidates": self._looked}, "size": n}

    def _ask(self, bodies: Sequence[dict[str, Any]]) -> list[list[tuple[int, float]]]:
        lines: list[dict[str, Any]] = []
        for body in bodies:
            lines += [{}, {**body, "_source": False, "docvalue_fields": ["row"]}]
        answers = self._client.msearch(index=self._name, searches=lines)["responses"]
        return [
            [(hit["fields"]["row"][0], hit["_score"]) for hit in answer["hits"]["hits"]]
            for answer in answers
        ]


def _private() -> float:
    """This process's own memory, MB."""
    return float(psutil.Process().memory_full_info().uss / 1e6)


def _recall(exact: Sequence[set[int]], near: NDArray[Any]) -> float:
    shares = [len(a & set(b.tolist())) / len(a) for a, b in zip(exact, near, strict=True)]
    return float(np.mean(shares))


def _min_max(values: NDArray[Any]) -> NDArray[Any]:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
