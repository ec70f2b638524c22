"""How sure a mean or a difference is: pure functions over one value a query.

`differences` are paired: the value of one system minus that of the other, shape (queries,). Every
p value is two-sided. All functions raise EvaluationError for no values or values not finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import EvaluationError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

ROUNDING = 1e-12
"""Differences and spreads up to this size are rounding noise: metrics are sums of a few terms."""

RESAMPLES = 1_000
MOVED = 8
"""Differences other than 0 from which on Student's interval covers what it says."""

FLIPS = 100_000
EXACT = 14
"""Up to this many differences other than 0, all 2^n sign flips are enumerated."""

_CELLS = 2**20
"""Cells of one block of resamples; bounds memory at some 16 MB, whatever the count of queries."""


def mean_interval(
    values: ArrayLike, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of values from 0 to 1, and the low and high end of its interval over queries.

    Gaffke's interval, as Learned-Miller and Thomas give it in "A New Confidence Interval for the
    Mean of a Bounded Random Variable", 2019: means under random weights of the queries and of one
    unseen query, which scores 0 for the low end and 1 for the high one. No case is known where it
    covers the true mean less often than it says; for values of 0 and 1 it is Clopper and
    Pearson's. Percentiles of resamples, which know no other values than those seen, covered R@100
    of 10 queries 32 times in 100. The same seed and count of values draw the same weights.

    Values outside 0 to 1 are no metric's that has these limits: they get Student's interval.
    """
    sample = _checked(values)
    if sample.min() < -ROUNDING or sample.max() > 1.0 + ROUNDING:
        return _student(sample, level)
    mean = float(sample.mean())
    # In order of size, so that the order of the queries does not matter.
    ordered = np.sort(np.clip(sample, 0.0, 1.0))
    seen, unseen = [], []
    width = len(sample) + 1
    one_block = resamples * width <= _CELLS
    for weights in (_kept_weights if one_block else _weights)(resamples, width, seed):
        seen.append(np.einsum("ij,j->i", weights[:, :-1], ordered))
        unseen.append(weights[:, -1])
    least, tail = np.concatenate(seen), (1.0 - level) / 2.0
    low = float(np.quantile(least, tail))
    high = float(np.quantile(least + np.concatenate(unseen), 1.0 - tail))
    return mean, min(max(low, 0.0), mean), max(min(high, 1.0), mean)


def difference_interval(
    differences: ArrayLike, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of differences from -1 to 1, and the low and high end of its interval over queries.

    Student's, which keeps its promise where some MOVED queries differ; where fewer do, the spread
    seen says little, and the interval is that of `mean_interval` between -1 and 1.
    """
    sample = _checked(differences)
    if _moved(sample).sum() >= MOVED or np.abs(sample).max() > 1.0 + ROUNDING:
        return _student(sample, level)
    ends = mean_interval((sample + 1.0) / 2.0, resamples, seed, level)
    return float(sample.mean()), 2.0 * ends[1] - 1.0, 2.0 * ends[2] - 1.0


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


def _student(sample: Vector, level: float) -> tuple[float, float, float]:
    """Mean and ends of Student's interval; without an end for a single value."""
    mean = float(sample.mean())
    if len(sample) < 2:
        return mean, -math.inf, math.inf
    error = _spread(sample) / math.sqrt(len(sample))
    half = float(_stats().t.ppf((1.0 + level) / 2.0, len(sample) - 1)) * error
    return mean, mean - half, mean + half


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
    sums = 2.0 * np.einsum("ij,j->i", flip.astype(np.float64), values) - total
    tolerance = ROUNDING * float(np.abs(values).sum())
    return int((np.abs(sums) >= abs(total) - tolerance).sum())


def _weights(resamples: int, width: int, seed: int) -> Iterator[Matrix]:
    """Rows of random weights that sum to 1, block by block, shape (rows, width)."""
    rng = np.random.default_rng(seed)
    for rows in _blocks(resamples, width):
        weights = rng.standard_exponential((rows, width))
        weights /= weights.sum(axis=1, keepdims=True)
        yield weights


@lru_cache(maxsize=1)
def _kept_weights(resamples: int, width: int, seed: int) -> list[Matrix]:
    """The same at once, kept: all metrics of a report, and all settings of a grid, ask for them."""
    return list(_weights(resamples, width, seed))


def _blocks(count: int, width: int) -> list[int]:
    """Row counts that sum to `count`, each block of `width` columns within the memory bound."""
    rows = max(1, _CELLS // width)
    return [min(rows, count - start) for start in range(0, count, rows)]


def _placed(steps: Vector, order: NDArray[np.intp]) -> Vector:
    """Adjusted values back in the order given, at most 1."""
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
