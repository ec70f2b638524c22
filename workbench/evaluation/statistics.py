"""How sure a mean or a difference is: pure functions over one value a query.

`differences` are paired: the value of one system minus that of the other, shape (queries,). Every
p value is two-sided. All functions raise EvaluationError for no values or values not finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import EvaluationError

Vector = NDArray[np.float64]

ROUNDING = 1e-12
"""Differences and spreads up to this size are rounding noise: metrics are sums of a few terms."""

RESAMPLES = 1_000
FLIPS = 100_000
EXACT = 14
"""Up to this many differences other than 0, all 2^n sign flips are enumerated."""

_CELLS = 2**20
"""Cells of one block of resamples; bounds memory at some 16 MB, whatever the count of queries."""


def bootstrap_mean(
    values: ArrayLike, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean, and the low and high end of its percentile bootstrap interval over queries.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. The same seed and
    count of values draw the same resamples, so that intervals of several metrics belong together.
    """
    sample = _checked(values)
    mean = float(sample.mean())
    rng = np.random.default_rng(seed)
    size = len(sample)
    means = [
        sample[rng.integers(0, size, size=(rows, size))].mean(axis=1)
        for rows in _blocks(resamples, size)
    ]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail])
    # Equal values can differ from their own mean by rounding.
    return mean, min(float(low), mean), max(float(high), mean)


def paired_t(differences: ArrayLike) -> float:
    """p of Student's paired t test (two-sided), n - 1 degrees of freedom.

    1 where every difference is 0 and for a single query; 0 where all differences are the same
    other number, since t is then infinite.
    """
    values = _checked(differences)
    if not _moved(values).any() or len(values) < 2:
        return 1.0
    spread = _spread(values)
    if not spread:
        return 0.0
    t = float(values.mean()) / (spread / math.sqrt(len(values)))
    return float(2.0 * _stats().t.sf(abs(t), len(values) - 1))


def wilcoxon(differences: ArrayLike) -> float:
    """p of Wilcoxon's signed-rank test, differences of 0 left out; 1 where all are 0.

    Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1945, as
    `scipy.stats.wilcoxon` chooses between the exact distribution and the normal one.
    """
    values = _checked(differences)
    values = values[_moved(values)]
    if not len(values):
        return 1.0
    # Rounded, so that rounding noise does not split the ranks of equal differences.
    return float(_stats().wilcoxon(np.round(values, 12)).pvalue)


def randomisation(differences: ArrayLike, flips: int = FLIPS, seed: int = 0) -> float:
    """p of Fisher's randomisation test: how often random signs reach the observed sum.

    Smucker, Allan and Carterette, "A Comparison of Statistical Significance Tests for Information
    Retrieval Evaluation", CIKM 2007. Exact over all 2^n signs for up to 14 differences other than
    0, else (reached + 1) / (flips + 1) over `flips` random ones, which is never 0 (Phipson and
    Smyth 2010). 1 where every difference is 0.
    """
    values = _checked(differences)
    values = values[_moved(values)]
    if not len(values):
        return 1.0
    if len(values) <= EXACT:
        every = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
        return _reached(every, values) / len(every)
    rng = np.random.default_rng(seed)
    reached = sum(
        _reached(rng.integers(0, 2, size=(rows, len(values)), dtype=np.uint8), values)
        for rows in _blocks(flips, len(values))
    )
    return (reached + 1) / (flips + 1)


def holm(p: ArrayLike) -> Vector:
    """p values adjusted for the family-wise error, shape (tests,), in the order given.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statistics 1979.
    """
    values = _probabilities(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    return _placed(np.maximum.accumulate(steps), order)


def benjamini_hochberg(p: ArrayLike) -> Vector:
    """p values adjusted for the false discovery rate, shape (tests,), in the order given.

    Benjamini and Hochberg, "Controlling the False Discovery Rate", J. R. Statist. Soc. B 1995.
    """
    values = _probabilities(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _placed(np.minimum.accumulate(steps[::-1])[::-1], order)


def cohens_d(differences: ArrayLike) -> float:
    """Effect size of paired differences: their mean in standard deviations (d_z).

    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988. 0 where every difference
    is 0; NaN where they have no spread to measure by (all the same other number, or one query).
    """
    values = _checked(differences)
    if not _moved(values).any():
        return 0.0
    spread = _spread(values) if len(values) > 1 else 0.0
    return float(values.mean()) / spread if spread else math.nan


def win_tie_loss(differences: ArrayLike) -> tuple[int, int, int]:
    """How many differences are above 0, 0 (up to rounding) and below 0."""
    values = _checked(differences)
    moved = _moved(values)
    wins = int((moved & (values > 0)).sum())
    return wins, int((~moved).sum()), int(moved.sum()) - wins


def _stats() -> Any:
    from scipy import stats

    return stats


def _checked(values: ArrayLike) -> Vector:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise EvaluationError(f"values of shape {array.shape}; give one number a query, at least 1")
    if not np.isfinite(array).all():
        raise EvaluationError(
            f"{int((~np.isfinite(array)).sum())} of {len(array)} values are not finite; leave "
            "those queries out, or give them a value"
        )
    return array


def _probabilities(p: ArrayLike) -> Vector:
    values = _checked(p)
    if values.min() < 0 or values.max() > 1:
        raise EvaluationError(f"p values from {values.min()} to {values.max()}; give 0 to 1")
    return values


def _moved(values: Vector) -> NDArray[np.bool_]:
    moved: NDArray[np.bool_] = np.abs(values) > ROUNDING
    return moved


def _spread(values: Vector) -> float:
    """Standard deviation of the sample, and 0 where it is rounding noise."""
    spread = float(values.std(ddof=1))
    return spread if spread > ROUNDING * float(np.abs(values).max()) else 0.0


def _reached(flip: NDArray[np.integer], values: Vector) -> int:
    """How many rows of 0 (minus) and 1 (plus), shape (rows, n), reach the sum of `values`."""
    total = values.sum()
    sums = 2.0 * (flip.astype(np.float64) @ values) - total
    tolerance = ROUNDING * float(np.abs(values).sum())
    return int((np.abs(sums) >= abs(total) - tolerance).sum())


def _blocks(count: int, width: int) -> list[int]:
    """Row counts that sum to `count`, each block of `width` columns within the memory bound."""
    rows = max(1, _CELLS // width)
    return [min(rows, count - start) for start in range(0, count, rows)]


def _placed(steps: Vector, order: NDArray[np.intp]) -> Vector:
    """Adjusted values back in the order given, at most 1."""
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
