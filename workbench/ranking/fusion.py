"""Fusion of signals: pure, vectorised functions over numpy arrays.

After normalisation the score is linear in the weights. Keep it so: exact tuning rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ProfileError, WeightError, shown
from workbench.records import Candidates

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_FEEDBACK_HINT = "turn feedback on: a profile with feedback = true computes it"
STAGES = {
    "bm25_feedback": _FEEDBACK_HINT,
    "dense_feedback": _FEEDBACK_HINT,
    "late_interaction": 'a profile with reranker = "late-interaction" computes it',
    "cross_encoder": "a profile with the name of a cross-encoder as its reranker computes it",
}
"""Signals that a stage computes only where it is turned on, and how."""

MOST = 1e300
"""Largest weight: sums of scores stay within what a float holds."""

ROUNDING = 1e-12
"""A span below this share of the column's magnitude is rounding noise, not a difference."""

TINY = 1e-12
"""A weight below this share of the largest is rounding of a sum, and counts as 0."""

RRF_K = 60
"""Smoothing of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""


def min_max(values: Matrix, lower: Vector) -> Matrix:
    """Each column scaled to [0, 1] over the query's candidates; a constant column becomes 0."""
    return _scale(values, values.min(axis=0), values.max(axis=0))


def theoretical(values: Matrix, lower: Vector) -> Matrix:
    """Scaled from the signal's theoretical minimum to the best candidate (TMM).

    Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
    Unlike min-max it does not depend on how deep the candidate list goes.
    """
    return _scale(values, lower, values.max(axis=0))


def z_score(values: Matrix, lower: Vector) -> Matrix:
    """Mean 0 and standard deviation 1 over the query's candidates; a constant column becomes 0."""
    mean = values.mean(axis=0)
    return _scale(values, mean, mean + values.std(axis=0))


def none(values: Matrix, lower: Vector) -> Matrix:
    """The raw values."""
    return values


def reciprocal_rank(values: Matrix, lower: Vector, k: int = RRF_K) -> Matrix:
    """1 / (k + rank) within the candidates; equal values share the better rank.

    A value at the signal's theoretical minimum matched nothing: it has no rank and becomes 0.
    """
    result = np.zeros_like(values)
    for column in range(values.shape[1]):
        descending = np.sort(-values[:, column])
        ranks = np.searchsorted(descending, -values[:, column], side="left") + 1
        result[:, column] = np.where(values[:, column] > lower[column], 1.0 / (k + ranks), 0.0)
    return result


NORMALISERS: Mapping[str, Callable[[Matrix, Vector], Matrix]] = {
    "min-max": min_max,
    "z-score": z_score,
    "theoretical": theoretical,
    "none": none,
    "rrf": reciprocal_rank,
}


def normalise(candidates: Candidates, normaliser: str) -> Matrix:
    """Normalised signals, float64 (n, signals).

    Raises ProfileError for an unknown normaliser, WeightError for values that are not finite.
    """
    if normaliser not in NORMALISERS:
        raise ProfileError(
            f"unknown normaliser {normaliser!r}; choose one of {', '.join(NORMALISERS)}"
        )
    if not len(candidates):
        return candidates.values
    if not np.isfinite(candidates.values).all():
        bad = np.flatnonzero(~np.isfinite(candidates.values).all(axis=0))
        names = ", ".join(candidates.signals[i] for i in bad)
        raise WeightError(
            f"signal {names} has values that are not finite; the engine must give every "
            "candidate a number (0 where nothing matched)"
        )
    # Column by column in memory: reducing over the rows is then ten times as fast.
    return NORMALISERS[normaliser](np.asfortranarray(candidates.values), candidates.lower)


def weight_vector(weights: Mapping[str, float], signals: Sequence[str]) -> Vector:
    """Weights in the order of `signals`, float64; a signal without a weight, or with one below
    TINY of the largest, gets 0.

    Raises WeightError for an unknown signal, a negative, NaN or infinite weight, or all zero.
    """
    # A weight of 0 for a stage that is off asks for nothing.
    unknown = sorted(
        (name for name in set(weights) - set(signals) if name not in STAGES or weights[name] != 0),
        key=str,
    )
    if unknown:
        known = dict.fromkeys(STAGES[name] for name in unknown if name in STAGES)
        hints = "".join(f"; {hint}" for hint in known)
        raise WeightError(
            f"unknown signal {', '.join(map(repr, unknown))}; this engine has "
            f"{', '.join(signals)}{hints}"
        )
    for name, weight in weights.items():
        if not isinstance(weight, int | float | np.number) or isinstance(weight, bool):
            raise WeightError(f"weight of {name} is {shown(weight)}; it must be a number")
        try:
            number = float(weight)
        except OverflowError:
            number = float("inf")
        if not 0 <= number <= MOST:
            raise WeightError(
                f"weight of {name} is {shown(weight)}; it must be finite and at least 0, at most "
                f"{MOST:g}"
            )
    vector = np.array([float(weights.get(name, 0.0)) for name in signals])
    if not vector.any():
        raise WeightError(
            f"every weight is 0, so no order is defined; give one of {', '.join(signals)} a "
            "weight above 0"
        )
    vector[vector < TINY * vector.max()] = 0.0
    return vector


def fuse(normalised: Matrix, weights: Vector) -> Vector:
    """Weighted sum, shape (n,). Added column by column, left to right, so that the contributions
    of a hit add up to its score exactly, bit for bit."""
    scores = np.zeros(len(normalised))
    for column, weight in enumerate(weights):
        scores += normalised[:, column] * weight
    return scores


def rank_papers(
    candidates: Candidates, scores: Vector, k: int | None = None
) -> tuple[NDArray[np.intp], int]:
    """Row of the best passage of each paper, best paper first, at most `k`, and the paper count.

    A paper scores as its best passage (MaxP, Dai and Callan, SIGIR 2019). Ties fall to the
    smaller paper id, within a paper to the earlier passage.
    """
    starts = candidates.paper_starts
    if not len(starts):
        return np.zeros(0, dtype=np.intp), 0
    best = np.maximum.reduceat(scores, starts)
    order = np.argsort(-best, kind="stable")[:k]
    sizes = np.diff(np.append(starts, len(scores)))
    level = np.flatnonzero(scores == np.repeat(best, sizes))
    rows: NDArray[np.intp] = level[np.searchsorted(level, starts)]  # the first that is the best
    return rows[order], len(starts)


def _scale(values: Matrix, low: Vector, high: Vector) -> Matrix:
    """(values - low) / (high - low), and 0 where the span is nothing."""
    span = high - low
    usable = span > ROUNDING * np.maximum(values.max(axis=0), -values.min(axis=0))
    scaled: Matrix = (values - low) / np.where(usable, span, 1.0)
    scaled[:, ~usable] = 0.0
    return scaled
