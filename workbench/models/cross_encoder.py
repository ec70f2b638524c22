"""Cross-encoders: a query and a passage read together by one model, one score a pair.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Any sequence classifier with one label in
safetensors, by name or folder: bge-reranker, ms-marco-MiniLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelError, ModelRejected, shown
from workbench.models.embedders.base import check_finite, read_tokenizer
from workbench.models.memory.bookkeeper import Bookkeeper
from workbench.models.memory.devices import device_of
from workbench.models.memory.hardware import cores, has_gpu, import_torch
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage
from workbench.models.memory.pool import ModelPool
from workbench.models.memory.shortage import DeviceFull, out_of_memory
from workbench.models.onnx.cache import graph_bytes
from workbench.models.onnx.export import VERSIONS, onnx_graph, takes_types
from workbench.models.onnx.session import open_session, run_session
from workbench.models.weights.find import LARGEST_ID, ModelFolder, find_model
from workbench.models.weights.header import numbers
from workbench.models.weights.settings import whole, within
from workbench.present.words import count
from workbench.system.deadline import check_deadline
from workbench.system.fork import abandon

LONGEST = 512
"""Tokens of a pair where the model sets no smaller limit; the longer text is cut."""

WIDE = 12
"""Rows of the hidden size that one token takes while a pair is computed."""

Scores = NDArray[np.float64]


class CrossEncoder(LazyModel):
    """Scores pairs: int8 ONNX on the CPU, fp16 torch on a GPU, loaded at the first pair.

    The scores are the model's raw logits, higher is better, without bounds. On the CPU each pair
    is run by itself, one thread a pair, so a score never depends on its neighbours; on a GPU
    `batch_size` pairs at a time, fewer where memory runs short. Safe to share between threads.
    `device` is "auto" (a GPU where the driver and PyTorch offer one), "cpu" or "cuda" (the
    first).

    Raises ModelNotFound, ModelRejected for a model that is no classifier with one label, and
    ModelError for a device, `workers` or `batch_size` that cannot be meant.
    """

    signal = "cross_encoder"

    def __init__(
        self,
        model: str | ModelFolder,
        *,
        device: str = "auto",
        workers: int = 15,
        batch_size: int = 50,
        pool: ModelPool | None = None,
    ) -> None:
        self.folder = find_model(model) if isinstance(model, str) else model
        self._config = _checked_config(self.folder)
        if device == "auto":
            device = "cuda" if has_gpu() else "cpu"
        super().__init__(self.folder.name, "cuda:0" if device == "cuda" else device, pool)
        for name, value in (("workers", workers), ("batch_size", batch_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ModelError(f"{name} is {shown(value)}; give a whole number from 1 up")
        self._threads = min(workers, cores())
        self._batch_size = batch_size
        self._pairs: Pairs | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for two cross-encoders that give the same scores."""
        runtime = f"onnx-{VERSIONS['cross-encoder']}" if self.device == "cpu" else "fp16"
        return f"cross-encoder-{self.folder.fingerprint}-{runtime}"

    def need(self) -> Usage:
        cpu = self.device == "cpu"
        pair = self._longest * WIDE * self._whole("hidden_size", 768)
        activations = pair * (4 * self._threads if cpu else 2)
        return Usage(numbers(self.folder.tensors) * (1 if cpu else 2), activations)

    def held(self) -> Usage:
        return Usage(self._pairs.weights) if self._pairs else Usage()

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        """The logit of (query, passage) for each passage, float64 (len(passages),).

        Raises OutOfMemory where one pair does not fit, ModelRejected for weights that cannot be
        exported or give NaN.
        """
        if not passages:
            return np.zeros(0)
        with self.pool.lease(self):
            assert self._pairs is not None
            found = self._pairs.scores(query, passages)
        check_finite(found[:, None].astype(np.float32), self.name)
        return found

    @property
    def _longest(self) -> int:
        """Tokens that a pair may have."""
        return min(LONGEST, self.folder.positions or LONGEST)

    def _whole(self, key: str, default: int) -> int:
        path = self.folder.path / "config.json"
        return whole(self._config, key, path, 0, LARGEST_ID, default)

    def _open(self) -> None:
        if self.device == "cpu":
            self._pairs = OnnxPairs(self.folder, self._longest, self._threads)
        else:
            keeper = Bookkeeper(self)
            keeper.load(lambda: self._on_gpu(keeper), 'give device="cpu"')
        self.pool.ledger.set(self.key, self.device, self.held())

    def _on_gpu(self, keeper: Bookkeeper) -> None:
        self._pairs = TorchPairs(self, keeper, self._longest, self._batch_size)

    def _abandon(self) -> None:
        abandon(self._pairs)
        self._pairs = None

    def _close(self) -> None:
        pairs, self._pairs = self._pairs, None
        if pairs is not None:
            pairs.close()
        self.pool.ledger.set(self.key, self.device, Usage())


def _checked_config(folder: ModelFolder) -> dict[str, Any]:
    """Refuse before loading what would give a score that means nothing."""
    config, path = folder.config, folder.path / "config.json"
    kinds = config.get("architectures") or []
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise ModelRejected(f"{path}: architectures are no list of names; fetch the model again")
    labels = config.get("num_labels") or len(
        within(path, "id2label", config.get("id2label")) or (0,)
    )
    classifies = any(kind.endswith("ForSequenceClassification") for kind in kinds)
    if not classifies or labels != 1:
        raise ModelRejected(
            f"{folder.path}: {', '.join(kinds) or 'no architecture'} with {labels} labels is no "
            "cross-encoder; give a sequence classifier with 1 label, like "
            "cross-encoder/ms-marco-MiniLM-L6-v2 or BAAI/bge-reranker-base"
        )
    return config


class Pairs(Protocol):
    """A loaded cross-encoder."""

    weights: int

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        """One logit a passage."""
        ...

    def close(self) -> None:
        """Free the weights."""
        ...


class OnnxPairs:
    """The graph, a pair at a time."""

    def __init__(self, folder: ModelFolder, longest: int, threads: int) -> None:
        graph = onnx_graph(folder, "cross-encoder")
        self._name = folder.name
        self.weights = graph_bytes(graph)
        self._session = open_session(graph)
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = read_tokenizer(folder, longest, pairs=True)
        self._threads = threads

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        with ThreadPoolExecutor(self._threads) as pool:
            scores = []
            for score in pool.map(self._score, rows):
                check_deadline()
                scores.append(score)
            return np.array(scores, dtype=np.float64)

    def close(self) -> None:
        self._session = None

    def _score(self, row: Any) -> float:
        inputs = {"input_ids": row.ids, "token_type_ids": row.type_ids}
        feeds = {
            name: np.array([values], dtype=np.int64)
            for name, values in inputs.items()
            if name in self._inputs
        }
        return float(run_session(self._session, feeds, self._name)[0])


class TorchPairs:
    """The classifier in fp16 on a GPU (fp32 on "cpu", the reference), longest pairs first."""

    def __init__(
        self, owner: CrossEncoder, keeper: Bookkeeper, longest: int, batch_size: int
    ) -> None:
        self._owner, self._keeper = owner, keeper
        self._batch_size = batch_size
        self._device = device_of(owner.device)
        self._tokenizer = read_tokenizer(owner.folder, longest, pairs=True)
        self._model: Any = None
        self.weights = self._segments = 0
        self._device.run(self._load)

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        waiting = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        scores = np.zeros(len(rows))
        size, failures = self._batch_size, 0
        while waiting:
            check_deadline()
            places = waiting[:size]
            try:
                scores[places] = self._device.run(self._logits, [rows[i] for i in places])
            except DeviceFull:
                failures += 1
                tokens = len(places) * len(rows[places[0]].ids)
                need = self._owner.need().activations
                self._keeper.make_room(len(places), failures, need, tokens)
                size = max(1, len(places) // 2)
                continue
            failures, waiting = 0, waiting[len(places) :]
        return scores

    def close(self) -> None:
        self._device.run(self._unload)

    # On the device's thread

    def _load(self) -> None:
        torch = import_torch()
        from transformers import AutoModelForSequenceClassification

        gpu = self._owner.device != "cpu"
        self._device.trim()
        before = self._device.kept_now()
        with out_of_memory():
            model = AutoModelForSequenceClassification.from_pretrained(
                self._owner.folder.path,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float16 if gpu else torch.float32,
            )
            self._model = model.to(self._owner.device).eval()
        self._device.trim()
        # On a GPU the allocator's segments, not bytes asked for: what the process really holds.
        # Tiny weights may go into a segment that another model brought.
        self._segments = self._device.kept_now() - before
        self._device.add_weights(self._segments)
        counted = sum(p.numel() * p.element_size() for p in model.parameters())
        self.weights = max(self._segments, counted)

    def _unload(self) -> None:
        self._model = None
        self._device.trim()
        self._device.add_weights(-self._segments)
        self.weights = self._segments = 0

    def _logits(self, rows: Sequence[Any]) -> Scores:
        torch = import_torch()
        config = self._model.config
        length = max(len(row.ids) for row in rows)

        def padded(lists: list[list[int]], value: int) -> Any:
            filled = [values + [value] * (length - len(values)) for values in lists]
            return torch.tensor(filled, device=self._owner.device)

        with out_of_memory(), torch.inference_mode():
            inputs = {
                "input_ids": padded([row.ids for row in rows], config.pad_token_id or 0),
                "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
            }
            if takes_types(config):
                inputs["token_type_ids"] = padded([row.type_ids for row in rows], 0)
            logits = self._model(**inputs).logits[:, 0]
            found: Scores = logits.double().cpu().numpy()
        self._keeper.batch(self._device.kept_now(), count(len(rows), "pair"))
        return found
