"""Weights to an ONNX graph, int8 or fp32, once, in a process of its own.

`python -m workbench.models.onnx.export MODEL OUTPUT PRECISION` imports torch; the caller does not.
The graph takes one text without padding, `input_ids` (1, n), and gives `token_vectors` (1, n,
dimension): without padding there is no mask to apply, and since dynamic quantisation scales over
the whole input, a text's vector depends on that text alone, whatever is encoded beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from workbench.errors import ModelError, ModelRejected
from workbench.models.onnx.cache import graph_path, made_graph
from workbench.models.weights.find import ModelFolder

Precision = Literal["int8", "fp32"]
VERSIONS: dict[str, int] = {"int8": 2, "fp32": 1}
"""Raised where a graph of the same weights would give other vectors."""

LEAST_COSINE = 0.97
SAMPLES = (
    "Dense passage retrieval with dual encoders improves open-domain question answering.",
    "Vitamin D supplementation and bone mineral density in postmenopausal women: a trial.",
    "We prove a lower bound on the regret of any bandit algorithm. The bound is tight.",
)


def graph_file(folder: ModelFolder, precision: Precision = "int8") -> Path:
    """Where the graph is kept, by everything that decides what it computes."""
    return graph_path(folder, f"{precision}-{VERSIONS[precision]}")


def int8_graph(folder: ModelFolder) -> Path:
    """The int8 graph's file; `onnx_graph` says more."""
    return onnx_graph(folder, "int8")


def onnx_graph(folder: ModelFolder, precision: Precision) -> Path:
    """The graph's file, made on first use (some seconds), and anew where it is damaged.

    Raises ModelRejected where the weights cannot be exported or int8 loses too much, ModelError
    where the precision is unknown or the cache cannot be written.
    """
    if precision not in ("int8", "fp32"):
        raise ModelError(f"precision is {precision!r}; choose int8 or fp32")
    remedy = "the CPU path reads BERT-family encoders in safetensors"
    return made_graph(folder, graph_file(folder, precision), __name__, precision, remedy=remedy)


def export(model: Path, output: Path, precision: str) -> None:
    """Write the graph. Raises ModelRejected where int8 loses too much."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder, found = AutoModel.from_pretrained(
        model,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    check_whole(model, found, but="pooler.")
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
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
    quantise(full, output)
    if _least_cosine(output, inputs, expected) >= LEAST_COSINE:
        return
    output.unlink()
    raise ModelRejected(f"{model}: int8 vectors stray from fp32 (cosine under {LEAST_COSINE})")


def check_whole(model: Path, found: Mapping[str, Any], but: str = " ") -> None:
    """Raises ModelRejected where config.json asks for tensors that the file lacks: transformers
    fills them with random numbers. `but` begins the names of those that nothing reads."""
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(but))
    if missing:
        names = ", ".join(missing[:3])
        raise ModelRejected(f"{model}: {len(missing)} tensors are not in the weights, like {names}")


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


def quantise(full: Path, output: Path) -> None:
    """A float32 graph to 8-bit weights, per channel.

    Unsigned: CPUs without VNNI add pairs of signed products in 16 bits, which overflow, so that
    vectors would depend on the CPU (lowest cosine to float32 .985 there, unsigned .993).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(full), str(output), weight_type=QuantType.QUInt8, per_channel=True)


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
