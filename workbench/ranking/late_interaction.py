"""Late interaction: MaxSim over the token vectors of the embedder that is loaded already.

Khattab and Zaharia, "ColBERT", SIGIR 2020, with the vectors of an encoder not trained for it: it
helps on some collections and hurts on others, so tune its weight on your own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.engines.base import Engine
from workbench.errors import ModelError
from workbench.models.embedders.base import Embedder
from workbench.models.embedders.token_store import TokenStore, TokenVectors, quantised
from workbench.models.products import products
from workbench.present.view import Shown, View
from workbench.ranking.rerank import passage_texts

Vectors = NDArray[np.float32]

BLOCK = 256
"""Passages whose texts are read at a time while the store is filled."""


@runtime_checkable
class TokenEmbedder(Protocol):
    """An embedder that gives the vector of each token too."""

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """Of documents: float32 (tokens, dimension) a text, rows of unit length."""
        ...

    def query_token_vectors(self, text: str) -> Vectors:
        """Of a query: float32 (tokens, dimension), rows of unit length."""
        ...


@dataclass(frozen=True, slots=True)
class TokenCacheReport(Shown):
    """What `cache_token_vectors` did. `kept` of `passages` are on disk, `encoded` of them now; not
    `complete` where the cache's limit was reached: the rest is encoded when a query meets it."""

    passages: int
    kept: int
    encoded: int
    bytes: int

    @property
    def complete(self) -> bool:
        """Whether every passage is kept."""
        return self.kept == self.passages

    def view(self) -> View:
        """What was done, in a line."""
        text = (
            f"token vectors of {self.kept:,} of {self.passages:,} passages kept, "
            f"{self.encoded:,} encoded now, {self.bytes / 1e6:,.0f} MB"
        )
        rest = "" if self.complete else "; the cache is full or cannot be written"
        return View(text + rest)


class LateInteraction:
    """The mean, over the query's tokens, of the best cosine with a token of the passage: -1 to 1.

    Passages' token vectors are kept on disk as int8 (`TokenStore`); without a cache every passage
    is encoded anew. Raises ModelError for an embedder that gives no token vectors.
    """

    signal = "late_interaction"

    def __init__(
        self, embedder: Embedder, *, store: TokenStore | None = None, batch_size: int = 50
    ) -> None:
        if not isinstance(embedder, TokenEmbedder):
            raise ModelError(
                f"embedder {embedder.name!r} gives no token vectors, which late interaction needs; "
                "use another reranker, or an embedder of the BERT family"
            )
        self._embedder: TokenEmbedder = embedder
        self._batch_size = batch_size
        self.name = f"late interaction of {embedder.name}"
        self.fingerprint = f"late-interaction-{embedder.fingerprint}"
        self._store = store or TokenStore(embedder.fingerprint, embedder.dimension)

    def __repr__(self) -> str:
        return f"LateInteraction({self.name!r})"

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float64]:
        """MaxSim of each passage, float64 (len(passages),). Encodes and keeps what is missing."""
        if not passages:
            return np.zeros(0)
        tokens = self._embedder.query_token_vectors(query)
        return max_sim(tokens, self._tokens_of(passages))

    def fill(self, engine: Engine, *, progress: bool = True) -> TokenCacheReport:
        """Encode and keep every passage of an engine that the store lacks; what is kept stays
        after an interruption. Stops where the store is full. Raises CorpusError for an engine
        that cannot list its passages."""
        from workbench.system.progress import tqdm

        keys = engine.passage_keys()
        encoded = kept = 0
        with tqdm(
            total=len(keys), desc="Token vectors", unit="", delay=2, disable=not progress
        ) as bar:
            for start in range(0, len(keys), BLOCK):
                texts = passage_texts(keys[start : start + BLOCK], engine)
                missing = self._store.missing(texts)
                if missing and self._store.full:
                    break
                for some in _batches(missing, self._batch_size):
                    self._encode(some)
                encoded += len(missing)
                kept += len(texts) - len(self._store.missing(texts))
                bar.update(len(texts))
        return TokenCacheReport(len(keys), kept, encoded, self._store.size)

    def close(self) -> None:
        """Let go of the store's file; the next query opens it again."""
        self._store.close()

    def _tokens_of(self, passages: Sequence[str]) -> list[TokenVectors]:
        known = self._store.read(passages)
        missing = [text for text in dict.fromkeys(passages) if text not in known]
        for some in _batches(missing, self._batch_size):
            known |= self._encode(some)
        return [known[text] for text in passages]

    def _encode(self, texts: Sequence[str]) -> dict[str, TokenVectors]:
        found = map(quantised, self._embedder.token_vectors(texts))
        made = dict(zip(texts, found, strict=True))
        self._store.write(made)
        return made


def _batches(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def max_sim(query: Vectors, passages: Iterable[TokenVectors]) -> NDArray[np.float64]:
    """Mean over the query's tokens of the largest cosine with any token of each passage.

    `query` is float32 (tokens, dimension), rows of unit length. A passage's value does not depend
    on the others.
    """
    found = list(passages)
    starts = np.cumsum([0, *(len(tokens.codes) for tokens in found)])[:-1]
    codes = np.concatenate([tokens.codes for tokens in found])
    scales = np.concatenate([tokens.scales for tokens in found])
    cosines = products(query, codes.astype(np.float32)) * scales
    best = np.maximum.reduceat(cosines, starts, axis=1)
    means: NDArray[np.float64] = best.mean(axis=0, dtype=np.float64)
    return means
