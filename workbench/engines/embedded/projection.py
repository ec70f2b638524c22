"""Dense search in a larger corpus: the vectors' principal components decide who is read.

Some of the components hold most of what a product is made of. Their int8 codes are scanned in
full; the length of what they leave of a row bounds what the rest can add (Cauchy-Schwarz), and few
rows can then be among the best (4 of 100 on 124,245 passages): two thirds of the time of a scan of
all codes, and exact.

In a large corpus the rows that lead there, `depth` for a hundred asked for, are read, and no
others. How deep is measured when the codes are written, on queries between two passages, which
are harder to answer than passages are. Beside lists of clusters (IVF) on 124,245 passages: recall
.9975 after a scan of a third of the bytes and 1,000 rows, against .98 after a fifth of all rows;
there is nothing to train, deletions and filters take rows out before the cut, and it is written
with the generation in seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.codes import Codes, write_codes

Vectors = NDArray[np.float32]

PRUNES_FROM = 32_768
"""Rows from which an exact search reads the projection first; of fewer, all codes."""

FROM = 250_000
"""Rows from which the search is approximate: the rows that a bound leaves lie scattered, and to
read them takes as long as the scan."""

FEW_AXES, MANY_AXES = 1 / 3, 5 / 12
"""Share of the components that is scanned, of an approximate search and of an exact one."""

REGISTER = 32

ROUNDING = 1e-6
"""Bound on rounding in the square of a rest, which is a difference of float32 sums near 1."""

BEST = 100
"""Of how many best rows recall is measured."""

LEAST = 0.995
"""Mean recall that the depth is chosen for; where no depth reaches it, search stays exact."""

QUERIES = 32
SAMPLED = 65_536
"""Rows that the axes are computed from."""

SHALLOWEST = 1024
DEEPEST = 16
"""The depth is at most this part of the rows; deeper, an exact scan costs no more."""


@dataclass(frozen=True)
class Projection:
    """int8 codes of all rows on `axes` (dimension, components), the length of what these leave of
    each row (`rests`, float32 (rows,); none in versions before), and how deep to read in them
    (0: as deep as the bound says, which is exact)."""

    axes: Vectors
    codes: Codes
    rests: Vectors | None
    depth: int = 0
    recall: float = 1.0

    @staticmethod
    def load(folder: Path) -> Projection | None:
        """Map what `write_projection` and `Projection.save` wrote; None where there is none."""
        if not (folder / "axes.npy").is_file():
            return None
        axes, codes = np.load(folder / "axes.npy"), Codes.load(folder)
        rests = np.load(folder / "rests.npy") if (folder / "rests.npy").is_file() else None
        if not is_approximate(folder):
            return Projection(axes, codes, rests)
        measured = json.loads((folder / "recall.json").read_text("utf-8"))
        depth, recall = int(measured["depth"]), float(measured["recall"])
        return Projection(axes, codes, rests, depth, recall)

    def write(self, blocks: Iterable[Vectors], rows: int, folder: Path) -> None:
        """The same for `rows` rows into a new folder; `blocks` are the rows that it lacks."""
        _write(blocks, rows, self.axes, folder, self)
        if self.depth:
            self.save(folder)

    def save(self, folder: Path) -> None:
        """Write down depth and recall beside the codes."""
        measured = {"depth": self.depth, "recall": self.recall, "best": BEST, "queries": QUERIES}
        (folder / "recall.json").write_text(json.dumps(measured), "utf-8")

    @cached_property
    def digest(self) -> str:
        """8 hex digits that tell two projections apart that may read other rows."""
        content = self.axes.tobytes() + repr(self.depth).encode()
        return blake2b(content, digest_size=4).hexdigest()

    def depth_of(self, n: int) -> int:
        """How many rows are read for the `n` best."""
        return max(self.depth, -(-self.depth * n // BEST))

    def scores(self, query: Vectors) -> Vectors:
        """Products of all rows' projections with that of a query, float32 (rows,)."""
        return self.codes.products(query @ self.axes)[0]

    def bounds(self, query: Vectors) -> tuple[Vectors, Vectors]:
        """The same, and the most that each row's product with the query can be."""
        assert self.rests is not None
        part = query @ self.axes
        scores, off = self.codes.products(part)
        rest = _rests(query[None], part[None])[0]
        return scores, scores + (self.rests * rest + off)


def is_approximate(folder: Path) -> bool:
    """Whether a projection is there that says how deep to read; told without opening it."""
    return (folder / "recall.json").is_file()


def write_projection(
    read: Callable[[], Iterable[Vectors]], rows: int, dimension: int, folder: Path
) -> None:
    """Axes, codes and rests of all rows, which `read` gives block by block, twice."""
    kept = whole_registers(dimension * (FEW_AXES if rows >= FROM else MANY_AXES), dimension)
    axes = _principal_axes(read(), rows, dimension, kept)
    # Turned at random, no component is much larger than others, and int8 steps are finer.
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(kept, kept)))
    _write(read(), rows, np.ascontiguousarray(axes @ turn, dtype=np.float32), folder)


def whole_registers(components: float, dimension: int) -> int:
    """About so many components that products fill registers, at most all."""
    return min(dimension, math.ceil(components / REGISTER) * REGISTER)


def _write(
    blocks: Iterable[Vectors],
    rows: int,
    axes: Vectors,
    folder: Path,
    known: Projection | None = None,
) -> None:
    rests = [] if known is None or known.rests is None else [known.rests]

    def projected() -> Iterator[Vectors]:
        for block in blocks:
            part = block @ axes
            rests.append(_rests(block, part))
            yield part

    write_codes(projected(), rows, axes.shape[1], folder, None if known is None else known.codes)
    np.save(folder / "axes.npy", axes)
    np.save(folder / "rests.npy", np.concatenate([*rests, np.zeros(0, np.float32)]))


def _rests(vectors: Vectors, projected: Vectors) -> Vectors:
    """The length of what a projection leaves of each row, not less than it is, float32 (rows,)."""
    whole = np.einsum("ij,ij->i", vectors, vectors)
    lost = whole - np.einsum("ij,ij->i", projected, projected)
    rests: Vectors = np.sqrt(np.maximum(lost, 0) + np.float32(ROUNDING))
    return rests


def _principal_axes(
    blocks: Iterable[Vectors], rows: int, dimension: int, kept: int
) -> NDArray[np.float64]:
    """The leading eigenvectors of the second moments, (dimension, kept).

    Not centred: products of vectors are to be kept, and their mean is part of them.
    """
    step = max(1, rows // SAMPLED)
    moments = np.zeros((dimension, dimension))
    for block in blocks:
        sample = block[::step].astype(np.float64)
        moments += sample.T @ sample
    _, axes = np.linalg.eigh(moments)
    return axes[:, ::-1][:, :kept]


def queries_between(vectors: Vectors) -> Vectors:
    """QUERIES vectors halfway between two passages each, the same every time."""
    pairs = np.random.default_rng(0).integers(0, len(vectors), (2, QUERIES))
    middle = vectors[pairs[0]] + vectors[pairs[1]]
    unit: Vectors = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    return unit


def measured_depth(places: NDArray[np.intp], rows: int) -> tuple[int, float] | None:
    """(depth, recall) for the least depth, doubled from SHALLOWEST, at which LEAST of the best are
    read; `places` has the place of each of them in the projection's order. None where there is
    none up to a DEEPEST part of the rows."""
    deepest = rows // DEEPEST
    depth = min(SHALLOWEST, deepest)
    while (recall := float((places < depth).mean())) < LEAST:
        if depth >= deepest:
            return None
        depth = min(2 * depth, deepest)
    return depth, recall
