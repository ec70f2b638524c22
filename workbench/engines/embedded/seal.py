"""The seal of a generation: size and checksum of each file, and of the vectors it was made with.

Opening looks at sizes and times only; a file whose time is not the sealed one (a copy, a restored
backup, a changed byte) is read and compared.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults
from workbench.corpus.vectors import checksums

NAME = "seal.json"
CHUNK = 2**20

Blocks = Sequence[tuple[int, int, int]]
"""(first row, rows, CRC-32) of the vectors file."""

Shape = dict[str, int]
"""Names of the manifest's counts that say how long the arrays are, and their values."""


def write_seal(folder: Path, vectors: Path, blocks: Blocks, shape: Shape) -> None:
    """Bring every file of the folder to the disk, and write down what it holds; `shape` are the
    counts that the manifest will have to agree with."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        files[path.relative_to(folder).as_posix()] = _entry(path)
    time = vectors.stat().st_mtime_ns if vectors.exists() else 0
    content = {
        "shape": shape,
        "files": files,
        "vectors": {"mtime_ns": time, "blocks": list(blocks)},
    }
    with open(folder / NAME, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())


def sealed_before(folder: Path, blocks: Blocks) -> Shape | None:
    """The shape of a generation whose files hold what was sealed (every byte is read) and whose
    vectors are the first of these blocks, which are known to be right; None for any other."""
    try:
        sealed = json.loads((folder / NAME).read_text("utf-8"))
        known = [tuple(map(int, block)) for block in sealed["vectors"]["blocks"]]
        shape = {str(name): int(count) for name, count in sealed["shape"].items()}
        changed = any(_problem(folder / name, it, True) for name, it in sealed["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    same = bool(known) and known == [tuple(block) for block in blocks[: len(known)]]
    return shape if same and not changed else None


def broken(folder: Path, vectors: Path, shape: Shape, *, deep: bool = False) -> str:
    """What is not as it was sealed, in words; empty where all is. `deep` reads every file.

    A generation without a seal (made by version 0.1) is taken as it is, except where `deep`.
    Raises typed errors for what cannot be looked at now.
    """
    if not folder.is_dir():
        return f"{folder.name} is missing"
    with disk_faults(folder):
        if not (folder / NAME).exists():
            return f"{folder.name} has no checksums" if deep else ""
        try:
            return next(_problems(folder, vectors, shape, deep), "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return f"{folder.name}/{NAME} is not readable ({error})"


def _problems(folder: Path, vectors: Path, shape: Shape, deep: bool) -> Iterator[str]:
    if not stat.S_ISREG((folder / NAME).stat().st_mode):
        yield f"{folder.name}/{NAME} is no file"
        return
    sealed = json.loads((folder / NAME).read_text("utf-8"))
    if sealed["shape"] != shape:
        yield f"{folder.name} was made for {sealed['shape']}, the manifest has {shape}"
    for name, entry in sealed["files"].items():
        if problem := _problem(folder / name, entry, deep):
            yield f"{folder.name}/{name} {problem}"
    if problem := _vectors_problem(vectors, shape["dimension"], sealed["vectors"], deep):
        yield problem


def _problem(path: Path, sealed: Sequence[Any], deep: bool) -> str:
    size, time, crc = sealed
    try:
        found = path.stat()
    except FileNotFoundError:
        return "is missing"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_size != size:
        return f"has {found.st_size:,} bytes, not {size:,}"
    if (deep or found.st_mtime_ns != time) and _crc(path) != crc:
        return "was changed"
    return ""


def _vectors_problem(path: Path, dimension: int, sealed: dict[str, Any], deep: bool) -> str:
    blocks = [(int(first), int(rows), int(crc)) for first, rows, crc in sealed["blocks"]]
    if not blocks:
        return ""
    needed = (blocks[-1][0] + blocks[-1][1]) * dimension * 4
    if not path.exists():
        return f"{path.name} is missing"
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size < needed:
        return f"{path.name} has {found.st_size:,} bytes, but {needed:,} are needed"
    if not deep and found.st_mtime_ns == sealed["mtime_ns"]:
        return ""
    now = checksums(path, [block[:2] for block in blocks], dimension)
    changed = [block[0] for block, current in zip(blocks, now, strict=True) if block != current]
    return f"{path.name} was changed (from row {changed[0]:,})" if changed else ""


def _entry(path: Path) -> list[int]:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, _crc(path)]


def _crc(path: Path) -> int:
    value = 0
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            value = zlib.crc32(chunk, value)
    return value
