"""Batches of packed texts on a device: how weights come and go, what a batch takes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from workbench.models.encoder.forward import Packed, TorchEncoder, pack, pool_tokens
from workbench.models.encoder.one_text import OneText
from workbench.models.encoder.shape import layout, shape_of
from workbench.models.memory.bookkeeper import Bookkeeper
from workbench.models.memory.cuda import SLACK, Cuda
from workbench.models.memory.devices import device_of
from workbench.models.memory.hardware import import_torch
from workbench.models.memory.shortage import out_of_memory
from workbench.models.weights.find import ModelFolder

Ids = Sequence[NDArray[np.int32]]
Vectors = NDArray[np.float32]

FIRST_LAUNCHES = 4
"""Batches after which the context is measured again: kernels are loaded at their first use."""


class Handle(Protocol):
    """A batch that was started."""

    def result(self) -> Vectors:
        """Wait for its vectors."""
        ...


class Run(Protocol):
    """An encoder on a device. `weights` are the bytes that they take, 0 while not loaded."""

    weights: int

    def open(self) -> None:
        """Load. Raises DeviceFull."""
        ...

    def close(self) -> None:
        """Free."""
        ...

    def submit(self, rows: Ids, tokens: bool, size: int, note: str) -> Future[Handle]:
        """Start a batch of `size` bytes: one vector a text, or with `tokens` one a token. `note`
        is for the ledger. The future raises DeviceFull."""
        ...


class Ready:
    """A result that is there."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def result(self) -> Vectors:
        """The vectors."""
        return self._vectors


class CpuRun:
    """On the CPU, in the thread of the caller."""

    def __init__(self, folder: ModelFolder, device: str, dtype: Any, keeper: Bookkeeper) -> None:
        self._given = folder, device, dtype
        self._how = folder.pooling
        self._keeper = keeper
        self._encoder: TorchEncoder | None = None
        self.weights = 0

    def open(self) -> None:
        """Load in this thread."""
        with out_of_memory():
            self._encoder = TorchEncoder(*self._given)
            self.weights = self._encoder.weights.numel()

    def close(self) -> None:
        """Drop the weights."""
        self._encoder, self.weights = None, 0

    def submit(self, rows: Ids, tokens: bool, size: int, note: str) -> Future[Handle]:
        """Compute now."""
        return device_of("cpu").submit(self._launch, rows, tokens, size, note)

    def _launch(self, rows: Ids, tokens: bool, size: int, note: str) -> Handle:
        self._keeper.batch(size, note)
        return self._compute(rows, tokens)

    def _compute(self, rows: Ids, tokens: bool) -> Handle:
        torch = import_torch()
        encoder = cast("TorchEncoder", self._encoder)
        packed = pack(list(rows), encoder.shape.padding)
        with out_of_memory(), torch.inference_mode():
            arrays = (packed.ids, packed.places, packed.cumulative, packed.lengths)
            ids, places, cumulative, lengths = map(torch.from_numpy, arrays)
            out = encoder(ids, places, cumulative, lengths, packed.lengths.tolist())
            vectors = finish(out, cumulative, lengths, self._how, tokens)
        return Ready(vectors.numpy())


class CudaRun:
    """On a GPU, on its own thread: launched there, waited for by the caller."""

    def __init__(self, folder: ModelFolder, device: str, dtype: Any, keeper: Bookkeeper) -> None:
        self._given = folder, device, dtype
        self._device = cast("Cuda", device_of(device))
        self._how = folder.pooling
        self._keeper = keeper
        self._encoder: TorchEncoder | None = None
        self._one: OneText | None = None
        self._launches = 0
        self._copies: Any = None
        _, self._counted = layout(shape_of(folder), dtype.itemsize)
        self.weights = self._segments = 0

    def open(self) -> None:
        """Load on the GPU's thread."""
        self._device.run(self._load)

    def close(self) -> None:
        """Give everything back to the driver."""
        self._device.run(self._unload)

    def submit(self, rows: Ids, tokens: bool, size: int, note: str) -> Future[Handle]:
        """Launch after what was submitted before."""
        return self._device.submit(self._launch, rows, tokens, size, note)

    def peak(self, rows: Ids) -> int:
        """Run a batch by itself and measure."""
        return self._device.run(self._peak, rows)

    # On the GPU's thread

    def _load(self) -> None:
        cuda, index = self._device.torch.cuda, self._device.index
        self._launches = 0
        with ExitStack() as moving:
            moving.enter_context(self._keeper.moving())
            self._device.trim_now()
            before = cuda.memory_reserved(index)

            def came() -> None:
                # Segments that the driver gave, not bytes asked for: what is really held. Tiny
                # weights may go into a segment that another model brought.
                self._segments = cuda.memory_reserved(index) - before
                self._device.add_weights(self._segments)
                self.weights = max(self._segments, self._counted)
                self._keeper.weights(self.weights)
                moving.close()  # what follows only fills the buffer

            with out_of_memory():
                self._encoder = TorchEncoder(*self._given, came)
            cuda.synchronize(index)
            if self._encoder.packed:
                self._one = OneText(self._encoder, self._how)

    def _unload(self) -> None:
        self._encoder = self._one = None
        with self._keeper.moving():
            self._device.trim_now()
            self._device.add_weights(-self._segments)
            self.weights = self._segments = 0
            self._keeper.weights(0)

    def _launch(self, rows: Ids, tokens: bool, size: int, note: str) -> Handle:
        torch, device = self._device.torch, self._device
        encoder = cast("TorchEncoder", self._encoder)
        if len(rows) == 1 and not tokens and size and self._one and self._one.length(len(rows[0])):
            return self._launch_one(self._one, rows[0], note)
        packed = pack(list(rows), encoder.shape.padding)
        self._keeper.check(size + SLACK)
        with self._keeper.moving():
            device.reserve(size)
            self._keeper.batch(device.kept(), note)
        with out_of_memory(), torch.inference_mode():
            ids, places, cumulative, lengths = self._copy(packed)
            out = encoder(ids, places, cumulative, lengths, packed.lengths.tolist())
            vectors = finish(out, cumulative, lengths, self._how, tokens)
            host = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
            host.copy_(vectors, non_blocking=True)
            done = torch.cuda.Event(blocking=True)
            done.record()
        self._keeper.kept(device.kept())
        self._launches += 1
        if self._launches <= FIRST_LAUNCHES:
            self._keeper.grown()
        return Launched(host, done)

    def _launch_one(self, one: OneText, ids: NDArray[np.int32], note: str) -> Handle:
        """A short text by itself, most of all a query: its pass is recorded at the first one."""
        torch = self._device.torch
        with torch.inference_mode():
            if not one.recorded(len(ids)):
                self._record(one, len(ids))
            self._keeper.batch(self._device.kept(), note)
            return Ready(one(ids))

    def _record(self, one: OneText, tokens: int) -> None:
        """What a recorded pass takes stays with the weights until they go."""
        cuda, index = self._device.torch.cuda, self._device.index
        with self._keeper.moving(), out_of_memory():
            self._device.trim_now()
            before = cuda.memory_reserved(index)
            one.record(tokens)
            taken = cuda.memory_reserved(index) - before
            self._device.add_weights(taken)
            self._segments += taken
            self.weights += taken
            self._keeper.weights(self.weights)
            self._keeper.kept(self._device.kept())
        self._keeper.grown()

    def _copy(self, packed: Packed) -> list[Any]:
        """One pinned copy on a stream of its own, while the batch before is still computed."""
        torch = self._device.torch
        if self._copies is None:
            self._copies = torch.cuda.Stream(self._device.index)
        arrays = (packed.ids, packed.places, packed.cumulative, packed.lengths)
        host = torch.from_numpy(np.concatenate(arrays)).pin_memory()
        computing = torch.cuda.current_stream(self._device.index)
        with torch.cuda.stream(self._copies):
            there = host.to(f"cuda:{self._device.index}", non_blocking=True)
        computing.wait_stream(self._copies)
        there.record_stream(computing)
        return list(there.split([len(array) for array in arrays]))

    def _peak(self, rows: Ids) -> int:
        """Bytes asked for, where nothing can fall to pieces; else what the allocator took."""
        cuda, index = self._device.torch.cuda, self._device.index
        self._device.trim_now()
        asked, taken = cuda.memory_allocated(index), cuda.memory_reserved(index)
        cuda.reset_peak_memory_stats(index)
        self._launch(rows, False, 0, "a probe").result()
        if cast("TorchEncoder", self._encoder).packed:
            return int(cuda.max_memory_allocated(index) - asked)
        return int(cuda.max_memory_reserved(index) - taken)


class Launched:
    """A batch on its way: pinned memory, and the event after which it is filled."""

    def __init__(self, host: Any, done: Any) -> None:
        self._host, self._done = host, done

    def result(self) -> Vectors:
        """Wait for the GPU, and copy out of the pinned memory."""
        self._done.synchronize()
        return np.array(self._host.numpy())


def finish(out: Any, cumulative: Any, lengths: Any, how: str, tokens: bool) -> Any:
    """Unit vectors, float32: one a text, or one a token."""
    import torch

    if tokens:
        return torch.nn.functional.normalize(out.float(), dim=1)
    return pool_tokens(out, cumulative, lengths, how)
