"""What a runtime tells its pool: bytes as they come and go, and that a batch found no room."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from workbench.errors import OutOfMemory
from workbench.models.memory.devices import device_of
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage
from workbench.models.memory.shortage import DeviceFull
from workbench.present.words import count, human_bytes

ATTEMPTS = 8
"""Failures of one text by itself before giving up; the waits between them add up to 13 s."""

FIRST_WAIT = 0.1


class Bookkeeper:
    """One model's entries in its pool's ledger. Called on the thread that changes the memory, so
    that the ledger and the driver agree whenever nothing moves."""

    def __init__(self, model: LazyModel) -> None:
        self._model = model

    def moving(self) -> AbstractContextManager[None]:
        """Around a change of memory and the calls below that write it down."""
        return self._model.pool.ledger.moving()

    def weights(self, size: int) -> None:
        """The weights take so many bytes now; nothing is kept for batches."""
        model = self._model
        model.pool.drop_activations(model.device)
        model.pool.ledger.set(model.key, model.device, Usage(size))

    def grown(self) -> None:
        """The device's own memory may have grown."""
        self._model.pool.refresh(self._model.device)

    def check(self, size: int) -> None:
        """Raises DeviceFull where so many bytes for a batch have no room in the budget any more:
        another model may have been loaded since the batch was cut."""
        if size > self._model.pool.room(self._model.device):
            raise DeviceFull("the pool's budget")

    def batch(self, kept: int, note: str) -> None:
        """A batch starts, and the device keeps so many bytes for it."""
        self._model.pool.note("batch", self._model, kept, note)

    def kept(self, size: int) -> None:
        """After its start it keeps so many."""
        model = self._model
        model.pool.ledger.set(model.key, model.device, Usage(model.held().weights, size))

    def make_room(self, texts: int, failures: int, need: int, tokens: int) -> None:
        """Before a batch of `texts` that did not fit is tried again, in halves.

        A text that does not fit alone first makes idle models leave, then waits for other
        processes. Raises OutOfMemory where that has not helped.
        """
        model, device = self._model, device_of(self._model.device)
        note = f"no memory for {count(texts, 'text')}; at most {tokens:,} tokens a batch now"
        with self.moving():
            device.trim(lambda: model.pool.note("oom_retry", model, device.kept_now(), note))
        if texts > 1 or model.pool.evict_idle(model.device):
            return
        if failures >= ATTEMPTS:
            raise OutOfMemory(
                f"{model.name}: one text needs {human_bytes(need)} on {model.device} beside the "
                f"weights, and {human_bytes(device.free)} are free after {failures} tries; other "
                "processes hold the rest: end them, or use a smaller model or dtype"
            )
        time.sleep(FIRST_WAIT * 2 ** (failures - 1))

    def load(self, attempt: Callable[[], object], remedy: str) -> None:
        """Call `attempt` until the weights are there; while the device is full, idle models leave.

        Raises OutOfMemory that ends with `remedy` where none is left: other processes hold what
        the budget would allow.
        """
        model, loaded = self._model, False
        while not loaded:
            try:
                attempt()
                loaded = True
            except DeviceFull as full:
                if not model.pool.evict_idle(model.device):
                    raise OutOfMemory(
                        f"{model.name} needs {human_bytes(model.need().weights)} on {model.device} "
                        f"and {human_bytes(device_of(model.device).free)} are free ({full}); end "
                        f"other processes that use it, or {remedy}"
                    ) from None
