"""Work beside the event loop: threads, one computation for identical requests, an end in time."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from workbench.errors import DeadlineExceeded
from workbench.system.deadline import Deadline, limited

NICE = 5
"""By how much threads that compute give way to the event loop, which refuses, answers what is
known, and says that it lives: on busy cores it would wait for a turn of the scheduler else."""


@dataclass(slots=True)
class _Flight:
    """A computation under way, and how many wait for it."""

    task: asyncio.Future[Any]
    deadline: Deadline
    waiting: int = 0


class Runner:
    """Runs functions in threads under a deadline. Requests with an equal key that come while one is
    under way wait for it; it stops when its last one is gone, not before. `joined` is told of each
    that waits."""

    def __init__(
        self, threads: int, seconds: float, joined: Callable[[], None] = lambda: None
    ) -> None:
        self.threads = threads
        self.seconds = seconds
        self._joined = joined
        self._pool = ThreadPoolExecutor(threads, "serve", _give_way)
        self._flights: dict[Hashable, _Flight] = {}

    async def run(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """What `work` returns. Raises DeadlineExceeded after `seconds`, and what `work` raises."""
        flight = self._flights.get(key)
        if flight is None or flight.deadline.left <= 0:
            flight = self._start(key, work)
        else:
            self._joined()
            flight.deadline.extend(self.seconds)
        flight.waiting += 1
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.shield(flight.task)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the request took longer than {self.seconds:g} seconds; ask for less"
            ) from None
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.deadline.cancel()
                self._forget(key, flight)

    def close(self) -> None:
        """Stop what is under way at its next step; what waits never starts."""
        for flight in self._flights.values():
            flight.deadline.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, key: Hashable, work: Callable[[], Any]) -> _Flight:
        deadline = Deadline(self.seconds)

        def timed() -> Any:
            deadline.check()  # it may have waited for a thread
            with limited(deadline):
                return work()

        context = copy_context()
        loop = asyncio.get_running_loop()
        task = loop.run_in_executor(self._pool, context.run, timed)
        flight = self._flights[key] = _Flight(task, deadline)
        task.add_done_callback(lambda done: self._landed(key, flight, done))
        return flight

    def _landed(self, key: Hashable, flight: _Flight, done: asyncio.Future[Any]) -> None:
        self._forget(key, flight)
        with suppress(asyncio.CancelledError):
            done.exception()  # nobody may be left to look at it

    def _forget(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _give_way() -> None:
    """Linux has a niceness of each thread; elsewhere it is the process's, and stays."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICE)
