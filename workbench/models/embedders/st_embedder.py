"""SentenceTransformerEmbedder: whatever sentence-transformers can run, behind the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from workbench.errors import MissingDependency, ModelError, ModelRejected, OutOfMemory
from workbench.forking import abandon
from workbench.models.embedders.base import LazyEmbedder, Vectors, check_finite
from workbench.models.embedders.batching import (
    DeviceFull,
    Row,
    TokenBudget,
    is_out_of_memory,
    out_of_memory,
    run_batches,
    token_rows,
    without_frames,
)
from workbench.models.memory.bookkeeping import Bookkeeper
from workbench.models.memory.cuda import Cuda, import_torch
from workbench.models.memory.devices import device_of
from workbench.models.memory.ledger import Usage
from workbench.models.memory.retry import make_room
from workbench.models.onnx.session import first_line
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder
from workbench.models.weights.header import numbers
from workbench.models.weights.settings import whole
from workbench.profiles import max_batch_tokens

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}


class SentenceTransformerEmbedder(LazyEmbedder):
    """Any model in sentence-transformers' layout with safetensors, loaded on first use.

    For what the workbench's own encoder does not run: other architectures, pooling or modules.
    No code of the model's own is ever run (trust_remote_code stays off).
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
            raise ModelError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        self.label = f"st-{self.dtype}"
        self._model: Any = None
        self._weights = 0
        self._keeper = Bookkeeper(self)

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        return f"SentenceTransformerEmbedder({self.name!r}, {self.dtype}, {self.device}, {state})"

    @property
    def fingerprint(self) -> str:
        return f"{self.folder.fingerprint}-{self.label}"

    def need(self) -> Usage:
        count = numbers(self.folder.tensors)
        itemsize = 4 if self.dtype == "fp32" else 2
        path = self.folder.path / "config.json"
        default = 4 * self.dimension
        wide = whole(self.folder.config, "intermediate_size", path, 1, 2**20, default)
        return Usage(count * itemsize, 2 * self.window * (4 * self.dimension + 2 * wide) * itemsize)

    def held(self) -> Usage:
        return Usage(self._weights)

    def alternatives(self) -> Sequence[tuple[str, int]]:
        need = self.need()
        return [("dtype bf16", need.weights // 2 + need.activations // 2)] * (self.dtype == "fp32")

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        from tqdm.auto import tqdm

        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not len(texts):
            return vectors
        bar = tqdm(total=len(texts), desc="Encoding", unit=" texts", delay=2, disable=not progress)

        def done(batch: list[Row], result: Vectors) -> None:
            vectors[[row.index for row in batch]] = result
            bar.update(len(batch))

        with self.pool.lease(self), bar:
            self._batches(texts, self._documents, done)
        return check_finite(vectors, self.name)

    def _encode_query(self, text: str) -> Vectors:
        found: list[Vectors] = []
        with self.pool.lease(self):
            self._batches([text], self._query, lambda _, result: found.append(result))
        return check_finite(found[0][0], self.name)

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        """The vector of every token of each document, for late interaction: float32 (tokens,
        width of the encoder) a text, rows of unit length."""
        found: dict[int, Vectors] = {}

        def done(batch: list[Row], result: Any) -> None:
            found.update(zip((row.index for row in batch), result, strict=True))

        with self.pool.lease(self):
            self._batches(texts, lambda few: self._tokens(few, "encode_document"), done)
        return [check_finite(found[n], self.name) for n in range(len(texts))]

    def query_token_vectors(self, text: str) -> Vectors:
        """The same of a query."""
        found: list[Any] = []
        with self.pool.lease(self):
            self._batches([text], lambda few: self._tokens(few, "encode_query"),
                          lambda _, result: found.append(result))  # fmt: skip
        return check_finite(found[0][0], self.name)

    # What sentence-transformers does, on the device's thread

    def _documents(self, texts: list[str]) -> Any:
        return self._model.encode_document(
            texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False
        )

    def _query(self, texts: list[str]) -> Any:
        return self._model.encode_query(texts, normalize_embeddings=True, show_progress_bar=False)

    def _tokens(self, texts: list[str], how: str) -> list[Vectors]:
        rows = getattr(self._model, how)(
            texts, output_value="token_embeddings", show_progress_bar=False
        )
        unit = import_torch().nn.functional.normalize
        return [unit(row.float(), dim=1).cpu().numpy() for row in rows]

    def _batches(self, texts: Sequence[str], job: Callable[[list[str]], Any], done: Any) -> None:
        """Texts through a job in batches by tokens; the caller holds a lease."""
        most = max_batch_tokens() or BATCH_TOKENS[self.device.partition(":")[0]]
        budget = TokenBudget(most, padded=True)

        def submit(batch: list[Row]) -> Future[Any]:
            note = f"{len(batch)} texts, {sum(len(row.ids) for row in batch):,} tokens"
            return self._submit(self._run, [texts[row.index] for row in batch], job, note)

        def full(batch: list[Row], failures: int) -> None:
            make_room(self, len(batch), failures, self.need().activations, budget.tokens)

        run_batches(token_rows(texts, self.tokenizer), budget, submit, done, full)
        if self.device == "cpu":
            self.pool.settle(self)

    def _submit(self, job: Callable[..., Any], *given: Any) -> Future[Any]:
        if self.device != "cpu":
            return cast("Cuda", device_of(self.device)).submit(job, *given)
        future: Future[Any] = Future()
        try:
            future.set_result(job(*given))
        except DeviceFull as error:
            future.set_exception(without_frames(error))
        except BaseException as error:
            future.set_exception(error)
        return future

    def _run(self, texts: list[str], job: Callable[[list[str]], Any], note: str) -> Any:
        self._keeper.batch(device_of(self.device).kept_now(), note)
        with self._keeper.moving(), out_of_memory():
            result = job(texts)
            self._keeper.kept(device_of(self.device).kept_now())
        return result

    def _open(self) -> None:
        _ = self.tokenizer, self.folder.modules  # refuses classes that are not known
        try:
            self._submit(self._load).result()
        except DeviceFull as full:
            raise OutOfMemory(
                f"{self.name} does not fit on {self.device} ({full}); end other processes that "
                "use it, or take a smaller model or dtype"
            ) from None

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
            if self.device == "cpu":
                self._weights = self.need().weights
            else:
                self._weights = device.kept_now() - kept
                cast("Cuda", device).add_weights(self._weights)
            self._keeper.weights(self._weights)

    def _abandon(self) -> None:
        abandon(self._model)
        self._model, self._weights = None, 0

    def _close(self) -> None:
        self._submit(self._unload).result()

    def _unload(self) -> None:
        with self._keeper.moving():
            self._model = None
            device = device_of(self.device)
            device.trim()
            if self.device != "cpu":
                cast("Cuda", device).add_weights(-self._weights)
            self._weights = 0
            self._keeper.weights(0)
