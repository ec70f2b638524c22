"""The vectors file: float32 rows, appended in order, read through a memory map.

How many rows count is kept in the store, so bytes after them are an interrupted append.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import CorpusDamaged

Vectors = NDArray[np.float32]

BLOCK = 4096


def append_vectors(path: Path, rows: int, vectors: Vectors) -> int:
    """Write float32 (n, dimension) after the first `rows` rows; returns the new row count."""
    with open(path, "r+b" if path.exists() else "w+b") as stream:
        stream.seek(rows * vectors.shape[1] * 4)
        stream.truncate()
        stream.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        stream.flush()
        os.fsync(stream.fileno())
    return rows + len(vectors)


def read_blocks(path: Path, rows: int, dimension: int) -> Iterator[Vectors]:
    """The first `rows` rows, BLOCK at a time, without mapping the file."""
    if not rows:
        return
    with open(path, "rb") as stream:
        for start in range(0, rows, BLOCK):
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
            f"{rows * dimension * 4}; run `workbench index` again, what is missing is encoded anew"
        )
    return np.memmap(path, dtype="<f4", mode="r", shape=(rows, dimension))
