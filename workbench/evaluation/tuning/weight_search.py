"""The best weights of more than two signals, and which of them matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.statistics import mean_interval
from workbench.evaluation.tuning.certainty import Bootstrap, CrossValidation, cross_validate
from workbench.evaluation.tuning.exact.branch_and_bound import CELLS, Cost, Maximum, cost, maximum
from workbench.evaluation.tuning.exact.line_search import Climb, Line, Waypoint
from workbench.evaluation.tuning.exact.many_lines import Batch
from workbench.evaluation.tuning.exact.step_functions import UNIT, best_run
from workbench.evaluation.tuning.exact.tuning_set import TuningSet
from workbench.evaluation.tuning.left_out import LeftOut
from workbench.evaluation.tuning.plots import search_figure
from workbench.evaluation.tuning.result import BestWeights, Tuned
from workbench.evaluation.tuning.view import facts_view, named, span
from workbench.present.view import View
from workbench.present.words import count
from workbench.profiles import Profile

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightSearch(Tuned):
    """The best weights of three or more signals for a `metric`. Made by `tuning.search_weights`.

    `best`: what was found. `path`: the steps that led there, weights in the order of `signals`.
    `lines`: how many exact line searches it took. `bound`: the search of the whole simplex, None
    where it was not made. `base` is the profile that tuning started from,
    `left_out` what it did not use. Shows as a table in a notebook; `str()` gives plain text.
    """

    _repeats: ClassVar[int] = 1

    metric: str
    signals: tuple[str, ...]
    best: BestWeights
    path: tuple[Waypoint, ...]
    lines: int
    bound: Maximum | None
    base: Profile
    left_out: LeftOut
    _tuning_set: TuningSet
    _batch: Batch
    _axes: Mapping[str, Line]
    _kept: dict[Any, Any] = field(default_factory=dict)

    def at(self, weights: Weights) -> float:
        """The mean at these very weights, by ranking anew; signals left out weigh 0.

        Raises WeightError for an unknown signal, a negative weight or all 0.
        """
        return float(self.query_values(weights).mean())

    def query_values(self, weights: Weights | None = None) -> Vector:
        """Each query's value at these very weights, None meaning the best, shape (queries,)."""
        if weights is None:
            return self._once("best", lambda: self._tuning_set.query_values(self.best.weights))
        return self._tuning_set.query_values(weights)

    def curve(self, signal: str) -> tuple[Vector, Vector]:
        """The mean over one signal's weight, the others in their best proportions: the edges of
        the intervals (n + 1,) from 0 to 1, and the mean on each (n,). Raises WeightError for a
        signal that was not tuned."""
        if signal not in self._axes:
            raise WeightError(
                f"signal {signal!r} was not tuned; these were: {', '.join(self.signals)}"
            )
        line, count = self._axes[signal], len(self._tuning_set)
        return line.edges, line.steps.sums(np.ones(count, dtype=np.int64)) / UNIT / count

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
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
                self._choose, self.query_values(), self.default_values, folds, repeats, seed,
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
        return maximum(self._batch, self._tuning_set, self.best.weights, cells)

    def plot(self, *, bootstrap: bool = True) -> Figure:
        """A plotly figure: for each signal the mean over its weight, the others in proportion."""
        return search_figure(
            self.metric,
            self.best.value,
            self.best.weights,
            {signal: self.curve(signal) for signal in self.signals},
            self.bootstrap().intervals if bootstrap else {},
        )

    def to_dict(self) -> dict[str, Any]:
        """What `workbench tune --json` prints for more than two signals; fields are only added.

        As for two, but `interval` and `bootstrap.interval` map each signal to its interval, and
        `curve` is on the line on which the second signal's weight moves and the others keep their
        proportions; `curves` has it for every signal.
        """
        best, sure = self.best, self.bootstrap()
        curves = {}
        for signal in self.signals:
            edges, values = self.curve(signal)
            curves[signal] = np.column_stack((edges[:-1], values)).tolist()
        return {
            **self._plain(),
            "best": {
                "weights": dict(best.weights),
                "interval": {signal: list(ends) for signal, ends in best.intervals.items()},
                "value": best.value,
            },
            "bootstrap": {
                "interval": {signal: list(ends) for signal, ends in sure.intervals.items()},
                "value": list(sure.value),
            },
            "reach": self.to_frame().to_dict("records"),
            "upper_bound": self.bound.upper if self.bound else None,
            "proven": self.bound.proven if self.bound else False,
            "curve": curves[self.signals[1]],
            "curves": curves,
        }

    def __repr__(self) -> str:
        return (
            f"WeightSearch({self.metric} over {count(len(self.queries), 'query')}, {self.lines} "
            f"line searches: best {self.best.value:.4f} at {named(self.best.weights)})"
        )

    def view(self) -> View:
        """What a person wants to know first, then what each weight matters, a fact a line."""
        facts = [
            *self._facts(self._proof()),
            ("95 % interval", span(self.bootstrap().value), "of the best value"),
        ]
        facts += [
            (
                row.signal,
                f"{row.weight:g}",
                f"from {span((row.low, row.high), 2)} within a standard error "
                f"({self.standard_error:.4f}); {row.without:.4f} without it",
            )
            for row in self.reach
        ]
        head = (
            f"{self.metric} over the weights of {', '.join(self.signals)}: "
            f"{count(len(self.queries), 'query')}, {self.lines:,} exact line searches"
        )
        return facts_view(head, facts, self._notes())

    def _proof(self) -> str:
        """What is known about other weights."""
        if self.bound is None:
            return f"no line through them is better ({self.lines} line searches)"
        if self.bound.proven:
            return (
                "no weights are better: proven over the whole simplex, single ties inside it aside"
            )
        return f"no weights are better than {self.bound.upper:.4f}"

    def _at_best(self) -> Vector:
        return self.query_values()

    def _resample(self, resamples: int, seed: int) -> Bootstrap:
        queries, own = len(self._tuning_set), self.query_values()
        draws = np.random.default_rng(seed).integers(0, queries, (resamples, queries))
        weights = np.empty((resamples, len(self.signals)))
        for i, draw in enumerate(draws):
            counts = np.bincount(draw, minlength=queries)
            for column, line in enumerate(self._axes.values()):
                start, stop = best_run(line.steps.sums(counts), line.edges)
                weights[i, column] = (line.edges[start] + line.edges[stop]) / 2
        _, low, high = mean_interval(own, resamples, seed)
        return Bootstrap(self.signals, (low, high), weights, own[draws].mean(axis=1))

    def _choose(self, counts: Integers) -> tuple[Weights, Vector]:
        """The best weights for the queries counted, from fewer starts, and every query's value.
        Cross-validation and recommendation have the same folds: a search is made once."""
        return self._once(("fold", counts.tobytes()), lambda: self._search(counts))

    def _search(self, counts: Integers) -> tuple[Weights, Vector]:
        climb = Climb(self._batch, counts)
        even = np.full(len(self.signals), 1 / len(self.signals))
        best = climb.run([climb.best_edge(), even])
        weights = dict(zip(self.signals, best.weights.tolist(), strict=True))
        return weights, self._batch.tuning_set.query_values(weights)
