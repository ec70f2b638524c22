"""What the machine says of its memory now, GPUs and the rest. Imports no torch."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workbench.models.memory.hardware import cores, gpus

MISSED = "GPU memory is not sampled: the driver stopped answering ({reason})"


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of one device: used by all, by this process (None: not told), and in total."""

    device: str
    used: int
    process: int | None
    total: int


class Devices:
    """The CPU, and the GPUs that CUDA would show to this process (`hardware.gpus`).

    Without a GPU, a driver or nvidia-ml-py there is only `cpu`. Creates no CUDA context.
    """

    def __init__(self) -> None:
        self.note = ""
        self._gpus = gpus()

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
            "cpus": cores(),
            "memory_bytes": psutil.virtual_memory().total,
            "gpus": [
                {"device": gpu.device, "name": gpu.name, "memory_bytes": gpu.memory()[1]}
                for gpu in self._gpus
            ],
        }

    def _read_gpus(self) -> list[DeviceMemory]:
        found = []
        for gpu in list(self._gpus):
            try:
                used, total = gpu.memory()
                found.append(DeviceMemory(gpu.device, used, gpu.own_bytes(), total))
            except gpu.nvml.NVMLError as error:
                self._gpus.remove(gpu)
                self.note = MISSED.format(reason=f"{gpu.device}: {error}")
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
