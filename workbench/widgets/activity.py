"""Whether the kernel does something, so that a live widget can rest when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Activity:
    """Follows IPython's events: `busy` while a cell runs, `last_cell` and `last_done` when one
    began and ended last (time.monotonic). `wake` is called when the kernel is asked for anything,
    a widget's message included. Outside IPython nothing ever happens."""

    def __init__(self, wake: Callable[[], None]) -> None:
        from IPython import get_ipython

        now = time.monotonic()
        self.busy = False
        self.last_cell = self.last_done = now
        self._wake = wake
        shell = get_ipython()
        self._events: Any = shell.events if shell is not None else None
        self._hooks: dict[str, Callable[..., None]] = {
            "pre_run_cell": self._begin,
            "post_run_cell": self._end,
            "pre_execute": self._asked,
        }
        if self._events is not None:
            for name, hook in self._hooks.items():
                self._events.register(name, hook)

    def close(self) -> None:
        """Follow no longer."""
        if self._events is None:
            return
        for name, hook in self._hooks.items():
            with suppress(ValueError):  # taken out already
                self._events.unregister(name, hook)

    def _begin(self, _: Any = None) -> None:
        self.busy, self.last_cell = True, time.monotonic()

    def _end(self, _: Any = None) -> None:
        self.busy, self.last_done = False, time.monotonic()
        self.last_cell = self.last_done

    def _asked(self) -> None:
        self._wake()
