"""TorchEmbedder: the BERT family in PyTorch, on a GPU packed and in half precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from workbench.models.embedders.base import DTYPES, BatchEmbedder, Vectors
from workbench.models.embedders.batching import Row, TokenBudget, TokenIds, note_of, run_batches
from workbench.models.encoder import batch_memory as memory_model
from workbench.models.encoder.batch_memory import MemoryModel
from workbench.models.encoder.device_run import CpuRun, CudaRun, Handle, Run
from workbench.models.encoder.shape import MPNET, layout, shape_of
from workbench.models.memory.cuda import SLACK
from workbench.models.memory.devices import device_of
from workbench.models.memory.hardware import import_torch
from workbench.models.memory.ledger import Usage
from workbench.models.weights.find import DEFAULT_MODEL
from workbench.profiles import max_batch_tokens
from workbench.system.fork import abandon

MOST_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""Tokens of a batch past which it only gets larger, not faster."""

VERSION = 2
"""Of the forward pass, as far as it decides how much memory a batch takes."""

WORKING = 4_096
"""Tokens that a batch should be able to have before a model is worth loading."""


class TorchEmbedder(BatchEmbedder):
    """An encoder of the BERT, RoBERTa, XLM-R or MPNet family in PyTorch, loaded on first use.

    `device` "cuda:0" runs packed batches (no padding) in "bf16" or "fp16", tokenising and copying
    meanwhile; "fp32" and MPNet, whose scores need a bias, run padded. On "cpu" it is the
    reference, one text at a time in attention. Raises ModelRejected for another kind of model,
    whose remedy is runtime="sentence-transformers". Safe to share between threads.
    """

    label = "torch"
    _run: Run | None = None
    _model: MemoryModel | None = None

    def _check(self) -> None:
        self.shape = shape_of(self.folder)

    @property
    def padded(self) -> bool:
        """Whether batches on the GPU are padded: in float32, and where scores need a bias."""
        flash = self.dtype != "fp32" and self.shape.family != MPNET
        return self.device != "cpu" and not flash

    @property
    def ids_prompt(self) -> str | None:
        """As BatchEmbedder: a small model on a GPU waits for its tokens."""
        return self.folder.prompt("document")

    def need(self) -> Usage:
        return self._need(self.dtype)

    def held(self) -> Usage:
        return Usage(self._run.weights) if self._run else Usage()

    def alternatives(self) -> Sequence[tuple[str, int]]:
        smaller = [] if self.dtype != "fp32" else [("dtype bf16", _sum(self._need("bf16")))]
        if self.folder.name != DEFAULT_MODEL:
            smaller.append((f"model {DEFAULT_MODEL} (bf16)", 80 * 2**20))
        return smaller

    def _batches(
        self,
        texts: Sequence[str],
        kind: str,
        tokens: bool,
        done: Callable[[list[Row], Sequence[Vectors]], None],
        ids: TokenIds | None = None,
    ) -> None:
        run = self._run
        assert run is not None
        limit = None if max_batch_tokens() else lambda: self._memory.tokens(self._room())
        if len(texts) == 1:  # a batch has one text at least, so the device need not be asked
            budget = TokenBudget(1, self.padded)
        else:
            budget = TokenBudget(self.batch_tokens(), self.padded, limit)

        def submit(batch: list[Row]) -> Future[Handle]:
            size = self._memory.bytes(budget.cost(batch))
            return run.submit([row.ids for row in batch], tokens, size, note_of(batch))

        def finished(batch: list[Row], handle: Handle) -> None:
            result = handle.result()
            ends = np.cumsum([len(row.ids) for row in batch])[:-1]
            done(batch, np.split(result, ends) if tokens else list(result))

        def full(batch: list[Row], failures: int) -> None:
            need = self._memory.bytes(budget.cost(batch))
            self._keeper.make_room(len(batch), failures, need, budget.tokens)

        try:
            run_batches(self._rows(texts, kind, ids), budget, submit, finished, full)
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
        dtype = getattr(import_torch(), DTYPES[self.dtype])
        kind = CpuRun if self.device == "cpu" else CudaRun
        run = kind(self.folder, self.device, dtype, self._keeper)
        self._run = run  # before it is open, so that a failure gives back what came
        self._keeper.load(run.open, "take a smaller model or dtype")
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
