"""Cross-encoders: a query and a passage read together by one model, one score a pair.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Any sequence classifier with one label in
safetensors, by name or folder: bge-reranker, ms-marco-MiniLM.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import MissingDependency, ModelRejected
from workbench.models.cross_encoder_export import VERSION, cross_encoder_graph
from workbench.models.runtime_onnx import cores, open_session
from workbench.models.source import ModelFolder, find_model

LONGEST = 512
"""Tokens of a pair where the model sets no smaller limit; the passage is cut, not the query."""

Scores = NDArray[np.float64]


class CrossEncoder:
    """Scores pairs: int8 ONNX on the CPU, fp16 torch on a GPU, loaded at the first pair.

    The scores are the model's raw logits, higher is better, without bounds. On the CPU each pair
    is run by itself, one thread a pair, so a score never depends on its neighbours. Safe to share
    between threads. `device` is "auto" (a GPU where torch sees one), "cpu" or "cuda".

    Raises ModelNotFound, and ModelRejected for a model that is no classifier with one label.
    """

    signal = "cross_encoder"

    def __init__(
        self,
        model: str | ModelFolder,
        *,
        device: str = "auto",
        workers: int = 15,
        batch_size: int = 50,
    ) -> None:
        self._folder = find_model(model) if isinstance(model, str) else model
        _check_labels(self._folder)
        self._device = device
        self._threads = min(workers, cores())
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._runtime: _Onnx | _Torch | None = None

    def __repr__(self) -> str:
        state = "loaded" if self.loaded else "not loaded"
        return f"CrossEncoder({self.name!r}, {self._device}, {state})"

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def fingerprint(self) -> str:
        runtime = f"onnx-{VERSION}" if self.device == "cpu" else "fp16"
        return f"cross-encoder-{self._folder.sha256[:16]}-{runtime}"

    @property
    def device(self) -> str:
        """ "cpu" or "cuda": what "auto" stands for on this machine."""
        if self._device == "auto":
            self._device = "cuda" if _gpu_visible() else "cpu"
        return self._device

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._runtime is not None

    def release(self) -> None:
        """Let go of the weights; the next pair loads them again."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def scores(self, query: str, passages: Sequence[str]) -> Scores:
        """The logit of (query, passage) for each passage, float64 (len(passages),)."""
        if not passages:
            return np.zeros(0)
        with self._lock:
            if self._runtime is None:
                made = _Onnx if self.device == "cpu" else _Torch
                self._runtime = made(self._folder)
            runtime = self._runtime
        if isinstance(runtime, _Onnx):
            return runtime.scores(query, passages, self._threads)
        return runtime.scores(query, passages, self._batch_size)


class _Onnx:
    """The int8 graph, a pair at a time."""

    def __init__(self, folder: ModelFolder) -> None:
        self._session = open_session(cross_encoder_graph(folder))
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = _pair_tokenizer(folder)

    def scores(self, query: str, passages: Sequence[str], threads: int) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        with ThreadPoolExecutor(threads) as pool:
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
        return float(self._session.run(None, feeds)[0].ravel()[0])


class _Torch:
    """The classifier in fp16 on the GPU (fp32 elsewhere), pairs in batches, longest first."""

    def __init__(self, folder: ModelFolder, device: str = "cuda") -> None:
        torch = _torch()
        from transformers import AutoModelForSequenceClassification

        self._device = device
        kind = torch.float16 if device.startswith("cuda") else torch.float32
        model = AutoModelForSequenceClassification.from_pretrained(
            folder.path, use_safetensors=True, dtype=kind
        )
        self._model = model.to(device).eval()
        self._takes_types = model.config.model_type in ("bert", "electra")
        self._tokenizer = _pair_tokenizer(folder)

    def scores(self, query: str, passages: Sequence[str], batch_size: int) -> Scores:
        rows = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        longest_first = sorted(range(len(rows)), key=lambda i: -len(rows[i].ids))
        scores = np.zeros(len(rows))
        for start in range(0, len(rows), batch_size):
            places = longest_first[start : start + batch_size]
            scores[places] = self._logits([rows[place] for place in places])
        return scores

    def close(self) -> None:
        del self._model
        if self._device.startswith("cuda"):
            _torch().cuda.empty_cache()

    def _logits(self, rows: Sequence[Any]) -> Scores:
        torch = _torch()
        length = max(len(row.ids) for row in rows)
        padding = self._model.config.pad_token_id or 0

        def padded(lists: list[list[int]], value: int) -> Any:
            filled = [values + [value] * (length - len(values)) for values in lists]
            return torch.tensor(filled, device=self._device)

        inputs = {
            "input_ids": padded([row.ids for row in rows], padding),
            "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
        }
        if self._takes_types:
            inputs["token_type_ids"] = padded([row.type_ids for row in rows], 0)
        with torch.inference_mode():
            logits = self._model(**inputs).logits[:, 0]
        found: Scores = logits.double().cpu().numpy()
        return found


def _check_labels(folder: ModelFolder) -> None:
    """Refuse before loading what would give a score that means nothing."""
    path = folder.path / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error
    kinds = [str(kind) for kind in config.get("architectures") or ()]
    labels = config.get("num_labels") or len(config.get("id2label") or (0,))
    classifies = any(kind.endswith("ForSequenceClassification") for kind in kinds)
    if not classifies or labels != 1:
        raise ModelRejected(
            f"{folder.path}: {', '.join(kinds) or 'no architecture'} with {labels} labels is no "
            "cross-encoder; give a sequence classifier with 1 label, like "
            "cross-encoder/ms-marco-MiniLM-L6-v2 or BAAI/bge-reranker-base"
        )


def _pair_tokenizer(folder: ModelFolder) -> Any:
    from tokenizers import Tokenizer

    path = folder.path / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(LONGEST, folder.window), strategy="longest_first")
    return tokenizer


def _gpu_visible() -> bool:
    """Whether a driver names a GPU; torch, which takes seconds to import, is asked only then."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no library or no driver: three kinds of error, one meaning
        return False
    found = bool(pynvml.nvmlDeviceGetCount())
    pynvml.nvmlShutdown()
    return found and bool(_torch().cuda.is_available())


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingDependency(
            "a cross-encoder on a GPU needs torch; pip install torch, or use device='cpu'"
        ) from None
    return torch
