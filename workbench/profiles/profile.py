"""The Profile: every setting that can change a result, in one frozen record."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, SupportsFloat

from workbench.errors import ProfileError, WeightError, shown

if TYPE_CHECKING:
    from workbench.profiles.diff import ProfileDiff

MAX_CANDIDATES = 100_000

NORMALISERS = ("min-max", "z-score", "theoretical", "none", "rrf")
"""How signals are made comparable; the functions are in ranking.fusion."""

DEVICES = ("auto", "cpu", "cuda")
LATE_INTERACTION = "late-interaction"
"""The reranker that needs no weights but the embedder's."""

_FEEDBACK = ("bm25_feedback", "dense_feedback")

# The middle of a broad optimum on SciFact's train queries (best at .6) and data/landmarks (at .7).
_WEIGHTS = {"bm25": 0.35, "title": 0.0, "dense": 0.65}
_WEIGHTS_WITH_FEEDBACK = {
    "bm25": 0.2,
    "title": 0.0,
    "dense": 0.3,
    "bm25_feedback": 0.2,
    "dense_feedback": 0.3,
}
_RERANK_WEIGHT = {"late_interaction": 0.3, "cross_encoder": 0.5}

_WHOLE = {
    "n_retrieval": (1, MAX_CANDIDATES),
    "n_keyword": (1, MAX_CANDIDATES),
    "n_rerank": (1, MAX_CANDIDATES),
    "workers": (1, 256),
    "batch_size": (1, 4096),
    "max_tokens": (1, 1_000_000),
}
_REAL = {"context_threshold": (0.0, 1.0), "temperature": (0.0, 2.0)}
_TEXT = ("name", "reranker")
_ONE_OF = {"normaliser": NORMALISERS, "device": DEVICES}


def default_weights(feedback: bool, reranker: str = "") -> dict[str, float]:
    """The weights of a profile that names none. A reranker takes its part from the others."""
    weights = _WEIGHTS_WITH_FEEDBACK if feedback else _WEIGHTS
    if not reranker:
        return dict(weights)
    signal = "late_interaction" if reranker == LATE_INTERACTION else "cross_encoder"
    part = _RERANK_WEIGHT[signal]
    return {**{name: weight * (1 - part) for name, weight in weights.items()}, signal: part}


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings of a search. Frozen: a changed setting is a new profile.

    Ranking: `weights` by signal, 0 or more, need not sum to 1; left out or empty they fit
    `feedback` and `reranker`. `normaliser` as in ranking.fusion.

    Retrieval: `n_retrieval` passages from the bm25 and from the dense arm, `n_keyword` papers from
    the title arm. `first_pass`: the weights, under min-max, that order the first pass; its best
    passages drive feedback and reranking. They are apart from `weights`, so that candidates never
    depend on what is tuned. `feedback`: whether the query is expanded from the best passages,
    which adds the signals `bm25_feedback` and `dense_feedback`. `reranker`: "" for none,
    "late-interaction", or the name or folder of a cross-encoder; it scores the `n_rerank` best
    passages and adds the signal `late_interaction` or `cross_encoder`.

    Machine: `device` of a cross-encoder ("auto" takes a GPU where there is one); `workers`: how
    many queries `evaluate` and `tune` have under way at once, and how many pairs a cross-encoder
    on the CPU; `batch_size`: pairs or passages that a reranker's model is given at a time.

    Answers, read by `ask`: `context_threshold`, the least relevance (0 to 1) of a passage that is
    quoted; `max_tokens` and `temperature` of the language model.
    """

    name: str = "default"
    weights: Mapping[str, float] = field(default_factory=dict)
    normaliser: str = "min-max"
    n_retrieval: int = 80
    n_keyword: int = 8
    n_rerank: int = 100
    feedback: bool = True
    first_pass: Mapping[str, float] = field(default_factory=lambda: dict(_WEIGHTS))
    reranker: str = ""
    device: str = "auto"
    workers: int = 15
    batch_size: int = 50
    context_threshold: float = 0.2
    max_tokens: int = 2048
    temperature: float = 0.2

    def __post_init__(self) -> None:
        for setting, limits in _WHOLE.items():
            _check_whole(setting, getattr(self, setting), *limits)
        for setting, bounds in _REAL.items():
            object.__setattr__(self, setting, _real(setting, getattr(self, setting), *bounds))
        for setting in _TEXT:
            if not isinstance(getattr(self, setting), str):
                raise ProfileError(f"{setting} is {getattr(self, setting)!r}; give a text")
        for setting, allowed in _ONE_OF.items():
            if (value := getattr(self, setting)) not in allowed:
                choices = ", ".join(allowed)
                raise ProfileError(f"unknown {setting} {value!r}; choose one of {choices}")
        if not isinstance(self.feedback, bool):
            raise ProfileError(f"feedback is {self.feedback!r}; give true or false")
        _check_weights(self.weights)
        _check_first_pass(self.first_pass)
        weights = dict(self.weights) or default_weights(self.feedback, self.reranker)
        _check_feedback(weights, self.feedback)
        object.__setattr__(self, "weights", MappingProxyType(weights))
        object.__setattr__(self, "first_pass", MappingProxyType(dict(self.first_pass)))

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can be neither copied nor sent to another process; its contents can.
        values = self.to_dict()
        return Profile, tuple(values[f.name] for f in fields(self))

    @property
    def fingerprint(self) -> str:
        """Equal for profiles that give the same results; name and workers do not count."""
        values = {k: v for k, v in self.to_dict().items() if k not in ("name", "workers")}
        for setting in ("weights", "first_pass"):
            values[setting] = {k: v for k, v in values[setting].items() if v}
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def replace(self, **changes: Any) -> Profile:
        """A new profile with other settings; raises ProfileError for an unknown one.

        Weights that are the default ones follow a change of `feedback` or `reranker`.
        """
        _check_names(changes, "replace()")
        follow = {"feedback", "reranker"} & set(changes) and "weights" not in changes
        if follow and self.weights == default_weights(self.feedback, self.reranker):
            changes["weights"] = {}
        return replace(self, **changes)

    def diff(self, other: Profile) -> ProfileDiff:
        """The settings in which another profile differs; names do not count."""
        from workbench.profiles.diff import diff

        return diff(self, other)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        for setting in ("weights", "first_pass"):
            plain[setting] = {k: float(v) for k, v in sorted(plain[setting].items())}
        return plain

    def to_toml(self) -> str:
        """The profile as a TOML file's text, which `from_toml` reads back."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def save(self, name: str | None = None, *, replace: bool = False) -> Path:
        """Keep it as a person's own profile, by default under its own name; returns the file.

        Raises ProfileError for a name that cannot be a file's, one of the package's own, or (but
        with `replace`) one that already holds other settings.
        """
        from workbench.profiles.named import save_profile

        return save_profile(self, self.name if name is None else name, replace)

    @staticmethod
    def named(name: str) -> Profile:
        """`default`, `fast`, `gpu`, or a person's own; `list_profiles()` names all.

        Raises ProfileError for an unknown name, and what `from_toml` raises.
        """
        from workbench.profiles.named import named_profile

        return named_profile(name)

    @staticmethod
    def from_toml(source: str | Path) -> Profile:
        """A profile from a TOML file. Settings left out keep their defaults.

        Raises ProfileError for a file that is not TOML, an unknown setting or a bad value.
        """
        path = Path(source)
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ProfileError(f"{path}: not a readable TOML file ({error})") from error
        _check_names(values, str(path))
        return Profile(**{"name": path.stem, **values})


def _check_whole(setting: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProfileError(f"{setting} is {shown(value)}; give a whole number")
    if not least <= value <= most:
        raise ProfileError(f"{setting} is {shown(value)}; the limits are {least} and {most}")


def _real(setting: str, value: Any, least: float, most: float) -> float:
    number = finite(value)
    if number is None or not least <= number <= most:
        raise ProfileError(f"{setting} is {shown(value)}; give a number from {least:g} to {most:g}")
    return number


def finite(value: Any) -> float | None:
    """A number as a float; None for what is none, NaN, infinite, or beyond what a float holds."""
    if isinstance(value, bool | str) or not isinstance(value, SupportsFloat):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError, TypeError):
        return None
    return number if math.isfinite(number) else None


def _check_weights(weights: Any, setting: str = "weights") -> None:
    """What can be said without knowing an engine's signals."""
    if not isinstance(weights, Mapping):
        raise ProfileError(f"{setting} is {weights!r}; give a table of signal and number")
    for name, weight in weights.items():
        number = finite(weight)
        if not isinstance(name, str) or number is None or number < 0:
            raise WeightError(
                f"weight of {name} is {shown(weight)}; give a finite number from 0 up"
            )


def _check_first_pass(weights: Any) -> None:
    """The first pass has an engine's own signals; any other is computed from it."""
    _check_weights(weights, "first_pass")
    unknown = sorted(set(weights) - set(_WEIGHTS))
    if unknown or not any(weights.values()):
        raise ProfileError(
            f"first_pass is {dict(weights)}; give one of {', '.join(_WEIGHTS)} a weight above 0, "
            "and no other signal"
        )


def _check_feedback(weights: Mapping[str, float], feedback: bool) -> None:
    named = [signal for signal in _FEEDBACK if weights.get(signal)]
    if named and not feedback:
        raise WeightError(
            f"{', '.join(named)} has a weight, but feedback is off; turn feedback on "
            "(profile.replace(feedback=True)), or give other weights"
        )


def _check_names(values: Mapping[str, Any], where: str) -> None:
    known = [f.name for f in fields(Profile)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ProfileError(
            f"{where}: unknown setting {', '.join(unknown)}; the settings are {', '.join(known)}"
        )
