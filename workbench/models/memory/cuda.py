"""One GPU of this process: its thread, its memory as the driver and the allocator see it.

Everything that touches the GPU runs on one thread a device. Batches of several callers take turns
there, so activations exist once, and so do the library handles and workspaces that PyTorch keeps
for every thread. Nothing is imported and no context exists before the first call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from workbench.errors import MissingDependency, ModelError
from workbench.forking import abandon, came_with_fork, renew_in_children
from workbench.models.embedders.batching import DeviceFull, out_of_memory, without_frames

Result = TypeVar("Result")
CONTEXT, WORKSPACES = "(CUDA context)", "(library workspaces)"
GRAIN = 32 * 2**20
"""What is kept for batches grows in steps of so many bytes."""

SLACK = 48 * 2**20
"""Bytes beside a batch: one step more, and small things, which come in 2 and 20 MiB."""

WARM_UP = 512
"""Side of the matrices whose products make the libraries allocate their workspaces."""


class Cuda:
    """GPU `index`. Methods may be called from any thread."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._name = f"cuda-{index}_"
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._before = 0
        self._workspaces = 0
        self._weights = 0
        self._arena = 0
        self._lost = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """A forked child has neither the thread nor the context."""
        abandon(self._executor)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._lost = self._lost or self._workspaces != 0

    @cached_property
    def torch(self) -> Any:
        """PyTorch, with this GPU's context and the libraries' workspaces made."""
        torch = import_torch()
        if not torch.cuda.is_available() or self.index >= torch.cuda.device_count():
            found = torch.cuda.device_count() if torch.cuda.is_available() else 0
            raise ModelError(
                f"cuda:{self.index} is not there: PyTorch {torch.__version__} sees {found} GPUs; "
                'use device="cpu", or install a CUDA build of PyTorch and the driver'
            )
        return torch

    def submit(self, job: Callable[..., Result], *given: Any) -> Future[Result]:
        """Run a function on the GPU's thread, after what was submitted before."""
        if self._lost:
            raise ModelError(
                f"cuda:{self.index} was in use when this process was forked, and CUDA does not "
                'go along; start it with multiprocessing\'s "spawn", or use device="cpu"'
            )
        return self._executor.submit(self._on_thread, job, *given)

    def run(self, job: Callable[..., Result], *given: Any) -> Result:
        """The same, and wait for the result; at once where this is the GPU's thread already."""
        if threading.current_thread().name.startswith(self._name):
            return job(*given)
        return self.submit(job, *given).result()

    @property
    def total(self) -> int:
        """Bytes of the GPU, or less where the process was capped; makes no context."""
        properties = self.torch.cuda.get_device_properties(self.index)
        return int(properties.total_memory)

    @property
    def free(self) -> int:
        """Bytes that an allocation may take: the driver's free ones within the process's cap."""
        return self.run(self._free)

    def overheads(self) -> dict[str, int]:
        """Context and workspaces, measured with the driver; what no model owns."""
        return self.run(self._overheads)

    def trim(self, then: Callable[[], object] = lambda: None) -> int:
        """Give what is kept for activations back to the driver, then call `then` before anything
        else happens on the GPU; returns the bytes."""

        def both() -> int:
            size = self.trim_now()
            then()
            return size

        return self.run(both)

    def kept_now(self) -> int:
        """Bytes that the allocator holds beside weights and workspaces."""
        return self.run(self.kept)

    @cached_property
    def name(self) -> str:
        """The GPU and the library, as far as they decide what a batch takes."""
        name = self.torch.cuda.get_device_name(self.index)
        return f"{name}, PyTorch {self.torch.__version__}"

    # On the GPU's thread

    def _on_thread(self, job: Callable[..., Result], *given: Any) -> Result:
        if not self._workspaces:
            self._start()
        try:
            return job(*given)
        except DeviceFull as error:
            clean = without_frames(error)
        try:
            raise clean
        finally:
            del clean  # a frame that holds its own exception waits for the garbage collection

    def _start(self) -> None:
        """Make the context and the workspaces now, so that later they are not mistaken for a
        model's memory, nor pin what a model gives back."""
        before = driver_used(self.index)
        torch = self.torch
        torch.cuda.set_device(self.index)
        already = torch.cuda.memory_reserved(self.index)
        matrix = torch.ones(WARM_UP, WARM_UP, device=f"cuda:{self.index}")
        kept = []
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            one = matrix.to(dtype)
            kept.append(torch.nn.functional.linear(one, one, one[0]))
        torch.cuda.synchronize(self.index)
        del matrix, kept, one
        torch.cuda.empty_cache()
        self._before = before if before is not None and not already else -1
        self._workspaces = max(1, torch.cuda.memory_reserved(self.index) - already)

    def kept(self) -> int:
        """`kept_now` for callers on the thread."""
        reserved = int(self.torch.cuda.memory_reserved(self.index))
        return max(0, reserved - self._weights - self._workspaces)

    def add_weights(self, size: int) -> None:
        """Count segments that a model's weights took (negative when it gave them back)."""
        self._weights += size

    def reserve(self, size: int) -> None:
        """See that `size` bytes are kept for activations, in one piece, before a batch needs
        them: so memory grows here and not half-way through. Raises DeviceFull."""
        if self._arena >= size:
            return
        size = -(-size // GRAIN) * GRAIN
        with out_of_memory():
            self.trim_now()
            self.torch.empty(size, dtype=self.torch.uint8, device=f"cuda:{self.index}")
            self._arena = size

    def _free(self) -> int:
        cuda = self.torch.cuda
        free, total = cuda.mem_get_info(self.index)
        with suppress(AttributeError):  # younger than the oldest PyTorch that works
            cap = int(cuda.get_per_process_memory_fraction(self.index) * total)
            free = min(free, cap - cuda.memory_reserved(self.index))
        return int(free)

    def _overheads(self) -> dict[str, int]:
        reserved = self.torch.cuda.memory_reserved(self.index)
        own = process_used(self.index)
        if own is None and self._before >= 0:
            now = driver_used(self.index)
            own = None if now is None else now - self._before
        context = max(0, own - reserved) if own is not None else 0
        return {CONTEXT: context, WORKSPACES: self._workspaces}

    def trim_now(self) -> int:
        """`trim` for callers on the thread."""
        cuda = self.torch.cuda
        before = cuda.memory_reserved(self.index)
        self._arena = 0
        cuda.synchronize(self.index)
        cuda.empty_cache()
        return int(before - cuda.memory_reserved(self.index))


def import_torch() -> Any:
    """PyTorch, or MissingDependency."""
    try:
        import torch
    except ImportError:
        raise MissingDependency("this runtime needs PyTorch; pip install torch") from None
    if came_with_fork("torch") and torch.get_num_threads() > 1:
        torch.set_num_threads(1)  # OpenMP's other threads stayed in the parent
    return torch


def _handle(index: int) -> Any:
    """NVML's handle of a GPU that PyTorch numbers `index` (it hides some by configuration)."""
    import pynvml

    pynvml.nvmlInit()
    with suppress(Exception):
        index = import_torch().cuda._get_nvml_device_index(index)
    return pynvml.nvmlDeviceGetHandleByIndex(index)


def driver_used(index: int) -> int | None:
    """Bytes used on a GPU by everybody, from the driver, without a context; None if unknown."""
    try:
        import pynvml

        return int(pynvml.nvmlDeviceGetMemoryInfo(_handle(index)).used)
    except Exception:  # no NVML, no driver, or a build without it
        return None


def process_used(index: int) -> int | None:
    """Bytes used on a GPU by this process, from the driver; None where it does not tell."""
    try:
        import pynvml

        running = pynvml.nvmlDeviceGetComputeRunningProcesses(_handle(index))
        own = [p.usedGpuMemory for p in running if p.pid == os.getpid() and p.usedGpuMemory]
        return int(own[0]) if own else None
    except Exception:  # as above
        return None
