"""Dense retrieval: a scan over int8 codes, then true scores for all that can be in the top.

Codes are a quarter of the vectors' bytes, and their largest error is known, so the rows that the
scan leaves out provably score less than the n-th best. On 123,656 passages the scan takes 2 ms
where the float32 product takes 10 (one of two cores, AVX-512 VNNI). In a larger corpus a projection
says which rows are scanned (`projection`); every value stays the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded import projection
from workbench.engines.embedded.codes import FLOAT_ERROR, Codes, write_codes
from workbench.engines.embedded.projection import (
    BEST,
    Projection,
    measured_depth,
    queries_between,
    write_projection,
)

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]

SCAN_FROM = 4_096
"""Rows from which the scan pays; fewer are scored outright."""

PROJECTION = "projection"
"""Folder of the projection beside the codes."""

AHEAD = 3
"""Of how many rows, for each one asked for, true scores tell what the n-th best is at least."""

SCATTERED = 4
"""Of rows that lie scattered, this part takes as long to read as all one after the other."""

KEPT = 0.8
"""Share of the rows from which a projection was made, down to which it is kept."""

SAMPLE = 1024
FEW = 16_384
"""Values that are ordered without a sample."""


def write_dense(
    read: Callable[[int], Iterable[Vectors]],
    vectors: Vectors,
    folder: Path,
    before: Path | None = None,
) -> None:
    """Codes of all vectors, which `read(first)` gives block by block from a row on; in a large
    corpus their projection too, where it finds what it should on the vectors themselves.

    `before` is what was written of the first of these vectors: their codes are taken over, and
    the projection, its measure included, until a fifth of the rows are new.
    """
    rows, dimension = vectors.shape
    known = None if before is None else DenseIndex.load(vectors, before)
    done = 0 if known is None else len(known.codes.codes)
    write_codes(read(done), rows, dimension, folder, known.codes if known else None)
    if rows < min(projection.PRUNES_FROM, projection.FROM):
        return
    there, approximate = folder / PROJECTION, rows >= projection.FROM
    if known and known.projection and _serves(known.projection, approximate, done, rows):
        known.projection.write(read(done), rows, there)
        return
    write_projection(lambda: read(0), rows, dimension, there)
    if not approximate:
        return
    index = DenseIndex(vectors, Codes.load(folder))
    projected = Projection.load(there)
    assert projected is not None
    places = np.concatenate([_places(index, projected, q) for q in queries_between(vectors)])
    measured = measured_depth(places, rows)
    if measured is not None:
        replace(projected, depth=measured[0], recall=measured[1]).save(there)


def _serves(known: Projection, approximate: bool, done: int, rows: int) -> bool:
    """Whether a projection of the first `done` rows may stay the axes of all."""
    whole = known.rests is not None and len(known.rests) == done
    return whole and done >= KEPT * rows and (not approximate or known.depth > 0)


def _places(index: DenseIndex, projected: Projection, query: Vectors) -> Rows:
    """The place in the projection's order of each of a query's best rows."""
    scores = projected.scores(query)
    found = scores[index.ask(query).best(BEST, None)]
    likely = np.sort(scores[scores >= found.min()])
    return len(likely) - np.searchsorted(likely, found, side="right")


@dataclass(frozen=True, slots=True)
class DenseIndex:
    """float32 rows of unit length with their codes; every answer is exact where no projection says
    how deep to read."""

    vectors: Vectors
    codes: Codes
    projection: Projection | None = None

    @staticmethod
    def load(vectors: Vectors, folder: Path) -> DenseIndex:
        """Map what `write_dense` wrote."""
        return DenseIndex(vectors, Codes.load(folder), Projection.load(folder / PROJECTION))

    def ask(self, query: Vectors, *, exact: bool = False) -> DenseQuery:
        """One query's view of the index, `exact` whatever its size; the shape of the query must be
        (dimension,)."""
        return DenseQuery(self, query, exact)


class DenseQuery:
    """Answers for one query vector. A row's value never depends on the rows beside it."""

    def __init__(self, index: DenseIndex, query: Vectors, exact: bool = False) -> None:
        self._index = index
        self._exact = exact
        self._query = query
        self._rows: Rows | None = None
        self._scores = np.zeros(0)
        if len(index.vectors) < SCAN_FROM:
            self._scores = self._products(index.vectors)

    def scores(self, rows: Rows) -> Scores:
        """Inner products with some rows, float64 (len(rows),)."""
        if self._outright:
            return self._scores[rows]
        if self._rows is None or not len(self._rows):
            return self._gathered(rows)
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        known = self._rows[places] == rows
        result = self._scores[places]
        result[~known] = self._gathered(rows[~known])
        return result

    def best(
        self, n: int, mask: Mask | None, order: Callable[[Rows], NDArray[Any]] | None = None
    ) -> Rows:
        """The `n` best rows under the mask, ascending. Of equal ones at the end, those with the
        least `order(rows)`, or without one the first."""
        rows = self.reachable(n, mask)
        scores = self.scores(rows)
        if not self._outright:
            self._rows, self._scores = rows, scores  # most of the union's rows are among them
        key = None if order is None else lambda places: order(rows[places])
        return rows[best_places(scores, n, key)]

    @property
    def _outright(self) -> bool:
        """Few enough rows that all were scored at once."""
        return len(self._index.vectors) < SCAN_FROM

    def reachable(self, n: int, mask: Mask | None) -> Rows:
        """Rows among which the `n` best under the mask are: certainly, or with the projection's
        recall."""
        every = len(self._index.vectors)
        if self._outright or n >= every:
            return np.arange(every) if mask is None else np.flatnonzero(mask)
        # 1. In a larger corpus, read only the rows that lead in the projection.
        likely = self._likely(n, mask)
        if likely is not None and len(likely) <= n:
            return likely
        # 2. Score rows by their codes, a quarter of the bytes, and bound how far that is off.
        approximate, bound = self._index.codes.products(self._query, likely)
        # 3. Rows outside the filter can reach nothing.
        if likely is None and mask is not None:
            approximate = np.where(mask, approximate, np.float32(-np.inf))
        # 4. Keep what could beat the n-th best: both it and a row left out may be off by the
        #    bound, in opposite directions.
        nth = nth_best(approximate, n)
        kept = np.flatnonzero((approximate >= nth - 2 * bound) & (approximate > -np.inf))
        return kept if likely is None else likely[kept]

    def _likely(self, n: int, mask: Mask | None) -> Rows | None:
        """The rows under the mask that lead in the projection, ascending; None for all rows."""
        projected, every = self._index.projection, len(self._index.vectors)
        if projected is None:
            return None
        if self._exact or not projected.depth:
            return self._possible(projected, n, mask)
        depth = projected.depth_of(n)
        if mask is not None and np.count_nonzero(mask) <= depth:
            return np.flatnonzero(mask)  # few enough to be read outright
        if depth > every // projection.DEEPEST:
            return None
        return leading(_under(mask, projected.scores(self._query)), depth)

    def _possible(self, projected: Projection, n: int, mask: Mask | None) -> Rows | None:
        """The rows that can be among the `n` best, by the bound on what the projection leaves out;
        None where these are so many that all are scanned as fast."""
        every = len(self._index.vectors)
        most = every // SCATTERED
        if projected.rests is None or AHEAD * n > most:
            return None
        if mask is not None and np.count_nonzero(mask) <= most:
            return np.flatnonzero(mask)
        scores, bounds = projected.bounds(self._query)
        # The n-th best of some rows is at most the n-th best of all.
        first = leading(_under(mask, scores), AHEAD * n)
        least = nth_best(self._gathered(first), n) - FLOAT_ERROR
        possible = np.flatnonzero(bounds >= least)
        if mask is not None:
            possible = possible[mask[possible]]
        return possible if len(possible) <= most else None

    def _gathered(self, rows: Rows) -> Scores:
        # In clip mode `take` writes straight into the result, a third faster than indexing.
        return self._products(np.take(self._index.vectors, rows, axis=0, mode="clip"))

    def _products(self, vectors: Vectors) -> Scores:
        import simsimd

        if not len(vectors):
            return np.zeros(0)
        products = simsimd.cdist(self._query[None], vectors, metric="dot")
        return np.asarray(products, dtype=np.float64).ravel()


def nth_best(scores: NDArray[np.floating[Any]], n: int) -> Any:
    """The n-th largest value, 1 <= n <= len(scores).

    Of many values a sample tells where to cut, so that only few have to be ordered (half the time
    for 1,000 of 124,245); where the sample misled, all are.
    """
    high = scores
    if len(scores) > FEW:
        high = scores[scores >= _cut(scores, n)]
        if len(high) < n:
            high = scores
    return np.partition(high, len(high) - n)[len(high) - n]


def leading(scores: NDArray[np.floating[Any]], n: int) -> Rows:
    """The rows of the `n` largest values, ascending; all of those that equal the last."""
    rows = np.flatnonzero(scores >= _cut(scores, n))
    if len(rows) < n:
        rows = np.arange(len(scores))
    values = scores[rows]
    found: Rows = rows[values >= np.partition(values, len(values) - n)[len(values) - n]]
    return found


def _under(mask: Mask | None, scores: Vectors) -> Vectors:
    """The scores, those of rows outside of the mask below all others."""
    return scores if mask is None else np.where(mask, scores, np.float32(-np.inf))


def _cut(scores: NDArray[np.floating[Any]], n: int, mask: Mask | None = None) -> Any:
    """A value that probably more than `n` scores under the mask reach, and not many more."""
    step = max(1, len(scores) // SAMPLE)
    sample = scores[::step]
    place = min(len(sample), 3 * n * len(sample) // len(scores) + 8)
    if mask is not None:
        sample = np.where(mask[::step], sample, sample.dtype.type(-np.inf))
    return np.partition(sample, len(sample) - place)[len(sample) - place]


def best_matching(
    scores: NDArray[np.floating[Any]],
    n: int,
    mask: Mask | None,
    order: Callable[[Rows], NDArray[Any]],
) -> Rows:
    """Rows of the `n` best scores over 0 that the mask lets through, ascending; of equal ones at
    the end, those with the least `order(rows)`."""
    cut = _cut(scores, n, mask) if len(scores) > FEW else 0
    matching = np.flatnonzero(scores >= cut) if cut > 0 else np.zeros(0, dtype=np.intp)
    if mask is not None:
        matching = matching[mask[matching]]
    if len(matching) < n:
        matching = np.flatnonzero(scores > 0 if mask is None else (scores > 0) & mask)
    return matching[best_places(scores[matching], n, lambda places: order(matching[places]))]


def best_places(
    scores: NDArray[np.floating[Any]], n: int, order: Callable[[Rows], NDArray[Any]] | None = None
) -> Rows:
    """Places of the `n` best, ascending. Of equal ones at the end of the list, those with the
    least `order(places)`, or without one the first."""
    if n >= len(scores):
        return np.arange(len(scores))
    if n < 1:
        return np.zeros(0, dtype=np.intp)
    least = nth_best(scores, n)
    reached = np.flatnonzero(scores >= least)
    if len(reached) == n:
        return reached
    level = scores[reached] == least
    over, level = reached[~level], reached[level]
    if order is not None:
        level = level[np.argsort(order(level), kind="stable")]
    return np.sort(np.concatenate([over, level[: n - len(over)]]))
