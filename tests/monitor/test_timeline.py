"""Time lines as frames, text and a table, made and recorded from real runs."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest

from tests.monitor.conftest import RECORDINGS
from workbench.models.memory.ledger import Ledger, MemoryEvent, Usage
from workbench.monitor.recording import read_recording
from workbench.monitor.timeline import Sample, Timeline
from workbench.present.words import human_bytes

GIB = 2**30
MADE = Timeline(
    samples=(
        Sample(10.0, "cuda:0", 5 * GIB, None, 8 * GIB, {"a": Usage(GIB, 3), "b": Usage(2, 0)}),
        Sample(10.0, "cpu", 9 * GIB, GIB),
        Sample(11.0, "cuda:0", 4 * GIB, None, 8 * GIB, {"b": Usage(2, 1)}),
    ),
    events=(
        MemoryEvent(1, 10.0, "load", "b", "cuda:0", Usage(2, 0), "first use"),
        MemoryEvent(2, 10.5, "evict", "a", "cuda:0", Usage(), "room for b"),
    ),
)


def test_a_repr_is_one_line_and_says_how_much() -> None:
    ledger = Ledger()
    ledger.record("load", "b\n" * 200, "cpu", Usage(GIB), "why\n" * 200)
    shown = [repr(each) for each in (MADE, MADE.samples[0], *ledger.events(), ledger)]
    assert shown[0] == "Timeline('3 samples and 2 events on cuda:0, cpu in 1 s')"
    assert shown[1] == "Sample('cuda:0' at 00:00:10.0: 5 GiB used, 1 GiB by models)"
    assert shown[3] == "Ledger(1 GiB in 1 entry)"
    assert all("\n" not in text and len(text) < 200 for text in shown)


def test_a_frame_has_one_row_an_entry_in_order_of_time() -> None:
    frame = MADE.to_frame()
    assert frame["entry"].tolist() == ["load", "sample", "sample", "evict", "sample"]
    assert frame["time"].is_monotonic_increasing
    assert str(frame["time"].dt.tz) == "UTC"
    first = frame[frame["entry"] == "sample"].iloc[0]
    assert first["weights_bytes"] == GIB + 2
    assert first["activations_bytes"] == 3
    assert first["budget_bytes"] == 8 * GIB
    assert pd.isna(first["process_bytes"])
    assert frame["used_bytes"].dtype == "Int64"


def test_an_empty_time_line_has_frames_with_the_same_columns() -> None:
    assert list(Timeline().to_frame().columns) == list(MADE.to_frame().columns)
    assert (Timeline().seconds, Timeline().peak_bytes("cpu")) == (0.0, 0)
    assert "no device" in str(Timeline())


def test_what_it_knows_of_itself() -> None:
    assert MADE.devices == ["cuda:0", "cpu"]
    assert MADE.models == ["b", "a"]
    assert MADE.seconds == 1.0
    assert MADE.peak_bytes("cuda:0") == GIB + 5
    assert len(MADE.to_dict()["entries"]) == len(MADE) == 5


def test_the_text_lists_events_with_reasons() -> None:
    text = str(MADE)
    assert "3 samples and 2 events on cuda:0, cpu in 1 s" in text
    assert "evict      a on cuda:0" in text
    assert "room for b" in text


def test_the_table_escapes_what_comes_from_models() -> None:
    hostile = "<script>alert(1)</script>"
    event = MemoryEvent(1, 1.0, "load", hostile, "cpu", Usage(1), hostile)
    html = Timeline(events=(event,), notes=(hostile,))._repr_html_()
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 3
    parser = HTMLParser()
    parser.feed(html)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (1_023 * 2**20, "1023 MiB"),
        (GIB, "1 GiB"),
        (None, "unknown"),
    ],
)
def test_bytes_as_a_person_reads_them(count: int | None, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recorded_runs_become_frames(path: object) -> None:
    timeline = read_recording(str(path))
    frame = timeline.to_frame()
    assert len(frame) == len(timeline)
    held = frame.loc[frame["entry"] == "sample", ["weights_bytes", "activations_bytes"]].sum(axis=1)
    assert held.max() > 10 * 2**20
    assert {"load", "evict"} <= set(frame["entry"])
    assert timeline.peak_bytes(timeline.devices[0]) >= held.max() / 2
