"""What every result of tuning has: its queries, and how the profile did that it started from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.tuning.exact.sample import Sample
from workbench.profiles import Profile
from workbench.records import Query

Vector = NDArray[np.float64]
Kept = TypeVar("Kept")

PLAIN = Profile(weights=Profile().first_pass, feedback=False)
"""What curves made without a profile start from: the signals that every engine has."""


class Tuned(ABC):
    """Base of `WeightCurve` and `WeightSearch`, frozen dataclasses that hold these."""

    __slots__ = ()
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
