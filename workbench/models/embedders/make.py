"""One setting for how a model is run: `make_embedder(model, runtime=...)`."""

from __future__ import annotations

from typing import Any, cast

from workbench.errors import ModelError, ModelRejected
from workbench.models.embedders.base import LazyEmbedder
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.runtimes import RUNTIMES
from workbench.models.memory.hardware import has_gpu
from workbench.models.memory.pool import ModelPool
from workbench.models.onnx.session import Provider
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder, find_model


def make_embedder(
    model: str | ModelFolder = DEFAULT_MODEL,
    *,
    runtime: str = "onnx-int8",
    provider: str = "cpu",
    device: str | None = None,
    dtype: str | None = None,
    pool: ModelPool | None = None,
) -> LazyEmbedder:
    """An embedder that is not loaded yet.

    `runtime` is one of RUNTIMES. "onnx-int8" and "onnx-fp32" take `provider` ("cpu", "cuda",
    "tensorrt"); "torch" and "sentence-transformers" take `device` ("cpu", "cuda:0"; without one
    the GPU where there is one) and `dtype` ("fp32", "bf16", "fp16"). "auto" is torch on a GPU, or
    sentence-transformers for what torch's encoder does not run; without a GPU it is "onnx-int8".

    Raises ModelError for a setting that is unknown or that the runtime does not take,
    ModelNotFound, ModelRejected, MissingDependency.
    """
    if runtime not in RUNTIMES:
        raise ModelError(f"runtime is {runtime!r}; choose one of {', '.join(RUNTIMES)}")
    folder = find_model(model) if isinstance(model, str) else model
    if runtime == "auto":
        runtime = _automatic(folder)
    if runtime.startswith("onnx-"):
        _refuse(runtime, device=device, dtype=dtype)
        return OnnxEmbedder(
            folder, precision=cast("Any", runtime[5:]), provider=cast("Provider", provider),
            pool=pool,
        )  # fmt: skip
    _refuse(runtime, provider=None if provider == "cpu" else provider)
    device = device or ("cuda:0" if has_gpu() else "cpu")
    if runtime == "torch":
        from workbench.models.embedders.torch_embedder import TorchEmbedder

        return TorchEmbedder(folder, device=device, dtype=cast("Any", dtype), pool=pool)
    from workbench.models.embedders.st_embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(folder, device=device, dtype=dtype, pool=pool)


def _automatic(folder: ModelFolder) -> str:
    if not has_gpu():
        return "onnx-int8"
    from workbench.models.encoder.shape import shape_of

    try:
        shape_of(folder)
        _ = folder.pooling
    except ModelRejected:
        return "sentence-transformers"
    return "torch"


def _refuse(runtime: str, **given: str | None) -> None:
    for name, value in given.items():
        if value is not None:
            raise ModelError(
                f"runtime {runtime} takes no {name}, and it is {value!r}; leave it out"
            )
