"""What every result of tuning has: its queries, and how the profile did that it started from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.exact.sample import Sample
from workbench.evaluation.tuning.recommendation import (
    Recommendation,
    between,
    rounded,
    supported_share,
)
from workbench.profiles import Profile
from workbench.records import Query

Vector = NDArray[np.float64]
Kept = TypeVar("Kept")

FOLDS = 5
"""Of the queries, that a recommendation rests on."""

PLAIN = Profile(weights=Profile().first_pass, feedback=False)
"""What curves made without a profile start from: the signals that every engine has."""


class Tuned(ABC):
    """Base of `WeightCurve` and `WeightSearch`, frozen dataclasses that hold these."""

    __slots__ = ()
    _repeats: ClassVar[int]
    base: Profile
    _sample: Sample
    _kept: dict[Any, Any]

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries that the mean is over."""
        return tuple(query.item.candidates.query for query in self._sample.queries)

    @property
    def default(self) -> float:
        """The mean under the weights of `base`, all its signals, by ranking anew."""
        return float(self.default_values.mean())

    @property
    def default_values(self) -> Vector:
        """Each query's value under the weights of `base`, shape (queries,)."""
        return self._once("default", lambda: self._sample.per_query(self.base.weights))

    @property
    def standard_error(self) -> float:
        """Of the mean at the best weights, over the queries; 0 for a single query."""
        values = self._at_best()
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

    @property
    def recommended(self) -> Recommendation:
        """The weights to use: as far from the default to the best weights as queries not tuned on
        support. The best weights themselves stay in `best` and `profile`."""
        return self._once("recommended", self._recommend)

    def _recommend(self) -> Recommendation:
        default, best = self.base.weights, self._best_weights()
        queries, measure = self._sample.queries, self._sample.measure
        share, gain, error = supported_share(
            self._choose,
            lambda weights, some: np.array([queries[i].value(weights, measure) for i in some]),
            self._weights_of,
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
        value = float(self._sample.per_query(weights).mean())
        profile = self.base.replace(name="tuned", weights=weights)
        return Recommendation(weights, share, value, gain, error, profile)

    @abstractmethod
    def _choose(self, counts: NDArray[np.int64]) -> tuple[Any, Vector]:
        """The best for the queries counted, and every query's value there."""

    @abstractmethod
    def _weights_of(self, chosen: Any) -> Mapping[str, float]:
        """The weights that `_choose` gave."""

    @abstractmethod
    def _best_weights(self) -> Mapping[str, float]:
        """The best weights of all queries."""

    @abstractmethod
    def _at_best(self) -> Vector:
        """Each query's value at the best weights, shape (queries,)."""

    def _profile(self, weights: Mapping[str, float]) -> Profile:
        """`base` with these weights; every other signal weighs 0."""
        others = dict.fromkeys(self.base.weights, 0.0)
        return self.base.replace(name="tuned", weights={**others, **weights})

    def _once(self, key: Any, make: Callable[[], Kept]) -> Kept:
        """What `make` gives, made when first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        found: Kept = self._kept[key]
        return found
