"""Where the time of a piece of work goes: seconds by stage, of one piece and of the process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from workbench.system.fork import Lock, renew_in_children

Item = TypeVar("Item")


class WorkClock:
    """Seconds that each stage of a process has worked, whoever did it. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.after_fork()
        renew_in_children(self)

    def after_fork(self) -> None:
        """What the parent works, this process does not."""
        self._seconds: dict[str, float] = {}
        self._since: dict[object, tuple[str, float]] = {}

    def begin(self, stage: str) -> object:
        """A turn of a stage begins; give what this gives to `end`."""
        turn = object()
        with self._lock:
            self._since[turn] = stage, time.perf_counter()
        return turn

    def end(self, turn: object) -> float:
        """A turn is over; seconds that it took."""
        with self._lock:
            stage, since = self._since.pop(turn)
            took = time.perf_counter() - since
            self._seconds[stage] = self._seconds.get(stage, 0.0) + took
        return took

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def read(self) -> dict[str, float]:
        """Seconds by stage until now, those of turns that are not over included."""
        with self._lock:
            now, seconds = time.perf_counter(), dict(self._seconds)
            for stage, since in self._since.values():
                seconds[stage] = seconds.get(stage, 0.0) + now - since
        return seconds


PROCESS = WorkClock()
"""What this process has worked, as "index: encode"; the memory plot shows it."""


class Stages:
    """Seconds that each stage took, all its turns together. Each stage is one thread's; stages of
    different threads overlap, so the sum may be more than the whole. PROCESS counts them too, as
    those of `work`."""

    def __init__(self, work: str = "index") -> None:
        self._work = work
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        turn = PROCESS.begin(f"{self._work}: {stage}")
        try:
            yield
        finally:
            self._add(stage, PROCESS.end(turn))

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; what it takes to make them counts to a stage."""
        iterator = iter(items)
        while True:
            with self(stage):
                found = list(islice(iterator, 1))
            if not found:
                return
            yield found[0]

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
