"""OnnxEmbedder: an encoder in ONNX Runtime, int8 on the CPU; the default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from workbench.errors import ModelRejected
from workbench.models.embedders.base import LazyEmbedder, Vectors, check_finite, unit_rows
from workbench.models.memory.hardware import cores
from workbench.models.memory.ledger import Usage
from workbench.models.memory.pool import ModelPool
from workbench.models.onnx.cache import graph_bytes
from workbench.models.onnx.export import VERSIONS, Precision, graph_file, onnx_graph
from workbench.models.onnx.session import Provider, check_provider, open_session, run_session
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder
from workbench.models.weights.header import numbers
from workbench.system.deadline import check_deadline
from workbench.system.fork import abandon

QUERY_THREADS = 4


class OnnxEmbedder(LazyEmbedder):
    """An encoder of the BERT family in ONNX Runtime, loaded on first use: int8 on the CPU, or
    fp32 with `precision="fp32"`, also with another `provider` ("cuda", "tensorrt").

    Each text is run by itself, without padding, one thread a text, longest first: on two cores
    faster than padded batches, and a vector never depends on its neighbours. Safe to share
    between threads. Raises MissingDependency where this onnxruntime lacks the provider.
    """

    def __init__(
        self,
        model: str | ModelFolder = DEFAULT_MODEL,
        *,
        precision: Precision = "int8",
        provider: Provider = "cpu",
        pool: ModelPool | None = None,
    ) -> None:
        check_provider(provider, precision)
        super().__init__(model, "cpu" if provider == "cpu" else "cuda:0", pool)
        others = sorted(set(self.folder.modules) - {"Transformer", "Pooling", "Normalize"})
        if others:
            raise ModelRejected(
                f"{self.name}: it has a module {', '.join(others)}, which an ONNX graph of the "
                'encoder lacks; use runtime="sentence-transformers"'
            )
        self.precision, self.provider = precision, provider
        self.label = f"{'' if precision == 'int8' else 'onnx-'}{precision}-{VERSIONS[precision]}"
        self._session: Any = None
        self._query_session: Any = None

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        where = "" if self.provider == "cpu" else f", {self.provider}"
        return f"OnnxEmbedder({self.name!r}, {self.precision}{where}, {state})"

    @property
    def providers(self) -> list[str]:
        """ONNX Runtime's providers that run the graph, in order; empty while not loaded."""
        session = self._session or self._query_session
        return list(session.get_providers()) if session else []

    def need(self) -> Usage:
        width, window = 12 * self.dimension * 4, self.window
        return Usage(self._graph_bytes(), cores() * window * width)

    def held(self) -> Usage:
        sessions = (self._session is not None) + (self._query_session is not None)
        return Usage(sessions * self._graph_bytes()) if self.loaded else Usage()

    def alternatives(self) -> Sequence[tuple[str, int]]:
        if self.precision == "int8":
            return ()
        need = self.need()
        return [("precision int8 on the CPU", need.weights // 4 + need.activations)]

    def load(self) -> None:
        """Load tokenizer and weights for queries now rather than at the first one."""
        with self.pool.lease(self):
            self._for_queries()

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        from workbench.system.progress import tqdm

        rows = self.tokenizer.encode_batch(self._prompted(texts, "document"))
        vectors = np.empty((len(rows), self.dimension), dtype=np.float32)
        longest_first = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        with (
            self.pool.lease(self),
            tqdm(
                total=len(rows), desc="Encoding", unit=" texts", delay=2, disable=not progress
            ) as bar,
            ThreadPoolExecutor(cores()) as pool,
        ):
            session = self._for_documents()
            done: Iterator[Vectors] = pool.map(
                lambda i: self._run(session, rows[i].ids), longest_first
            )
            try:
                for row, vector in zip(longest_first, done, strict=True):
                    check_deadline()
                    vectors[row] = vector
                    bar.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # else all texts are waited for
                raise
        return check_finite(vectors, self.name)

    def encode_queries(self, texts: Sequence[str]) -> Iterator[Vectors]:
        # As documents, one thread a text: several for each would wait for each other.
        with self.pool.lease(self), ThreadPoolExecutor(cores()) as pool:
            encode = partial(self._remembered, encode=self._beside_others)
            yield from pool.map(encode, texts)

    def _beside_others(self, text: str) -> Vectors:
        return self._query(self._for_documents(), text)

    def _encode_query(self, text: str) -> Vectors:
        with self.pool.lease(self):
            return self._query(self._for_queries(), text)

    def _query(self, session: Any, text: str) -> Vectors:
        ids = self.tokenizer.encode(self.folder.prompt("query") + text).ids
        return check_finite(self._run(session, ids), self.name)

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The vector of every token of each document, special tokens included, for late
        interaction: float32 (tokens, dimension) a text, rows of unit length."""
        rows = self.tokenizer.encode_batch(self._prompted(texts, "document"))
        with self.pool.lease(self), ThreadPoolExecutor(cores()) as pool:
            session = self._for_documents()
            return list(pool.map(lambda row: unit_rows(self._tokens(session, row.ids)), rows))

    def query_token_vectors(self, text: str) -> Vectors:
        """The same of a query: float32 (tokens, dimension)."""
        ids = self.tokenizer.encode(self.folder.prompt("query") + text).ids
        with self.pool.lease(self):
            return unit_rows(self._tokens(self._for_queries(), ids))

    def _open(self) -> None:
        """The graph and the tokenizer; a session comes with the first text or query."""
        onnx_graph(self.folder, self.precision)
        _ = self.tokenizer

    def _abandon(self) -> None:
        abandon(self._session, self._query_session)
        self._session = self._query_session = None

    def _close(self) -> None:
        with self._lock:
            self._session = self._query_session = None

    def _for_documents(self) -> Any:
        """One thread a text: nothing is shared between texts that run side by side."""
        with self._lock:
            if self._session is None:
                self._session = self._new_session(1)
                self._count()
            return self._session

    def _for_queries(self) -> Any:
        """Several threads a text: a query comes alone, and the person waits for it."""
        with self._lock:
            if self._query_session is None:
                self._query_session = self._new_session(min(cores(), QUERY_THREADS))
                self._count()
            return self._query_session

    def _new_session(self, threads: int) -> Any:
        return open_session(onnx_graph(self.folder, self.precision), threads, self.provider)

    def _count(self) -> None:
        """Both sessions hold the weights: say so, as soon as it is so."""
        self.pool.ledger.set(self.key, self.device, self.held())

    def _graph_bytes(self) -> int:
        graph = graph_file(self.folder, self.precision)
        if graph.is_file():
            return graph_bytes(graph)
        return numbers(self.folder.tensors) * (1 if self.precision == "int8" else 4)

    def _run(self, session: Any, ids: list[int]) -> Vectors:
        tokens = self._tokens(session, ids)
        pooled = tokens[0] if self.folder.pooling == "cls" else tokens.mean(axis=0)
        vector: Vectors = pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        return vector

    def _tokens(self, session: Any, ids: list[int]) -> Vectors:
        ids_of_one = np.array([ids], dtype=np.int64)
        tokens: Vectors = run_session(session, {"input_ids": ids_of_one}, self.name)
        return tokens
