"""Where the time of a piece of work goes: seconds by stage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


class Stages:
    """Seconds that each stage took, all its turns together. Each stage is one thread's; stages of
    different threads overlap, so the sum may be more than the whole."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; what it takes to make them counts to a stage."""
        iterator = iter(items)
        while True:
            with self(stage):
                found = list(islice(iterator, 1))
            if not found:
                return
            yield found[0]

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
