"""Weights to an ONNX graph for the CPU, once, in a process of its own.

`python -m workbench.models.onnx.export MODEL OUTPUT KIND` imports torch; the caller does not. The
graph takes one input without padding: there is no mask to apply, and since dynamic quantisation
scales over the whole input, a result depends on that input alone, whatever is computed beside it.
An encoder's takes `input_ids` (1, n) and gives `token_vectors` (1, n, dimension). A
cross-encoder's takes a pair, with `token_type_ids` (1, n) where the model tells the two texts
apart, and gives `logits` (1, 1).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from workbench.errors import ModelError, ModelRejected, first_line
from workbench.models.onnx.cache import graph_path, made_graph, weights_of
from workbench.models.onnx.session import open_session
from workbench.models.weights.find import ModelFolder

Precision = Literal["int8", "fp32"]
Kind = Literal["int8", "fp32", "cross-encoder"]
"""An encoder in a precision, or a cross-encoder: int8, or fp32 where int8 would order the samples
otherwise."""

VERSIONS: dict[str, int] = {"int8": 3, "fp32": 1, "cross-encoder": 1}
"""Raised where a graph of the same weights would give other values."""

LEAST = 0.97
"""Cosine of an encoder's int8 vectors to the fp32 ones, or correlation of a cross-encoder's
scores, below which int8 is not taken."""

LEAST_MAPPED = 1024
"""Bytes of a tensor that is worth a mapping; smaller ones stay in the graph."""

MOST_TOKENS = 256
"""Tokens of a text that shows how large activations get."""

TEXTS = (
    ("Dense passage retrieval with dual encoders improves open-domain question answering.",),
    ("Vitamin D supplementation and bone mineral density in postmenopausal women: a trial.",),
    ("We prove a lower bound on the regret of any bandit algorithm. The bound is tight.",),
)
PAIRS = (
    ("what keeps bones strong", "Vitamin D supplementation and bone mineral density: a trial."),
    ("what keeps bones strong", "We prove a lower bound on the regret of any bandit algorithm."),
    ("dense retrieval", "Dense passage retrieval with dual encoders improves question answering."),
    ("dense retrieval", "Inverted files answer ranked queries quickly. Compression helps."),
    ("regret of bandits", "A lower bound on the regret of any bandit algorithm is tight."),
    ("regret of bandits", "A cat sleeps for most of the day and hunts small birds at night."),
)


def graph_file(folder: ModelFolder, kind: Kind = "int8") -> Path:
    """Where the graph is kept, by everything that decides what it computes."""
    return graph_path(folder, f"{kind}-{VERSIONS[kind]}")


def onnx_graph(folder: ModelFolder, kind: Kind = "int8") -> Path:
    """The graph's file, made on first use (some seconds), and anew where it is damaged.

    Raises ModelRejected where the weights cannot be exported or int8 loses too much, ModelError
    where the kind is unknown or the cache cannot be written.
    """
    if kind not in get_args(Kind):
        raise ModelError(f"kind is {kind!r}; choose one of {', '.join(get_args(Kind))}")
    remedy = (
        "fetch the model again, or use device='cuda', which needs no export"
        if kind == "cross-encoder"
        else "the CPU path reads BERT-family encoders in safetensors"
    )
    return made_graph(folder, graph_file(folder, kind), __name__, kind, remedy=remedy)


def export(folder: Path, output: Path, kind: str) -> None:
    """Write the graph and, beside it, its weights. Int8 that strays too far is refused, or for a
    cross-encoder stays fp32."""
    import onnx

    _export(folder, output, kind)
    onnx.save_model(
        onnx.load(output),
        output,
        save_as_external_data=True,
        location=weights_of(output).name,
        size_threshold=LEAST_MAPPED,
    )
    if weights_of(output).exists():  # written for its owner alone; a cache may be shared
        weights_of(output).chmod(output.stat().st_mode)


def _export(folder: Path, output: Path, kind: str) -> None:
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    pairs = kind == "cross-encoder"
    loader = AutoModelForSequenceClassification if pairs else AutoModel
    model, found = loader.from_pretrained(
        folder,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    check_whole(folder, found, but=" " if pairs else "pooler.")
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    typed = pairs and takes_types(model.config)
    names = ["input_ids", "token_type_ids"] if typed else ["input_ids"]
    samples = [
        tokenizer(*sample, return_tensors="pt", return_token_type_ids=True)
        for sample in (PAIRS if pairs else TEXTS)
    ]
    inputs = [tuple(sample[name] for name in names) for sample in samples]
    wrapped = _without_padding(model, names, "logits" if pairs else "last_hidden_state")
    with torch.no_grad():
        expected = [wrapped(*given).numpy() for given in inputs]
    if kind == "int8":
        from workbench.models.onnx.smoothing import smooth

        smooth(model, tokenizer, min(model.config.max_position_embeddings - 2, MOST_TOKENS))
    result = "logits" if pairs else "token_vectors"
    full = output if kind == "fp32" else output.with_name("full.onnx")
    torch.onnx.export(
        wrapped,
        inputs[0],
        str(full),
        input_names=names,
        output_names=[result],
        dynamic_axes={name: {1: "n"} for name in ([*names] if pairs else [*names, result])},
        opset_version=17,
        dynamo=False,
    )
    if kind == "fp32":
        return
    feeds = [dict(zip(names, (t.numpy() for t in given), strict=True)) for given in inputs]
    closeness = _correlation if pairs else _least_cosine
    # A cross-encoder's scores stay closer with signed weights, narrower where the CPU needs it.
    for options in ({"signed": True}, {"signed": True, "narrow": True}) if pairs else ({},):
        _quantise(full, output, **options)
        session = open_session(output)
        outputs = [session.run(None, feed)[0] for feed in feeds]
        if closeness(outputs, expected) >= LEAST:
            return
    if not pairs:
        output.unlink()
        raise ModelRejected(f"{folder}: int8 vectors stray from fp32 (cosine under {LEAST})")
    os.replace(full, output)


def takes_types(config: Any) -> bool:
    """Whether a classifier tells the two texts of a pair apart."""
    return config.model_type in ("bert", "electra")


def check_whole(model: Path, found: Mapping[str, Any], but: str = " ") -> None:
    """Raises ModelRejected where config.json asks for tensors that the file lacks: transformers
    fills them with random numbers. `but` begins the names of those that nothing reads."""
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(but))
    if missing:
        names = ", ".join(missing[:3])
        raise ModelRejected(f"{model}: {len(missing)} tensors are not in the weights, like {names}")


def _without_padding(model: Any, names: Sequence[str], result: str) -> Any:
    import torch

    class One(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: torch.Tensor) -> Any:
            inputs = dict(zip(names, given, strict=True))
            return self.model(**inputs, attention_mask=None)[result]

    return One().eval()


def _quantise(full: Path, output: Path, *, signed: bool = False, narrow: bool = False) -> None:
    """A float32 graph to 8-bit weights, per channel.

    Unsigned: CPUs without VNNI add pairs of signed products in 16 bits, which overflow, so that
    vectors would depend on the CPU.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kind = QuantType.QInt8 if signed else QuantType.QUInt8
    quantize_dynamic(
        str(full), str(output), weight_type=kind, per_channel=True, reduce_range=narrow
    )


def _least_cosine(found: Sequence[Any], expected: Sequence[Any]) -> float:
    import numpy as np

    cosines = []
    for one, other in zip(found, expected, strict=True):
        vector, reference = one[0].mean(axis=0), other[0].mean(axis=0)
        norms = np.linalg.norm(vector) * np.linalg.norm(reference)
        cosines.append(float(vector @ reference / norms))
    return min(cosines)


def _correlation(found: Sequence[Any], expected: Sequence[Any]) -> float:
    import numpy as np

    scores, known = ([float(logits[0, 0]) for logits in some] for some in (found, expected))
    return float(np.nan_to_num(np.corrcoef(scores, known)[0, 1]))


if __name__ == "__main__":
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # What libraries leave when this process is killed goes where the next export sweeps.
    tempfile.tempdir = str(Path(sys.argv[2]).parent)
    try:
        export(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {first_line(error)}")
