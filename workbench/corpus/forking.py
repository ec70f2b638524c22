"""Locks and a forked child: there, no thread is left that would release a lock."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from weakref import WeakSet


class ForkLock:
    """A reentrant lock that is free in a forked child.

    With `whole` a fork waits for its holder, so that the child finds what it guards complete.
    Such a lock must be the last one taken: its holder may wait for no other.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._lock = threading.RLock()
        _LOCKS.add(self)
        if whole:
            _WHOLE.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget holders that are threads of another process."""
        self._lock = threading.RLock()


_LOCKS: WeakSet[ForkLock] = WeakSet()
_WHOLE: WeakSet[ForkLock] = WeakSet()
_held: list[ForkLock] = []


def _before() -> None:
    for lock in list(_WHOLE):
        lock.__enter__()
        _held.append(lock)


def _in_parent() -> None:
    while _held:
        _held.pop().__exit__(None, None, None)


def _in_child() -> None:
    _held.clear()
    for lock in list(_LOCKS):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
