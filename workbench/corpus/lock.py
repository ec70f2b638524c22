"""One writer at a time. The lock is the operating system's: it goes when its holder dies."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.corpus.faults import disk_error
from workbench.errors import CorpusError, CorpusLocked, CorpusReadOnly

_NOT_HERE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock. Raises CorpusLocked at once where another process has it."""
    from filelock import FileLock, Timeout

    owner = folder / "write.pid"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "write.lock", timeout=0)
        lock.acquire()
    except Timeout:
        pid = _holder(owner)
        raise CorpusLocked(
            f"{folder}: process {pid} is writing to this corpus; wait for it to finish, or stop it"
        ) from None
    except NotImplementedError as error:
        raise CorpusError(
            f"{folder}: this file system knows no locks ({error}); choose a folder on another"
        ) from error
    except OSError as error:
        if error.errno in _NOT_HERE:
            raise CorpusReadOnly(
                f"{folder}: cannot write here ({error.strerror}); choose a folder that you "
                "may write to"
            ) from error
        raise disk_error(error, folder) from error
    try:
        with suppress(OSError):  # it only names the holder; a full disk is met where it matters
            owner.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _holder(owner: Path) -> str:
    """The process that holds the lock; it may let go of it at this moment."""
    try:
        return owner.read_text().strip()
    except OSError:
        return "unknown"
