"""Sentence vectors by late chunking: one pass over the passage, pooled by sentence.

Günther et al., "Late Chunking", 2024 (arXiv 2409.04701): a pronoun's vector knows what it stands
for, and the pass is the one that the whole passage would take.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.chunking import embedding_text
from workbench.system.fork import Lock

Vectors = NDArray[np.float32]
Span = tuple[int, int]

CACHED = 4096
"""Passages whose sentence vectors are remembered, some 40 MB at 384 dimensions."""


class SentenceEmbedder(Protocol):
    """What is needed of an embedder."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """First character of each token of each text, ascending, without special tokens."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Documents to float32 (len(texts), dimension), rows of unit length."""
        ...


@runtime_checkable
class _Tokens(Protocol):
    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]: ...


class SentenceVectors:
    """Vectors of the sentences of passages, remembered. Safe to share between threads.

    An embedder without token vectors encodes each sentence by itself.
    """

    def __init__(self, embedder: SentenceEmbedder) -> None:
        self._embedder = embedder
        self._known: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self._lock = Lock()

    def of(self, passages: Sequence[tuple[str, str, Sequence[Span]]]) -> list[Vectors]:
        """For each (title, text, spans of sentences): float32 (sentences, dimension), unit rows."""
        keys = [(title, text) for title, text, _ in passages]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
            for key in found:
                self._known.move_to_end(key)
        missing = [p for p in passages if (p[0], p[1]) not in found]
        for (title, text, _), made in zip(missing, self._encode(missing), strict=True):
            found[title, text] = made
        with self._lock:
            self._known.update(found)
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return [found[key] for key in keys]

    def _encode(self, passages: Sequence[tuple[str, str, Sequence[Span]]]) -> list[Vectors]:
        if not passages:
            return []
        if not isinstance(self._embedder, _Tokens):
            return [self._alone(text, spans) for _, text, spans in passages]
        texts = [embedding_text(title, text) for title, text, _ in passages]
        tokens = self._embedder.token_vectors(texts)
        starts = self._embedder.token_starts(texts)
        return [
            _pooled(vectors, first - (len(whole) - len(text)), spans)
            for vectors, first, whole, (_, text, spans) in zip(
                tokens, starts, texts, passages, strict=True
            )
        ]

    def _alone(self, text: str, spans: Sequence[Span]) -> Vectors:
        if not spans:
            return np.zeros((0, self._embedder.dimension), np.float32)
        return self._embedder.encode([text[start:end] for start, end in spans])


def _pooled(tokens: Vectors, starts: NDArray[np.int64], spans: Sequence[Span]) -> Vectors:
    """The mean of each span's token vectors. `starts` are places in the passage's own text.

    The first and the last row are special tokens; rows before the text's own are a prompt's.
    """
    rows = tokens[1:-1]
    before = max(0, len(rows) - len(starts))
    rows = rows[before:]
    whole = tokens.mean(axis=0)
    pooled = np.empty((len(spans), tokens.shape[1]), np.float32)
    for i, (start, end) in enumerate(spans):
        first, last = (int(n) for n in np.searchsorted(starts, (start, end)))
        part = rows[first : max(last, first + 1)]
        pooled[i] = part.mean(axis=0) if len(part) else whole  # past the window: the passage's
    unit: Vectors = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return unit
