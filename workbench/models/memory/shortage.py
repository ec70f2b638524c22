"""A device without memory left: one exception for all the ways in which libraries say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames


class DeviceFull(Exception):
    """The device had no memory for a batch. It never leaves this room of the package."""


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Any way in which PyTorch, CUDA and its libraries say that memory is out, as DeviceFull."""
    full = ""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        full = str(error).partition("\n")[0] or "out of memory"
        clear_frames(error.__traceback__)  # they hold the tensors
    if full:
        raise DeviceFull(full)


def without_frames(error: DeviceFull) -> DeviceFull:
    """The same without what its frames, and those of its cause, keep alive: encoder and tensors
    must be gone before the next attempt, not at the next garbage collection."""
    clear_frames(error.__traceback__)
    return DeviceFull(str(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has no memory left."""
    said = ("out of memory", "ALLOC_FAILED", "not enough memory", "can't allocate memory")
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or any(words in str(error) for words in said)
