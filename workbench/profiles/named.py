"""Profiles by name: the three that come with the package, and a person's own TOML files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from workbench.errors import ProfileError
from workbench.profiles.environment import profile_from_environment, profiles_folder
from workbench.profiles.profile import Profile
from workbench.writing import replacing

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
    "gpu": Profile(name="gpu", n_retrieval=128, n_keyword=10, n_rerank=50, temperature=0.1),
}
"""`default`; `fast`, less of everything; `gpu`, more passages and fewer reranked."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")


def list_profiles() -> list[str]:
    """Names that `Profile.named` knows: those of the package, then the person's own, in order."""
    folder = profiles_folder()
    try:
        own = sorted(p.stem for p in folder.glob("*.toml") if _NAME.fullmatch(p.stem))
    except OSError:
        own = []
    return [*PRESETS, *(name for name in own if name not in PRESETS)]


def named_profile(name: str) -> Profile:
    """`Profile.named`."""
    if name in PRESETS:
        return PRESETS[name]
    path = profiles_folder() / f"{name}.toml"
    if not (isinstance(name, str) and _NAME.fullmatch(name)) or not path.is_file():
        raise ProfileError(
            f"no profile {name!r}; there are {', '.join(list_profiles())} (your own are TOML "
            f"files in {profiles_folder()})"
        )
    return Profile.from_toml(path)


def save_profile(profile: Profile, name: str, replace: bool) -> Path:
    """`Profile.save`."""
    if name in PRESETS:
        raise ProfileError(f"the profile {name!r} comes with the package; save under another name")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ProfileError(
            f"profile name {name!r}; give 1 to 64 letters, digits, spaces or ._- that begin with "
            "a letter or digit"
        )
    path = profiles_folder() / f"{name}.toml"
    text = profile.replace(name=name).to_toml()
    if path.is_file() and not replace and path.read_text("utf-8") != text:
        raise ProfileError(f"{path}: there is a profile {name!r} already; give replace=True")
    try:
        with replacing(path) as stream:
            stream.write(text)
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot write here ({error.strerror}); set WORKBENCH_PROFILES to a folder "
            "that you may write to"
        ) from error
    return path


def as_profile(profile: Profile | str | None) -> Profile:
    """A profile as it is, one by its name, or for None the one that the environment says."""
    if profile is None:
        return profile_from_environment()
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, str):
        return named_profile(profile)
    raise ProfileError(f"profile is {profile!r}; give a Profile or the name of one")
