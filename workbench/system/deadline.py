"""A deadline that work looks at between its steps, so that it stops when nobody waits any more.

It is kept by thread and task (a context variable), so that nothing has to be handed down. Outside
of `limited` there is none, and `check_deadline` costs 50 ns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from workbench.errors import DeadlineExceeded


class Deadline:
    """When work must end, in seconds from now. Others may extend or cancel it meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, 0 where it is over."""
        return max(0.0, self._until - time.monotonic())

    def extend(self, seconds: float) -> None:
        """End not before that many seconds from now."""
        self._until = max(self._until, time.monotonic() + seconds)

    def cancel(self) -> None:
        """End at the next step."""
        self._until = 0.0

    def check(self) -> None:
        """Raises DeadlineExceeded where the time is over."""
        if time.monotonic() > self._until:
            raise DeadlineExceeded(
                f"stopped: {self.seconds:g} seconds are over, or nobody waits for it any more; "
                "ask for less, or allow more time"
            )


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def limited(deadline: Deadline) -> Iterator[None]:
    """Everything inside stops at the deadline."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def check_deadline() -> None:
    """Raises DeadlineExceeded where the current work has a deadline that is over."""
    deadline = _current.get()
    if deadline is not None:
        deadline.check()


def seconds_left(most: float) -> float:
    """How long a step may wait: `most`, or what is left of the deadline."""
    deadline = _current.get()
    return most if deadline is None else min(most, deadline.left)
