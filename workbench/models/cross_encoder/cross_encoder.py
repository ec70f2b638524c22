"""Cross-encoders: a query and a passage read together by one model, one score a pair.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Any sequence classifier with one label in
safetensors, by name or folder: bge-reranker, ms-marco-MiniLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelRejected, OutOfMemory
from workbench.forking import abandon
from workbench.models.cross_encoder.export import VERSION
from workbench.models.cross_encoder.run import OnnxPairs, Pairs, TorchPairs
from workbench.models.embedders.base import check_finite
from workbench.models.embedders.batching import DeviceFull
from workbench.models.memory.devices import device_of
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage
from workbench.models.onnx.session import cores
from workbench.models.weights.find import LARGEST_ID, ModelFolder, find_model
from workbench.models.weights.header import numbers
from workbench.models.weights.settings import whole, within
from workbench.present.words import human_bytes

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool

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
    `device` is "auto" (a GPU where the driver and PyTorch offer one), "cpu" or "cuda".

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
        pool: ModelPool | None = None,
    ) -> None:
        self.folder = find_model(model) if isinstance(model, str) else model
        self._config = _checked_config(self.folder)
        gpu = device == "cuda" or (device == "auto" and gpu_offered())
        super().__init__(self.folder.name, "cuda:0" if gpu else "cpu", pool)
        self._threads = min(workers, cores())
        self._batch_size = batch_size
        self._pairs: Pairs | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for two cross-encoders that give the same scores."""
        runtime = f"onnx-{VERSION}" if self.device == "cpu" else "fp16"
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
        """Tokens that a pair may have. RoBERTa's kind counts positions from its padding id + 1."""
        positions = self._whole("max_position_embeddings", LONGEST)
        if self._config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
            positions -= self._whole("pad_token_id", 0) + 1
        return min(LONGEST, positions)

    def _whole(self, key: str, default: int) -> int:
        path = self.folder.path / "config.json"
        return whole(self._config, key, path, 0, LARGEST_ID, default)

    def _open(self) -> None:
        if self.device == "cpu":
            self._pairs = OnnxPairs(self.folder, self._longest, self._threads)
        while self._pairs is None:
            try:
                self._pairs = TorchPairs(self, self.folder, self._longest, self._batch_size)
            except DeviceFull as full:  # other processes hold what the budget would allow
                if not self.pool.evict_idle(self.device):
                    raise OutOfMemory(
                        f"{self.name} needs {human_bytes(self.need().weights)} on {self.device} "
                        f"and {human_bytes(device_of(self.device).free)} are free ({full}); end "
                        'other processes that use it, or give device="cpu"'
                    ) from None
        self.pool.ledger.set(self.key, self.device, self.held())

    def _abandon(self) -> None:
        abandon(self._pairs)
        self._pairs = None

    def _close(self) -> None:
        pairs, self._pairs = self._pairs, None
        if pairs is not None:
            pairs.close()
        self.pool.ledger.set(self.key, self.device, Usage())


def gpu_offered() -> bool:
    """Whether the driver names a GPU and this PyTorch is built for one; imports neither torch
    nor makes a context."""
    try:
        import pynvml

        if version("torch").endswith("+cpu"):
            return False
        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount())
    except (ImportError, PackageNotFoundError):
        return False
    except Exception:  # NVML's errors share no base class here: no library, or no driver
        return False


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
