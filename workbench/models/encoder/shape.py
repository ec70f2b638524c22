"""The encoders that `torch_encoder` runs: BERT, RoBERTa, XLM-R and MPNet, read from config.json.

MiniLM, BGE, E5, GTE's first generation and most of sentence-transformers' models are these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.errors import ModelRejected, shown
from workbench.models.weights.find import LARGEST_ID, LONGEST, WIDEST, ModelFolder
from workbench.models.weights.header import TensorInfo
from workbench.models.weights.settings import whole

BERT, MPNET = "bert", "mpnet"
FAMILIES = {"bert": BERT, "roberta": BERT, "xlm-roberta": BERT, "camembert": BERT, "mpnet": MPNET}
NO_PADDING = -1
ALIGNMENT = 256
BUCKETS = 32
"""Buckets of MPNet's relative distances."""

SIZES = {
    "layers": ("num_hidden_layers", 1000),
    "hidden": ("hidden_size", WIDEST),
    "heads": ("num_attention_heads", 1000),
    "inner": ("intermediate_size", 2**20),
    "vocabulary": ("vocab_size", LARGEST_ID),
    "positions": ("max_position_embeddings", LONGEST),
}
"""Sizes of a shape: their names in config.json, and the most that is taken for one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes and choices of one encoder. `padding` is the id that RoBERTa's positions skip, and
    from which they count; NO_PADDING where positions count from 0."""

    family: str
    layers: int
    hidden: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    eps: float
    activation: str
    padding: int

    @property
    def operations(self) -> int:
        """Multiplications and additions a token, attention left out."""
        return 2 * self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.inner)


def shape_of(folder: ModelFolder) -> Shape:
    """The encoder of a folder. Raises ModelRejected with the reason where it is of another kind;
    runtime="sentence-transformers" then runs it."""
    config = folder.config
    problem = _problem(folder, config)
    if problem:
        raise ModelRejected(
            f"{folder.name}: {problem}, which the workbench's own encoder does not run; use "
            'runtime="sentence-transformers"'
        )
    kind, path = config["model_type"], folder.path / "config.json"
    sizes = {name: whole(config, key, path, 1, most) for name, (key, most) in SIZES.items()}
    eps = config.get("layer_norm_eps", 1e-12)
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 <= eps <= 1:
        raise ModelRejected(f"{path}: layer_norm_eps is {shown(eps)}; fetch the model again")
    if sizes["hidden"] % sizes["heads"]:
        raise ModelRejected(
            f"{path}: hidden_size {sizes['hidden']} is no multiple of num_attention_heads "
            f"{sizes['heads']}; fetch the model again"
        )
    return Shape(
        family=FAMILIES[kind],
        **sizes,
        eps=float(eps),
        activation=str(config.get("hidden_act", "gelu")),
        padding=NO_PADDING if kind == "bert" else folder.padding,
    )


def _problem(folder: ModelFolder, config: dict[str, Any]) -> str:
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        return f"its model_type is {kind!r} (known: {', '.join(FAMILIES)})"
    if config.get("position_embedding_type", "absolute") != "absolute":
        return f"its position_embedding_type is {config['position_embedding_type']!r}"
    if config.get("hidden_act", "gelu") not in ("gelu", "gelu_new", "relu"):
        return f"its hidden_act is {config['hidden_act']!r}"
    other = [name for name in folder.modules if name not in ("Transformer", "Pooling", "Normalize")]
    return f"it has a module {', '.join(other)}" if other else ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor as the encoder wants it: rows of the file's tensors, one below the other."""

    name: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]


def slots(shape: Shape) -> Iterator[Slot]:
    """Every tensor that the encoder reads, with its names in the file (without prefix)."""
    h, inner = shape.hidden, shape.inner
    yield Slot("words", (shape.vocabulary, h), ("embeddings.word_embeddings.weight",))
    yield Slot("positions", (shape.positions, h), ("embeddings.position_embeddings.weight",))
    yield from _pair("norm", (h,), "embeddings.LayerNorm")
    mpnet = shape.family == MPNET
    if mpnet:
        size = (BUCKETS, shape.heads)
        yield Slot("distances", size, ("encoder.relative_attention_bias.weight",))
    for n in range(shape.layers):
        own, there = f"{n}", f"encoder.layer.{n}"
        qkv = "attention.attn.{}" if mpnet else "attention.self.{}"
        names = "qkv" if mpnet else ("query", "key", "value")
        parts = [f"{there}.{qkv.format(part)}" for part in names]
        yield Slot(f"{own}.qkv.weight", (3 * h, h), tuple(f"{part}.weight" for part in parts))
        yield Slot(f"{own}.qkv.bias", (3 * h,), tuple(f"{part}.bias" for part in parts))
        out = "attention.attn.o" if mpnet else "attention.output.dense"
        norm = "attention.LayerNorm" if mpnet else "attention.output.LayerNorm"
        yield from _pair(f"{own}.out", (h, h), f"{there}.{out}")
        yield from _pair(f"{own}.norm1", (h,), f"{there}.{norm}")
        yield from _pair(f"{own}.up", (inner, h), f"{there}.intermediate.dense")
        yield from _pair(f"{own}.down", (h, inner), f"{there}.output.dense")
        yield from _pair(f"{own}.norm2", (h,), f"{there}.output.LayerNorm")


def _pair(name: str, shape: tuple[int, ...], source: str) -> Iterator[Slot]:
    yield Slot(f"{name}.weight", shape, (f"{source}.weight",))
    yield Slot(f"{name}.bias", shape[:1], (f"{source}.bias",))


def layout(shape: Shape, itemsize: int) -> tuple[dict[str, int], int]:
    """First byte of each slot in one buffer, and the buffer's size."""
    offsets, size = {}, 0
    for slot in slots(shape):
        offsets[slot.name] = size
        count = itemsize
        for side in slot.shape:
            count *= side
        size += -(-count // ALIGNMENT) * ALIGNMENT
    return offsets, size


def prefix_of(tensors: dict[str, TensorInfo], folder: ModelFolder) -> str:
    """What stands before the names in this file ("", "bert.", ...). Raises ModelRejected where a
    tensor is missing or has another shape than config.json says."""
    word = "embeddings.word_embeddings.weight"
    found = [name[: -len(word)] for name in tensors if name.endswith(word)]
    if not found:
        raise ModelRejected(f"{folder.path}: no tensor {word} in the weights; fetch it again")
    for slot in slots(shape_of(folder)):
        for source in slot.sources:
            rows = slot.shape[0] // len(slot.sources)
            info = tensors.get(file_name(tensors, found[0] + source))
            wanted = (rows, *slot.shape[1:])
            if info is None or info.shape != wanted:
                there = "is missing" if info is None else f"has shape {info.shape}"
                raise ModelRejected(
                    f"{folder.path}: tensor {found[0] + source} {there} where config.json says "
                    f"{wanted}; fetch the model again"
                )
    return found[0]


def file_name(tensors: dict[str, TensorInfo], name: str) -> str:
    """The name in this file: the oldest ones call a norm's weight gamma and its bias beta."""
    if name in tensors or "LayerNorm" not in name:
        return name
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )
