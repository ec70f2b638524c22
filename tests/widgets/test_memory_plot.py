"""The memory plot's kernel side: when it samples, what it sends, and what a person is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.monitor.conftest import RECORDINGS
from tests.waiting import wait_until
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage
from workbench.models.memory.pool import ModelPool
from workbench.monitor.recording import read_recording
from workbench.widgets import memory_plot as module
from workbench.widgets.memory_plot import MemoryPlot, memory_plot

MIB = 2**20


class Block(LazyModel):
    """A model that holds real memory."""

    def need(self) -> Usage:
        return Usage(MIB, 0)

    def _open(self) -> None:
        self.weights: Any = np.ones(MIB, dtype=np.uint8)

    def _close(self) -> None:
        self.weights = None


@pytest.fixture
def pool() -> ModelPool:
    return ModelPool(budget="10MiB")


@pytest.fixture
def plot(pool: ModelPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryPlot]:
    monkeypatch.setattr(module, "INTERVAL", 0.02)
    made = memory_plot(pool)
    yield made
    made.close()


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "workbench-memory-plot"]


def test_nothing_runs_before_somebody_looks(plot: MemoryPlot) -> None:
    assert not plot.running
    assert not threads()


def test_it_samples_while_seen_and_stops_when_hidden(plot: MemoryPlot, page_of: Any) -> None:
    page = page_of(plot)
    page.say(type="show", view="a")
    page.say(type="show", view="b")
    assert len(threads()) == 1  # one for all views
    wait_until(lambda: len(page.heard) >= 3)
    page.say(type="hide", view="a")
    count = len(page.heard)
    wait_until(lambda: len(page.heard) > count + 1)  # the other still looks
    assert plot.running
    page.say(type="hide", view="b")
    wait_until(lambda: not threads())
    count = len(page.heard)
    page.say(type="show", view="a")
    wait_until(lambda: len(page.heard) > count)


def test_a_page_that_falls_silent_counts_as_gone(
    plot: MemoryPlot, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNHEARD", 0.2)
    page_of(plot).say(type="show", view="a")
    assert plot.running
    wait_until(lambda: not threads())
    assert not plot.running


def test_it_pauses_when_nothing_happens_and_wakes_with_the_kernel(
    plot: MemoryPlot, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE", 0.15)
    page = page_of(plot)
    page.say(type="show", view="a")
    wait_until(lambda: page.heard and page.heard[-1] == {"type": "state", "state": "idle"})
    wait_until(lambda: not threads())
    plot._activity._asked()  # as IPython's event before a cell or a message does
    wait_until(lambda: page.heard[-1]["type"] == "update")
    wait_until(lambda: page.heard[-1] == {"type": "state", "state": "idle"})
    page.say(type="resume", view="a")
    wait_until(lambda: page.heard[-1]["type"] == "update")


def test_updates_say_what_models_hold_and_what_happened(
    plot: MemoryPlot, pool: ModelPool, page_of: Any
) -> None:
    page = page_of(plot)
    model = Block("m", "cpu", pool)
    page.say(type="show", view="a")
    model.load()

    def heard() -> list[dict[str, Any]]:
        return [event for content in page.heard for event in content.get("events", [])]

    wait_until(heard)
    wait_until(lambda: page.last("update")["samples"][-1]["m"])
    events = heard()
    assert page.last("update")["loaded"] == ["m"]
    assert [(event["k"], event["n"], event["w"]) for event in events] == [("load", "m", MIB)]
    [sample] = [s for s in page.last("update")["samples"] if s["d"] == "cpu"]
    assert sample["m"] == {"m": [MIB, 0]}
    assert sample["b"] == 10 * MIB
    # A page that comes later gets everything so far.
    history = page.say(type="hello", view="b")[0]
    assert history["type"] == "history"
    assert history["events"] == events


def test_release_frees_and_a_model_in_use_goes_later(
    plot: MemoryPlot, pool: ModelPool, page_of: Any
) -> None:
    page, model = page_of(plot), Block("m", "cpu", pool)
    with pool.lease(model):
        told = page.say(type="release", view="a", model="m")
        assert "m is in use; it is released when its call ends" in told[0]["message"]["text"]
        assert model.loaded
    assert not model.loaded
    model.load()
    told = page.say(type="release", view="a", model="m")
    assert told[0]["message"]["text"] == ""
    assert not model.loaded


@pytest.mark.parametrize("content", [{"type": "release"}, {"type": "nonsense"}, {}, "text", None])
def test_no_message_ends_in_a_traceback(plot: MemoryPlot, page_of: Any, content: Any) -> None:
    page = page_of(plot)
    plot._hear(plot, content, [])
    assert all(message["type"] in ("message", "history") for message in page.heard)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_sent_whole(path: Path, page_of: Any) -> None:
    plot, timeline = memory_plot(recording=path), read_recording(path)
    history = page_of(plot).say(type="hello", view="a")[0]
    assert len(history["samples"]) == len(timeline.samples)
    assert [event["k"] for event in history["events"]] == [event.kind for event in timeline.events]
    assert plot.timeline() == timeline
    page_of(plot).say(type="show", view="a")
    assert not plot.running  # there is nothing to sample


def test_a_recording_that_is_not_there_is_a_message(tmp_path: Path, page_of: Any) -> None:
    plot = memory_plot(recording=tmp_path / "absent.jsonl")
    told = page_of(plot).say(type="hello", view="a")[-1]["message"]
    assert (told["kind"], told["title"]) == ("error", "Recording error")
    assert "check the path" in told["text"]
