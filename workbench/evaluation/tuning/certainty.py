"""How sure a tuned weight is: resamples of the queries, and queries that tuning did not see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.statistics import (
    ROUNDING,
    difference_interval,
    randomisation,
)
from workbench.evaluation.tuning.view import Fact, facts_view, span
from workbench.present.view import Shown, View
from workbench.present.words import count

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = Mapping[str, float]
Choose = Callable[[Integers], tuple[Weights, Vector]]
"""From how often each query counts to the best weights for them, and every query's value there."""

POWER = 1.96 + 0.84
"""Normal quantiles of a two-sided test at 5 % that finds a difference 4 times in 5."""

UNTOLD = 100_000
"""More queries than anyone judges."""

FLIPS = 10_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bootstrap(Shown):
    """95 % intervals over queries.

    `value`: of the mean metric at the best weights (`statistics.mean_interval`; a resample's
    maximum would be too high). `weights`, float64 (resamples, signals): the best weight of each
    signal for queries drawn with replacement, for more than two signals on the line through the
    optimum on which the others keep their proportions (a whole search for each resample would take
    hours). `values`, (resamples,): the resamples' means at the best weights.
    """

    signals: tuple[str, ...]
    value: tuple[float, float]
    weights: NDArray[np.float64]
    values: Vector

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Signal -> the middle 95 % of its best weights."""
        columns = zip(self.signals, self.weights.T, strict=True)
        return {signal: percentiles(drawn) for signal, drawn in columns}

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of two signals the second's; None for more, which have no single one."""
        return self.intervals[self.signals[1]] if len(self.signals) == 2 else None

    def to_frame(self) -> pd.DataFrame:
        """One row a signal: signal, low, high."""
        import pandas as pd

        rows = [(signal, *ends) for signal, ends in self.intervals.items()]
        return pd.DataFrame(rows, columns=["signal", "low", "high"])

    def __repr__(self) -> str:
        weights = ", ".join(f"{name} {span(ends, 2)}" for name, ends in self.intervals.items())
        return f"Bootstrap({len(self.weights):,} resamples: best weights {weights})"

    def view(self) -> View:
        """Each interval, a line each."""
        facts = [(name, span(ends, 2), "best weight") for name, ends in self.intervals.items()]
        facts.append(("value", span(self.value), "of the best weights"))
        return facts_view(f"95 % intervals, {len(self.weights):,} resamples of the queries", facts)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CrossValidation(Shown):
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
    - `weights`: the best weights of each fold, by signal; `query_values`: shape (queries,), behind
      `value`

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
    weights: tuple[Weights, ...]
    query_values: Vector
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
        """Plain values; `weights` and `query_values` are left out."""
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

    def to_frame(self) -> pd.DataFrame:
        """One row a fold: repeat and fold, from 1, and its best weight of each signal."""
        import pandas as pd

        frame = pd.DataFrame(list(self.weights))
        numbers = np.arange(len(frame))
        frame.insert(0, "repeat", 1 + numbers // self.folds)
        frame.insert(1, "fold", 1 + numbers % self.folds)
        return frame

    def view(self) -> View:
        """What tuning promises, what it is worth, and what not tuning is."""
        head = (
            f"{count(self.queries, 'query')} in {self.folds} folds, {self.repeats} times: "
            "tuned on some, measured on the others"
        )
        gain = f"tuning gains {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"
        facts: list[Fact] = [
            ("tuned", f"{self.tuned:.4f}", "on the very queries that were tuned on: too high"),
            ("honest value", f"{self.value:.4f}", f"optimism {self.optimism:+.4f}"),
            ("default", f"{self.default:.4f}", f"{gain}, p {self.p:.3f}"),
        ]
        if self.nested is not None and self.kept is not None:
            why = f"taking it only where inner folds prefer it; kept the default {self.kept:.0%}"
            facts.append(("nested", f"{self.nested:.4f}", f"{why} of the time"))
        return facts_view(head, facts, [self.warning] if self.warning else [])


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
    queries = len(tuned)
    if folds < 2 or repeats < 1 or queries < 2:
        raise EvaluationError(
            f"{folds} folds, {repeats} repeats of {queries} queries; cross-validation needs at "
            "least 2 folds, 1 repeat and 2 queries"
        )
    folds = min(folds, queries)
    honest, careful, kept, weights = np.zeros(queries), np.zeros(queries), 0, []
    for fold in fold_numbers(queries, folds, repeats, seed):
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
        queries=queries,
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
        query_values=honest,
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
