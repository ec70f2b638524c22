"""The small JSON files of a model folder, read as what they have to be; nothing in them is run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import ModelRejected, shown

LARGEST = 2**28
"""Bytes of one JSON file: a tokenizer of 500,000 words has 40 MB."""

MODULES = (
    "Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout",
    "WeightedLayerPooling", "CNN", "LSTM", "StaticEmbedding",
)  # fmt: skip
"""Classes of sentence-transformers that modules.json may name: what they read is JSON and
safetensors, and none of them loads a class that a file names."""

_CLASS = re.compile(
    r"sentence_transformers\.(models|(base|sentence_transformer)\.modules)(\.[a-z_]+)?"
    rf"\.({'|'.join(MODULES)})"
)

READ = (
    "config.json", "modules.json", "sentence_bert_config.json",
    "config_sentence_transformers.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
"""Files beside the weights that may change a vector."""


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of modules.json: the class's own name, and its folder inside the model's."""

    kind: str
    path: str


def read_json(path: Path) -> Any:
    """What a file holds. Raises ModelRejected where it is no JSON that Python can hold."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size:,} bytes, the limit is {LARGEST:,}")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error


def read_table(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON object; `default` stands in where there is no such file."""
    if default is not None and not path.is_file():
        return default
    values = read_json(path)
    if not isinstance(values, dict):
        raise ModelRejected(f"{path}: no table but {shown(values)}; fetch the model again")
    return values


def within(path: Path, key: str, value: Any) -> dict[str, Any]:
    """A table inside a table, empty where there is none."""
    if value is not None and not isinstance(value, dict):
        raise ModelRejected(f"{path}: {key} is {shown(value)}, no table; fetch the model again")
    return value or {}


def read_modules(folder: Path) -> list[Module]:
    """The entries of modules.json, none where there is no such file. Raises ModelRejected for a
    class that is not one of MODULES: to load it would run code that came with the model."""
    path = folder / "modules.json"
    if not path.is_file():
        return []
    listed = read_json(path)
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ModelRejected(f"{path}: no list of tables but {shown(listed)}; fetch it again")
    return [_module(path, entry) for entry in listed]


def whole(
    values: dict[str, Any], key: str, path: Path, least: int, most: int, default: int | None = None
) -> int:
    """A whole number of a table, within limits; `default` where the table has none. Raises
    ModelRejected that names file and key."""
    value = values.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ModelRejected(
            f"{path}: {key} is {shown(value)}, and it has to be a whole number from {least} to "
            f"{most}; fetch the model again"
        )
    return value


def _module(path: Path, entry: dict[str, Any]) -> Module:
    kind, place = entry.get("type"), entry.get("path")
    known = _CLASS.fullmatch(kind) if isinstance(kind, str) else None
    if known is None:
        raise ModelRejected(
            f"{path}: names the class {shown(kind)}, which is none of sentence-transformers' "
            f"{', '.join(MODULES)}; code of a model's own is never run, take another model"
        )
    parts = Path(place).parts if isinstance(place, str) and "\0" not in place else ("..",)
    long = any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts)
    if long or ".." in parts or Path(str(place)).is_absolute():
        raise ModelRejected(f"{path}: path {shown(place)} is not inside the folder; take it out")
    folder = path.parent.joinpath(*parts)
    pickled = sorted(folder.glob("*.bin")) if parts else []
    if pickled and not (folder / "model.safetensors").is_file():
        raise ModelRejected(
            f"{pickled[0]}: a pickle, which can run any code when loaded; convert it to "
            "model.safetensors"
        )
    return Module(known[4], str(place))
