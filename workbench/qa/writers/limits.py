"""How often and for how much a server may be asked."""

from __future__ import annotations

import threading
import time
from collections import deque

from workbench.errors import WriterError
from workbench.system.fork import Lock, renew_in_children

MINUTE = 60.0


class Limits:
    """Requests a minute and cost in all, shared by all sections. Safe between threads; a forked
    child has what its parent had spent, and none of the requests under way there."""

    def __init__(self, requests_a_minute: int | None, most_cost: float | None) -> None:
        self._most = requests_a_minute
        self._most_cost = most_cost
        self._times: deque[float] = deque()
        self._spent = 0.0
        self._reserved = 0.0
        self._lock = Lock()
        renew_in_children(self)

    def after_fork(self) -> None:
        """What is held for requests is the parent's."""
        self._reserved = 0.0

    @property
    def spent(self) -> float:
        """The cost so far."""
        return self._spent

    def reserve(self, estimate: float) -> None:
        """Hold the cost of a request; raises WriterError where it would pass the limit."""
        with self._lock:
            ahead = self._spent + self._reserved + estimate
            if self._most_cost is not None and ahead > self._most_cost:
                raise WriterError(
                    f"the next request may bring the cost to {ahead:.4g}, the limit is "
                    f"{self._most_cost:.4g}; raise most_cost or ask less"
                )
            self._reserved += estimate

    def settle(self, estimate: float, cost: float) -> None:
        """Put what a request cost in the place of its estimate."""
        with self._lock:
            self._reserved -= estimate
            self._spent += cost

    def wait(self, seconds_left: float, stop: threading.Event) -> None:
        """Until a request is allowed; raises WriterError where that is after the deadline."""
        end = time.monotonic() + seconds_left
        while True:
            with self._lock:
                now = time.monotonic()
                while self._times and now - self._times[0] >= MINUTE:
                    self._times.popleft()
                if self._most is None or len(self._times) < self._most:
                    self._times.append(now)
                    return
                free = self._times[0] + MINUTE
            if free > end:
                raise WriterError(
                    f"{self._most} requests a minute are used up until after the deadline; "
                    "raise requests_a_minute or seconds"
                )
            if stop.wait(max(0.0, free - time.monotonic())):
                raise WriterError("stopped")
