"""Turns: no more at once than there are, and all of them in a forked child."""

from __future__ import annotations

import threading
from multiprocessing import get_context

from tests.waiting import wait_until
from workbench.system.fork import Turns

TURNS = Turns(2)


def _take() -> bool:
    with TURNS, TURNS:
        return True


def test_two_turns_are_two_threads_at_once() -> None:
    turns, go, lock = Turns(2), threading.Event(), threading.Lock()
    inside, done = [0], [0]

    def work() -> None:
        with turns:
            with lock:
                inside[0] += 1
            go.wait()
            with lock:
                assert inside[0] <= 2
                inside[0] -= 1
                done[0] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: inside[0] == 2)
    assert done[0] == 0
    go.set()
    for thread in threads:
        thread.join()
    assert (inside[0], done[0]) == (0, 8)


def test_a_forked_child_has_all_turns() -> None:
    with TURNS, TURNS, get_context("fork").Pool(1) as pool:
        assert pool.apply(_take)
