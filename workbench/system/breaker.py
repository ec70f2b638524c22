"""A circuit breaker: a server that is away is not asked again by every query."""

from __future__ import annotations

import time
from collections.abc import Callable

from workbench.system.fork import Lock


class Breaker:
    """Opens after `limit` failures in a row; then one caller in `pause` seconds may try.

    Safe to share between threads. A success closes it.
    """

    def __init__(
        self, limit: int = 3, pause: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._pause = pause
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._next_try = 0.0

    def refused_for(self) -> float:
        """Seconds until the next try; 0 where the caller may go on now."""
        with self._lock:
            if self._failures < self._limit:
                return 0.0
            left = self._next_try - self._clock()
            if left > 0:
                return left
            self._next_try = self._clock() + self._pause
            return 0.0

    def succeeded(self) -> None:
        """The server answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The server did not answer."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._next_try = self._clock() + self._pause

    @property
    def open(self) -> bool:
        """Whether the server is left alone for now."""
        with self._lock:
            return self._failures >= self._limit
