"""Files that a person keeps: replaced when all of the new content is on the disk, not before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO
from uuid import uuid4


@contextmanager
def replacing(path: str | Path) -> Iterator[TextIO]:
    """A stream of UTF-8 text, line ends as written, whose content becomes the file's when the
    block ends well; else the earlier file stays as it was. Missing folders are made.

    A link is followed and a file's permissions stay. What is no file (/dev/stdout, a pipe) is
    written to as it is. Raises OSError.
    """
    named = Path(path).expanduser()
    if named.exists() and not named.is_file():
        with named.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    with _part_of(named) as part, part.open("x", encoding="utf-8", newline="") as stream:
        yield stream
        _sync(stream)


def replace_bytes(path: Path, content: bytes) -> None:
    """The same for bytes that are at hand. Raises OSError."""
    with _part_of(path) as part, part.open("xb") as stream:
        stream.write(content)
        _sync(stream)


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """A file beside `path`, which takes its place when the block ends well."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:100]}.{uuid4().hex[:8]}.part")
    try:
        yield part
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink()
    sync_folder(target.parent)


def _sync(stream: IO[Any]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
