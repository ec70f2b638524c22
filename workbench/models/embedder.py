"""Texts to vectors. `Embedder` is what the rest of the package sees of a model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelRejected
from workbench.models.export import VERSION as EXPORT_VERSION
from workbench.models.export import int8_graph
from workbench.models.runtime_onnx import cores, open_session
from workbench.models.source import DEFAULT_MODEL, ModelFolder, find_model

Vectors = NDArray[np.float32]
QUERY_THREADS = 4
QUERY_CACHE = 4096
"""Query vectors kept, 6 MB at 384 dimensions."""


class Embedder(Protocol):
    """A model that turns texts into vectors of unit length."""

    @property
    def name(self) -> str:
        """What a person calls the model."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for two embedders that give the same vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def window(self) -> int:
        """Tokens that one text may have, special tokens included; the rest is cut off."""
        ...

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """First character of each token of each text, ascending, without special tokens."""
        ...

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Documents to float32 (len(texts), dimension), in order, rows of unit length."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """One query to float32 (dimension,), of unit length."""
        ...


class OnnxEmbedder:
    """An encoder of the BERT family on the CPU: int8 ONNX, loaded on first use.

    Each text is run by itself, without padding, one thread a text, longest first: on two cores
    faster than padded batches, and a vector never depends on its neighbours. Safe to share
    between threads.
    """

    def __init__(self, model: str | ModelFolder = DEFAULT_MODEL) -> None:
        self._folder = find_model(model) if isinstance(model, str) else model
        self._lock = threading.Lock()
        self._session: Any = None
        self._query_session: Any = None
        self._tokenizer: Any = None
        self._queries: OrderedDict[str, Vectors] = OrderedDict()

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        return f"OnnxEmbedder({self.name!r}, int8, {state})"

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def fingerprint(self) -> str:
        return f"{self._folder.sha256[:16]}-{self._folder.pooling}-int8-{EXPORT_VERSION}"

    @property
    def dimension(self) -> int:
        return self._folder.dimension

    @property
    def window(self) -> int:
        return self._folder.window

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._session is not None or self._query_session is not None

    def load(self) -> None:
        """Load tokenizer and weights for queries now rather than at the first one."""
        self._for_queries()

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        encodings = self._own_tokenizer().encode_batch(list(texts), add_special_tokens=False)
        return [
            np.array([start for part in (e, *e.overflowing) for start, _ in part.offsets], np.int64)
            for e in encodings
        ]

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        from tqdm.auto import tqdm

        session = self._for_documents()
        prompt = self._folder.prompt("document")
        rows = self._own_tokenizer().encode_batch([prompt + text for text in texts])
        vectors = np.empty((len(rows), self.dimension), dtype=np.float32)
        longest_first = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        with (
            tqdm(
                total=len(rows), desc="Encoding", unit=" texts", delay=2, disable=not progress
            ) as bar,
            ThreadPoolExecutor(cores()) as pool,
        ):
            done: Iterator[Vectors] = pool.map(
                lambda i: self._run(session, rows[i].ids), longest_first
            )
            for row, vector in zip(longest_first, done, strict=True):
                vectors[row] = vector
                bar.update()
        return vectors

    def encode_query(self, text: str) -> Vectors:
        with self._lock:
            known = self._queries.get(text)
            if known is not None:
                self._queries.move_to_end(text)
                return known
        session = self._for_queries()
        prompt = self._folder.prompt("query")
        vector = self._run(session, self._own_tokenizer().encode(prompt + text).ids)
        vector.setflags(write=False)
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > QUERY_CACHE:
                self._queries.popitem(last=False)
        return vector

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The vector of every token of each document, special tokens included, for late
        interaction: float32 (tokens, dimension) a text, rows of unit length."""
        session = self._for_documents()
        prompt = self._folder.prompt("document")
        rows = self._own_tokenizer().encode_batch([prompt + text for text in texts])
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(lambda row: _unit(self._tokens(session, row.ids)), rows))

    def query_token_vectors(self, text: str) -> Vectors:
        """The same of a query: float32 (tokens, dimension)."""
        ids = self._own_tokenizer().encode(self._folder.prompt("query") + text).ids
        return _unit(self._tokens(self._for_queries(), ids))

    def _own_tokenizer(self) -> Any:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = _tokenizer(self._folder)
            return self._tokenizer

    def _for_documents(self) -> Any:
        """One thread a text: nothing is shared between texts that run side by side."""
        with self._lock:
            if self._session is None:
                self._session = open_session(int8_graph(self._folder))
            return self._session

    def _for_queries(self) -> Any:
        """Several threads a text: a query comes alone, and the person waits for it."""
        with self._lock:
            if self._query_session is None:
                threads = min(cores(), QUERY_THREADS)
                self._query_session = open_session(int8_graph(self._folder), threads)
            return self._query_session

    def _run(self, session: Any, ids: list[int]) -> Vectors:
        tokens = self._tokens(session, ids)
        pooled = tokens[0] if self._folder.pooling == "cls" else tokens.mean(axis=0)
        vector: Vectors = pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        return vector

    def _tokens(self, session: Any, ids: list[int]) -> Vectors:
        tokens: Vectors = session.run(None, {"input_ids": np.array([ids], dtype=np.int64)})[0][0]
        return tokens


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _tokenizer(folder: ModelFolder) -> Any:
    from tokenizers import Tokenizer

    path = folder.path / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.window)
    return tokenizer
