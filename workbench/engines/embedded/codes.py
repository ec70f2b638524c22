"""int8 codes of vectors: a quarter of their bytes, each row by its own scale, with known error."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.models.memory.hardware import cores

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

PART = 125_000
"""Rows that a core scans at least; fewer take 2 to 5 ms, and other queries have the other
cores."""

STEP = 65_536
"""Rows whose counts are in a core's cache when they become cosines."""

FLOAT_ERROR = 1e-5
"""Bound on rounding in float32 products of unit vectors."""


def write_codes(
    blocks: Iterable[Vectors], rows: int, dimension: int, folder: Path, known: Codes | None = None
) -> None:
    """Quantise rows to int8, each by its own scale: `codes`, `scales` and the largest `error`.

    Takes the rows block by block and writes through plain files: mapped pages would stay counted
    as this process's memory, and grow with the corpus. Of rows that are `known`, the first ones,
    the codes are taken over; `blocks` are those behind.
    """
    folder.mkdir(parents=True)
    scales = np.zeros(rows, dtype=np.float32)
    error, done = 0.0, 0
    with open(folder / "codes.npy", "wb") as stream:
        header = {"descr": "|i1", "fortran_order": False, "shape": (rows, dimension)}
        np.lib.format.write_array_header_1_0(stream, header)
        if known is not None:
            error, done = known.error, len(known.codes)
            scales[:done] = known.scales
            for start in range(0, done, PART):
                stream.write(known.codes[start : start + PART].tobytes())
        for block in blocks:
            codes, scale = quantise(block)
            stream.write(codes.tobytes())
            scales[done : done + len(block)] = scale
            done += len(block)
            lost = block - codes * scale[:, None]
            error = max(error, float(np.linalg.norm(lost, axis=1).max()))
    np.save(folder / "scales.npy", scales)
    np.save(folder / "error.npy", np.float32(error))


def quantise(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(codes int8 (n, d), scales float32 (n,)) with vectors close to codes * scales."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.float32(1e-12)) / np.float32(127)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


@dataclass(frozen=True, slots=True)
class Codes:
    """What `write_codes` wrote, memory-mapped."""

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    error: float

    @staticmethod
    def load(folder: Path) -> Codes:
        """Map the codes; raises what a damaged file raises in numpy."""
        scales = np.load(folder / "scales.npy")
        mode: Literal["r"] | None = "r" if len(scales) else None  # nothing cannot be mapped
        codes = np.asarray(np.load(folder / "codes.npy", mmap_mode=mode))
        return Codes(codes, scales, float(np.load(folder / "error.npy")))

    def products(self, query: Vectors, rows: Rows | None = None) -> tuple[Vectors, np.float32]:
        """Approximate products of rows (all where None) with a query, float32, and the most that
        any can be off.

        |v.q - v'.q'| <= |v - v'| |q| + |v'| |q - q'| (Cauchy-Schwarz), with |v'| <= |v| + error.
        """
        # 1. The query gets codes too, so that products run in int8.
        code, scale = quantise(query[None])
        # 2. What both roundings can cost together.
        lost = float(np.linalg.norm(query - code[0] * scale[0]))
        bound = self.error * float(np.linalg.norm(query)) + (1 + self.error) * lost + FLOAT_ERROR
        # 3. One pass over the codes; a row's scale and the query's turn counts into cosines.
        codes, scales = self.codes, self.scales
        if rows is not None:
            codes, scales = np.take(codes, rows, axis=0, mode="clip"), scales[rows]
        return _products(code, scale[0], codes, scales), np.float32(bound)


def _products(
    code: NDArray[np.int8], scale: np.float32, codes: NDArray[np.int8], scales: Vectors
) -> Vectors:
    """Products of one row with many, float32; many are divided among the cores. A product never
    depends on the rows beside it."""
    import simsimd

    products = np.empty(len(codes), dtype=np.float32)

    def scan(first: int, stop: int) -> None:
        for start in range(first, stop, STEP):
            part = slice(start, min(start + STEP, stop))
            found = simsimd.cdist(code, codes[part], metric="dot", out_dtype="float32")  # no GIL
            np.multiply(np.asarray(found).ravel(), scales[part] * scale, out=products[part])

    parts = max(1, min(cores(), len(codes) // PART))
    ends = [len(codes) * part // parts for part in range(parts + 1)]
    if parts == 1:
        scan(*ends)
    else:
        with ThreadPoolExecutor(parts) as pool:  # of this call: none is left for a fork to lose
            list(pool.map(scan, ends, ends[1:]))
    return products
