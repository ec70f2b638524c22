"""ONNX Runtime: sessions, and the provider that was asked for, never silently another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from workbench.errors import MissingDependency, ModelError

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
    session = onnxruntime.InferenceSession(
        str(graph),
        options,
        providers=[wanted],
        disabled_optimizers=["SkipLayerNormFusion"],
    )
    used = session.get_providers()[0]
    if used != wanted:
        raise ModelError(
            f"{wanted} was asked for and {used} was started; check the driver and CUDA, or use "
            'provider="cpu"'
        )
    return session


def cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
