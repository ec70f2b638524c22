"""The profile picker's kernel side: differences, picking, saving without losing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.measurement.measure import KEPT, keep
from workbench.measurement.measurements import Measured, Measurements
from workbench.profiles import Profile
from workbench.session import Workbench
from workbench.widgets.profile_picker import profile_picker


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_PROFILES", str(tmp_path))
    return tmp_path


@pytest.fixture
def bench(landmarks: Workbench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    monkeypatch.setattr(landmarks, "profile", Profile())
    return landmarks


def row(page: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        profile for profile in page.last("profiles")["profiles"] if profile["name"] == name
    )
    return found


def test_each_profile_says_what_it_changes(bench: Workbench, page_of: Any) -> None:
    bench.profile = Profile.named("fast").replace(n_retrieval=33)
    page = page_of(profile_picker(bench))
    page.say(type="hello")
    assert row(page, "fast")["changes"] == [{"setting": "n_retrieval", "mine": "33", "other": "50"}]
    assert page.last("profiles")["unsaved"]
    assert ["n_retrieval", "33"] in page.last("profiles")["settings"]


def test_a_picked_profile_is_the_sessions_and_is_passed_on(bench: Workbench, page_of: Any) -> None:
    picker, got = profile_picker(bench), []
    picker.on_pick(got.append)
    page = page_of(picker)
    page.say(type="pick", name="fast")
    assert bench.profile == Profile.named("fast")
    assert got == [Profile.named("fast")]
    assert row(page, "fast")["same"]
    assert not page.last("profiles")["unsaved"]


def test_a_panels_state_is_what_is_saved(bench: Workbench, page_of: Any, folder: Path) -> None:
    state = Profile(n_retrieval=77)
    page = page_of(profile_picker(bench, lambda: state))
    page.say(type="save", name=" tuned ", replace=False)
    assert Profile.named("tuned").n_retrieval == 77
    assert str(folder / "tuned.toml") in page.last("message")["message"]["text"]
    assert row(page, "tuned")["same"]
    # The same again is no question, other settings are, and only then replace.
    assert page.say(type="save", name="tuned", replace=False)[0]["type"] == "profiles"
    state = Profile(n_retrieval=78)
    assert page.say(type="save", name="tuned", replace=False) == [
        {"type": "exists", "name": "tuned"}
    ]
    assert Profile.named("tuned").n_retrieval == 77
    page.say(type="save", name="tuned", replace=True)
    assert Profile.named("tuned").n_retrieval == 78


def test_measurements_show_where_they_are_of_these_settings(bench: Workbench, page_of: Any) -> None:
    fast, gpu = Profile.named("fast"), Profile.named("gpu")
    rows = (
        Measured("fast", fast.fingerprint, 0.5, 0.4, 0.6, 5.0, 9.0, 200.0),
        Measured("gpu", gpu.fingerprint, 0.5, 0.4, 0.6, 50.0, 90.0, 900.0, 1200.0),
        Measured("default", "of other settings", 0.9, 0.8, 1.0, 1.0, 1.0, 1.0),
    )
    corpus = bench.manifest.fingerprint
    found = Measurements("nDCG@10", corpus, "2 CPUs", 50, 50, rows)
    page = page_of(profile_picker(bench))
    page.say(type="hello")
    assert "workbench profile measure DIR" in page.last("profiles")["measured"]
    keep(bench.folder, found)
    try:
        page.say(type="hello")
    finally:
        (bench.folder / KEPT).unlink()
    assert page.last("profiles")["measured"] == found.caption
    assert ["p50", "5.0 ms"] in row(page, "fast")["measured"]
    assert ["GPU", "1200 MB"] in row(page, "gpu")["measured"]
    assert row(page, "default")["measured"] == []  # these are not the settings measured
    assert not row(page, "gpu")["front"]


def test_a_broken_file_is_listed_and_asked_about_before_it_is_replaced(
    bench: Workbench, page_of: Any, folder: Path
) -> None:
    (folder / "mine.toml").write_text("n_retrieval = ")
    page = page_of(profile_picker(bench))
    page.say(type="hello")
    assert "mine.toml" in row(page, "mine")["problem"]
    assert page.say(type="save", name="mine", replace=False)[0]["type"] == "exists"
    assert (folder / "mine.toml").read_text() == "n_retrieval = "


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"type": "save", "name": "fast", "replace": True}, "comes with the package"),
        ({"type": "save", "name": "../x", "replace": False}, "letters, digits"),
        ({"type": "pick", "name": "absent"}, "no profile 'absent'; there are default"),
        ({"type": "nonsense"}, "KeyError"),
        ({}, "KeyError"),
    ],
)
def test_no_message_ends_in_a_traceback(
    bench: Workbench, page_of: Any, content: dict[str, Any], text: str
) -> None:
    told = page_of(profile_picker(bench)).say(**content)
    assert [message["type"] for message in told] == ["message"]
    assert told[0]["message"]["kind"] == "error"
    assert text in told[0]["message"]["text"]
