"""The values used last, bounded by number and bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """At most `most` values of at most `size` bytes in all; those not used for longest go. Safe to
    share between threads. `hits` and `misses` count."""

    def __init__(
        self, most: int, size: int = 0, weigh: Callable[[Value], int] | None = None
    ) -> None:
        self._most, self._size = most, size
        self._weigh = weigh
        self._held = 0
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable) -> Value | None:
        """The value of a key, None where it is not kept."""
        with self._lock:
            if key not in self._values:
                self.misses += 1
                return None
            self.hits += 1
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value; one that alone is larger than all may be is not kept."""
        with self._lock:
            if key in self._values:
                self._held -= self._weight(self._values.pop(key))
            weight = self._weight(value)
            if self._size and weight > self._size:
                return
            self._values[key] = value
            self._held += weight
            while len(self._values) > self._most or (self._size and self._held > self._size):
                self._held -= self._weight(self._values.popitem(last=False)[1])

    def _weight(self, value: Value) -> int:
        return self._weigh(value) if self._weigh else 0

    def __len__(self) -> int:
        return len(self._values)
