"""Profiles: frozen, checked, fingerprinted, and the same after a trip through TOML."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.engines.base import FEEDBACK, SIGNALS
from workbench.errors import ProfileError, WeightError, WorkbenchError
from workbench.profiles import (
    MAX_CANDIDATES,
    PRESETS,
    Profile,
    as_profile,
    cache_folder,
    hub_folder,
    list_profiles,
    profile_from_environment,
    profiles_folder,
)
from workbench.profiles.settings import default_weights
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
    n_retrieval=st.integers(1, MAX_CANDIDATES),
    n_rerank=st.integers(1, MAX_CANDIDATES),
    feedback=st.booleans(),
    reranker=st.sampled_from(["", "late-interaction", "models/mine"]),
    temperature=st.floats(0, 2),
    context_threshold=st.floats(0, 1),
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
        Profile().normaliser = "rrf"


def test_weights_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Profile().weights["dense"] = 1.0


def test_a_profile_does_not_follow_the_dictionary_it_was_made_from() -> None:
    weights = {"dense": 1.0}
    profile = Profile(weights=weights)
    weights["dense"] = 0.0
    assert profile.weights == {"dense": 1.0}


def test_two_profiles_share_no_default_weights() -> None:
    assert Profile().weights is not Profile().weights


def test_replacing_makes_another_profile() -> None:
    profile = Profile()
    other = profile.replace(normaliser="rrf", n_retrieval=7)
    assert (other.normaliser, other.n_retrieval, other.weights) == ("rrf", 7, profile.weights)
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
    with pytest.raises(ProfileError, match=f"n_retrieval is {n!r}"):
        Profile(n_retrieval=n)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("n_keyword", n) for n in (0, 2.5, True, "8")),
        *(("n_rerank", n) for n in (0, None)),
        *(("workers", n) for n in (0, 257)),
        *(("batch_size", n) for n in (0, 4097)),
        *(("max_tokens", n) for n in (0, 1_000_001)),
        *(("context_threshold", x) for x in (-0.1, 1.1, float("nan"), "low", True)),
        *(("temperature", x) for x in (-1, 2.1, None)),
        *(("device", x) for x in ("gpu", None, "")),
        *(("dense", x) for x in ("approximate", None, "")),
        *(("feedback", x) for x in (1, "yes", None)),
        *(("reranker", x) for x in (None, 3)),
    ],
    ids=str,
)
def test_a_bad_setting_is_named_with_its_value(setting: str, value: Any) -> None:
    with pytest.raises(ProfileError, match=f"{setting} (is )?{re.escape(repr(value))}"):
        Profile(**{setting: value})


@pytest.mark.parametrize(
    "weights", [{}, {"bm25": 0.0}, {"bm25_feedback": 1.0}, {"bm25": 1, "splade": 1}, 3], ids=str
)
def test_a_first_pass_has_weights_of_an_engines_own_signals(weights: Any) -> None:
    with pytest.raises(ProfileError, match="first_pass is"):
        Profile(first_pass=weights)


@pytest.mark.parametrize("n", [1, MAX_CANDIDATES])
def test_the_limits_themselves_are_allowed(n: int) -> None:
    assert Profile(n_retrieval=n).n_retrieval == n


@pytest.mark.parametrize("weights", [None, 0.7, [("dense", 1)], "dense"], ids=repr)
def test_weights_must_be_a_table(weights: Any) -> None:
    with pytest.raises(ProfileError, match="table of signal and number"):
        Profile(weights=weights)


# Weights that fit the stages


def test_the_signals_of_a_profile_are_those_of_the_engines() -> None:
    assert tuple(PRESETS["default"].first_pass) == SIGNALS
    assert {*default_weights(True)} == {*SIGNALS, *FEEDBACK}


def test_a_feedback_weight_without_feedback_says_how_to_turn_it_on() -> None:
    with pytest.raises(WeightError, match=r"bm25_feedback .*turn feedback on"):
        Profile(feedback=False, weights={"bm25": 0.5, "bm25_feedback": 0.5})
    assert Profile(feedback=False, weights={"bm25": 1.0, "bm25_feedback": 0.0}).weights["bm25"] == 1


@pytest.mark.parametrize("reranker", ["", "late-interaction", "some/cross-encoder"])
@pytest.mark.parametrize("feedback", [True, False])
def test_default_weights_sum_to_one(feedback: bool, reranker: str) -> None:
    weights = Profile(feedback=feedback, reranker=reranker).weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert set(weights) == set(default_weights(feedback, reranker))


def test_default_weights_follow_the_stages_and_chosen_ones_stay() -> None:
    plain = Profile(feedback=False)
    assert plain.replace(feedback=True).replace(feedback=False) == plain
    assert plain.replace(reranker="late-interaction").weights["late_interaction"] > 0
    mine = Profile(feedback=False, weights={"bm25": 1.0})
    assert mine.replace(feedback=True).weights == {"bm25": 1.0}


# Fingerprints


def test_name_and_workers_do_not_count() -> None:
    assert Profile(name="a", workers=1).fingerprint == Profile(name="b", workers=9).fingerprint


def test_the_order_of_weights_does_not_count() -> None:
    one, other = {"bm25": 1, "dense": 2}, {"dense": 2.0, "bm25": 1.0}
    assert Profile(weights=one).fingerprint == Profile(weights=other).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"bm25": 1.0, "dense": 2.0000000000000004}},
        {"weights": {"bm25": 2.0, "dense": 1.0}},
        {"normaliser": "rrf"},
        {"n_retrieval": 201},
        {"n_keyword": 9},
        {"n_rerank": 99},
        {"feedback": False},
        {"first_pass": {"dense": 1.0}},
        {"reranker": "late-interaction"},
        {"device": "cpu"},
        {"dense": "exact"},
        {"context_threshold": 0.25},
        {"max_tokens": 5},
        {"temperature": 0.5},
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
        "n_retrieval": 7,
        "n_keyword": 3,
        "n_rerank": 9,
        "dense": "exact",
        "feedback": True,
        "first_pass": {"bm25": 1.0},
        "reranker": "late-interaction",
        "device": "cpu",
        "workers": 2,
        "batch_size": 5,
        "context_threshold": 0.5,
        "max_tokens": 100,
        "temperature": 0.0,
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
    assert read("n_retrieval = 50") == Profile(name="mine", n_retrieval=50)


def test_a_profile_without_a_name_is_called_after_its_file(read: Read) -> None:
    assert read("").name == "mine"


def test_integer_weights_are_weights(read: Read) -> None:
    assert read("weights = {bm25 = 1, dense = 2}").weights == {"bm25": 1.0, "dense": 2.0}


@pytest.mark.parametrize(
    "text",
    [
        "n_retrieval = ",
        "n_retrieval = 0",
        "n_retrieval = 2.5",
        "n_retrieval = true",
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


# By name


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for a person's own profiles."""
    monkeypatch.setenv("WORKBENCH_PROFILES", str(tmp_path / "own"))
    return tmp_path / "own"


ANCESTOR = {
    "gpu": (128, 10, 50, 0.2, 15, 2048, 0.1),
    "fast": (50, 5, 30, 0.3, 10, 1024, 0.3),
    "default": (80, 8, 100, 0.2, 15, 2048, 0.2),
}


@pytest.mark.parametrize("name", ANCESTOR)
def test_the_presets_have_the_ancestors_numbers(name: str) -> None:
    p = Profile.named(name)
    numbers = (p.n_retrieval, p.n_keyword, p.n_rerank, p.context_threshold, p.workers)
    assert (*numbers, p.max_tokens, p.temperature) == ANCESTOR[name]
    assert p.name == name


def test_the_default_preset_is_a_profile_without_settings() -> None:
    assert Profile.named("default") == Profile()


def test_a_saved_profile_is_listed_and_found(own: Path) -> None:
    assert list_profiles() == ["default", "fast", "gpu"]
    path = Profile(n_rerank=7).save("mine 2.b")
    assert path == own / "mine 2.b.toml"
    assert list_profiles() == ["default", "fast", "gpu", "mine 2.b"]
    assert Profile.named("mine 2.b") == Profile(name="mine 2.b", n_rerank=7)
    assert as_profile("mine 2.b").n_rerank == 7


def test_saving_does_not_overwrite_other_settings_unasked(own: Path) -> None:
    Profile(n_rerank=7).save("mine")
    Profile(n_rerank=7).save("mine")
    with pytest.raises(ProfileError, match="replace=True"):
        Profile(n_rerank=8).save("mine")
    assert Profile.named("mine").n_rerank == 7
    Profile(n_rerank=8).save("mine", replace=True)
    assert Profile.named("mine").n_rerank == 8
    assert [path.name for path in own.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", ".hidden", "x" * 65, "a\nb", "ü", None], ids=ascii
)
def test_a_name_that_no_file_can_have_is_refused(own: Path, name: Any) -> None:
    with pytest.raises(ProfileError, match="profile name"):
        Profile(name="a/b").save(name)
    with pytest.raises(ProfileError, match="there are default, fast, gpu"):
        Profile.named(name)
    assert not own.exists()


@pytest.mark.parametrize("name", ["default", "fast", "gpu"])
def test_the_packages_own_profiles_stay(own: Path, name: str) -> None:
    with pytest.raises(ProfileError, match="comes with the package"):
        Profile().save(name)


def test_where_profiles_cannot_be_written_the_error_names_path_and_remedy(
    own: Path,
) -> None:
    own.write_text("a file where the folder should be")
    with pytest.raises(ProfileError, match=r"cannot write here.*WORKBENCH_PROFILES"):
        Profile().save("mine")
    assert list_profiles() == ["default", "fast", "gpu"]


def test_a_broken_file_is_listed_and_named_when_chosen(own: Path) -> None:
    own.mkdir()
    (own / "broken.toml").write_text("n_rerank = ")
    assert "broken" in list_profiles()
    with pytest.raises(ProfileError, match=r"broken\.toml"):
        Profile.named("broken")


@pytest.mark.parametrize("profile", [3, True, ["fast"], {"name": "fast"}], ids=repr)
def test_what_is_neither_profile_nor_name_is_refused(profile: Any) -> None:
    with pytest.raises(ProfileError, match="give a Profile or the name of one"):
        as_profile(profile)


# Differences


def test_a_profile_does_not_differ_from_itself_by_another_name() -> None:
    difference = Profile().diff(Profile(name="other"))
    assert len(difference) == 0
    assert str(difference) == "default and other have the same settings"
    assert "same settings" in difference._repr_html_()


def test_a_difference_names_each_setting_with_both_values() -> None:
    one = Profile(weights={"bm25": 1.0}, n_rerank=5)
    two = Profile(name="<b>", weights={"bm25": 0.5, "dense": 0.5}, n_rerank=6)
    difference = one.diff(two)
    assert difference.to_dict() == {
        "weights.bm25": {"mine": 1.0, "other": 0.5},
        "weights.dense": {"mine": None, "other": 0.5},
        "n_rerank": {"mine": 5, "other": 6},
    }
    assert str(difference).splitlines()[-1] == "  n_rerank: 5 -> 6"
    assert difference.to_frame().columns.tolist() == ["setting", "default", "<b>"]
    assert "&lt;b&gt;" in difference._repr_html_()


def test_applying_a_difference_gives_the_other_profile() -> None:
    one, two = Profile.named("gpu"), Profile.named("fast")
    changes = {c.setting: c.other for c in one.diff(two) if "." not in c.setting}
    assert one.replace(**changes, weights=two.weights) == two.replace(name="gpu")


# The environment

VARIABLES = ("ASTA_GPU_PROFILE", "FAST_PROFILE", "GPU_ENABLED", "MAX_WORKERS", "BATCH_SIZE")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, PRESETS["default"]),
        ({"ASTA_GPU_PROFILE": "true"}, PRESETS["gpu"]),
        ({"FAST_PROFILE": "1"}, PRESETS["fast"]),
        ({"ASTA_GPU_PROFILE": "false", "FAST_PROFILE": " Yes "}, PRESETS["fast"]),
        ({"ASTA_GPU_PROFILE": "on", "FAST_PROFILE": "on"}, PRESETS["gpu"]),
        ({"FAST_PROFILE": ""}, PRESETS["default"]),
        ({"GPU_ENABLED": "false"}, Profile(device="cpu")),
        ({"GPU_ENABLED": "true", "MAX_WORKERS": "3"}, Profile(workers=3)),
        ({"FAST_PROFILE": "1", "BATCH_SIZE": "7"}, PRESETS["fast"].replace(batch_size=7)),
    ],
    ids=str,
)
def test_the_environment_chooses_and_overrides(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], expected: Profile
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    assert profile_from_environment() == expected == as_profile(None)
    assert as_profile("fast") == PRESETS["fast"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *((v, "maybe") for v in ("ASTA_GPU_PROFILE", "FAST_PROFILE", "GPU_ENABLED")),
        *((v, x) for v in ("MAX_WORKERS", "BATCH_SIZE") for x in ("many", "2.5", "0", "-1")),
    ],
)
def test_a_bad_variable_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ProfileError, match=variable) as error:
        profile_from_environment()
    assert value in str(error.value)


def test_own_profiles_are_where_the_environment_says(own: Path) -> None:
    assert profiles_folder() == own


def test_without_the_environment_own_profiles_are_the_platforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORKBENCH_PROFILES", raising=False)
    assert profiles_folder().parts[-2:] == ("workbench", "profiles")


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


# Whatever is given

JUNK = [3, 2.5, None, [], ["fast"], {}, b"fast", float("nan"), object(), "\0", "no such", "../x"]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: type(junk).__name__)
@pytest.mark.parametrize(
    "use",
    [
        as_profile,
        Profile.named,
        Profile.from_toml,
        Profile().diff,
        lambda junk: Profile().save([junk]),
        lambda junk: Profile(weights=junk),
        lambda junk: Profile(first_pass=junk),
        lambda junk: Profile().replace(device=junk, workers=junk),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_the_package(
    own: Path, use: Callable[[Any], Any], junk: Any
) -> None:
    with suppress(WorkbenchError):
        use(junk)


def test_a_profile_differs_from_one_given_by_name() -> None:
    assert Profile().diff("fast").to_dict()["n_retrieval"] == {"mine": 80, "other": 50}


@given(profiles)
def test_a_repr_is_one_line_and_shows_the_weights(profile: Profile) -> None:
    for shown in (repr(profile), repr(profile.diff("fast"))):
        assert "\n" not in shown
        assert len(shown) < 200
    assert all(name in repr(profile) for name, weight in profile.weights.items() if weight)


def test_the_repr_of_the_default() -> None:
    assert repr(Profile(feedback=False)) == "Profile('default', bm25 0.35, dense 0.65)"
    assert repr(Profile().diff("fast")).startswith("ProfileDiff('default' -> 'fast': ")
