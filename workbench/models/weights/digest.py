"""Digests of files by content; those of large files are remembered."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from workbench.profiles import cache_folder
from workbench.system.files import replacing

REMEMBERED = 2**24
"""Bytes from which reading a file takes longer than looking its digest up."""

_SETTLED = 2.0
"""Seconds since the last change: within a tick of the file system's clock a second change cannot
be told from the first (git calls such files racy)."""

Identity = tuple[int, ...]
"""What the system says of a file: device, inode, size, times in nanoseconds. The time of change
of the inode is the system's own: tools set the time of modification, but not this one."""


def identity(path: Path) -> Identity:
    """The file's identity now. OSError where there is none."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def digest_of(path: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits. OSError where it cannot be read."""
    found = identity(path)
    # On Windows the second time is that of creation, which says nothing of changes.
    known = found[2] >= REMEMBERED and os.name == "posix"
    settled = time.time() - max(found[3:]) / 1e9 > _SETTLED
    memo = cache_folder() / "digests" / sha256(repr((str(path), found)).encode()).hexdigest()[:32]
    if known and settled:
        with suppress(OSError, ValueError):
            remembered = memo.read_text("ascii")
            if re.fullmatch("[0-9a-f]{64}", remembered):
                return remembered
    with open(path, "rb") as stream:
        hashed = sha256()
        while block := stream.read(2**20):
            hashed.update(block)
    if known and settled:
        with suppress(OSError), replacing(memo) as kept:  # without a cache it is computed again
            kept.write(hashed.hexdigest())
    return hashed.hexdigest()
