"""What the machine has: CPUs, and GPUs as their driver tells of them. Imports no torch by itself.

NVML answers without a CUDA context, and counts what every process holds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workbench.errors import MissingDependency
from workbench.profiles import most_threads, visible_gpus
from workbench.system.fork import came_with_fork


def cores() -> int:
    """CPUs that this process may use; WORKBENCH_THREADS says another number."""
    chosen = most_threads()
    if chosen is not None:
        return chosen
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether a GPU answers its driver and this PyTorch can use it. PyTorch is imported only
    where there is a driver and the build is not one for CPUs."""
    nvml = driver()
    if nvml is None or torch_for_cpus():
        return False
    try:
        found = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        return False
    return bool(found and import_torch().cuda.is_available())


def torch_for_cpus() -> bool:
    """Whether PyTorch is absent or built for CPUs alone."""
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return True


def import_torch() -> Any:
    """PyTorch, or MissingDependency."""
    try:
        import torch
    except ImportError:
        raise MissingDependency("this runtime needs PyTorch; pip install torch") from None
    if came_with_fork("torch") and torch.get_num_threads() > 1:
        torch.set_num_threads(1)  # OpenMP's other threads stayed in the parent
    return torch


def driver() -> Any:
    """NVML, initialised for the life of the process; None without nvidia-ml-py or a driver that
    answers."""
    return _driver()[0]


def driver_problem() -> str:
    """Why the driver does not answer; "" where it does, and where none is installed."""
    return _driver()[1]


@cache
def _driver() -> tuple[Any, str]:
    try:
        import pynvml
    except ImportError:
        return None, ""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return None, ""
    except pynvml.NVMLError as error:
        return None, str(error)
    return pynvml, ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU by the name that CUDA gives it in this process. Methods raise NVML's error where it
    stopped answering."""

    device: str
    nvml: Any
    handle: Any

    @property
    def name(self) -> str:
        """What its maker calls it."""
        return _text(self.nvml.nvmlDeviceGetName(self.handle))

    def memory(self) -> tuple[int, int]:
        """Bytes used by everybody, and in total."""
        nvml = self.nvml
        try:  # version 2 does not count what the driver keeps for itself as used
            found = nvml.nvmlDeviceGetMemoryInfo(self.handle, version=nvml.nvmlMemory_v2)
        except (nvml.NVMLError, AttributeError):
            found = nvml.nvmlDeviceGetMemoryInfo(self.handle)
        return int(found.used), int(found.total)

    def own_bytes(self) -> int | None:
        """Bytes of this process. Inside a container the driver tells other process ids: None."""
        for process in self.nvml.nvmlDeviceGetComputeRunningProcesses(self.handle):
            if process.pid == os.getpid() and process.usedGpuMemory is not None:
                return int(process.usedGpuMemory)
        return None


def gpus() -> list[Gpu]:
    """The GPUs that CUDA shows to this process, in its order; none where the driver is silent.

    `cuda:0` is the first of CUDA_VISIBLE_DEVICES, else the first on the bus: CUDA's own order for
    like GPUs, and for unlike ones where CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    nvml = driver()
    if nvml is None:
        return []
    try:
        every = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        shown = _visible(nvml, every)
    except nvml.NVMLError:
        return []
    return [Gpu(f"cuda:{i}", nvml, handle) for i, handle in enumerate(shown)]


def _visible(nvml: Any, every: list[Any]) -> list[Any]:
    shown = visible_gpus()
    if shown is None:
        return every
    numbered = {str(i): handle for i, handle in enumerate(every)}
    chosen: list[Any] = []
    for name in shown:
        begun = [h for h in every if _text(nvml.nvmlDeviceGetUUID(h)).startswith(name)]
        found = [numbered[name]] if name in numbered else begun
        if len(found) != 1:
            break  # CUDA shows what stands before the first name that it does not know
        chosen += found
    return chosen


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
