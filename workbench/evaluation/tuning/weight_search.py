"""The best weights of more than two signals, and which of them matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.statistics import mean_interval
from workbench.evaluation.tuning.certainty import CrossValidation, cross_validate, percentiles
from workbench.evaluation.tuning.exact.branch_and_bound import CELLS, Cost, Maximum, cost, maximum
from workbench.evaluation.tuning.exact.line_search import Climb, Line, Move
from workbench.evaluation.tuning.exact.many_lines import Batch
from workbench.evaluation.tuning.exact.sample import Sample
from workbench.evaluation.tuning.exact.step_functions import UNIT, around, best_run
from workbench.evaluation.tuning.left_out import LeftOut
from workbench.evaluation.tuning.result import Tuned
from workbench.profiles import Profile
from workbench.terminal import terminal_safe

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BestWeights:
    """The best weights found, in short decimals with sum 1, and what they give.

    `intervals`: from where to where each weight can move, the others in proportion, with exactly
    the same value.
    """

    value: float
    weights: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Reach:
    """How much a weight matters: from `low` to `high` it can move, the others in proportion,
    before the metric drops by its standard error; `without` is the mean just above weight 0."""

    signal: str
    weight: float
    low: float
    high: float
    without: float


@dataclass(frozen=True, slots=True, eq=False)
class SearchBootstrap:
    """95 % intervals over queries.

    `interval`: signal -> of its best weight, the middle of what queries drawn with replacement
    give, on the line through the optimum on which the others keep their proportions (a whole
    search for each resample would take hours). `value`: of the mean metric at the best weights
    (`statistics.mean_interval`).
    """

    interval: Mapping[str, tuple[float, float]]
    value: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightSearch(Tuned):
    """The best weights of three or more signals. Made by `tuning.search_weights`.

    `best`: what was found. `path`: the moves that led there, weights in the order of `signals`.
    `lines`: how many exact line searches it took. `bound`: the search of the whole simplex, None
    where it was not made. `base` is the profile that tuning started from,
    `left_out` what it did not use. Shows as a table in a notebook; `str()` gives plain text.
    """

    _repeats: ClassVar[int] = 1

    metric: str
    signals: tuple[str, ...]
    best: BestWeights
    path: tuple[Move, ...]
    lines: int
    bound: Maximum | None
    base: Profile
    left_out: LeftOut
    _sample: Sample
    _batch: Batch
    _axes: Mapping[str, Line]
    _kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def profile(self) -> Profile:
        """`base` with the best weights; every other signal weighs 0. Save it with `to_toml`."""
        return self._profile(self.best.weights)

    @property
    def reach(self) -> tuple[Reach, ...]:
        """How far each weight can move before the metric drops by its standard error."""
        return tuple(self._reach(signal) for signal in self.signals)

    def at(self, weights: Mapping[str, float]) -> float:
        """The mean at these very weights, by ranking anew; signals left out weigh 0.

        Raises WeightError for an unknown signal, a negative weight or all 0.
        """
        return float(self.per_query(weights).mean())

    def per_query(self, weights: Mapping[str, float] | None = None) -> Vector:
        """Each query's value at these very weights, None meaning the best, shape (queries,)."""
        if weights is None:
            return self._once("best", lambda: self._sample.per_query(self.best.weights))
        return self._sample.per_query(weights)

    def curve(self, signal: str) -> tuple[Vector, Vector]:
        """The mean over one signal's weight, the others in their best proportions: the edges of
        the intervals (n + 1,) from 0 to 1, and the mean on each (n,). Raises WeightError for a
        signal that was not tuned."""
        if signal not in self._axes:
            raise WeightError(
                f"signal {signal!r} was not tuned; these were: {', '.join(self.signals)}"
            )
        line, count = self._axes[signal], len(self._sample)
        return line.edges, line.steps.sums(np.ones(count, dtype=np.int64)) / UNIT / count

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> SearchBootstrap:
        """How sure the weights are. Raises EvaluationError for fewer than one resample."""
        if resamples < 1:
            raise EvaluationError(f"resamples is {resamples}; it must be at least 1")
        return self._once(("bootstrap", resamples, seed), lambda: self._resample(resamples, seed))

    def cross_validate(
        self, folds: int = 5, repeats: int = 1, seed: int = 0, *, nested: bool = False
    ) -> CrossValidation:
        """What tuning is worth on queries that it did not see: a whole search for each fold.

        Raises EvaluationError for fewer than 2 folds or queries, or fewer than one repeat.
        """
        return self._once(
            ("folds", folds, repeats, seed, nested),
            lambda: cross_validate(
                self._choose, self.per_query(), self.default_values, folds, repeats, seed,
                nested=nested,
            ),
        )  # fmt: skip

    @property
    def cost(self) -> Cost:
        """What `maximum` would cost at most, before it runs."""
        return cost(self._batch)

    def maximum(self, cells: int = CELLS) -> Maximum:
        """The best weights of the whole simplex, with a proof, or a bound after `cells` cells.

        Raises EvaluationError where `cost` is above its limit.
        """
        return maximum(self._batch, self._sample, self.best.weights, cells)

    def plot(self, *, bootstrap: bool = True) -> Figure:
        """A plotly figure: for each signal the mean over its weight, the others in proportion."""
        from workbench.evaluation.tuning.plots import plot_search

        return plot_search(self, bootstrap)

    def to_frame(self) -> pd.DataFrame:
        """One row a signal: signal, weight, low, high, without, as in `Reach`."""
        import pandas as pd

        names = Reach.__slots__
        return pd.DataFrame([{name: getattr(row, name) for name in names} for row in self.reach])

    def to_dict(self) -> dict[str, Any]:
        """What `workbench tune --json` prints; a contract: fields are only added."""
        from workbench.evaluation.tuning.present_search import search_dict

        return search_dict(self)

    def __repr__(self) -> str:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.best.weights.items())
        return (
            f"WeightSearch({self.metric} over {len(self._sample)} queries, {self.lines} line "
            f"searches: best {self.best.value:.4f} at {weights})"
        )

    @terminal_safe
    def __str__(self) -> str:
        from workbench.evaluation.tuning.present_search import search_text

        return search_text(self)

    def _repr_html_(self) -> str:
        from workbench.evaluation.tuning.present_search import search_html

        return search_html(self)

    def _at_best(self) -> Vector:
        return self.per_query()

    def _reach(self, signal: str) -> Reach:
        edges, values = self.curve(signal)
        weight = self.best.weights[signal]
        low, high = around(values >= self.best.value - self.standard_error, edges, weight)
        return Reach(signal, weight, low, high, float(values[0]))

    def _resample(self, resamples: int, seed: int) -> SearchBootstrap:
        count, own = len(self._sample), self.per_query()
        draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
        weights = {signal: np.empty(resamples) for signal in self.signals}
        for i, draw in enumerate(draws):
            counts = np.bincount(draw, minlength=count)
            for signal, line in self._axes.items():
                start, stop = best_run(line.steps.sums(counts), line.edges)
                weights[signal][i] = (line.edges[start] + line.edges[stop]) / 2
        intervals = {signal: percentiles(drawn) for signal, drawn in weights.items()}
        return SearchBootstrap(intervals, mean_interval(own, resamples, seed)[1:])

    def _weights_of(self, chosen: Any) -> dict[str, float]:
        found: dict[str, float] = chosen
        return found

    def _best_weights(self) -> Mapping[str, float]:
        return self.best.weights

    def _choose(self, counts: Integers) -> tuple[dict[str, float], Vector]:
        """The best weights for the queries counted, from fewer starts, and every query's value.
        Cross-validation and recommendation have the same folds: a search is made once."""
        return self._once(("fold", counts.tobytes()), lambda: self._search(counts))

    def _search(self, counts: Integers) -> tuple[dict[str, float], Vector]:
        climb = Climb(self._batch, counts)
        even = np.full(len(self.signals), 1 / len(self.signals))
        found = climb.run([climb.best_edge(), even])
        weights = dict(zip(self.signals, found.weights.tolist(), strict=True))
        return weights, self._batch.sample.per_query(weights)
