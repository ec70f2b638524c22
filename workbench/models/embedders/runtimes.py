"""How a model is run, as an embedder's fingerprint tells: which vectors may be compared.

The same weights give other bytes in int8, float32 or bf16, and in another version of the export;
but they are points of one space. What decides it is the folder (weights and settings by content),
the pooling and the prompts.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from workbench.models.memory.hardware import has_gpu

RUNTIMES = ("onnx-int8", "onnx-fp32", "torch", "sentence-transformers", "auto")
"""How a model may be run; the first is the default."""

_FINGERPRINT = re.compile(
    r"(?P<folder>.+?)(-(?P<pooling>cls|mean))?"
    r"-(?P<label>(onnx-)?(?P<graph>int8|fp32)-\d+|(?P<torch>torch|st)-(?P<dtype>fp32|bf16|fp16))"
    r"(-(?P<prompts>[0-9a-f]{8}))?"
)
_FORMERLY = {"edb6b897177b507c": "53aa51172d142c89"}
"""The default model from a folder of one's own, as version 0.1 named it, and its name now."""

_TORCH = {"torch": "torch", "st": "sentence-transformers"}


def settings_of(fingerprint: str) -> dict[str, str]:
    """`runtime` and `dtype` of the embedder that made vectors, by its fingerprint; nothing for
    one of another kind."""
    found = _FINGERPRINT.fullmatch(fingerprint)
    if found is None:
        return {}
    if found["graph"]:
        return {"runtime": f"onnx-{found['graph']}"}
    return {"runtime": _TORCH[found["torch"]], "dtype": found["dtype"]}


def runtime_name(fingerprint: str) -> str:
    """A runtime as a person reads it, with number type or export version: "torch-bf16",
    "onnx-int8-2". The fingerprint itself where it is of another kind."""
    found = _FINGERPRINT.fullmatch(fingerprint)
    if found is None:
        return fingerprint
    label = found["label"]
    return f"onnx-{label}" if label.startswith("int8") else label.replace("st-", f"{_TORCH['st']}-")


def runtime_in(fingerprint: str) -> str:
    """The `runtime` that candidates' fingerprint names, where it is not that of their index; else
    ""."""
    parts = fingerprint.split("+")[1:]
    return next((r for part in parts for r in RUNTIMES if part.startswith(f"{r}-")), "")


def same_model(one: str, other: str) -> bool:
    """Whether two embedders, by their fingerprints, put texts into the same space: the same
    weights, settings, pooling and prompts, in whatever runtime."""
    a, b = _FINGERPRINT.fullmatch(one), _FINGERPRINT.fullmatch(other)
    if a is None or b is None:
        return one == other
    # sentence-transformers names no pooling: it is in the folder.
    pooling = {a["pooling"], b["pooling"]} - {None}
    folders = {_FORMERLY.get(found["folder"], found["folder"]) for found in (a, b)}
    return len(folders) == 1 and a["prompts"] == b["prompts"] and len(pooling) < 2


def runs_here(runtime: str, dtype: str | None = None) -> bool:
    """Whether this machine has what a runtime needs; half precision is for GPUs."""
    if runtime not in _TORCH.values():
        return True
    module = "torch" if runtime == "torch" else "sentence_transformers"
    return find_spec(module) is not None and (dtype in (None, "fp32") or has_gpu())


def runtime_here(fingerprint: str) -> dict[str, str]:
    """Settings for `make_embedder` that run the model of a fingerprint on this machine: as its
    vectors were made where that can be, else what the machine has."""
    made = settings_of(fingerprint)
    if not made or runs_here(**made):
        return made
    plain = runs_here("sentence-transformers") and made["runtime"] == "sentence-transformers"
    return {"runtime": made["runtime"] if plain else "auto"}
