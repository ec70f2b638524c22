"""Profiles: frozen, checked, fingerprinted, and the same after a trip through TOML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import ProfileError, WeightError
from workbench.profiles import MAX_CANDIDATES, Profile, cache_folder, hub_folder
from workbench.ranking.fusion import NORMALISERS

Read = Callable[[str], Profile]

slow = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
profiles = st.builds(
    Profile,
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    weights=st.dictionaries(
        st.sampled_from(["bm25", "title", "dense", "late interaction", 'a"b', "é"]),
        st.floats(min_value=0.001, allow_infinity=False, allow_nan=False),
        min_size=1,
    ),
    normaliser=st.sampled_from(list(NORMALISERS)),
    n_candidates=st.integers(1, MAX_CANDIDATES),
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """A profile from a TOML file's text."""

    def from_text(text: str) -> Profile:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return Profile.from_toml(path)

    return from_text


# Frozen


def test_a_setting_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Profile().normaliser = "rrf"  # type: ignore[misc]


def test_weights_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Profile().weights["dense"] = 1.0  # type: ignore[index]


def test_a_profile_does_not_follow_the_dictionary_it_was_made_from() -> None:
    weights = {"dense": 1.0}
    profile = Profile(weights=weights)
    weights["dense"] = 0.0
    assert profile.weights == {"dense": 1.0}


def test_two_profiles_share_no_default_weights() -> None:
    assert Profile().weights is not Profile().weights


def test_replacing_makes_another_profile() -> None:
    profile = Profile()
    other = profile.replace(normaliser="rrf", n_candidates=7)
    assert (other.normaliser, other.n_candidates, other.weights) == ("rrf", 7, profile.weights)
    assert profile == Profile()


def test_replacing_an_unknown_setting_names_it_and_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"unknown setting wieghts; .*name, weights, normaliser"):
        Profile().replace(wieghts={})


def test_equal_profiles_are_one_key() -> None:
    one, other = {"bm25": 1, "dense": 2}, {"dense": 2.0, "bm25": 1.0}
    assert {Profile(weights=one): "x"}[Profile(weights=other)] == "x"


# Checked


@pytest.mark.parametrize("n", [0, -1, MAX_CANDIDATES + 1, 2.0, "7", None, True], ids=repr)
def test_a_bad_number_of_candidates_is_named(n: Any) -> None:
    with pytest.raises(ProfileError, match=f"n_candidates is {n!r}"):
        Profile(n_candidates=n)


@pytest.mark.parametrize("n", [1, MAX_CANDIDATES])
def test_the_limits_themselves_are_allowed(n: int) -> None:
    assert Profile(n_candidates=n).n_candidates == n


@pytest.mark.parametrize("weights", [None, 0.7, [("dense", 1)], "dense"], ids=repr)
def test_weights_must_be_a_table(weights: Any) -> None:
    with pytest.raises(ProfileError, match="table of signal and number"):
        Profile(weights=weights)


# Fingerprints


def test_the_name_does_not_count() -> None:
    assert Profile(name="a").fingerprint == Profile(name="b").fingerprint


def test_the_order_of_weights_does_not_count() -> None:
    one, other = {"bm25": 1, "dense": 2}, {"dense": 2.0, "bm25": 1.0}
    assert Profile(weights=one).fingerprint == Profile(weights=other).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"bm25": 1.0, "dense": 2.0000000000000004}},
        {"weights": {"bm25": 2.0, "dense": 1.0}},
        {"normaliser": "rrf"},
        {"n_candidates": 201},
    ],
    ids=str,
)
def test_any_other_setting_counts(change: dict[str, Any]) -> None:
    profile = Profile(weights={"bm25": 1.0, "dense": 2.0})
    assert profile.replace(**change).fingerprint != profile.fingerprint


def test_every_setting_is_in_the_dictionary() -> None:
    values: dict[str, Any] = {
        "name": "mine",
        "weights": {"bm25": 0.25, "dense": 0.75},
        "normaliser": "rrf",
        "n_candidates": 7,
    }
    assert Profile(**values).to_dict() == values
    assert set(values) == {field.name for field in fields(Profile)}


# TOML


@slow
@given(profile=profiles)
def test_a_profile_survives_toml(read: Read, profile: Profile) -> None:
    again = read(profile.to_toml())
    assert again == profile
    assert again.fingerprint == profile.fingerprint


@pytest.mark.parametrize("name", ["🙂", 'a "quoted" \\ name', "two\nlines", "\x7f\x00"], ids=ascii)
def test_any_name_survives_toml(read: Read, name: str) -> None:
    assert read(Profile(name=name).to_toml()).name == name


def test_settings_left_out_keep_their_defaults(read: Read) -> None:
    assert read("n_candidates = 50") == Profile(name="mine", n_candidates=50)


def test_a_profile_without_a_name_is_called_after_its_file(read: Read) -> None:
    assert read("").name == "mine"


def test_integer_weights_are_weights(read: Read) -> None:
    assert read("weights = {bm25 = 1, dense = 2}").weights == {"bm25": 1.0, "dense": 2.0}


@pytest.mark.parametrize(
    "text",
    [
        "n_candidates = ",
        "n_candidates = 0",
        "n_candidates = 2.5",
        "n_candidates = true",
        "weights = 3",
        "weights = [1, 2]",
        'weights = {bm25 = "high"}',
        "weights = {bm25 = true}",
        "weights = {bm25 = nan}",
        "weights = {bm25 = inf}",
        "weights = {bm25 = -1}",
        "weights = {bm25 = {a = 1}}",
        'normaliser = "softmax"',
        "normaliser = 3",
        "name = 3",
        "wieghts = {bm25 = 1}",
    ],
)
def test_a_bad_file_is_refused(read: Read, text: str) -> None:
    with pytest.raises((ProfileError, WeightError)):
        read(text)


def test_an_unknown_setting_names_the_file_and_the_known_ones(read: Read) -> None:
    with pytest.raises(ProfileError, match=r"mine\.toml: unknown setting wieghts; the settings"):
        read("wieghts = {bm25 = 1}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.toml: not a readable TOML file"):
        Profile.from_toml(tmp_path / "absent.toml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "caf\xe9"')
    with pytest.raises(ProfileError, match="not a readable TOML file"):
        Profile.from_toml(path)


# The environment


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_without_the_environment_the_cache_is_the_platforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    assert cache_folder().name == "workbench"


def test_the_hub_folder_follows_hugging_faces_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert hub_folder() == tmp_path / "hub"
