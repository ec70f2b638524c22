"""The sampler: what it reads, in which order, how much it keeps, and that it stops."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.waiting import wait_until
from workbench.errors import RecordingError
from workbench.models.memory import ledger as ledger_module
from workbench.models.memory.ledger import Ledger, MemoryEvent, Usage
from workbench.models.memory.pool import default_pool
from workbench.monitor import recording, sampler
from workbench.monitor.devices import Devices
from workbench.monitor.recording import read_recording
from workbench.monitor.sampler import Sampler
from workbench.monitor.timeline import Sample
from workbench.system.stages import PROCESS, Stages

MIB = 2**20


def sampling_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "workbench-sampler"]


def wait_for_samples(made: Sampler, count: int) -> None:
    """Until the thread has taken so many; a thread that takes none is waited for in vain."""
    wait_until(lambda: not made.running or len(made.timeline().samples) >= count)
    assert made.running


def test_a_sample_says_what_the_process_and_the_models_hold() -> None:
    ledger = Ledger({"cpu": 512 * MIB})
    ledger.record("load", "minilm", "cpu", Usage(90 * MIB, 5 * MIB), "first use")
    samples, events = Sampler(ledger).take()
    own = next(sample for sample in samples if sample.device == "cpu")
    assert own.models == {"minilm": Usage(90 * MIB, 5 * MIB)}
    assert own.model_bytes == 95 * MIB
    assert own.budget_bytes == 512 * MIB
    assert own.process_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert own.process_bytes < own.used_bytes < psutil.virtual_memory().total
    assert [event.kind for event in events] == ["load"]


def test_without_a_ledger_it_reads_the_process_own() -> None:
    assert Sampler().ledger is default_pool().ledger


def test_a_sample_says_what_was_at_work_since_the_one_before() -> None:
    made = Sampler(Ledger())
    over = threading.Event()

    def work() -> None:
        with Stages("index")("encode"):
            over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    PROCESS.add("search: feedback", 0.25)
    wait_until(lambda: "index: encode" in PROCESS.read())
    first, _ = made.take()
    over.set()
    thread.join()
    second, _ = made.take()
    third, _ = made.take()
    work_of = [next(s.work for s in taken if s.device == "cpu") for taken in (first, second, third)]
    assert work_of[0]["search: feedback"] == 0.25
    assert work_of[0]["index: encode"] > 0
    assert list(work_of[1]) == ["index: encode"]
    assert work_of[2] == {}
    timeline = made.timeline()
    assert timeline.work["search: feedback"] == 0.25
    assert "search: feedback was at work for 0.2 s" in str(timeline)
    assert "search: feedback 0.250 s" in " ".join(timeline.to_frame()["note"])


def test_memory_that_the_process_takes_shows() -> None:
    made = Sampler(Ledger())
    made.take()
    block = bytearray(os.urandom(1) * (200 * MIB))
    made.take()
    first, last = [s.process_bytes for s in made.timeline().samples if s.device == "cpu"]
    assert first is not None
    assert last is not None
    assert last - first > 150 * MIB
    del block


def test_events_stand_between_the_samples_around_them() -> None:
    ledger = Ledger()
    with Sampler(ledger, interval=0.02) as made:
        for number in range(5):
            ledger.record("load", f"m{number}", "cpu", Usage(MIB))
            wait_for_samples(made, len(made.timeline().samples) + 2)  # one may have begun before
            ledger.record("evict", f"m{number}", "cpu", Usage(), "least recently used")
    entries = list(made.timeline())
    times = [entry.time for entry in entries]
    assert times == sorted(times)
    events = [entry for entry in entries if isinstance(entry, MemoryEvent)]
    assert [event.number for event in events] == list(range(1, 11))
    for load, evict in zip(events[::2], events[1::2], strict=True):
        seen = [
            entry.models
            for entry in entries
            if isinstance(entry, Sample) and load.time < entry.time < evict.time
        ]
        assert seen
        assert all(models == {load.model: Usage(MIB)} for models in seen)


def test_the_thread_samples_at_its_interval_and_stops() -> None:
    begun = time.time()
    made = Sampler(Ledger(), interval=0.05).start()
    assert made.start() is made  # a second start starts no second thread
    assert len(sampling_threads()) == 1
    wait_for_samples(made, 5 * len(Devices().read()))
    assert made.running
    timeline = made.stop()
    moments = [sample.time for sample in timeline.samples if sample.device == "cpu"]
    # However busy the machine, the n-th sample is never early; stopping takes one more.
    early = [n for n, moment in enumerate(moments[:-1]) if moment < begun + 0.05 * n - 0.001]
    assert len(moments) > 5
    assert early == []
    assert not made.running
    assert not sampling_threads()
    assert made.stop() == timeline  # stopping again changes nothing


def test_it_can_be_started_again() -> None:
    made = Sampler(Ledger(), interval=0.02)
    with made:
        wait_for_samples(made, 2)
    first = len(made.timeline().samples)
    with made:
        wait_for_samples(made, first + 2)
    assert not made.running


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "EVENTS", 50)
    monkeypatch.setattr(sampler, "EVENTS", 50)
    ledger = Ledger()
    made = Sampler(ledger, history=100)

    def work(rounds: int) -> int:
        for number in range(rounds):
            ledger.record("batch", f"m{number % 3}", "cpu", Usage(MIB, number + 1))
            made.take()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = work(300)
        grown = work(3_000) - full
    finally:
        tracemalloc.stop()
    timeline = made.timeline()
    assert len([sample for sample in timeline.samples if sample.device == "cpu"]) == 100
    assert len(timeline.events) == 50
    assert grown < 20_000  # 3,000 samples kept would be over 1 MB


def test_events_are_bounded_and_the_lost_ones_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "EVENTS", 50)
    monkeypatch.setattr(sampler, "EVENTS", 60)
    ledger = Ledger()
    made = Sampler(ledger)
    for _ in range(120):
        ledger.record("batch", "m", "cpu", Usage(MIB))
    made.take()
    assert (made.timeline().missed, len(made.timeline().events)) == (70, 50)
    for _ in range(40):
        ledger.record("batch", "m", "cpu", Usage(MIB))
    made.take()
    timeline = made.timeline()
    assert (timeline.missed, len(timeline.events)) == (70, 60)
    assert [event.number for event in timeline.events] == list(range(101, 161))


def test_an_idle_hour_shares_one_mapping() -> None:
    ledger = Ledger()
    ledger.record("load", "m", "cpu", Usage(MIB))
    made = Sampler(ledger)
    for _ in range(10):
        made.take()
    models = [s.models for s in made.timeline().samples if s.device == "cpu"]
    assert all(mapping is models[0] for mapping in models)


def test_a_time_line_does_not_change_afterwards() -> None:
    made = Sampler(Ledger())
    made.take()
    early = made.timeline()
    made.take()
    assert len(made.timeline()) > len(early)


def test_sixteen_threads_may_record_meanwhile() -> None:
    ledger = Ledger()

    def work(name: str) -> None:
        for _ in range(100):
            ledger.record("batch", name, "cpu", Usage(1, 1))

    with Sampler(ledger, interval=0.01) as made:
        threads = [threading.Thread(target=work, args=(f"m{n}",)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    timeline = made.timeline()
    assert timeline.missed == 0
    assert [event.number for event in timeline.events] == list(range(1, 1_601))


def test_what_it_records_is_what_it_holds(tmp_path: Path) -> None:
    ledger = Ledger({"cpu": 10 * MIB})
    file = tmp_path / "run.jsonl"
    with Sampler(ledger, interval=0.02, record=file) as made:
        ledger.record("load", "ünïcode 模型", "cpu", Usage(MIB, 2), "why")
        wait_for_samples(made, 2)
        ledger.record("oom_retry", "ünïcode 模型", "cpu", Usage(MIB, 1), "halved")
    assert read_recording(file) == made.timeline()


def test_a_recording_is_complete_at_every_moment(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    made = Sampler(Ledger(), record=file)
    for number in range(1, 4):
        made.take()
        assert len(read_recording(file).samples) == number * len(Devices().read())
    made.stop()


def test_a_recording_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("precious")
    with pytest.raises(RecordingError, match=r"run\.jsonl.*another name, or replace=True"):
        Sampler(Ledger(), record=file)
    assert file.read_text() == "precious"
    Sampler(Ledger(), record=file, replace=True).stop()
    assert read_recording(file).samples


def test_a_full_recording_ends_and_sampling_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 2_000)
    file = tmp_path / "run.jsonl"
    made = Sampler(Ledger(), record=file)
    for _ in range(50):
        made.take()
    timeline = made.stop()
    assert len([s for s in timeline.samples if s.device == "cpu"]) == 50
    assert "the limit is 2,000" in timeline.notes[0]
    assert file.stat().st_size <= 2_000
    assert read_recording(file).samples


def test_a_device_is_no_place_for_a_recording() -> None:
    """A full disk is a case of tests/system/test_files.py."""
    with pytest.raises(RecordingError, match="a pipe or device, not a file"):
        Sampler(Ledger(), record="/dev/null", replace=True)


@pytest.mark.parametrize("interval", [0, -1, float("nan"), 0.001, 1e300, "1", None, True, 10**400])
def test_an_interval_that_cannot_be_meant(interval: Any) -> None:
    with pytest.raises(RecordingError, match=r"interval is .*; give seconds"):
        Sampler(Ledger(), interval=interval)


@pytest.mark.parametrize("history", [0, -1, 2.5, "9", None, True, 10**400])
def test_a_history_that_cannot_be_meant(history: Any) -> None:
    with pytest.raises(RecordingError, match=r"history is .*; give a number of samples"):
        Sampler(Ledger(), history=history)


def test_a_ledger_or_file_that_is_none() -> None:
    with pytest.raises(RecordingError, match="ledger is 3; give that of a pool"):
        Sampler(3)
    for use in (read_recording, lambda path: Sampler(Ledger(), record=path)):
        with pytest.raises(RecordingError, match="the path is 3"):
            use(3)
