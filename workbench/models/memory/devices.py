"""Devices by name: how much memory they have. CUDA is imported only where its name is used."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Protocol

from workbench.errors import ModelError


class Device(Protocol):
    """What a pool needs to know of a device."""

    @property
    def total(self) -> int:
        """Bytes of memory that this process may use there at most."""
        ...

    @property
    def free(self) -> int:
        """Bytes that nobody uses now."""
        ...

    @property
    def name(self) -> str:
        """What it is, as far as it decides how much a batch takes."""
        ...

    def kept_now(self) -> int:
        """Bytes kept for activations, which a batch may use."""
        ...

    def overheads(self) -> dict[str, int]:
        """Bytes that belong to no model, by name; they stay until the process ends."""
        ...

    def trim(self, then: Callable[[], object] = lambda: None) -> int:
        """Give memory kept for batches back to the driver, then call `then` before anything else
        happens on the device; returns the bytes."""
        ...


class Cpu:
    """Main memory."""

    @property
    def total(self) -> int:
        import psutil

        return int(psutil.virtual_memory().total)

    @property
    def free(self) -> int:
        import psutil

        return int(psutil.virtual_memory().available)

    @property
    def name(self) -> str:
        return "cpu"

    def kept_now(self) -> int:
        return 0

    def overheads(self) -> dict[str, int]:
        return {}

    def trim(self, then: Callable[[], object] = lambda: None) -> int:
        then()
        return 0


@cache
def device_of(name: str) -> Device:
    """The device called "cpu" or "cuda:N", one object for the whole process.

    Raises ModelError for another name and MissingDependency where torch is absent; a GPU that is
    not there is noticed when it is used.
    """
    if name == "cpu":
        return Cpu()
    if re.fullmatch(r"cuda:\d+", name):
        from workbench.models.memory.cuda import Cuda

        return Cuda(int(name.partition(":")[2]))
    raise ModelError(f'device is {name!r}; write "cpu" or "cuda:0" (the number of the GPU)')
