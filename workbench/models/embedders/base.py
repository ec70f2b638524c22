"""The `Embedder`, which is what the rest of the package sees of a model, and what embedders share.

That is a model folder, its tokenizer, its prompts, vectors of known queries; and, for those in
PyTorch, batches by tokens.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelError, ModelRejected, shown
from workbench.models.embedders.batching import Row, TokenIds, token_rows
from workbench.models.embedders.token_starts import TokenStarts
from workbench.models.memory.bookkeeper import Bookkeeper
from workbench.models.memory.hardware import cores
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder, find_model
from workbench.system.fork import Lock

Vectors = NDArray[np.float32]
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Number types of a runtime in PyTorch, and PyTorch's names for them."""

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
        self._starts: TokenStarts | None = None
        self._queries: OrderedDict[str, Vectors] = OrderedDict()

    def after_fork(self) -> None:
        super().after_fork()
        self._tokenizer = self._starts = None

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
        return self._token_starts()(texts)

    def _token_starts(self) -> TokenStarts:
        tokenizer = self.tokenizer
        with self._lock:
            if self._starts is None:
                self._starts = TokenStarts(tokenizer)
            return self._starts

    @abstractmethod
    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Documents to float32 (len(texts), dimension), in order, rows of unit length."""

    def encode_query(self, text: str) -> Vectors:
        """One query to float32 (dimension,), of unit length. The last 4,096 are remembered."""
        return self._remembered(text, self._encode_query)

    def encode_queries(self, texts: Sequence[str]) -> Iterator[Vectors]:
        """Many queries, side by side, in order; each as `encode_query` gives it, bit by bit."""
        with ThreadPoolExecutor(cores()) as pool:
            yield from pool.map(self.encode_query, texts)

    def _remembered(self, text: str, encode: Callable[[str], Vectors]) -> Vectors:
        with self._lock:
            known = self._queries.get(text)
            if known is not None:
                self._queries.move_to_end(text)
                return known
        vector = encode(text)
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
        if isinstance(texts, str):
            raise ModelError(f"texts are the one text {shown(texts)}; give a list of texts")
        prompt = self.folder.prompt(kind)
        return [prompt + text for text in texts]


class BatchEmbedder(LazyEmbedder):
    """An embedder in PyTorch: texts in batches by tokens, on `device`, in `dtype`.

    A subclass runs batches. Raises ModelError for an unknown device or dtype.
    """

    def __init__(
        self,
        model: str | ModelFolder = DEFAULT_MODEL,
        *,
        device: str = "cpu",
        dtype: str | None = None,
        pool: ModelPool | None = None,
    ) -> None:
        super().__init__(model, device, pool)
        self.dtype = dtype or ("fp32" if device == "cpu" else "bf16")
        if self.dtype not in DTYPES:
            raise ModelError(f"dtype is {shown(dtype)}; choose one of {', '.join(DTYPES)}")
        self.label = f"{self.label}-{self.dtype}"
        self._check()
        self._keeper = Bookkeeper(self)

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        return f"{type(self).__name__}({self.name!r}, {self.dtype}, {self.device}, {state})"

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return 4 if self.dtype == "fp32" else 2

    def _check(self) -> None:
        """Raises ModelRejected for a folder that this runtime does not run."""

    @property
    def ids_prompt(self) -> str | None:
        """What stands before each document whose tokens `encode` is given; None where it makes
        them itself."""
        return None

    def encode(
        self,
        texts: Sequence[str],
        *,
        progress: bool = False,
        ids: TokenIds | None = None,
    ) -> Vectors:
        """As `Embedder`. `ids`: of each text, with its prompt, what `TokenStarts.ids` gives."""
        from workbench.system.progress import tqdm

        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not len(texts):
            return vectors
        bar = tqdm(total=len(texts), desc="Encoding", unit=" texts", delay=2, disable=not progress)

        def done(batch: list[Row], result: Sequence[Vectors]) -> None:
            vectors[[row.index for row in batch]] = result
            bar.update(len(batch))

        with self.pool.lease(self), bar:
            self._batches(texts, "document", False, done, ids)
        return check_finite(vectors, self.name)

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The vector of every token of each document, special tokens included, for late
        interaction: float32 (tokens, width of the encoder) a text, rows of unit length."""
        found: dict[int, Vectors] = {}

        def done(batch: list[Row], result: Sequence[Vectors]) -> None:
            found.update(zip((row.index for row in batch), result, strict=True))

        if len(texts):
            with self.pool.lease(self):
                self._batches(texts, "document", True, done)
        return [check_finite(found[n], self.name) for n in range(len(texts))]

    def query_token_vectors(self, text: str) -> Vectors:
        """The same of a query: float32 (tokens, width)."""
        return self._alone(text, tokens=True)

    def _encode_query(self, text: str) -> Vectors:
        return self._alone(text, tokens=False)

    def _alone(self, text: str, tokens: bool) -> Vectors:
        found: list[Vectors] = []
        with self.pool.lease(self):
            self._batches([text], "query", tokens, lambda _, result: found.extend(result))
        return check_finite(found[0], self.name)

    def _rows(
        self, texts: Sequence[str], kind: str, ids: TokenIds | None = None
    ) -> Iterable[list[Row]]:
        """Tokens of the texts with their prompt; of one text at once, without threads."""
        prompted = self._prompted(texts, kind)
        if len(texts) > 1:
            return token_rows(prompted, self._token_starts().ids, ids)
        return [[Row(0, np.array(self.tokenizer.encode(prompted[0]).ids, np.int32))]]

    @abstractmethod
    def _batches(
        self,
        texts: Sequence[str],
        kind: str,
        tokens: bool,
        done: Callable[[list[Row], Sequence[Vectors]], None],
        ids: TokenIds | None = None,
    ) -> None:
        """Run texts of a `kind` ("document" or "query") through the device, the caller holding a
        lease; `done` gets a batch with its vectors, or with `tokens` the vectors of each token.
        `ids` as in `encode`."""


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
