"""The vectors file: float32 rows, appended in order, read through a memory map.

How many rows count is kept in the store, so bytes after them are an interrupted append; so is a
checksum of each block of rows, since a changed byte would give wrong results without a sign.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.faults import disk_faults
from workbench.errors import CorpusDamaged

Vectors = NDArray[np.float32]

Runs = list[tuple[int, str]]
"""(first row, fingerprint of the embedder that made it and those after it), ascending; empty where
one embedder made all rows."""

BLOCK = 4096


def append_vectors(path: Path, rows: int, vectors: Vectors) -> int:
    """Write float32 (n, dimension) after the first `rows` rows; returns the new row count."""
    with disk_faults(path), open(path, "r+b" if path.exists() else "w+b") as stream:
        stream.seek(rows * vectors.shape[1] * 4)
        stream.truncate()
        stream.write(_bytes(vectors))
        stream.flush()
        os.fsync(stream.fileno())
    return rows + len(vectors)


def rewrite_vectors(path: Path, row: int, vectors: Vectors) -> None:
    """Replace rows from `row` on by float32 (n, dimension), in place."""
    with disk_faults(path), open(path, "r+b") as stream:
        stream.seek(row * vectors.shape[1] * 4)
        stream.write(_bytes(vectors))
        stream.flush()
        os.fsync(stream.fileno())


def checksum(vectors: Vectors) -> int:
    """CRC-32 of the rows as the file holds them."""
    return zlib.crc32(_bytes(vectors))


def checksums(
    path: Path, blocks: Iterable[tuple[int, int]], dimension: int
) -> Iterator[tuple[int, int, int]]:
    """(first row, rows, CRC-32) of blocks (first row, rows) as the file is now; rows that the file
    lacks are left out of the sum."""
    if not path.exists():
        yield from ((first, rows, 0) for first, rows in blocks)
        return
    with disk_faults(path), open(path, "rb") as stream:
        for first, rows in blocks:
            stream.seek(first * dimension * 4)
            yield first, rows, zlib.crc32(stream.read(rows * dimension * 4))


def with_run(runs: Runs, first_made: str, start: int, stop: int, made: str) -> Runs:
    """The runs after `made` wrote the rows from `start` to `stop`; `first_made` is who made rows
    before the first run."""
    every = runs or [(0, first_made)]
    after = [name for first, name in every if first <= stop][-1]
    kept = [run for run in every if not start <= run[0] <= stop]
    merged: Runs = []
    for run in sorted([*kept, (start, made), (stop, after)]):
        if not merged or merged[-1][1] != run[1]:
            merged.append(run)
    return [] if merged == [(0, first_made)] else merged


def rows_by_runtime(runs: Runs, first_made: str, rows: int) -> dict[str, int]:
    """How many of the first `rows` rows each embedder made; empty where `first_made` made all."""
    counts: dict[str, int] = {}
    for (first, name), (end, _) in pairwise([*runs, (rows, "")]):
        if first < end:
            counts[name] = counts.get(name, 0) + min(end, rows) - min(first, rows)
    counts = {name: count for name, count in counts.items() if count}
    return {} if set(counts) <= {first_made} else counts


def _bytes(vectors: Vectors) -> bytes:
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def read_blocks(path: Path, rows: int, dimension: int, first: int = 0) -> Iterator[Vectors]:
    """The first `rows` rows from the row `first` on, BLOCK at a time, without mapping the file."""
    if first >= rows:
        return
    with disk_faults(path), open(path, "rb") as stream:
        stream.seek(first * dimension * 4)
        for start in range(first, rows, BLOCK):
            count = min(BLOCK, rows - start) * dimension
            yield np.fromfile(stream, dtype="<f4", count=count).reshape(-1, dimension)


def whole_rows(path: Path, dimension: int) -> int:
    """How many complete rows the file holds."""
    return path.stat().st_size // (4 * dimension) if path.exists() else 0


def map_vectors(path: Path, rows: int, dimension: int) -> Vectors:
    """The first `rows` rows, memory-mapped. Raises CorpusDamaged where the file is shorter."""
    if rows == 0:
        return np.zeros((0, dimension), dtype=np.float32)
    size = path.stat().st_size if path.exists() else 0
    if size < rows * dimension * 4:
        raise CorpusDamaged(
            f"{path}: {size} bytes, but {rows} vectors of {dimension} dimensions need "
            f"{rows * dimension * 4}; open the corpus again, what is missing is encoded anew"
        )
    return np.memmap(path, dtype="<f4", mode="r", shape=(rows, dimension))
