"""At which weights the rank of a paper changes: geometry of lines, no metrics.

Row r scores `first[r]` at weight 0 and `second[r]` at weight 1, on a line between. A paper scores
as its best row: an upper envelope. Rows of one paper stand together, papers in order of their id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Ranks = NDArray[np.int64]
Piece = tuple[float, float, float, float]
"""left, right, and the scores that the piece's whole line has at weight 0 and 1."""

MERGED = 1e-12
"""Crossings closer than this are at one weight: their own rounding is about 1e-16."""

_ALWAYS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The rows of one query, each array of shape (rows,)."""

    first: Vector
    second: Vector
    paper_ids: NDArray[np.str_]


def rank_steps(
    lines: Lines, papers: list[tuple[int, int]], depth: int
) -> tuple[Vector, NDArray[np.int64]]:
    """The ranks of some papers at every weight.

    `papers` holds first row and row after the last of each, at least one paper. Returns starts,
    float64 (n,), ascending from 0, and ranks, int64 (papers, n), on the open interval from each
    start to the next. A rank above `depth` is given as depth + 1. Starts within MERGED of each
    other stand where several papers meet: there a tie may give a rank of neither side.
    """
    each = [_paper_steps(lines, low, high, depth) for low, high in papers]
    if len(each) == 1:
        return each[0][0], each[0][1][None, :]
    starts = np.sort(np.concatenate([own for own, _ in each]))
    ranks = [rank[np.searchsorted(own, starts, side="right") - 1] for own, rank in each]
    return starts, np.stack(ranks)


def envelope(first: list[float], second: list[float]) -> list[Piece]:
    """The upper envelope of a paper's lines on [0, 1], left to right."""
    pieces: list[Piece] = []
    left, (p, q) = 0.0, max(zip(first, second, strict=True))
    while True:
        # A line that overtakes is higher at 1; where several do at one weight, the steepest stays.
        steeper = [
            (crossing(a - p, b - q), -b, a) for a, b in zip(first, second, strict=True) if b > q
        ]
        if not steeper:
            return [*pieces, (left, 1.0, p, q)]
        right, minus_b, a = min(steeper)
        right = max(left, right)
        pieces.append((left, right, p, q))
        left, p, q = right, a, -minus_b


def crossing(at_zero: float, at_one: float) -> float:
    """Where a line of these ends, one negative and the other positive, is 0.

    The ends have opposite signs, so nothing cancels and the error is a few units in the last place.
    """
    return at_zero / (at_zero - at_one)


def _paper_steps(lines: Lines, low: int, high: int, depth: int) -> tuple[Vector, Ranks]:
    """The rank of the paper in rows low to high: starts (n,), ranks (n,)."""
    if high - low == 1:
        piece = (0.0, 1.0, float(lines.first[low]), float(lines.second[low]))
        return _piece_steps(lines, low, high, piece, depth)
    pieces = envelope(lines.first[low:high].tolist(), lines.second[low:high].tolist())
    steps = [
        _piece_steps(lines, low, high, piece, depth) for piece in pieces if piece[0] < piece[1]
    ]
    return np.concatenate([s for s, _ in steps]), np.concatenate([r for _, r in steps])


def _piece_steps(
    lines: Lines, low: int, high: int, piece: Piece, depth: int
) -> tuple[Vector, Ranks]:
    """The same on one piece of the paper's envelope; the first start is the piece's left end."""
    left, right, _, _ = piece
    until, since = _above(lines, low, high, piece)
    crosses = until <= since + MERGED
    always = len(until) - np.count_nonzero(crosses)
    if always >= depth:
        return np.array([left]), np.array([depth + 1])
    until, since = until[crosses], since[crosses]
    rank = 1 + always + np.count_nonzero((until > left) | (since <= left))
    down = until[(until > left) & (until < right)]
    up = since[(since > left) & (since < right)]
    starts = np.concatenate((down, up))
    # What meets goes down before it goes up, so that the cutoff hides no tie that it lets pass.
    order = np.argsort(np.concatenate((down, up + MERGED)))
    starts = np.maximum.accumulate(starts[order])
    changes = np.where(order < len(down), -1, 1)
    ranks = np.minimum(np.concatenate(([rank], rank + np.cumsum(changes))), depth + 1)
    # Most crossings happen far below the cutoff: only those that the metric can see go on.
    seen = np.concatenate(([True], ranks[1:] != ranks[:-1]))
    starts, ranks = np.concatenate(([left], starts))[seen], ranks[seen]
    if left > 0 and (np.abs(until - left) <= MERGED).any():
        # Another paper touches the corner between two pieces and is above neither.
        return np.concatenate(([left], starts)), np.concatenate((ranks[:1], ranks))
    return starts, ranks


def _above(lines: Lines, low: int, high: int, piece: Piece) -> tuple[Vector, Vector]:
    """Of each other paper that is ever above the piece's line: it is until one weight and again
    since another. Both of shape (papers,); _ALWAYS and 1 mean everywhere, 0 and 1 nowhere.

    A paper minus a line is convex, so what lies above is an interval at each end. A row equal to
    the line ties everywhere and counts as above where its paper has the smaller id.
    """
    at_zero, at_one = lines.first - piece[2], lines.second - piece[3]
    at_zero[low:high] = at_one[low:high] = -1.0
    rows = np.flatnonzero(np.maximum(at_zero, at_one) >= 0)
    x, y = at_zero[rows], at_one[rows]
    wins = (x >= 0) & (y >= 0) & ((x > 0) | (y > 0) | (rows < low))
    falls, rises = (x > 0) & (y < 0), (x < 0) & (y > 0)
    crossings = x / np.where(falls | rises, x - y, 1.0)
    until = np.where(falls, crossings, _ALWAYS * wins)
    since = np.where(rises, crossings, 1.0)
    return _per_paper(lines.paper_ids[rows], until, since)


def _per_paper(ids: NDArray[np.str_], until: Vector, since: Vector) -> tuple[Vector, Vector]:
    """The latest `until` and the earliest `since` of each paper's rows."""
    if len(ids) < 2:
        return until, since
    starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
    if len(starts) == len(ids):
        return until, since
    return np.maximum.reduceat(until, starts), np.minimum.reduceat(since, starts)
