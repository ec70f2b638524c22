"""LazyModel: anything with weights. Made in microseconds, loaded on first use, really released."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench.forking import Lock, renew_in_children
from workbench.models.memory.ledger import Usage

if TYPE_CHECKING:
    from workbench.models.memory.pool import ModelPool


class LazyModel(ABC):
    """A model that a ModelPool loads when it is needed and releases when others need the room.

    A subclass says what it needs and implements `_open` and `_close`, which the pool calls, never
    two at a time. Its own methods use the weights only inside `with self.pool.lease(self):`.
    Creating, printing and fingerprinting one loads nothing.
    """

    def __init__(self, name: str, device: str = "cpu", pool: ModelPool | None = None) -> None:
        self.name = name
        """What a person calls the model."""
        self.device = device
        """"cpu" or "cuda:0"."""
        self.key = name
        """Its name in the pool's ledger; another model of the same name gets another."""
        self._pool = pool
        self._gate = Lock()
        self._loaded = False
        renew_in_children(self)

    def __repr__(self) -> str:
        state = "loaded" if self._loaded else "not loaded"
        return f"{type(self).__name__}({self.name!r}, {self.device}, {state})"

    @property
    def pool(self) -> ModelPool:
        """The pool that it lives in: the one given, or the process's own."""
        if self._pool is None:
            from workbench.models.memory.pool import default_pool

            self._pool = default_pool()
        return self._pool

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded

    @abstractmethod
    def need(self) -> Usage:
        """Bytes that it will take: weights, and the least that a call takes beside them. Known
        without loading."""

    def held(self) -> Usage:
        """Bytes that it takes now, as far as it knows better than `need`."""
        return Usage(self.need().weights) if self._loaded else Usage()

    def alternatives(self) -> Sequence[tuple[str, int]]:
        """Smaller ways to run it, each with its bytes, for the error where it never fits."""
        return ()

    def load(self) -> None:
        """Load now rather than at first use. Raises OutOfMemory where the pool has no room."""
        with self.pool.lease(self):
            pass

    def release(self) -> None:
        """Free the weights: now, or when the last call that uses them ends. It loads again when
        it is next used."""
        self.pool.release(self)

    def open(self) -> None:
        """For pools: load if it is not loaded, once for however many threads ask."""
        with self._gate:
            if self._loaded:
                return
            try:
                self._open()
            except BaseException:
                with suppress(Exception):  # the reason of the failure is what counts
                    self._close()
                raise
            self._loaded = True

    def close(self) -> None:
        """For pools: free what `open` took."""
        with self._gate:
            if self._loaded:
                self._loaded = False
                self._close()

    def after_fork(self) -> None:
        """In a forked child: not loaded, whatever the parent had."""
        self._loaded = False
        self._abandon()

    def _abandon(self) -> None:  # noqa: B027, most of what is not native needs nothing
        """Forget what has native threads without freeing it: see `forking.abandon`."""

    @abstractmethod
    def _open(self) -> None:
        """Bring the weights into memory."""

    @abstractmethod
    def _close(self) -> None:
        """Drop every reference to them, also after an `_open` that failed half-way."""
