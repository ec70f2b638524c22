"""Waiting for what another thread, process or server does, where it tells nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

HANG = 180.0
"""Seconds after which waiting in vain fails, so that the suite ends. No test is decided by it."""


def wait_until(condition: Callable[[], object], every: float = 0.01) -> None:
    """Ask again and again until it is so."""
    until = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < until, f"waited {HANG:g} s in vain"
        time.sleep(every)
