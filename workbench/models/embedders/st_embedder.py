"""SentenceTransformerEmbedder: whatever sentence-transformers can run, behind the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from workbench.errors import MissingDependency, ModelRejected, first_line
from workbench.models.embedders.base import DTYPES, BatchEmbedder, Vectors
from workbench.models.embedders.batching import Row, TokenBudget, TokenIds, note_of, run_batches
from workbench.models.memory.devices import device_of
from workbench.models.memory.hardware import import_torch
from workbench.models.memory.ledger import Usage
from workbench.models.memory.shortage import is_out_of_memory, out_of_memory
from workbench.models.weights.header import numbers
from workbench.models.weights.settings import whole
from workbench.profiles import max_batch_tokens
from workbench.system.fork import abandon

BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}


class SentenceTransformerEmbedder(BatchEmbedder):
    """Any model in sentence-transformers' layout with safetensors, loaded on first use.

    For what the workbench's own encoder does not run: other architectures, pooling or modules.
    No code of the model's own is ever run (trust_remote_code stays off).
    """

    label = "st"
    _model: Any = None
    _weights = _segments = 0

    @property
    def fingerprint(self) -> str:
        return f"{self.folder.fingerprint}-{self.label}"

    def need(self) -> Usage:
        count = numbers(self.folder.tensors)
        path = self.folder.path / "config.json"
        default = 4 * self.dimension
        wide = whole(self.folder.config, "intermediate_size", path, 1, 2**20, default)
        return Usage(
            count * self.itemsize,
            2 * self.window * (4 * self.dimension + 2 * wide) * self.itemsize,
        )

    def held(self) -> Usage:
        return Usage(self._weights)

    def alternatives(self) -> Sequence[tuple[str, int]]:
        need = self.need()
        return [("dtype bf16", need.weights // 2 + need.activations // 2)] * (self.dtype == "fp32")

    # What sentence-transformers does, on the device's thread

    def _batches(
        self,
        texts: Sequence[str],
        kind: str,
        tokens: bool,
        done: Callable[[list[Row], Sequence[Vectors]], None],
        ids: TokenIds | None = None,
    ) -> None:
        most = max_batch_tokens() or BATCH_TOKENS[self.device.partition(":")[0]]
        budget = TokenBudget(most, padded=True)
        device = device_of(self.device)

        def submit(batch: list[Row]) -> Future[Any]:
            few = [texts[row.index] for row in batch]
            return device.submit(self._run, few, kind, tokens, note_of(batch))

        def full(batch: list[Row], failures: int) -> None:
            self._keeper.make_room(len(batch), failures, self.need().activations, budget.tokens)

        run_batches(self._rows(texts, kind, ids), budget, submit, done, full)
        if self.device == "cpu":
            self.pool.settle(self)

    def _run(self, texts: list[str], kind: str, tokens: bool, note: str) -> Sequence[Vectors]:
        encode = getattr(self._model, f"encode_{kind}")
        options = {"batch_size": len(texts), "show_progress_bar": False}
        self._keeper.batch(device_of(self.device).kept_now(), note)
        with self._keeper.moving(), out_of_memory():
            if tokens:
                unit = import_torch().nn.functional.normalize
                rows = encode(texts, output_value="token_embeddings", **options)
                result = [unit(row.float(), dim=1).cpu().numpy() for row in rows]
            else:
                result = list(encode(texts, normalize_embeddings=True, **options))
            self._keeper.kept(device_of(self.device).kept_now())
        return result

    def _open(self) -> None:
        _ = self.tokenizer, self.folder.modules  # refuses classes that are not known
        device = device_of(self.device)
        remedy = "take a smaller model or dtype"
        self._keeper.load(lambda: device.submit(self._load).result(), remedy)

    def _load(self) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingDependency(
                "this runtime needs sentence-transformers; pip install sentence-transformers"
            ) from None
        dtype = getattr(import_torch(), DTYPES[self.dtype])
        device = device_of(self.device)
        kept = device.kept_now()
        with self._keeper.moving(), out_of_memory():
            try:
                self._model = SentenceTransformer(
                    str(self.folder.path),
                    device=self.device,
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"dtype": dtype, "use_safetensors": True},
                )
            except Exception as error:  # whatever the classes that it names raise
                if is_out_of_memory(error):
                    raise
                raise ModelRejected(
                    f"{self.folder.path}: sentence-transformers could not load it "
                    f"({first_line(error)}); fetch the model again, or take another"
                ) from error
            self._segments = device.kept_now() - kept
            device.add_weights(self._segments)
            # Tiny weights may go into a segment that another model brought.
            self._weights = max(self._segments, self.need().weights)
            self._keeper.weights(self._weights)

    def _abandon(self) -> None:
        abandon(self._model)
        self._model, self._weights, self._segments = None, 0, 0

    def _close(self) -> None:
        device_of(self.device).submit(self._unload).result()

    def _unload(self) -> None:
        with self._keeper.moving():
            self._model = None
            device = device_of(self.device)
            device.trim()
            device.add_weights(-self._segments)
            self._weights = self._segments = 0
            self._keeper.weights(0)
