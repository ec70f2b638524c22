"""Recordings: a round trip loses nothing, and damage is a typed error that names the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.monitor.conftest import RECORDINGS
from workbench.errors import RecordingError
from workbench.models.memory.ledger import MemoryEvent, Usage
from workbench.monitor import recording
from workbench.monitor.recording import KINDS, Recorder, read_recording
from workbench.monitor.timeline import Sample, Timeline

HEADER = {"type": "header", "version": 1, "machine": {"cpus": 2}}
SAMPLE = {"type": "sample", "time": 1.5, "device": "cpu", "used_bytes": 3, "models": {}}
EVENT: dict[str, Any] = {
    "type": "event",
    "number": 1,
    "time": 1.0,
    "kind": "load",
    "model": "m",
    "device": "cpu",
    "usage": {"weights": 3, "activations": 0},
}

counts = st.integers(0, 2**50)
moments = st.floats(0, 4e9)
names = st.text(max_size=8)
usages = st.builds(Usage, counts, counts)
samples = st.builds(
    Sample,
    moments,
    names,
    counts,
    st.none() | counts,
    st.none() | counts,
    st.dictionaries(names, usages, max_size=3),
    st.dictionaries(names, moments, max_size=3),
)
events = st.builds(
    MemoryEvent, counts, moments, st.sampled_from(KINDS), names, names, usages, st.text(max_size=9)
)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    by_time = sorted(draw(st.lists(samples, max_size=6)), key=lambda sample: sample.time)
    happened = draw(st.lists(events, max_size=6))
    happened.sort(key=lambda event: (event.time, event.number))
    machine = draw(st.dictionaries(names, counts | names, max_size=3))
    return Timeline(tuple(by_time), tuple(happened), machine, draw(counts))


@given(timeline=timelines())
def test_a_round_trip_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, timeline: Timeline
) -> None:
    file = tmp_path_factory.mktemp("r") / "r.jsonl"
    with Recorder(file, timeline.machine) as recorder:
        if timeline.missed:
            recorder.missed(timeline.missed)
        for entry in timeline:
            recorder.write(entry)
    assert read_recording(file) == timeline


@given(timeline=timelines())
def test_entries_are_merged_in_order_of_time(timeline: Timeline) -> None:
    entries = list(timeline)
    assert len(entries) == len(timeline)
    assert [e.time for e in entries] == sorted(e.time for e in entries)


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(*lines: Any, end: str = "\n") -> Path:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path = tmp_path / "run.jsonl"
        path.write_text("\n".join(texts) + end, encoding="utf-8")
        return path

    return made


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"type": "sam', "Unterminated string"),
        ("[1]", "not an object"),
        ({**SAMPLE, "used_bytes": -1}, "-1 is no whole number"),
        ({**SAMPLE, "used_bytes": 1.5}, "1.5 is no whole number"),
        ({**SAMPLE, "used_bytes": True}, "True is no whole number"),
        ({**SAMPLE, "time": "now"}, "'now' is no time"),
        ('{"type":"sample","time":NaN,"device":"cpu","used_bytes":1,"models":{}}', "nan is no"),
        ({**SAMPLE, "device": 3}, "3 is no name"),
        ({**SAMPLE, "models": []}, "AttributeError"),
        ({**SAMPLE, "models": {"m": {"weights": 1}}}, "KeyError: 'activations'"),
        ({key: SAMPLE[key] for key in ("type", "time", "device")}, "KeyError: 'used_bytes'"),
        ({**EVENT, "kind": "explode"}, "'explode' is none of load, release"),
        ({**EVENT, "usage": 3}, "TypeError"),
        ({"type": "missed", "count": "some"}, "'some' is no whole number"),
    ],
)
def test_damage_names_file_line_and_remedy(write: Write, line: Any, reason: str) -> None:
    file = write(HEADER, SAMPLE, line, SAMPLE)
    with pytest.raises(RecordingError) as raised:
        read_recording(file)
    message = str(raised.value)
    assert "run.jsonl, line 3: damaged" in message
    assert reason in message
    assert "remove that line, or record again" in message


@pytest.mark.parametrize("first", [SAMPLE, {"type": "header"}, {"type": "header", "version": "1"}])
def test_a_file_without_its_header(write: Write, first: Any) -> None:
    with pytest.raises(RecordingError, match="line 1: damaged"):
        read_recording(write(first, SAMPLE))


def test_a_newer_version_says_so(write: Write) -> None:
    with pytest.raises(
        RecordingError, match="version 2, this workbench reads up to 1; use a newer"
    ):
        read_recording(write({**HEADER, "version": 2}))


def test_lines_of_a_later_kind_are_passed_over(write: Write) -> None:
    assert len(read_recording(write(HEADER, {"type": "weather"}, SAMPLE))) == 1


def test_a_line_cut_off_by_a_kill_is_left_out_and_noted(write: Write) -> None:
    timeline = read_recording(write(HEADER, SAMPLE, EVENT, '{"type": "sam', end=""))
    assert len(timeline) == 2
    assert "cut off" in timeline.notes[0]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n\x00", b"no line end"])
def test_a_file_that_is_no_recording(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "run.jsonl"
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=r"run\.jsonl"):
        read_recording(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="check the path"):
        read_recording(tmp_path / "absent.jsonl")


def test_a_file_too_large(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 100)
    with pytest.raises(RecordingError, match="the limit of a recording is 100"):
        read_recording(write(HEADER, SAMPLE, SAMPLE))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="another folder"):
        Recorder(tmp_path / "file" / "run.jsonl", {})


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_of_real_runs_are_read_and_small(path: Path) -> None:
    timeline = read_recording(path)
    assert not timeline.notes
    assert timeline.machine["cpus"] >= 1
    assert path.stat().st_size < 200_000
    kinds = {event.kind for event in timeline.events}
    assert {"load", "evict"} <= kinds
    if timeline.machine["gpus"]:
        assert {"batch", "oom_retry"} <= kinds
        assert "cuda:0" in timeline.devices
