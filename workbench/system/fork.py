"""Forked children: what cannot go along with a fork is opened anew in the child.

A fork takes one thread along, and memory as it is. Locks that other threads held stay locked for
good, native thread pools are without their threads, and files are shared with the parent. So the
objects that hold such things start anew in the child; nothing is asked of them before.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet


class Renewed(Protocol):
    """Something that a child has to start anew."""

    def after_fork(self) -> None:
        """Called in the child, when there is one thread only. It must not wait for anything."""
        ...


_renewed: WeakSet[Any] = WeakSet()
_inherited: frozenset[str] = frozenset()


def renew_in_children(owner: Renewed) -> None:
    """Call the owner's `after_fork` in forked children for as long as it lives."""
    _renewed.add(owner)


def came_with_fork(module: str) -> bool:
    """Whether this process was forked from one that had imported the module."""
    return module in _inherited


def abandon(*things: Any) -> None:
    """Keep objects for ever: their destructors would wait for threads that are not here, or give
    up what the parent still uses."""
    for thing in things:
        if thing is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class Lock:
    """A reentrant lock that is free in a forked child.

    With `whole` a fork waits for its holder, so that the child finds what it guards complete.
    Such a lock must be the last one taken: its holder may wait for no other.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self.after_fork()
        renew_in_children(self)
        if whole:
            _whole.add(self)

    def after_fork(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        self._lock.release()


class Turns:
    """At most `number` threads at once inside of `with`; all turns are free in a forked child."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.after_fork()
        renew_in_children(self)

    def after_fork(self) -> None:
        self._free = threading.Semaphore(self._number)

    def __enter__(self) -> None:
        self._free.acquire()

    def __exit__(self, *raised: object) -> None:
        self._free.release()


_whole: WeakSet[Lock] = WeakSet()
_held: list[Lock] = []


def _before() -> None:
    for lock in list(_whole):
        lock.__enter__()
        _held.append(lock)


def _in_parent() -> None:
    while _held:
        _held.pop().__exit__()


def _leave_at_once() -> None:
    """End this process, once Python is done, without the destructors of native libraries: that of
    ONNX Runtime's environment waits for the parent's threads. glibc passes the exit code on."""
    with suppress(AttributeError, OSError):  # other systems have no on_exit
        c = ctypes.CDLL(None)
        c.on_exit(c._exit, None)


def _in_child() -> None:
    global _inherited  # noqa: PLW0603, a fact about the process
    _inherited = frozenset(sys.modules)
    _held.clear()
    if "onnxruntime" in _inherited:
        _leave_at_once()
    for owner in list(_renewed):
        owner.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
