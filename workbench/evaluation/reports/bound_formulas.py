"""The least and the largest value that a metric can take, whatever the unjudged papers are.

One query at a time. A hole is a rank whose paper nobody judged; it may turn out with any grade from
0 to the largest. All bounds are exact: some filling of the holes reaches each of them. Definitions
are trec_eval's, as in `metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Vector = NDArray[np.float64]
Bound = tuple[float, float]

STEPS = 64
"""Of Dinkelbach's iteration, which takes 3 to 6: it converges faster than linearly."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRanks:
    """One query. `ranks` (found,) of the judged papers found, ascending from 1, their `grades`
    (found,); `judged` every grade of the query, found or not; `holes` ascending ranks; `top` the
    largest grade that a hole can have."""

    ranks: Integers
    grades: Integers
    judged: Integers
    holes: Integers
    top: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric by name, its cutoff (infinite for none), from which grade on a paper is relevant,
    and RBP's p."""

    name: str
    cutoff: float
    rel: int
    p: float


def bounds(ranked: JudgedRanks, measure: Measure) -> Bound:
    """Least and largest value over all fillings of the holes."""
    return FORMULAS[measure.name](ranked, measure)


def _ndcg(ranked: JudgedRanks, measure: Measure) -> Bound:
    """Gain over ideal gain. The ideal grows with a hole's grade too, so neither end is simply all
    zeros or all ones: the best ratio is found by Dinkelbach's method (Management Science 1967).

    Grades are added up level by level: a paper of grade g has a gain of 1 at levels 1 to g. For a
    fixed ratio, what a level is worth depends on how many holes reach it alone, since the best
    choice of m holes is the first m, the worst the last m.
    """
    gain = np.maximum(ranked.grades, 0)
    base = float((gain * _discount(ranked.ranks, measure.cutoff)).sum())
    positive = np.sort(ranked.judged[ranked.judged > 0])
    at_least = len(positive) - np.searchsorted(positive, np.arange(1, ranked.top + 1))
    sizes, levels = np.unique(-at_least, return_counts=True)
    sizes = -sizes  # falling, as the levels rise
    most = len(positive) + len(ranked.holes)
    ideal = _sums(_discount(np.arange(1, most + 1), measure.cutoff))
    above = positive[positive > ranked.top] - ranked.top
    # What judged papers have above the largest grade of a hole does not change.
    rest = float(
        (np.sort(above)[::-1] * _discount(np.arange(1, len(above) + 1), measure.cutoff)).sum()
    )
    discounts = _discount(ranked.holes, measure.cutoff)
    reach = sizes[:, None] + np.arange(len(ranked.holes) + 1)[None, :]

    def extreme(gains: Vector, sign: int) -> float:
        gained, ideals = levels[:, None] * gains[None, :], levels[:, None] * ideal[reach]
        ratio = _ratio(base, rest + float(ideals[:, 0].sum()))
        for _ in range(STEPS):
            chosen = _chain(sign * (gained - ratio * ideals))
            picked = np.arange(len(levels)), chosen
            upper, lower = base + gained[picked].sum(), rest + ideals[picked].sum()
            better = _ratio(float(upper), float(lower))
            # A gain below rounding never gets small enough to stop at; a ratio stops changing.
            if sign * (better - ratio) <= 0:
                break
            ratio = better
        return ratio

    low = extreme(_sums(discounts[::-1]), -1) if len(positive) else 0.0
    return low, extreme(_sums(discounts), 1)


def _chain(worth: Vector) -> Integers:
    """How many holes to take at each level, worth (levels, m), for the largest sum; a hole that
    reaches a level reaches those below, so the numbers must not rise."""
    best = worth.copy()
    for level in range(len(best) - 2, -1, -1):
        best[level] += np.maximum.accumulate(best[level + 1])
    chosen = np.zeros(len(best), dtype=np.int64)
    most = best.shape[1]
    for level, row in enumerate(best):
        chosen[level] = int(np.argmax(row[:most]))
        most = int(chosen[level]) + 1
    return chosen


def _average_precision(ranked: JudgedRanks, measure: Measure) -> Bound:
    """Of m holes made relevant the first m are best and the last m worst; so try every m."""
    hits, total, holes = _relevant(ranked, measure)
    hits, inside = hits[hits <= measure.cutoff], holes[holes <= measure.cutoff]
    base = float((np.arange(1, len(hits) + 1) / hits).sum())
    before = np.searchsorted(hits, inside)
    after = _sums(1.0 / hits[::-1])[len(hits) - before]
    up = (before + np.arange(len(inside)) + 1) / inside + after
    later = _sums(1.0 / inside[::-1])[:-1]
    down = ((before + 1) / inside + after)[::-1] + later
    # Holes below the cutoff only make more papers relevant.
    down = np.concatenate((np.zeros(len(holes) - len(inside)), down))
    best, worst = base + _sums(up), base + _sums(down)
    highs = _shares(best, total + np.arange(len(best)))
    lows = _shares(worst, total + np.arange(len(worst)))
    return float(lows.min()), float(highs.max())


def _recall(ranked: JudgedRanks, measure: Measure) -> Bound:
    hits, total, holes = _relevant(ranked, measure)
    hits_inside, inside = int((hits <= measure.cutoff).sum()), int((holes <= measure.cutoff).sum())
    low = _ratio(hits_inside, total + len(holes) - inside)
    return low, _ratio(hits_inside + inside, total + inside)


def _rising(value: Callable[[Integers, Measure], float]) -> Callable[[JudgedRanks, Measure], Bound]:
    """Bounds of a metric that only rises with relevant papers: no hole relevant, and every one."""

    def extremes(ranked: JudgedRanks, measure: Measure) -> Bound:
        hits, _, holes = _relevant(ranked, measure)
        both = np.sort(np.concatenate((hits, holes)))
        low, high = (value(ranks[ranks <= measure.cutoff], measure) for ranks in (hits, both))
        return float(low), float(high)

    return extremes


FORMULAS: Mapping[str, Callable[[JudgedRanks, Measure], Bound]] = {
    "nDCG": _ndcg,
    "AP": _average_precision,
    "R": _recall,
    "P": _rising(lambda ranks, measure: len(ranks) / measure.cutoff),
    "RR": _rising(lambda ranks, measure: 1.0 / ranks[0] if len(ranks) else 0.0),
    "Success": _rising(lambda ranks, measure: float(len(ranks) > 0)),
    "RBP": _rising(lambda ranks, m: float(((1 - m.p) * m.p ** (ranks - 1.0)).sum())),
}
"""By ir_measures' name."""


def _relevant(ranked: JudgedRanks, measure: Measure) -> tuple[Integers, int, Integers]:
    """Ranks of the relevant papers found, how many there are in all, and the holes that could be
    relevant: none where even the largest grade is too low."""
    hits = ranked.ranks[ranked.grades >= measure.rel]
    holes = ranked.holes if ranked.top >= measure.rel else ranked.holes[:0]
    return hits, int((ranked.judged >= measure.rel).sum()), holes


def _discount(ranks: Integers, cutoff: float) -> Vector:
    return np.where(ranks <= cutoff, 1.0 / np.log2(ranks + 1.0), 0.0)


def _sums(values: Vector) -> Vector:
    """Sums of the first 0, 1, ... n values, shape (n + 1,)."""
    return np.concatenate(([0.0], np.cumsum(values)))


def _shares(parts: Vector, wholes: Integers) -> Vector:
    return np.where(wholes > 0, parts / np.maximum(wholes, 1), 0.0)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
