"""Values of stages by what decides them, the last ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from workbench.system.fork import Lock

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The last `most` values by their keys. Safe to share between threads; a value that two threads
    want at once may be made twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value, None where it is not known."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, key: Hashable, value: Value) -> Value:
        """Keep a value; the one that was used least recently goes."""
        with self._lock:
            self._known[key] = value
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value

    def made(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The known value, or the one that `make` gives, which is then known."""
        known = self.get(key)
        return self.put(key, make()) if known is None else known
