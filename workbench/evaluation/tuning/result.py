"""What every result of tuning has: the best weights, how sure they are, and what to use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.certainty import Bootstrap, CrossValidation
from workbench.evaluation.tuning.exact.step_functions import around
from workbench.evaluation.tuning.exact.tuning_set import TuningSet
from workbench.evaluation.tuning.left_out import LeftOut
from workbench.evaluation.tuning.recommendation import (
    Recommendation,
    between,
    rounded,
    supported_share,
)
from workbench.evaluation.tuning.view import Fact, named, span
from workbench.present.view import Shown
from workbench.profiles import Profile
from workbench.records import Query

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Vector = NDArray[np.float64]
Weights = Mapping[str, float]
Kept = TypeVar("Kept")

FOLDS = 5
"""Of the queries, that a recommendation rests on."""

PLAIN = Profile(weights=Profile().first_pass, feedback=False)
"""What curves made without a profile start from: the signals that every engine has."""


@dataclass(frozen=True, slots=True, repr=False)
class BestWeights:
    """The best weights found, in short decimals with sum 1, and what they give.

    `weights=tuned.best` works where a search takes weights. `intervals`: from where to where each
    weight can move, the others in proportion, with exactly the same value.
    """

    value: float
    weights: Weights
    intervals: Mapping[str, tuple[float, float]]

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of two signals the second's interval; None for more, which have no single one."""
        return None

    def __repr__(self) -> str:
        where = f", from {span(self.interval)}" if self.interval else ""
        return f"{type(self).__name__}({self.value:.4f} at {named(self.weights)}{where})"


@dataclass(frozen=True, slots=True, repr=False)
class BestOfTwo(BestWeights):
    """The best weights of two signals."""

    @property
    def interval(self) -> tuple[float, float]:
        """The second signal's best weights: the open interval (low, high)."""
        return list(self.intervals.values())[1]

    @property
    def weight(self) -> float:
        """The second signal's weight, a short decimal inside the interval."""
        return list(self.weights.values())[1]

    @property
    def low(self) -> float:
        """Where the interval begins."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """Where the interval ends."""
        return self.interval[1]


@dataclass(frozen=True, slots=True)
class Reach:
    """How much a weight matters: from `low` to `high` it can move, the others in proportion,
    before the metric drops by its standard error; `without` is the mean just above weight 0."""

    signal: str
    weight: float
    low: float
    high: float
    without: float


class Tuned(Shown, ABC):
    """What `Workbench.tune` returns: a `WeightCurve` for two signals, a `WeightSearch` for more.

    Both are frozen dataclasses. `base` is the profile that tuning started from, `left_out` what it
    did not use.
    """

    __slots__ = ()
    _repeats: ClassVar[int]
    metric: str
    signals: tuple[str, ...]
    best: BestWeights
    base: Profile
    left_out: LeftOut
    _tuning_set: TuningSet
    _kept: dict[Any, Any]

    @abstractmethod
    def curve(self, signal: str) -> tuple[Vector, Vector]:
        """The mean over one signal's weight, the others in their best proportions: the edges of
        the intervals (n + 1,) from 0 to 1, and the mean on each (n,). Raises WeightError for a
        signal that was not tuned."""

    @abstractmethod
    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """How sure the optimum is. Raises EvaluationError for fewer than one resample."""

    @abstractmethod
    def cross_validate(self, folds: int = 5, repeats: int = 1, seed: int = 0) -> CrossValidation:
        """What tuning is worth on queries that it did not see."""

    @abstractmethod
    def plot(self, *, bootstrap: bool = True) -> Figure:
        """A plotly figure of the metric over the weights."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `workbench tune --json` prints; a contract: fields are only added."""

    @abstractmethod
    def _choose(self, counts: NDArray[np.int64]) -> tuple[Weights, Vector]:
        """The best weights for the queries counted, and every query's value there."""

    @abstractmethod
    def _at_best(self) -> Vector:
        """Each query's value at the best weights, shape (queries,)."""

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries that the mean is over."""
        return self._tuning_set.asked

    @property
    def profile(self) -> Profile:
        """`base` with the best weights; every other signal weighs 0. Save it with `to_toml`."""
        return self._profile(self.best.weights)

    @property
    def default(self) -> float:
        """The mean under the weights of `base`, all its signals, by ranking anew."""
        return float(self.default_values.mean())

    @property
    def default_values(self) -> Vector:
        """Each query's value under the weights of `base`, shape (queries,)."""
        return self._once("default", lambda: self._tuning_set.query_values(self.base.weights))

    @property
    def standard_error(self) -> float:
        """Of the mean at the best weights, over the queries; 0 for a single query."""
        values = self._at_best()
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

    @property
    def reach(self) -> tuple[Reach, ...]:
        """How far each weight can move before the metric drops by its standard error."""
        return tuple(self._reach(signal) for signal in self.signals)

    @property
    def recommended(self) -> Recommendation:
        """The weights to use: as far from the default to the best weights as queries not tuned on
        support. The best weights themselves stay in `best` and `profile`."""
        return self._once("recommended", self._recommend)

    def to_frame(self) -> pd.DataFrame:
        """One row a signal: signal, weight, low, high, without, as in `Reach`."""
        import pandas as pd

        names = Reach.__slots__
        return pd.DataFrame([{name: getattr(row, name) for name in names} for row in self.reach])

    def _reach(self, signal: str) -> Reach:
        edges, values = self.curve(signal)
        weight = self.best.weights[signal]
        low, high = around(values >= self.best.value - self.standard_error, edges, weight)
        return Reach(signal, weight, low, high, float(values[0]))

    def _recommend(self) -> Recommendation:
        default, best = self.base.weights, self.best.weights
        queries, measure = self._tuning_set.queries, self._tuning_set.measure
        share, gain, error = supported_share(
            self._choose,
            lambda weights, some: np.array([queries[i].value(weights, measure) for i in some]),
            default,
            self.default_values,
            FOLDS,
            self._repeats,
            seed=0,
        )
        weights = dict(default)
        if share == 1:
            weights = dict.fromkeys(default, 0.0) | dict(best)
        elif share:
            weights = rounded(between(default, best, share), tuple(default))
        value = float(self._tuning_set.query_values(weights).mean())
        profile = self.base.replace(name="tuned", weights=weights)
        return Recommendation(weights, share, value, gain, error, profile)

    def _profile(self, weights: Weights) -> Profile:
        """`base` with these weights; every other signal weighs 0."""
        others = dict.fromkeys(self.base.weights, 0.0)
        return self.base.replace(name="tuned", weights={**others, **weights})

    def _checked(self) -> CrossValidation | None:
        """The usual cross-validation, where there are queries for it."""
        return self.cross_validate() if len(self.queries) > 1 else None

    def _facts(self, best: str) -> list[Fact]:
        """What a person wants to know of any result; `best` says more of the best weights."""
        recommended, checked = self.recommended, self._checked()
        facts = [
            (
                "recommended",
                f"{recommended.value:.4f}",
                f"{named(recommended.weights)}; {recommended.reason}",
            ),
            ("best", f"{self.best.value:.4f}", f"{named(self.best.weights)}; {best}"),
            ("default", f"{self.default:.4f}", named(self.base.weights)),
        ]
        if checked:
            why = (
                f"on queries not tuned on; optimism {checked.optimism:+.4f}, gain over the default "
                f"{checked.difference:+.4f} [{checked.low:+.4f}, {checked.high:+.4f}]"
            )
            facts.append(("honest value", f"{checked.value:.4f}", why))
        return facts

    def _notes(self) -> list[str]:
        """What a person should know, in sentences: doubts first, then what was left out."""
        checked = self._checked()
        doubts = [checked.warning] if checked and checked.warning else []
        others = [name for name, weight in self.base.weights.items() if weight]
        others = [name for name in others if name not in self.signals]
        if others:
            doubts.append(
                f"the default also weighs {', '.join(others)}, which these weights leave at 0: "
                "name them in `signals` to tune them too"
            )
        return [*(["; ".join(doubts)] if doubts else []), *self.left_out.notes]

    def _plain(self) -> dict[str, Any]:
        """What `to_dict` gives of any result."""
        checked = self._checked()
        return {
            "metric": self.metric,
            "signals": list(self.signals),
            "queries": len(self.queries),
            "recommended": self.recommended.to_dict(),
            "default": {"weights": dict(self.base.weights), "value": self.default},
            "optimism": checked.optimism if checked else None,
            "cross_validation": checked.to_dict() if checked else None,
            "warning": checked.warning if checked else "",
            "left_out": self.left_out.to_dict(),
        }

    def _once(self, key: Any, make: Callable[[], Kept]) -> Kept:
        """What `make` gives, made when first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept
