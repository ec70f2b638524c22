"""How sure a tuned weight is: resamples of the queries, and queries that tuning did not see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.statistics import (
    ROUNDING,
    difference_interval,
    mean_interval,
    randomisation,
)
from workbench.evaluation.tuning.exact.step_functions import UNIT, Steps, best_run
from workbench.terminal import terminal_safe

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Choose = Callable[[Integers], tuple[Any, Vector]]
"""From how often each query counts to the best weights for them, and every query's value there."""

POWER = 1.96 + 0.84
"""Normal quantiles of a two-sided test at 5 % that finds a difference 4 times in 5."""

UNTOLD = 100_000
"""More queries than anyone judges."""

FLIPS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """95 % intervals over queries.

    `interval`: of the best weight, the middle of what queries drawn with replacement give. `value`:
    of the mean metric at the curve's own best weight (`statistics.mean_interval`; a resample's
    maximum would be too high). `weights` and `values`, shape (resamples,), are the resamples'.
    """

    interval: tuple[float, float]
    value: tuple[float, float]
    weights: Vector
    values: Vector


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CrossValidation:
    """Tuned on some queries, measured on the others: k folds, all repeated with other folds.

    - `tuned`: the mean on the very queries that were tuned on; too high
    - `value`: the honest mean, each query under weights tuned without it
    - `optimism`: the first minus the second
    - `default`: the mean under the weights that tuning started from
    - `difference`: `value` minus `default`, `low` and `high` its 95 % interval over queries
      (`statistics.difference_interval`), `p` of the randomisation test
    - `nested`: the honest mean of a careful person, who takes the tuned weights only where an inner
      cross-validation, on the tuning queries alone, prefers them to the default; None if not asked
    - `kept`: in which share of the outer folds that person kept the default; None if not asked
    - `weights`: the best weights of each fold; `per_query`: shape (queries,), behind `value`

    Varma and Simon, "Bias in Error Estimation When Using Cross-Validation for Model Selection",
    BMC Bioinformatics 2006.
    """

    queries: int
    folds: int
    repeats: int
    tuned: float
    value: float
    default: float
    low: float
    high: float
    p: float
    nested: float | None
    kept: float | None
    weights: tuple[Any, ...]
    per_query: Vector
    spread: float

    @property
    def optimism(self) -> float:
        """How much the value on the tuning queries promises too much."""
        return self.tuned - self.value

    @property
    def difference(self) -> float:
        """What tuning gains over the default on queries that it did not see."""
        return self.value - self.default

    @property
    def needed(self) -> int | None:
        """How many queries would tell a difference of this size, 4 times in 5, by a two-sided test
        at 5 %; None where there is no difference."""
        if abs(self.difference) <= ROUNDING:
            return None
        return math.ceil((POWER * self.spread / self.difference) ** 2)

    @property
    def warning(self) -> str:
        """A sentence where the queries cannot tell the tuned weights from the default, or tell that
        they are worse; else ""."""
        if self.low > 0:
            return ""
        if self.high < 0:
            return (
                "the tuned weights are worse than the default: on queries not tuned on they differ "
                f"by {self.difference:+.4f} (95 % interval {self.low:+.4f} to {self.high:+.4f}); "
                "keep the default"
            )
        told = (
            f"{self.queries:,} queries cannot tell the tuned weights from the default: on queries "
            f"not tuned on they differ by {self.difference:+.4f} (95 % interval {self.low:+.4f} "
            f"to {self.high:+.4f})"
        )
        if self.difference <= ROUNDING or self.needed is None:
            return f"{told}; keep the default"
        if self.needed > UNTOLD:
            return f"{told}; more than {UNTOLD:,} queries would be needed"
        return f"{told}; about {self.needed:,} queries would"

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `weights` and `per_query` are left out."""
        return {
            "folds": self.folds,
            "repeats": self.repeats,
            "tuned": self.tuned,
            "value": self.value,
            "optimism": self.optimism,
            "default": self.default,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "p": self.p,
            "nested": self.nested,
            "kept_default": self.kept,
            "queries_needed": self.needed,
        }

    def __repr__(self) -> str:
        return (
            f"CrossValidation({self.queries:,} queries in {self.folds} folds: {self.value:.4f} on "
            f"queries not tuned on, optimism {self.optimism:+.4f}, default {self.default:.4f})"
        )

    @terminal_safe
    def __str__(self) -> str:
        from workbench.evaluation.tuning.present_tuning import checked_text

        return checked_text(self)

    def _repr_html_(self) -> str:
        from workbench.evaluation.tuning.present_tuning import checked_html

        return checked_html(self)


def resample(steps: Steps, edges: Vector, own: int, resamples: int, seed: int) -> Bootstrap:
    """The bootstrap of a curve; `own` is the interval of its best weight.

    Raises EvaluationError for fewer than one resample.
    """
    if resamples < 1:
        raise EvaluationError(f"resamples is {resamples}; it must be at least 1")
    count = len(steps.base)
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    weights, values = np.empty(resamples), np.empty(resamples)
    for i, draw in enumerate(draws):
        sums = steps.sums(np.bincount(draw, minlength=count))
        start, stop = best_run(sums, edges)
        weights[i] = (edges[start] + edges[stop]) / 2
        values[i] = sums[own] / UNIT / count
    _, low, high = mean_interval(steps.at(own) / UNIT, resamples, seed)
    return Bootstrap(percentiles(weights), (low, high), weights, values)


def cross_validate(
    choose: Choose,
    tuned: Vector,
    default: Vector,
    folds: int,
    repeats: int,
    seed: int,
    *,
    nested: bool = True,
) -> CrossValidation:
    """`tuned` and `default`: each query's value under the best weights and under the default.

    Raises EvaluationError for fewer than 2 folds or queries, or fewer than one repeat.
    """
    count = len(tuned)
    if folds < 2 or repeats < 1 or count < 2:
        raise EvaluationError(
            f"{folds} folds, {repeats} repeats of {count} queries; cross-validation needs at least "
            "2 folds, 1 repeat and 2 queries"
        )
    folds = min(folds, count)
    honest, careful, kept, weights = np.zeros(count), np.zeros(count), 0, []
    for fold in fold_numbers(count, folds, repeats, seed):
        for held in range(folds):
            out = fold == held
            chosen, values = choose((~out).astype(np.int64))
            weights.append(chosen)
            honest[out] += values[out]
            if nested:
                keeps = _keeps_default(choose, default, fold, held, folds)
                kept += keeps
                careful[out] += (default if keeps else values)[out]
    honest, careful = honest / repeats, careful / repeats
    difference = honest - default
    _, low, high = difference_interval(difference, seed=seed)
    return CrossValidation(
        queries=count,
        folds=folds,
        repeats=repeats,
        tuned=float(tuned.mean()),
        value=float(honest.mean()),
        default=float(default.mean()),
        low=low,
        high=high,
        p=randomisation(difference, FLIPS, seed),
        nested=float(careful.mean()) if nested else None,
        kept=kept / (repeats * folds) if nested else None,
        weights=tuple(weights),
        per_query=honest,
        spread=float(difference.std(ddof=1)),
    )


def fold_numbers(count: int, folds: int, repeats: int, seed: int) -> Iterator[Integers]:
    """A fold for each query, (count,), as even as they can be, in random order; `repeats` times."""
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        yield rng.permutation(np.arange(count) % folds)


def percentiles(values: Vector) -> tuple[float, float]:
    """The ends of the middle 95 %."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _keeps_default(choose: Choose, default: Vector, fold: Integers, held: int, folds: int) -> bool:
    """Whether the other folds alone, each held out in turn, prefer the default."""
    seen = fold != held
    inner = [other for other in range(folds) if other != held and (fold == other).any()]
    if len(inner) < 2:
        return False
    honest = np.zeros(len(fold))
    for other in inner:
        out = fold == other
        honest[out] = choose((seen & ~out).astype(np.int64))[1][out]
    return bool(honest[seen].sum() <= default[seen].sum())
