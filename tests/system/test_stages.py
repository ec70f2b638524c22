"""Seconds by stage: of one piece of work, of the process, of turns that are not over."""

from __future__ import annotations

import threading
from multiprocessing import get_context

from workbench.system.stages import PROCESS, Stages, WorkClock


def _read() -> dict[str, float]:
    return PROCESS.read()


def test_a_process_counts_what_every_piece_of_work_does() -> None:
    before = PROCESS.read()
    first, second = Stages("test"), Stages("test")
    with first("a"), second("b"):
        during = PROCESS.read()
    assert list(second.each("a", [1, 2])) == [1, 2]
    after = PROCESS.read()
    assert "test: a" not in before
    assert 0 < during["test: a"] < after["test: a"]  # also while its turn is not over
    assert after["test: a"] == first.seconds["a"] + second.seconds["a"]
    assert after["test: b"] == second.seconds["b"]
    assert PROCESS.read() == after


def test_a_stage_that_fails_was_at_work_too() -> None:
    stages = Stages("test")
    try:
        with stages("fails"):
            raise KeyError
    except KeyError:
        pass
    assert stages.seconds["fails"] > 0
    assert PROCESS.read() == PROCESS.read()


def test_eight_threads_lose_nothing() -> None:
    clock = WorkClock()

    def work() -> None:
        for _ in range(2_000):
            clock.add("a", 1.0)
            clock.end(clock.begin("b"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.read()["a"] == 16_000


def test_a_forked_child_begins_at_nothing() -> None:
    with Stages("test")("parent"), get_context("fork").Pool(1) as pool:
        assert pool.apply(_read) == {}
