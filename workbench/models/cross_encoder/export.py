"""A cross-encoder's weights to an ONNX graph for the CPU, once, in a process of its own.

`python -m workbench.models.cross_encoder.export MODEL OUTPUT` imports torch; the caller never
does. The graph takes one pair without padding, `input_ids` (1, n) and, where the model tells the
two texts apart, `token_type_ids` (1, n), and gives `logits` (1, 1). Its weights are int8, or stay
fp32 where int8 would order the samples otherwise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from workbench.models.onnx.cache import graph_path, made_graph
from workbench.models.onnx.export import check_whole, quantise
from workbench.models.onnx.session import open_session
from workbench.models.weights.find import ModelFolder

VERSION = 2
LEAST_CORRELATION = 0.97
SAMPLES = (
    ("what keeps bones strong", "Vitamin D supplementation and bone mineral density: a trial."),
    ("what keeps bones strong", "We prove a lower bound on the regret of any bandit algorithm."),
    ("dense retrieval", "Dense passage retrieval with dual encoders improves question answering."),
    ("dense retrieval", "Inverted files answer ranked queries quickly. Compression helps."),
    ("regret of bandits", "A lower bound on the regret of any bandit algorithm is tight."),
    ("regret of bandits", "A cat sleeps for most of the day and hunts small birds at night."),
)


def cross_encoder_graph(folder: ModelFolder) -> Path:
    """The graph's file, made on first use (some seconds), and anew where it is damaged.

    Raises ModelRejected where the weights cannot be exported, ModelError where the cache cannot
    be written.
    """
    remedy = "fetch the model again, or use device='cuda', which needs no export"
    target = graph_path(folder, f"cross-encoder-{VERSION}")
    return made_graph(folder, target, __name__, remedy=remedy)


def export(folder: Path, output: Path) -> None:
    """Write the graph: int8, int8 in a narrower range, or fp32, the first that keeps the order."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, found = AutoModelForSequenceClassification.from_pretrained(
        folder,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    check_whole(folder, found)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    takes_types = model.config.model_type in ("bert", "electra")
    names = ["input_ids", "token_type_ids"] if takes_types else ["input_ids"]
    pairs = [tokenizer(*pair, return_tensors="pt", return_token_type_ids=True) for pair in SAMPLES]
    inputs = [tuple(pair[name] for name in names) for pair in pairs]
    wrapped = _without_padding(model, names)
    full = output.with_name("fp32.onnx")
    torch.onnx.export(
        wrapped,
        inputs[0],
        str(full),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {1: "n"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        expected = [float(wrapped(*given)[0, 0]) for given in inputs]
    feeds = [dict(zip(names, (t.numpy() for t in given), strict=True)) for given in inputs]
    quantise(full, output)
    if _correlation(output, feeds, expected) >= LEAST_CORRELATION:
        return
    os.replace(full, output)


def _without_padding(model: Any, names: list[str]) -> Any:
    import torch

    class OnePair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: torch.Tensor) -> Any:
            inputs = dict(zip(names, given, strict=True))
            return self.model(**inputs, attention_mask=None).logits

    return OnePair().eval()


def _correlation(graph: Path, feeds: list[dict[str, Any]], expected: list[float]) -> float:
    import numpy as np

    session = open_session(graph)
    found = [float(session.run(None, feed)[0].ravel()[0]) for feed in feeds]
    return float(np.nan_to_num(np.corrcoef(found, expected)[0, 1]))


if __name__ == "__main__":
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        export(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        sys.exit(f"{type(error).__name__}: {reason}")
