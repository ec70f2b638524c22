"""Profiles: every setting that can change a result. Also the home of the environment."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, SupportsFloat

from workbench.errors import ProfileError, WeightError

MAX_CANDIDATES = 100_000

# The middle of a broad optimum on SciFact's train queries (best at .6) and data/landmarks (at .7).
_DEFAULT_WEIGHTS = {"bm25": 0.35, "title": 0.0, "dense": 0.65}


NORMALISERS = ("min-max", "z-score", "theoretical", "none", "rrf")
"""How signals are made comparable; the functions are in ranking.fusion."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings of a search. Frozen: a changed setting is a new profile.

    `weights` by signal, 0 or more, need not sum to 1; `normaliser` as in ranking.fusion;
    `n_candidates` passages from each arm.
    """

    name: str = "default"
    weights: Mapping[str, float] = field(default_factory=lambda: dict(_DEFAULT_WEIGHTS))
    normaliser: str = "min-max"
    n_candidates: int = 200

    def __post_init__(self) -> None:
        if isinstance(self.n_candidates, bool) or not isinstance(self.n_candidates, int):
            raise ProfileError(f"n_candidates is {self.n_candidates!r}; give a whole number")
        if not 1 <= self.n_candidates <= MAX_CANDIDATES:
            raise ProfileError(
                f"n_candidates is {self.n_candidates}; the limits are 1 and {MAX_CANDIDATES}"
            )
        if not isinstance(self.name, str):
            raise ProfileError(f"name is {self.name!r}; give a text")
        if self.normaliser not in NORMALISERS:
            raise ProfileError(
                f"unknown normaliser {self.normaliser!r}; choose one of {', '.join(NORMALISERS)}"
            )
        _check_weights(self.weights)
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can be neither copied nor sent to another process; its contents can.
        values = self.to_dict()
        return Profile, tuple(values[f.name] for f in fields(self))

    @property
    def fingerprint(self) -> str:
        """Equal for profiles that give the same results; the name does not count."""
        values = {k: v for k, v in self.to_dict().items() if k != "name"}
        values["weights"] = {k: v for k, v in values["weights"].items() if v}
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def replace(self, **changes: Any) -> Profile:
        """A new profile with other settings; raises ProfileError for an unknown one."""
        _check_names(changes, "replace()")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**plain, "weights": {k: float(v) for k, v in sorted(self.weights.items())}}

    def to_toml(self) -> str:
        """The profile as a TOML file's text, which `from_toml` reads back."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @staticmethod
    def from_toml(source: str | Path) -> Profile:
        """A profile from a TOML file. Settings left out keep their defaults.

        Raises ProfileError for a file that is not TOML, an unknown setting or a bad value.
        """
        path = Path(source)
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ProfileError(f"{path}: not a readable TOML file ({error})") from error
        _check_names(values, str(path))
        return Profile(**{"name": path.stem, **values})


def cache_folder() -> Path:
    """Where exported models and digests are kept: WORKBENCH_CACHE, or the platform's place."""
    chosen = os.environ.get("WORKBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("workbench")


def hub_folder() -> Path:
    """Where Hugging Face's tools keep downloaded models: HF_HOME, or their default."""
    return Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"


def elastic_environment() -> dict[str, str]:
    """What WORKBENCH_ES_* variables say of a cluster, by name in lower case, empty ones left out:
    url, api_key, user, password, cloud_id, ca_certs, credentials (a file)."""
    names = ("url", "api_key", "user", "password", "cloud_id", "ca_certs", "credentials")
    found = {name: os.environ.get(f"WORKBENCH_ES_{name.upper()}", "") for name in names}
    return {name: value for name, value in found.items() if value}


def _check_weights(weights: Any) -> None:
    """What can be said without knowing an engine's signals."""
    if not isinstance(weights, Mapping):
        raise ProfileError(f"weights is {weights!r}; give a table of signal and number")
    for name, weight in weights.items():
        number = isinstance(weight, SupportsFloat) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise WeightError(f"weight of {name} is {weight!r}; give a finite number from 0 up")


def _check_names(values: Mapping[str, Any], where: str) -> None:
    known = [f.name for f in fields(Profile)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ProfileError(
            f"{where}: unknown setting {', '.join(unknown)}; the settings are {', '.join(known)}"
        )
