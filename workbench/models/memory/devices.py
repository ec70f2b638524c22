"""Devices by name: what runs there, and how much memory they have. Makes no CUDA context."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, Protocol, TypeVar

from workbench.errors import ModelError, shown
from workbench.models.memory.cuda import Cuda
from workbench.models.memory.shortage import DeviceFull, without_frames

Result = TypeVar("Result")


class Device(Protocol):
    """What a pool and a runtime need to know of a device."""

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

    def submit(self, job: Callable[..., Result], *given: Any) -> Future[Result]:
        """Run a function there, after what was submitted before."""
        ...

    def run(self, job: Callable[..., Result], *given: Any) -> Result:
        """The same, and wait for the result."""
        ...

    def kept_now(self) -> int:
        """Bytes kept for activations, which a batch may use."""
        ...

    def add_weights(self, size: int) -> None:
        """Count bytes that a model's weights took (negative when it gave them back)."""
        ...

    def overheads(self) -> dict[str, int]:
        """Bytes that belong to no model, by name; they stay until the process ends."""
        ...

    def trim(self, then: Callable[[], object] = lambda: None) -> int:
        """Give memory kept for batches back to the driver, then call `then` before anything else
        happens on the device; returns the bytes."""
        ...


class Cpu:
    """Main memory; what runs there runs in the caller's thread."""

    name = "cpu"

    @property
    def total(self) -> int:
        import psutil

        return int(psutil.virtual_memory().total)

    @property
    def free(self) -> int:
        import psutil

        return int(psutil.virtual_memory().available)

    def submit(self, job: Callable[..., Result], *given: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(job(*given))
        except DeviceFull as error:
            future.set_exception(without_frames(error))
        except BaseException as error:
            future.set_exception(error)
        return future

    def run(self, job: Callable[..., Result], *given: Any) -> Result:
        return job(*given)

    def kept_now(self) -> int:
        return 0

    def add_weights(self, size: int) -> None:
        pass

    def overheads(self) -> dict[str, int]:
        return {}

    def trim(self, then: Callable[[], object] = lambda: None) -> int:
        then()
        return 0


def check_device(name: str) -> str:
    """The name; raises ModelError where it is none of a device."""
    if name == "cpu" or (isinstance(name, str) and re.fullmatch(r"cuda:\d{1,4}", name)):
        return name
    raise ModelError(f'device is {shown(name)}; write "cpu" or "cuda:0" (the number of the GPU)')


def device_of(name: str) -> Device:
    """The device called "cpu" or "cuda:N", one object for the whole process.

    Raises ModelError for another name; a GPU that is not there, or PyTorch, is noticed when it is
    used.
    """
    return _made(check_device(name))


@cache
def _made(name: str) -> Device:
    return Cpu() if name == "cpu" else Cuda(int(name.partition(":")[2]))
