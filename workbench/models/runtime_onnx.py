"""ONNX Runtime on the CPU: one session, one thread a text, texts side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from workbench.errors import MissingDependency


def open_session(graph: Path, threads: int = 1) -> Any:
    """An inference session that uses `threads` a call; with one, calls run beside each other."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependency(
            "encoding on the CPU needs onnxruntime; pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The fused kernel is slower than the addition and the norm by themselves (measured: 10 %).
    return onnxruntime.InferenceSession(
        str(graph),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["SkipLayerNormFusion"],
    )


def cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
