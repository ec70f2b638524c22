"""ONNX Runtime: sessions, and the provider that was asked for, never silently another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import MissingDependency, ModelError, ModelRejected
from workbench.models.embedders.batching import is_out_of_memory

Provider = Literal["cpu", "cuda", "tensorrt"]
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def check_provider(provider: str, precision: str) -> None:
    """Raises ModelError for one that cannot be meant, without importing onnxruntime."""
    if provider not in PROVIDERS:
        raise ModelError(f"provider is {provider!r}; choose one of {', '.join(PROVIDERS)}")
    if provider != "cpu" and precision == "int8":
        raise ModelError(
            f"provider {provider} has no int8 kernels for this graph and would leave it to the "
            'CPU; use precision="fp32", or provider="cpu"'
        )


def open_session(graph: Path, threads: int = 1, provider: str = "cpu") -> Any:
    """An inference session that uses `threads` a call; with one, calls run beside each other.

    Raises MissingDependency where this build of onnxruntime has no such provider, ModelError
    where the provider is there and would not start.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependency("this runtime needs onnxruntime; pip install onnxruntime") from None
    wanted = PROVIDERS[provider]
    offered = onnxruntime.get_available_providers()
    if wanted not in offered:
        raise MissingDependency(
            f"onnxruntime {onnxruntime.__version__} offers {', '.join(offered)}, not {wanted}; "
            'pip install onnxruntime-gpu, or use provider="cpu"'
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The fused kernel is slower than the addition and the norm by themselves (measured: 10 %).
    try:
        session = onnxruntime.InferenceSession(
            str(graph),
            options,
            providers=[wanted],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # onnxruntime's own errors share no base class
        raise ModelError(
            f"{graph}: onnxruntime {onnxruntime.__version__} cannot open it "
            f"({first_line(error)}); delete the file, it is made again when it is next used"
        ) from error
    used = session.get_providers()[0]
    if used != wanted:
        raise ModelError(
            f"{wanted} was asked for and {used} was started; check the driver and CUDA, or use "
            'provider="cpu"'
        )
    return session


def run_session(session: Any, inputs: Mapping[str, NDArray[np.int64]], name: str) -> Any:
    """The first output of a graph for one text, without the batch's axis. Raises ModelRejected
    where the graph does not take the tokens: vocabulary and weights are of two models."""
    try:
        return session.run(None, inputs)[0][0]
    except Exception as error:  # onnxruntime's own errors share no base class
        if is_out_of_memory(error):
            raise
        raise ModelRejected(
            f"{name}: its graph cannot be run ({first_line(error)}); its tokenizer and its weights "
            "may be of two models: fetch the model again"
        ) from error


def first_line(error: BaseException) -> str:
    """What an error says, shortened to one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
