"""What a disk or SQLite says, as the package's errors.

A passing fault (no handle left, a lock, a device that does not answer) is never called damage,
and no remedy deletes what is there.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import (
    CorpusDamaged,
    CorpusError,
    CorpusLocked,
    CorpusNotFound,
    CorpusUnavailable,
    DiskFull,
    WorkbenchError,
    shown,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REMEDIES: tuple[tuple[set[int], type[CorpusError], str], ...] = (
    (
        {errno.EMFILE, errno.ENFILE},
        CorpusUnavailable,
        "{0}: too many open files ({1}); close other sessions, or raise the limit "
        "(`ulimit -n 4096`). Nothing is damaged",
    ),
    (
        {errno.ENOMEM, errno.EAGAIN},
        CorpusUnavailable,
        "{0}: no memory left ({1}); close other programs and try again. Nothing is damaged",
    ),
    (
        {errno.EACCES, errno.EPERM, errno.EROFS},
        CorpusError,
        "{0}: not permitted ({1}); change its permissions, or choose another place",
    ),
    (
        {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EISDIR},
        CorpusNotFound,
        "{0}: cannot be opened ({1}); check the path",
    ),
    (
        {errno.EIO},
        CorpusUnavailable,
        "{0}: the device does not give it ({1}); check the disk or the connection to it, then try "
        "again",
    ),
)


@contextmanager
def disk_faults(path: str | Path) -> Iterator[None]:
    """OSError and sqlite3.Error inside become errors of the package, about `path` where the
    error itself names no file."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        own = (
            disk_error(error, path)
            if isinstance(error, OSError)
            else sqlite_error(error, Path(path))
        )
        if own is error:
            raise
        raise own from error


def disk_error(error: OSError, path: str | Path) -> Exception:
    """The package's error for one of the operating system's; one without a number stays as it is
    (those of network libraries)."""
    number, where = error.errno, error.filename or path
    if number is None:
        return error
    if number in _FULL:
        return disk_full(where)
    for numbers, kind, text in _REMEDIES:
        if number in numbers:
            return kind(text.format(where, error.strerror))
    return CorpusUnavailable(f"{where}: {error.strerror or error}; try again")


def disk_full(path: str | Path, needed: int | None = None) -> DiskFull:
    """The error for a full disk; `needed` in bytes, where that is known."""
    amount = "more space than is left is" if needed is None else f"{needed:,} bytes are"
    return DiskFull(
        f"{path}: the disk is full: {amount} needed, {_free(Path(path)):,} are free (or a quota "
        "is reached); make room and run the same again, what was stored before is kept"
    )


def reserve(path: Path, size: int) -> None:
    """Make a file of `size` bytes that the disk certainly holds: writing to a map of a file with
    holes kills the process (SIGBUS) when the disk is full. Raises DiskFull."""
    try:
        with open(path, "wb") as stream:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, size)
                return
            zeros = bytes(2**20)
            for start in range(0, size, len(zeros)):
                stream.write(zeros[: size - start])
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise disk_full(path, size) from error
        raise disk_error(error, path) from error


def is_folder(path: Path) -> bool:
    """Whether a folder is there. Raises typed errors for what cannot be looked at."""
    found = _look(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_file(path: Path) -> bool:
    """Whether a file with contents of its own is there: no pipe, socket or device, which could be
    waited for without end. Raises typed errors for what cannot be looked at."""
    found = _look(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def exists(path: Path) -> bool:
    """Whether anything is there. Raises typed errors for what cannot be looked at."""
    return _look(path) is not None


def as_path(path: str | os.PathLike[str], error: type[WorkbenchError] = CorpusNotFound) -> Path:
    """A path with `~` resolved. Raises `error` for what is none, for the home of nobody, and for
    one that no file can have."""
    if not isinstance(path, str | os.PathLike):
        raise error(f"the path is {shown(path)}; give a text or a Path")
    try:
        found = Path(path).expanduser()
        name = os.fsencode(found)
    except RuntimeError as problem:
        raise error(f"{path}: {problem}; write the path out") from problem
    except UnicodeEncodeError:
        raise error(f"{str(path)!r}: no file has such a name; check the path") from None
    if b"\0" in name:
        raise error(f"{str(found)!r}: a null character in a path; check the path")
    return found


def as_file(path: str | os.PathLike[str], error: type[WorkbenchError]) -> Path:
    """`as_path` of a file that is there or may be made. Raises `error` also for a folder, and for
    a pipe or device, which could be waited for without end."""
    found = as_path(path, error)
    with suppress(OSError):  # whoever opens it says what is wrong
        mode = found.stat().st_mode
        if stat.S_ISDIR(mode):
            raise error(f"{found} is a folder; name a file in it")
        if not stat.S_ISREG(mode):
            raise error(f"{found}: a pipe or device, not a file; name a file")
    return found


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise disk_error(error, path) from error
    except ValueError as error:  # a null character
        raise CorpusNotFound(f"{str(path)!r}: {error}; check the path") from error


def _free(path: Path) -> int:
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 0


def sqlite_error(error: sqlite3.Error, path: Path) -> Exception:
    """The package's error for one of SQLite's; wrong use of the module stays as it is."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        wrong_use = isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError)
        return error if wrong_use else damaged(path, error)
    primary = code & 0xFF
    device = primary == sqlite3.SQLITE_IOERR and code != sqlite3.SQLITE_IOERR_SHORT_READ
    own: Exception = damaged(path, error)
    if primary == sqlite3.SQLITE_FULL or (device and _free(path) < 2**20):
        own = disk_full(path)
    elif device:
        own = CorpusUnavailable(
            f"{path}: the device does not do it ({error}); check the disk or the connection to "
            "it, then try again"
        )
    elif primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        own = CorpusLocked(
            f"{path}: another program holds a lock on this file ({error}); close it there and "
            "try again. Nothing is damaged"
        )
    elif primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM):
        own = _not_opened(path, error)
    elif primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        own = CorpusError(
            f"{path}: cannot write here ({error}); make the folder and all files in it writable"
        )
    return own


def _not_opened(path: Path, error: sqlite3.Error) -> Exception:
    """SQLite does not say why; the operating system does."""
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        return damaged(path, FileNotFoundError("missing"))
    except OSError as reason:
        return disk_error(reason, path)
    return CorpusUnavailable(
        f"{path}: cannot be opened now ({error}); close other sessions, or look whether the "
        "folder may be written to. Nothing is damaged"
    )


def damaged(path: Path, error: Exception | str) -> CorpusDamaged:
    """The error for a file of the store that cannot be read; it is the only place of the papers."""
    return CorpusDamaged(
        f"{path}: not a readable corpus ({error}); restore the file from a copy, or run "
        "`workbench index` with a new folder. Nothing was changed here"
    )
