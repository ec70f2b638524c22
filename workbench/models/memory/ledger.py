"""The ledger: which model holds how many bytes on which device, and what happened when.

Models and pools write it; the monitor reads it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from workbench.forking import Lock, renew_in_children

Kind = Literal["load", "release", "evict", "batch", "oom_retry"]

EVENTS = 10_000
"""Events kept: some 3 MB."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of one model on one device: its weights, and what its calls have allocated beside."""

    weights: int = 0
    activations: int = 0


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """Something that changed memory. `time` is in seconds since the epoch; `usage` is the model's
    afterwards; `note` says why, for a person ("idle for 300 s", "512 texts, 8,192 tokens")."""

    number: int
    time: float
    kind: Kind
    model: str
    device: str
    usage: Usage
    note: str = ""


class Ledger:
    """Bytes by (model, device), and a bounded list of events. Safe to share between threads."""

    def __init__(self, budgets: Mapping[str, int] | None = None) -> None:
        self.budgets: dict[str, int] = dict(budgets or {})
        self._lock = Lock()
        self._usage: dict[tuple[str, str], Usage] = {}
        self._events: deque[MemoryEvent] = deque(maxlen=EVENTS)
        self._number = 0
        self._moves = self._open_moves = 0
        renew_in_children(self)

    def after_fork(self) -> None:
        """In a forked child no model is loaded, and nothing moves."""
        self._usage, self._open_moves = {}, 0

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Around a change of memory and the ledger's word of it: `version` is None meanwhile."""
        with self._lock:
            self._open_moves += 1
        try:
            yield
        finally:
            with self._lock:
                self._open_moves -= 1
                self._moves += 1

    @property
    def version(self) -> int | None:
        """None while memory moves; else a number that is another after each move. Read it before
        and after asking the driver: if both are the same number, the ledger is of that moment."""
        with self._lock:
            return None if self._open_moves else self._moves

    def record(
        self, kind: Kind, model: str, device: str, usage: Usage, note: str = ""
    ) -> MemoryEvent:
        """Set a model's usage and remember the event; a usage of nothing removes the model."""
        with self._lock:
            self._number += 1
            event = MemoryEvent(self._number, time.time(), kind, model, device, usage, note)
            self._events.append(event)
            if usage == Usage():
                self._usage.pop((model, device), None)
            else:
                self._usage[model, device] = usage
            return event

    def set(self, model: str, device: str, usage: Usage) -> None:
        """Correct a usage without an event; a usage of nothing removes the entry."""
        with self._lock:
            if usage == Usage():
                self._usage.pop((model, device), None)
            else:
                self._usage[model, device] = usage

    def usage(self) -> dict[tuple[str, str], Usage]:
        """Bytes by (model, device), now."""
        with self._lock:
            return dict(self._usage)

    def events(self, after: int = 0) -> list[MemoryEvent]:
        """Events numbered above `after`, oldest first; older than the last EVENTS are gone."""
        with self._lock:
            return [event for event in self._events if event.number > after]
