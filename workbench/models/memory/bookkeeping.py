"""What a runtime tells its pool: bytes as they come and go, and whether a batch may be run."""

from __future__ import annotations

from contextlib import AbstractContextManager

from workbench.models.embedders.batching import DeviceFull
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage


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
