"""Where a cross-encoder's pairs are computed: an ONNX graph on the CPU, PyTorch on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from workbench.models.cross_encoder.export import cross_encoder_graph
from workbench.models.embedders.base import read_tokenizer
from workbench.models.embedders.batching import DeviceFull, out_of_memory
from workbench.models.memory.cuda import Cuda, import_torch
from workbench.models.memory.devices import device_of
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.retry import make_room
from workbench.models.onnx.session import open_session, run_session
from workbench.models.weights.find import ModelFolder

Scores = NDArray[np.float64]


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
        graph = cross_encoder_graph(folder)
        self._name = folder.name
        self.weights = graph.stat().st_size
        self._session = open_session(graph)
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = read_tokenizer(folder, longest, pairs=True)
        self._threads = threads

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        with ThreadPoolExecutor(self._threads) as pool:
            return np.array(list(pool.map(self._score, rows)), dtype=np.float64)

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
        self, model: LazyModel, folder: ModelFolder, longest: int, batch_size: int
    ) -> None:
        self._owner = model
        self._folder = folder
        self._batch_size = batch_size
        self._tokenizer = read_tokenizer(folder, longest, pairs=True)
        self._cuda = cast("Cuda", device_of(model.device)) if model.device != "cpu" else None
        self._model: Any = None
        self.weights = 0
        self._on_device(self._load)

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        waiting = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        scores = np.zeros(len(rows))
        size, failures = self._batch_size, 0
        while waiting:
            places = waiting[:size]
            try:
                scores[places] = self._on_device(self._logits, [rows[i] for i in places])
            except DeviceFull:
                failures += 1
                tokens = len(places) * len(rows[places[0]].ids)
                make_room(
                    self._owner, len(places), failures, self._owner.need().activations, tokens
                )
                size = max(1, len(places) // 2)
                continue
            failures, waiting = 0, waiting[len(places) :]
        return scores

    def close(self) -> None:
        self._on_device(self._unload)

    def _on_device(self, job: Any, *given: Any) -> Any:
        return self._cuda.run(job, *given) if self._cuda else job(*given)

    # On the GPU's thread

    def _load(self) -> None:
        torch = import_torch()
        from transformers import AutoModelForSequenceClassification

        kind = torch.float16 if self._cuda else torch.float32
        before = self._reserved()
        with out_of_memory():
            model = AutoModelForSequenceClassification.from_pretrained(
                self._folder.path, trust_remote_code=False, use_safetensors=True, dtype=kind
            )
            self._model = model.to(self._owner.device).eval()
        self.weights = self._reserved() - before
        if self._cuda:
            self._cuda.add_weights(self.weights)
        else:
            self.weights = sum(p.numel() * p.element_size() for p in model.parameters())

    def _unload(self) -> None:
        self._model = None
        if self._cuda:
            self._cuda.trim_now()
            self._cuda.add_weights(-self.weights)
        self.weights = 0

    def _reserved(self) -> int:
        """Bytes of the allocator's segments: what the process really holds."""
        if self._cuda is None:
            return 0
        self._cuda.trim_now()
        return int(import_torch().cuda.memory_reserved(self._cuda.index))

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
            if config.model_type in ("bert", "electra"):
                inputs["token_type_ids"] = padded([row.type_ids for row in rows], 0)
            logits = self._model(**inputs).logits[:, 0]
            found: Scores = logits.double().cpu().numpy()
        kept = self._cuda.kept() if self._cuda else 0
        self._owner.pool.note("batch", self._owner, kept, f"{len(rows)} pairs")
        return found
