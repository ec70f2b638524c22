"""The Profile: every setting that can change a result, in one frozen record, and those by name."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from workbench.errors import ProfileError, shown
from workbench.profiles.diff import ProfileDiff, diff
from workbench.profiles.environment import profiles_folder, variables
from workbench.profiles.settings import (
    ONE_OF,
    REAL,
    TEXT,
    WEIGHTS,
    WHOLE,
    check_feedback,
    check_first_pass,
    check_weights,
    check_whole,
    default_weights,
    real,
)
from workbench.system.files import replacing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """The settings of a search. Frozen: a changed setting is a new profile.

    Ranking: `weights` by signal, 0 or more, need not sum to 1; left out or empty they fit
    `feedback` and `reranker`. `normaliser` as in ranking.fusion.

    Retrieval: `n_retrieval` passages from the bm25 and from the dense arm, `n_keyword` papers
    from the title arm. `dense`: "auto" lets a large index find vectors approximately
    (`info()["dense"]` says with what recall), "exact" never does. `first_pass`: the weights,
    under min-max, that order the first pass; its best passages drive feedback and reranking.
    They are apart from `weights`, so that candidates never depend on what is tuned. `feedback`:
    whether the query is expanded from the best passages, which adds the signals `bm25_feedback`
    and `dense_feedback`. `reranker`: "" for none, "late-interaction", or the name or folder of
    a cross-encoder; it scores the `n_rerank` best passages and adds the signal
    `late_interaction` or `cross_encoder`.

    Machine: `device` of the models: "auto" gives a cross-encoder a GPU where there is one; "cuda"
    also the embedder of a new index, and says so once where there is none; `workers`: how many
    queries `evaluate` and `tune` have under way at once, and how many pairs a cross-encoder
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
    dense: str = "auto"
    feedback: bool = True
    first_pass: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    reranker: str = ""
    device: str = "auto"
    workers: int = 15
    batch_size: int = 50
    context_threshold: float = 0.2
    max_tokens: int = 2048
    temperature: float = 0.2

    def __post_init__(self) -> None:
        for setting, limits in WHOLE.items():
            check_whole(setting, getattr(self, setting), *limits)
        for setting, bounds in REAL.items():
            object.__setattr__(self, setting, real(setting, getattr(self, setting), *bounds))
        for setting in TEXT:
            if not isinstance(getattr(self, setting), str):
                raise ProfileError(f"{setting} is {getattr(self, setting)!r}; give a text")
        for setting, allowed in ONE_OF.items():
            value = getattr(self, setting)
            if not isinstance(value, str) or value not in allowed:
                choices = ", ".join(allowed)
                raise ProfileError(f"unknown {setting} {shown(value)}; choose one of {choices}")
        if not isinstance(self.feedback, bool):
            raise ProfileError(f"feedback is {self.feedback!r}; give true or false")
        check_weights(self.weights)
        check_first_pass(self.first_pass)
        weights = dict(self.weights) or default_weights(self.feedback, self.reranker)
        check_feedback(weights, self.feedback)
        object.__setattr__(self, "weights", MappingProxyType(weights))
        object.__setattr__(self, "first_pass", MappingProxyType(dict(self.first_pass)))

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        parts = [shown(self.name, 40), *(f"{k} {v:g}" for k, v in self.weights.items() if v)]
        return f"Profile({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can be neither copied nor sent to another process; its contents can.
        values = self.to_dict()
        return Profile, tuple(values[f.name] for f in fields(self))

    @property
    def fingerprint(self) -> str:
        """Equal for profiles that give the same results; name and workers do not count."""
        values = {k: v for k, v in self.to_dict().items() if k not in ("name", "workers")}
        if values["dense"] == "auto":  # as profiles were before they had the setting
            del values["dense"]
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

    def diff(self, other: Profile | str) -> ProfileDiff:
        """The settings in which another profile, or the one of that name, differs; names do not
        count."""
        return diff(self.to_dict(), as_profile(other).to_dict())

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
        name = self.name if name is None else name
        if isinstance(name, str) and name in PRESETS:
            raise ProfileError(
                f"the profile {name!r} comes with the package; save under another name"
            )
        path = _own_file(name)
        if path is None:
            raise ProfileError(
                f"profile name {shown(name)}; give 1 to 64 letters, digits, spaces or ._- that "
                "begin with a letter or digit"
            )
        text = self.replace(name=name).to_toml()
        try:
            if path.is_file() and not replace and path.read_text("utf-8") != text:
                raise ProfileError(
                    f"{path}: there is a profile {name!r} already; give replace=True"
                )
            with replacing(path) as stream:
                stream.write(text)
        except (OSError, UnicodeDecodeError) as error:
            raise ProfileError(
                f"{path}: cannot write here ({getattr(error, 'strerror', error)}); set "
                "WORKBENCH_PROFILES to a folder that you may write to"
            ) from error
        return path

    @staticmethod
    def named(name: str) -> Profile:
        """`default`, `fast`, `gpu`, or a person's own; `list_profiles()` names all.

        Raises ProfileError for an unknown name, and what `from_toml` raises.
        """
        if isinstance(name, str) and name in PRESETS:
            return PRESETS[name]
        path = _own_file(name)
        if path is None or not path.is_file():
            raise ProfileError(
                f"no profile {shown(name)}; there are {', '.join(list_profiles())} (your own are "
                f"TOML files in {profiles_folder()})"
            )
        return Profile.from_toml(path)

    @staticmethod
    def from_toml(source: str | Path) -> Profile:
        """A profile from a TOML file. Settings left out keep their defaults.

        Raises ProfileError for a file that is not TOML, an unknown setting or a bad value.
        """
        if not isinstance(source, str | Path):
            raise ProfileError(f"{shown(source)} is no path; give that of a TOML file")
        path = Path(source).expanduser()
        if path.exists() and not path.is_file():
            raise ProfileError(f"{path}: a folder, pipe or device; give the path of a TOML file")
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ProfileError(f"{path}: not a readable TOML file ({error})") from error
        _check_names(values, str(path))
        return Profile(**{"name": path.stem, **values})


PRESETS: Final = {
    "default": Profile(),
    "fast": Profile(
        name="fast",
        n_retrieval=50,
        n_keyword=5,
        n_rerank=30,
        feedback=False,
        context_threshold=0.3,
        max_tokens=1024,
        temperature=0.3,
        workers=10,
    ),
    "gpu": Profile(
        name="gpu", n_retrieval=128, n_keyword=10, n_rerank=50, device="cuda", temperature=0.1
    ),
}
"""`default`; `fast`, less of everything; `gpu`, models on the GPU, more passages, and fewer
reranked."""


def list_profiles() -> list[str]:
    """Names that `Profile.named` knows: those of the package, then the person's own, in order."""
    try:
        own = sorted(p.stem for p in profiles_folder().glob("*.toml") if _own_file(p.stem))
    except OSError:
        own = []
    return [*PRESETS, *(name for name in own if name not in PRESETS)]


def as_profile(profile: Profile | str | None) -> Profile:
    """A profile as it is, one by its name, or for None the one that the environment says."""
    if profile is None:
        return profile_from_environment()
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, str):
        return Profile.named(profile)
    raise ProfileError(f"profile is {shown(profile)}; give a Profile or the name of one")


def profile_from_environment() -> Profile:
    """The profile where none is given: `default`, unless these variables say otherwise.

    | variable | meaning |
    |---|---|
    | `ASTA_GPU_PROFILE` | true: the profile `gpu` |
    | `FAST_PROFILE` | true, and the one above is not: the profile `fast` |
    | `GPU_ENABLED` | false: `device` is "cpu" |
    | `MAX_WORKERS` | `workers`, a whole number |
    | `BATCH_SIZE` | `batch_size`, a whole number |

    True is 1, true, yes or on; false is 0, false, no, off or empty. A profile given in code or on
    the command line is taken as it is. Raises ProfileError that names variable and value.
    """
    name, changes = variables()
    try:
        return PRESETS[name].replace(**changes)
    except ProfileError as error:
        raise ProfileError(f"MAX_WORKERS or BATCH_SIZE: {error}") from None


def _own_file(name: Any) -> Path | None:
    """Where a person's own profile of that name is; None for what can be no name."""
    fits = isinstance(name, str) and _NAME.fullmatch(name)
    return profiles_folder() / f"{name}.toml" if fits else None


def _check_names(values: Mapping[str, Any], where: str) -> None:
    known = [f.name for f in fields(Profile)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ProfileError(
            f"{where}: unknown setting {', '.join(unknown)}; the settings are {', '.join(known)}"
        )
