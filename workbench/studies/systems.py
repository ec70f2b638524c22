"""What can be measured beside each other: sessions, profiles, engines, runs made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.engines.keeper import EngineSpec
from workbench.errors import (
    EvaluationError,
    ProfileError,
    shown,
)
from workbench.evaluation.collection import run_label
from workbench.experiments.candidates import retrieval_settings
from workbench.opening import open_corpus
from workbench.present.words import setting
from workbench.profiles import Profile
from workbench.session import Workbench

RUN_ENDINGS = {".trec", ".run", ".txt", ".res"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class System:
    """What is measured: a session under a profile, or a run that was made elsewhere."""

    label: str
    bench: Workbench | None
    profile: Profile | None
    run: Any = None

    def __repr__(self) -> str:
        return f"System({self.label!r})"


def as_systems(given: Any, bench: Workbench | None) -> list[System]:
    """Systems as people name them: a Workbench; a Profile, the name of one, weights or an engine
    over `bench`; (Workbench, profile); a run as a path, dict, frame or ranx.Run; or a dict of these
    by label. Raises EvaluationError for anything else, and for a label twice."""
    if isinstance(given, Mapping):
        pairs = [(str(label), each) for label, each in given.items()]
    elif isinstance(given, Iterable) and not isinstance(given, str):
        pairs = [("", each) for each in given]
    else:
        raise EvaluationError(f"systems are {shown(given)}; give a list of them, or a dict by name")
    found = [_system(label, each, bench) for label, each in pairs]
    if not found:
        raise EvaluationError("no system to measure; give at least one")
    labels: dict[str, int] = {}
    named = []
    for system in found:
        number = labels[system.label] = labels.get(system.label, 0) + 1
        if number > 1 and isinstance(given, Mapping):
            raise EvaluationError(f"two systems are called {system.label!r}; rename one")
        label = f"{system.label} ({number})" if number > 1 else system.label
        named.append(replace(system, label=label))
    return named


def _system(label: str, given: Any, bench: Workbench | None) -> System:
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Workbench):
        profile = _profile(given[1], given[0])
        return System(label or _label(profile), given[0], profile)
    if isinstance(given, Workbench):
        name = f"{given.folder.parent.name if given.folder.name == 'index' else given.folder.name}"
        return System(label or f"{run_label(given.profile)} on {name}", given, given.profile)
    if isinstance(given, EngineSpec) and not isinstance(given, type):
        over = _over(bench, given)
        opened = open_corpus(over.recorder.folder.parent, engine=given, profile=over.profile)
        return System(label or type(given).__name__, opened, over.profile)
    if isinstance(given, Path) or (isinstance(given, str) and _is_run(given)):
        return System(label or Path(given).stem, bench, None, Path(given))
    if isinstance(given, Profile | str) or _is_weights(given):
        profile = _profile(given, _over(bench, given))
        return System(label or _label(profile), bench, profile)
    return System(label or str(getattr(given, "name", "") or "run"), bench, None, given)


def _label(profile: Profile) -> str:
    """As `run_label`, and the other settings that are not those that the name stands for."""
    said = run_label(profile)
    try:
        usual = Profile.named(profile.name)
    except ProfileError:
        return said
    names = (*retrieval_settings(profile), "normaliser")
    pairs = [(name, getattr(profile, name), getattr(usual, name)) for name in names]
    return ", ".join([said, *(f"{n} {setting(v)}" for n, v, known in pairs if v != known)])


def _over(bench: Workbench | None, given: object) -> Workbench:
    if bench is None:
        raise EvaluationError(
            f"{shown(given)} is to be measured on a corpus; say which: compare(..., bench=bench)"
        )
    return bench


def _profile(given: Any, bench: Workbench) -> Profile:
    if _is_weights(given):
        return bench.chosen(None, given)
    return bench.chosen(given, None)


def _is_weights(given: Any) -> bool:
    return (
        isinstance(given, Mapping)
        and bool(given)
        and all(isinstance(value, int | float) for value in given.values())
    )


def _is_run(given: str) -> bool:
    path = Path(given).expanduser()
    return path.suffix in RUN_ENDINGS or path.is_file()
