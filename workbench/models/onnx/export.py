"""Weights to an ONNX graph, int8 or fp32, once, in a process of its own.

`python -m workbench.models.onnx.export MODEL OUTPUT PRECISION` imports torch; the caller does not.
The graph takes one text without padding, `input_ids` (1, n), and gives `token_vectors` (1, n,
dimension): without padding there is no mask to apply, and since dynamic quantisation scales over
the whole input, a text's vector depends on that text alone, whatever is encoded beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal, cast

from workbench.errors import ModelError, ModelRejected
from workbench.models.weights.find import ModelFolder
from workbench.profiles import cache_folder

Precision = Literal["int8", "fp32"]
VERSION = 1
LEAST_COSINE = 0.97
SAMPLES = (
    "Dense passage retrieval with dual encoders improves open-domain question answering.",
    "Vitamin D supplementation and bone mineral density in postmenopausal women: a trial.",
    "We prove a lower bound on the regret of any bandit algorithm. The bound is tight.",
)


def graph_file(folder: ModelFolder, precision: Precision = "int8") -> Path:
    """Where the graph is kept, by the weights' sha256."""
    return cache_folder() / "onnx" / f"{folder.sha256[:16]}-{precision}-{VERSION}.onnx"


def int8_graph(folder: ModelFolder) -> Path:
    """The int8 graph's file; `onnx_graph` says more."""
    return onnx_graph(folder, "int8")


def onnx_graph(folder: ModelFolder, precision: Precision) -> Path:
    """The graph's file, made on first use (some seconds).

    Raises ModelRejected where the weights cannot be exported or int8 loses too much, ModelError
    where the precision is unknown or the cache cannot be written.
    """
    if precision not in ("int8", "fp32"):
        raise ModelError(f"precision is {precision!r}; choose int8 or fp32")
    target = graph_file(folder, precision)
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{target.parent}: cannot keep the exported model here ({error.strerror}); set "
            "WORKBENCH_CACHE to a folder that you may write to"
        ) from error
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="export-") as work:
        made = Path(work) / "model.onnx"
        asked = [str(folder.path), str(made), precision]
        command = [sys.executable, "-m", "workbench.models.onnx.export", *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not made.is_file():
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelRejected(
                f"{folder.path}: could not be exported to ONNX ({reason}); the CPU path reads "
                "BERT-family encoders in safetensors"
            )
        os.replace(made, target)
    return target


def export(model: Path, output: Path, precision: str) -> None:
    """Write the graph; int8 with a narrower range where this CPU loses accuracy without it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = AutoModel.from_pretrained(model, use_safetensors=True, attn_implementation="sdpa")
    tokenizer = AutoTokenizer.from_pretrained(model)
    wrapped = _without_padding(encoder)
    ids = [torch.tensor([tokenizer(text)["input_ids"]]) for text in SAMPLES]
    full = output if precision == "fp32" else output.with_name("full.onnx")
    torch.onnx.export(
        wrapped,
        (ids[0],),
        str(full),
        input_names=["input_ids"],
        output_names=["token_vectors"],
        dynamic_axes={"input_ids": {1: "n"}, "token_vectors": {1: "n"}},
        opset_version=17,
        dynamo=False,
    )
    if precision == "fp32":
        return
    with torch.no_grad():
        expected = [wrapped(row).mean(dim=1)[0].numpy() for row in ids]
    inputs = [row.numpy() for row in ids]
    for reduce_range in (False, True):
        _quantise(full, output, reduce_range)
        if _least_cosine(output, inputs, expected) >= LEAST_COSINE:
            return
    output.unlink()
    raise ModelRejected(f"{model}: int8 vectors stray from fp32 (cosine under {LEAST_COSINE})")


def _without_padding(encoder: Any) -> Any:
    import torch

    class OneText(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            output = self.encoder(input_ids=input_ids, attention_mask=None)
            return cast("torch.Tensor", output.last_hidden_state)

    return OneText().eval()


def _quantise(full: Path, output: Path, reduce_range: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # CPUs without VNNI add pairs of products in 16 bits, which overflow unless weights use 7 bits.
    quantize_dynamic(
        str(full),
        str(output),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=reduce_range,
    )


def _least_cosine(graph: Path, inputs: list[Any], expected: list[Any]) -> float:
    import numpy as np

    from workbench.models.onnx.session import open_session

    session = open_session(graph)
    cosines = []
    for ids, reference in zip(inputs, expected, strict=True):
        vector = session.run(None, {"input_ids": ids})[0][0].mean(axis=0)
        norms = np.linalg.norm(vector) * np.linalg.norm(reference)
        cosines.append(float(vector @ reference / norms))
    return min(cosines)


if __name__ == "__main__":
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        export(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        sys.exit(f"{type(error).__name__}: {reason}")
