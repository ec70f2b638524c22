"""What the machine says of its memory: NVML for GPUs, psutil for the rest. Imports no torch."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workbench.profiles import visible_gpus

MISSED = "GPU memory is not sampled: the driver stopped answering ({reason})"


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of one device: used by all, by this process (None: not told), and in total."""

    device: str
    used: int
    process: int | None
    total: int


class Devices:
    """The CPU, and the GPUs that CUDA would show to this process, by CUDA's names.

    Without a GPU, a driver or nvidia-ml-py there is only `cpu`. Creates no CUDA context. `cuda:0`
    is the first of CUDA_VISIBLE_DEVICES, else the first on the bus: CUDA's own order for like
    GPUs, and for unlike ones where CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """

    def __init__(self) -> None:
        self.note = ""
        self._gpus: list[tuple[str, Any]] = []
        nvml = _nvml()
        if nvml is not None:
            with suppress(nvml.NVMLError):
                self._gpus = _handles(nvml)

    def read(self) -> list[DeviceMemory]:
        """Memory of every device now. A GPU that stops answering is left out; `note` says so."""
        return [*self._read_gpus(), _cpu()]

    def machine(self) -> dict[str, Any]:
        """What a recording says of where it was made; nothing that names the machine's owner."""
        import psutil

        return {
            "workbench": _version(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count() or 1,
            "memory_bytes": psutil.virtual_memory().total,
            "gpus": [
                {"device": device, "name": _name(handle), "memory_bytes": _memory(handle).total}
                for device, handle in self._gpus
            ],
        }

    def _read_gpus(self) -> list[DeviceMemory]:
        if not self._gpus:
            return []
        nvml, found = _nvml(), []
        for device, handle in list(self._gpus):
            try:
                memory = _memory(handle)
                own = _own_bytes(nvml, handle)
                found.append(DeviceMemory(device, int(memory.used), own, int(memory.total)))
            except nvml.NVMLError as error:
                self._gpus.remove((device, handle))
                self.note = MISSED.format(reason=f"{device}: {error}")
        return found


def _version() -> str:
    """The package's; run from a source tree that is not installed it has none."""
    try:
        return version("paper-search-workbench")
    except PackageNotFoundError:
        return "unknown"


def _cpu() -> DeviceMemory:
    import psutil

    memory = psutil.virtual_memory()
    process = psutil.Process().memory_info().rss
    return DeviceMemory("cpu", memory.total - memory.available, process, memory.total)


@lru_cache(maxsize=1)
def _nvml() -> Any:
    """NVML, initialised for the life of the process, or None."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _handles(nvml: Any) -> list[tuple[str, Any]]:
    """A handle for each GPU that CUDA shows, by CUDA's names."""
    count = nvml.nvmlDeviceGetCount()
    every = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
    shown = visible_gpus()
    if shown is None:
        return [(f"cuda:{i}", handle) for i, handle in enumerate(every)]
    named = {str(i): handle for i, handle in enumerate(every)}
    chosen: list[Any] = []
    for name in shown:
        begun = [handle for handle in every if _uuid(nvml, handle).startswith(name)]
        found = [named[name]] if name in named else begun
        if len(found) != 1:
            break  # CUDA shows what stands before the first name that it does not know
        chosen += found
    return [(f"cuda:{i}", handle) for i, handle in enumerate(chosen)]


def _own_bytes(nvml: Any, handle: Any) -> int | None:
    """Bytes of this process. Inside a container the driver tells other process ids: None."""
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return int(process.usedGpuMemory)
    return None


def _memory(handle: Any) -> Any:
    nvml = _nvml()
    try:  # version 2 does not count what the driver keeps for itself as used
        return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except (nvml.NVMLError, AttributeError):
        return nvml.nvmlDeviceGetMemoryInfo(handle)


def _name(handle: Any) -> str:
    return _text(_nvml().nvmlDeviceGetName(handle))


def _uuid(nvml: Any, handle: Any) -> str:
    return _text(nvml.nvmlDeviceGetUUID(handle))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
