"""Batches of packed texts on a device: how weights come and go, what a batch takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from workbench.models.batching import out_of_memory
from workbench.models.cuda import Cuda, import_torch
from workbench.models.devices import device_of
from workbench.models.source import ModelFolder
from workbench.models.torch_encoder import Packed, TorchEncoder, pack, pool

Ids = Sequence[NDArray[np.int32]]
Vectors = NDArray[np.float32]


class Handle(Protocol):
    """A batch that was started."""

    def result(self) -> Vectors:
        """Wait for its vectors."""
        ...


class Run(Protocol):
    """An encoder on a device."""

    weights: int

    def open(self, came: Callable[[int], None]) -> None:
        """Load; `came` hears how many bytes, as soon as they are there."""
        ...

    def close(self, gone: Callable[[], None]) -> None:
        """Free; `gone` hears when."""
        ...

    def submit(
        self, rows: Ids, tokens: bool, size: int, kept: Callable[[int], None]
    ) -> Future[Handle]:
        """Start a batch of `size` bytes: one vector a text, or one a token. `kept` hears what the
        device holds for activations. The future raises DeviceFull."""
        ...

    def peak(self, rows: Ids) -> int:
        """The most bytes that a batch took."""
        ...


class Ready:
    """A result that is there."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def result(self) -> Vectors:
        return self._vectors


class CpuRun:
    """On the CPU, in the thread of the caller."""

    def __init__(self, folder: ModelFolder, device: str, dtype: Any, compiled: bool) -> None:
        self._make: Callable[[], TorchEncoder] = lambda: TorchEncoder(
            folder, device, dtype, compiled
        )
        self._how = folder.pooling
        self._encoder: TorchEncoder | None = None
        self.weights = 0

    def open(self, came: Callable[[int], None]) -> None:
        self._encoder = self._make()
        self.weights = self._encoder.weights.numel()
        came(self.weights)

    def close(self, gone: Callable[[], None]) -> None:
        self._encoder, self.weights = None, 0
        gone()

    def submit(
        self, rows: Ids, tokens: bool, size: int, kept: Callable[[int], None]
    ) -> Future[Handle]:
        future: Future[Handle] = Future()
        try:
            future.set_result(self._compute(rows, tokens, size, kept))
        except BaseException as error:
            future.set_exception(error)
        return future

    def _compute(self, rows: Ids, tokens: bool, size: int, kept: Callable[[int], None]) -> Handle:
        torch = import_torch()
        encoder = cast("TorchEncoder", self._encoder)
        packed = pack(list(rows), encoder.shape.padding)
        kept(size)
        with out_of_memory(), torch.inference_mode():
            arrays = (packed.ids, packed.places, packed.cumulative, packed.lengths)
            ids, places, cumulative, lengths = map(torch.from_numpy, arrays)
            out = encoder(ids, places, cumulative, lengths, packed.lengths.tolist())
            vectors = finish(out, cumulative, lengths, self._how, tokens)
        return Ready(vectors.numpy())

    def peak(self, rows: Ids) -> int:
        raise NotImplementedError("counted from the shapes on a CPU")


class CudaRun:
    """On a GPU, on its own thread: launched there, waited for by the caller."""

    def __init__(self, folder: ModelFolder, device: str, dtype: Any, compiled: bool) -> None:
        self._device = cast("Cuda", device_of(device))
        self._make: Callable[[], TorchEncoder] = lambda: TorchEncoder(
            folder, device, dtype, compiled
        )
        self._how = folder.pooling
        self._encoder: TorchEncoder | None = None
        self._copies: Any = None
        self.weights = 0

    def open(self, came: Callable[[int], None]) -> None:
        self._device.run(self._load, came)

    def close(self, gone: Callable[[], None]) -> None:
        self._device.run(self._unload, gone)

    def submit(
        self, rows: Ids, tokens: bool, size: int, kept: Callable[[int], None]
    ) -> Future[Handle]:
        return self._device.submit(self._launch, rows, tokens, size, kept)

    def peak(self, rows: Ids) -> int:
        return self._device.run(self._peak, rows)

    # On the GPU's thread

    def _load(self, came: Callable[[int], None]) -> None:
        cuda = self._device.torch.cuda
        self._device.trim_now()
        before = cuda.memory_reserved(self._device.index)
        with out_of_memory():
            self._encoder = self._make()
        cuda.synchronize(self._device.index)
        # Segments that the driver gave, not bytes asked for: what the process really holds.
        self.weights = cuda.memory_reserved(self._device.index) - before
        self._device.add_weights(self.weights)
        came(self.weights)

    def _unload(self, gone: Callable[[], None]) -> None:
        self._encoder = None
        self._device.trim_now()
        self._device.add_weights(-self.weights)
        self.weights = 0
        gone()

    def _launch(self, rows: Ids, tokens: bool, size: int, kept: Callable[[int], None]) -> Handle:
        torch, device = self._device.torch, self._device
        encoder = cast("TorchEncoder", self._encoder)
        packed = pack(list(rows), encoder.shape.padding)
        device.reserve(size)
        kept(device.kept())
        with out_of_memory(), torch.inference_mode():
            ids, places, cumulative, lengths = self._copy(packed)
            out = encoder(ids, places, cumulative, lengths, packed.lengths.tolist())
            vectors = finish(out, cumulative, lengths, self._how, tokens)
            host = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
            host.copy_(vectors, non_blocking=True)
            done = torch.cuda.Event(blocking=True)
            done.record()
            return Launched(host, done)

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
        cuda = self._device.torch.cuda
        index = self._device.index
        before = cuda.memory_allocated(index)
        cuda.reset_peak_memory_stats(index)
        self._launch(rows, False, 0, lambda _: None).result()
        return int(cuda.max_memory_allocated(index) - before)


class Launched:
    """A batch on its way: pinned memory, and the event after which it is filled."""

    def __init__(self, host: Any, done: Any) -> None:
        self._host, self._done = host, done

    def result(self) -> Vectors:
        self._done.synchronize()
        return np.array(self._host.numpy())


def finish(out: Any, cumulative: Any, lengths: Any, how: str, tokens: bool) -> Any:
    """Unit vectors, float32: one a text, or one a token."""
    import torch

    if tokens:
        return torch.nn.functional.normalize(out.float(), dim=1)
    return pool(out, cumulative, lengths, how)
