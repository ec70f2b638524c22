"""What embedders share: a model folder, its tokenizer, its prompts, vectors of known queries."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelRejected
from workbench.forking import Lock
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder, find_model

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool

Vectors = NDArray[np.float32]
QUERY_CACHE = 4096
"""Query vectors kept, 6 MB at 384 dimensions."""


class LazyEmbedder(LazyModel):
    """An Embedder that a pool loads. A subclass runs texts through the weights."""

    label = ""
    """How the vectors are computed; part of the fingerprint."""

    def __init__(
        self,
        model: str | ModelFolder = DEFAULT_MODEL,
        device: str = "cpu",
        pool: ModelPool | None = None,
    ) -> None:
        self.folder = find_model(model) if isinstance(model, str) else model
        super().__init__(self.folder.name, device, pool)
        self._lock = Lock()
        self._tokenizer: Any = None
        self._queries: OrderedDict[str, Vectors] = OrderedDict()

    def after_fork(self) -> None:
        super().after_fork()
        self._tokenizer = None

    @property
    def fingerprint(self) -> str:
        """Equal for two embedders that give the same vectors."""
        prompts = self.folder.prompt("query"), self.folder.prompt("document")
        mark = f"-{sha256(repr(prompts).encode()).hexdigest()[:8]}" if any(prompts) else ""
        return f"{self.folder.fingerprint}-{self.folder.pooling}-{self.label}{mark}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.folder.dimension

    @property
    def window(self) -> int:
        """Tokens that one text may have, special tokens included; the rest is cut off."""
        return self.folder.window

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """First character of each token of each text, ascending, without special tokens."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            np.array([start for part in (e, *e.overflowing) for start, _ in part.offsets], np.int64)
            for e in encodings
        ]

    @abstractmethod
    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Documents to float32 (len(texts), dimension), in order, rows of unit length."""

    def encode_query(self, text: str) -> Vectors:
        """One query to float32 (dimension,), of unit length. The last 4,096 are remembered."""
        with self._lock:
            known = self._queries.get(text)
            if known is not None:
                self._queries.move_to_end(text)
                return known
        vector = self._encode_query(text)
        vector.setflags(write=False)
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > QUERY_CACHE:
                self._queries.popitem(last=False)
        return vector

    @abstractmethod
    def _encode_query(self, text: str) -> Vectors:
        """A query that is not known."""

    @property
    def tokenizer(self) -> Any:
        """The folder's tokenizer (Rust), loaded on first use: small, needs no lease."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = read_tokenizer(self.folder, self.folder.window)
            return self._tokenizer

    def _prompted(self, texts: Sequence[str], kind: str) -> list[str]:
        prompt = self.folder.prompt(kind)
        return [prompt + text for text in texts]


def unit_rows(rows: Vectors) -> Vectors:
    """Rows scaled to length 1."""
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def check_finite(vectors: Vectors, name: str) -> Vectors:
    """The vectors; raises ModelRejected where one holds NaN or infinity."""
    if not np.isfinite(vectors).all():
        wrong = int((~np.isfinite(vectors)).any(axis=-1).sum())
        raise ModelRejected(
            f"{name} gave NaN or infinity for {wrong} of {len(np.atleast_2d(vectors))} texts: its "
            "weights are damaged, or float16 overflows (use bf16 or fp32); fetch the model again"
        )
    return vectors


def read_tokenizer(folder: ModelFolder, longest: int, pairs: bool = False) -> Any:
    """The tokenizer of a folder for texts or for pairs of them, without padding, cutting off at
    `longest` tokens, of a pair the longer text first. Raises ModelRejected where it is none."""
    from tokenizers import Tokenizer

    path = folder.path / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.enable_truncation(longest, strategy="longest_first")
        tokenizer.encode("a", "a" if pairs else None)  # templates are only looked at here
    except BaseException as error:  # tokenizers raises nothing narrower, and panics beside
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error
    return tokenizer
