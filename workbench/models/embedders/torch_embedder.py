"""TorchEmbedder: the BERT family in PyTorch, on a GPU packed and in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelError, OutOfMemory
from workbench.forking import abandon
from workbench.models.embedders.base import LazyEmbedder, Vectors, check_finite
from workbench.models.embedders.batching import (
    DeviceFull,
    Row,
    TokenBudget,
    run_batches,
    token_rows,
)
from workbench.models.encoder import batch_memory as memory_model
from workbench.models.encoder.batch_memory import MemoryModel
from workbench.models.encoder.device_run import CpuRun, CudaRun, Run
from workbench.models.encoder.shape import MPNET, layout, shape_of
from workbench.models.memory.bookkeeping import Bookkeeper
from workbench.models.memory.cuda import SLACK, import_torch
from workbench.models.memory.devices import device_of
from workbench.models.memory.ledger import Usage
from workbench.models.memory.retry import make_room
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder
from workbench.present.words import human_bytes
from workbench.profiles import max_batch_tokens

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool

Dtype = Literal["fp32", "bf16", "fp16"]
NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
MOST_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""Tokens of a batch past which it only gets larger, not faster."""

VERSION = 2
"""Of the forward pass, as far as it decides how much memory a batch takes."""

WORKING = 4_096
"""Tokens that a batch should be able to have before a model is worth loading."""


class TorchEmbedder(LazyEmbedder):
    """An encoder of the BERT, RoBERTa, XLM-R or MPNet family in PyTorch, loaded on first use.

    `device` "cuda:0" runs packed batches (no padding) in "bf16" or "fp16", tokenising and copying
    meanwhile; "fp32" and MPNet, whose scores need a bias, run padded. On "cpu" it is the
    reference, one text at a time in attention. Raises ModelRejected for another kind of model,
    whose remedy is runtime="sentence-transformers". Safe to share between threads.
    """

    def __init__(
        self,
        model: str | ModelFolder = DEFAULT_MODEL,
        *,
        device: str = "cpu",
        dtype: Dtype | None = None,
        pool: ModelPool | None = None,
    ) -> None:
        super().__init__(model, device, pool)
        self.shape = shape_of(self.folder)
        self.dtype: Dtype = dtype or ("fp32" if device == "cpu" else "bf16")
        if self.dtype not in NAMES:
            raise ModelError(f"dtype is {dtype!r}; choose one of {', '.join(NAMES)}")
        self.label = f"torch-{self.dtype}"
        self._run: Run | None = None
        self._model: MemoryModel | None = None

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        return f"TorchEmbedder({self.name!r}, {self.dtype}, {self.device}, {state})"

    @property
    def padded(self) -> bool:
        """Whether batches on the GPU are padded: in float32, and where scores need a bias."""
        flash = self.dtype != "fp32" and self.shape.family != MPNET
        return self.device != "cpu" and not flash

    def need(self) -> Usage:
        return self._need(self.dtype)

    def held(self) -> Usage:
        return Usage(self._run.weights) if self._run else Usage()

    def alternatives(self) -> Sequence[tuple[str, int]]:
        smaller = [] if self.dtype != "fp32" else [("dtype bf16", _sum(self._need("bf16")))]
        if self.folder.name != DEFAULT_MODEL:
            smaller.append((f"model {DEFAULT_MODEL} (bf16)", 80 * 2**20))
        return smaller

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        from tqdm.auto import tqdm

        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not len(texts):
            return vectors
        rows = token_rows(self._prompted(texts, "document"), self.tokenizer)
        bar = tqdm(total=len(texts), desc="Encoding", unit=" texts", delay=2, disable=not progress)

        def done(batch: list[Row], result: Vectors) -> None:
            vectors[[row.index for row in batch]] = result
            bar.update(len(batch))

        with self.pool.lease(self), bar:
            self._batches(rows, False, done)
        return check_finite(vectors, self.name)

    def _encode_query(self, text: str) -> Vectors:
        (vector,) = self._alone(self.folder.prompt("query") + text, tokens=False)
        return check_finite(vector, self.name)

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The vector of every token of each document, special tokens included, for late
        interaction: float32 (tokens, dimension) a text, rows of unit length."""
        found: dict[int, Vectors] = {}

        def done(batch: list[Row], result: Vectors) -> None:
            ends = np.cumsum([len(row.ids) for row in batch])[:-1]
            found.update(zip([r.index for r in batch], np.split(result, ends), strict=True))

        with self.pool.lease(self):
            rows = token_rows(self._prompted(texts, "document"), self.tokenizer)
            self._batches(rows, True, done)
        return [check_finite(found[n], self.name) for n in range(len(texts))]

    def query_token_vectors(self, text: str) -> Vectors:
        """The same of a query: float32 (tokens, dimension)."""
        return check_finite(self._alone(self.folder.prompt("query") + text, tokens=True), self.name)

    def _alone(self, text: str, tokens: bool) -> Vectors:
        """One text, at once."""
        found: list[Vectors] = []
        ids: NDArray[np.int32] = np.array(self.tokenizer.encode(text).ids, np.int32)
        with self.pool.lease(self):
            self._batches([[Row(0, ids)]], tokens, lambda _, result: found.append(result))
        return found[0]

    def _batches(self, rows: Any, tokens: bool, done: Any) -> None:
        """Run rows through the device; the caller holds a lease."""
        run = self._run
        assert run is not None
        limit = None if max_batch_tokens() else lambda: self._memory.tokens(self._room())
        budget = TokenBudget(self.batch_tokens(), self.padded, limit)

        def submit(batch: list[Row]) -> Future[Any]:
            size = self._memory.bytes(budget.cost(batch))
            note = f"{len(batch)} texts, {sum(len(row.ids) for row in batch):,} tokens"

            return run.submit([row.ids for row in batch], tokens, size, note)

        def full(batch: list[Row], failures: int) -> None:
            need = self._memory.bytes(budget.cost(batch))
            make_room(self, len(batch), failures, need, budget.tokens)

        try:
            run_batches(rows, budget, submit, lambda b, handle: done(b, handle.result()), full)
        finally:
            if self.device == "cpu":
                self.pool.settle(self)

    def batch_tokens(self) -> int:
        """Tokens of a batch: MAX_BATCH_TOKENS, or what the pool's budget and the device's free
        memory hold, up to where larger batches are no faster."""
        chosen = max_batch_tokens()
        if chosen is not None:
            return chosen
        device = device_of(self.device)
        room = min(self._room(), device.free + device.kept_now() - SLACK)
        return min(MOST_TOKENS[self.device.partition(":")[0]], max(1, self._memory.tokens(room)))

    def _room(self) -> int:
        return self.pool.room(self.device) - (SLACK if self.device != "cpu" else 0)

    @property
    def _memory(self) -> MemoryModel:
        """Bytes of a batch: measured once loaded, counted before (nothing is asked of a GPU)."""
        return self._model or memory_model.counted(self.shape, 4 if self.dtype == "fp32" else 2)

    def _key(self) -> str:
        name = device_of(self.device).name
        return f"{self.folder.fingerprint} {self.dtype} {VERSION} {name}"

    def _need(self, dtype: str) -> Usage:
        _, weights = layout(self.shape, 4 if dtype == "fp32" else 2)
        least = self._memory.bytes(max(self.window, WORKING))
        return Usage(weights, least + (SLACK if self.device != "cpu" else 0))

    def _open(self) -> None:
        dtype = getattr(import_torch(), NAMES[self.dtype])
        kind = CpuRun if self.device == "cpu" else CudaRun
        run = kind(self.folder, self.device, dtype, Bookkeeper(self))
        self._run = run  # before it is open, so that a failure gives back what came
        while not run.weights:
            try:
                run.open()
            except DeviceFull as full:  # other processes hold what the budget would allow
                if not self.pool.evict_idle(self.device):
                    raise OutOfMemory(
                        f"{self.name} needs {human_bytes(self.need().weights)} on {self.device} "
                        f"and {human_bytes(device_of(self.device).free)} are free ({full}); end "
                        "other processes that use it, or take a smaller model or dtype"
                    ) from None
        _ = self.tokenizer
        if self.device != "cpu":
            known = memory_model.remembered(self._key())
            self._model = known or memory_model.measure(self._key(), self._peak)

    def _peak(self, tokens: int) -> int:
        """Bytes that a batch of texts of the window's length took at most."""
        assert isinstance(self._run, CudaRun)  # a CPU's memory is counted from the shapes
        length = min(self.window, tokens)
        return self._run.peak([np.full(length, 5, np.int32)] * max(1, tokens // length))

    def _abandon(self) -> None:
        abandon(self._run)
        self._run = None

    def _close(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close()


def _sum(usage: Usage) -> int:
    return usage.weights + usage.activations
