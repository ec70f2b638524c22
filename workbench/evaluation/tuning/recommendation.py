"""Which weights to use: the best found, part of the way to them, or the default.

The best weights fit chance too, the more the fewer queries there are. Shrinking an estimate towards
a good guess costs little and saves much (James and Stein, "Estimation with Quadratic Loss", Fourth
Berkeley Symposium 1961); how far to go, cross-validation says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.certainty import Choose, fold_numbers
from workbench.evaluation.tuning.view import named
from workbench.profiles import Profile

Vector = NDArray[np.float64]
Weights = Mapping[str, float]

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Parts of the way from the default to the best weights that are tried."""

DOUBT = 1.64
"""Standard errors that a gain has to exceed: chance does so once in twenty."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recommendation:
    """The weights that queries not tuned on support.

    `share`: how far they go from the default (0) to the best weights (1). `gain`: what that share
    gained over the default on queries not tuned on, on average, and `error` its standard error
    over the queries; both 0 for the default where nothing else gained. `profile` has the weights.
    """

    weights: Weights
    share: float
    value: float
    gain: float
    error: float
    profile: Profile

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        if not self.share:
            return (
                "the default: on queries not tuned on, no step towards the best weights gains more "
                "than chance would"
            )
        way = "the best weights" if self.share == 1 else f"{self.share:.0%} of the way to the best"
        return (
            f"{way}: on queries not tuned on, {self.gain:+.4f} against the default (standard error "
            f"{self.error:.4f})"
        )

    def __repr__(self) -> str:
        return f"Recommendation({self.value:.4f} at {named(self.weights)}; {self.reason})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, but for the profile."""
        return {
            "weights": dict(self.weights),
            "share": self.share,
            "value": self.value,
            "gain": self.gain,
            "standard_error": self.error,
            "reason": self.reason,
        }


def supported_share(
    choose: Choose,
    values: Callable[[Weights, NDArray[np.intp]], Vector],
    default: Weights,
    default_values: Vector,
    folds: int,
    repeats: int,
    seed: int,
) -> tuple[float, float, float]:
    """The share of the way from the default to the tuned weights whose gain on held-out queries,
    DOUBT standard errors taken off, is highest; its gain, and that error. 0 where none is above 0.

    `values`: of some queries, by number, at given weights.
    """
    count = len(default_values)
    if count < 2:
        return 0.0, 0.0, 0.0
    gains = np.zeros((len(SHARES), count))
    for fold in fold_numbers(count, min(folds, count), repeats, seed):
        for held in range(min(folds, count)):
            out = np.flatnonzero(fold == held)
            tuned = choose((fold != held).astype(np.int64))[0]
            for row, share in zip(gains, SHARES, strict=True):
                row[out] += values(between(default, tuned, share), out) - default_values[out]
    gains /= repeats
    means, errors = gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(count)
    best = int(np.argmax(means - DOUBT * errors))
    if means[best] <= DOUBT * errors[best]:
        return 0.0, 0.0, 0.0
    return SHARES[best], float(means[best]), float(errors[best])


def between(start: Weights, stop: Weights, share: float) -> dict[str, float]:
    """Weights with sum 1 part of the way from some to others, both scaled to sum 1 first."""
    totals = sum(start.values()), sum(stop.values())
    return {
        name: (1 - share) * start.get(name, 0.0) / totals[0]
        + share * stop.get(name, 0.0) / totals[1]
        for name in dict.fromkeys((*start, *stop))
    }


def rounded(weights: Weights, order: Sequence[str]) -> dict[str, float]:
    """In four decimals, those of `order` first."""
    return {n: round(weights[n], 4) for n in dict.fromkeys((*order, *weights)) if n in weights}
