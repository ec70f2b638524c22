"""Do people judge alike? Cohen's kappa of two, Krippendorff's alpha of all.

1 is full agreement, 0 what chance gives, below 0 worse than chance. A coefficient is NaN where it
is not defined: nobody judged the same pair, or only one grade was ever given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.present.view import Shown, View
from workbench.present.words import coefficient, count

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = ("", "linear", "quadratic")
LEVELS = ("nominal", "ordinal", "interval")


@dataclass(frozen=True, slots=True)
class Kappa:
    """Two people over the pairs that both judged. `same` is the share of equal grades; `plain`,
    `linear` and `quadratic` are Cohen's kappa with those weights."""

    first: str
    second: str
    pairs: int
    same: float
    plain: float
    linear: float
    quadratic: float


@dataclass(frozen=True, slots=True, repr=False)
class Agreement(Shown):
    """How alike the people judge, over the `pairs` that two or more of them graded.

    `alpha` is Krippendorff's, nominal, ordinal and interval, over all people; `kappas` has every
    two who share a pair. `table` counts how often two grades met on a pair, float64 (grades,
    grades), symmetric, in the order of `grades` (Krippendorff's coincidences).
    """

    people: tuple[str, ...]
    pairs: int
    alpha: Mapping[str, float]
    kappas: tuple[Kappa, ...]
    grades: tuple[int, ...]
    table: tuple[tuple[float, ...], ...]

    def to_frame(self) -> pd.DataFrame:
        """One row for every two people."""
        import pandas as pd

        names = Kappa.__dataclass_fields__
        rows = [{name: getattr(kappa, name) for name in names} for kappa in self.kappas]
        return pd.DataFrame(rows, columns=list(names))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a coefficient that is not defined is None."""
        kappas = [
            {n: _plain(getattr(kappa, n)) for n in Kappa.__dataclass_fields__}
            for kappa in self.kappas
        ]
        return {
            "people": list(self.people),
            "pairs": self.pairs,
            "alpha": {level: _plain(value) for level, value in self.alpha.items()},
            "kappas": kappas,
            "grades": list(self.grades),
            "table": [list(row) for row in self.table],
        }

    def __repr__(self) -> str:
        return (
            f"Agreement({len(self.people)} people, {self.pairs} pairs, ordinal alpha "
            f"{self.alpha['ordinal']:.3f})"
        )

    def view(self) -> View:
        """Alpha, every two people, and how often two grades met."""
        alpha = ", ".join(f"{level} {coefficient(value)}" for level, value in self.alpha.items())
        head = (
            f"{count(len(self.people), 'person', 'people')}, {count(self.pairs, 'pair')} judged by "
            f"two or more; Krippendorff's alpha: {alpha}"
        )
        rows = (
            f"  {k.first} and {k.second}: {count(k.pairs, 'pair')}, {k.same:.0%} the same, Cohen's "
            f"kappa {coefficient(k.plain)}, linear {coefficient(k.linear)}, quadratic "
            f"{coefficient(k.quadratic)}"
            for k in self.kappas
        )
        unknown = "No pair was judged by two people, so agreement is not known."
        more = {"kappas": self.kappas, "grades": self.grades, "met": self.table}
        return View(head, tuple(rows), () if self.kappas else (unknown,), "agreement.html", more)


def agreement(grades: Mapping[Any, Mapping[str, int]]) -> Agreement:
    """The agreement of people: `grades` maps anything judged -> person -> grade."""
    units = [dict(given) for given in grades.values() if len(given) > 1]
    people = sorted({who for given in units for who in given})
    kappas = [kappa for two in combinations(people, 2) if (kappa := _kappa(units, *two))]
    values, table = coincidences([list(given.values()) for given in units])
    return Agreement(
        people=tuple(people),
        pairs=len(units),
        alpha={level: krippendorff_alpha(units, level) for level in LEVELS},
        kappas=tuple(kappas),
        grades=tuple(int(value) for value in values),
        table=tuple(tuple(row) for row in table.tolist()),
    )


def cohen_kappa(first: Sequence[int], second: Sequence[int], weights: str = "") -> float:
    """Cohen's kappa of two people's grades of the same things, in the same order.

    Cohen, "A Coefficient of Agreement for Nominal Scales", Educ. Psychol. Meas. 1960; weighted,
    "linear" (by the difference of grades) or "quadratic", Psychol. Bull. 1968. NaN for nothing
    judged and where both always give one and the same grade. Raises EvaluationError for lists of
    different lengths or unknown weights.
    """
    if len(first) != len(second):
        raise EvaluationError(f"{len(first)} and {len(second)} grades; give both for each thing")
    if weights not in WEIGHTS:
        raise EvaluationError(f"weights are {weights!r}; choose one of {WEIGHTS}")
    if not len(first):
        return math.nan
    values, places = np.unique(np.array([first, second], dtype=np.int64), return_inverse=True)
    a, b = places.reshape(2, -1)
    cost = _cost(np.abs(values[:, None] - values[None, :]), weights)
    observed = cost[a, b].mean()
    shares = [np.bincount(own, minlength=len(values)) / len(first) for own in (a, b)]
    expected = shares[0] @ cost @ shares[1]
    return float(1.0 - observed / expected) if expected else math.nan


def krippendorff_alpha(units: Sequence[Mapping[str, int]], level: str = "ordinal") -> float:
    """Krippendorff's alpha of any number of people, who need not judge everything.

    `units` holds person -> grade of each thing; things that one person judged do not count.
    Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011; `level` is "nominal",
    "ordinal" or "interval". NaN where fewer than two grades meet or all are the same. Raises
    EvaluationError for an unknown level.
    """
    if level not in LEVELS:
        raise EvaluationError(f"level is {level!r}; choose one of {', '.join(LEVELS)}")
    values, table = coincidences([list(given.values()) for given in units])
    totals = table.sum(axis=0)
    distance = _distance(values, totals, level)
    observed = (table * distance).sum()
    expected = (np.outer(totals, totals) * distance).sum()
    return float(1.0 - (totals.sum() - 1.0) * observed / expected) if expected else math.nan


def coincidences(
    units: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The grades that occur, ascending, int64 (n,), and how often two meet, float64 (n, n).

    A thing with m grades adds each of its m (m - 1) ordered meetings with weight 1 / (m - 1).
    """
    several = [unit for unit in units if len(unit) > 1]
    values = np.unique(np.array([grade for unit in several for grade in unit], dtype=np.int64))
    table = np.zeros((len(values), len(values)))
    for unit in several:
        counts = np.bincount(np.searchsorted(values, unit), minlength=len(values))
        table += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return values, table


def _distance(
    values: NDArray[np.int64], totals: NDArray[np.float64], level: str
) -> NDArray[np.float64]:
    """Squared distances of the grades, (n, n), in the measure of the level."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    places = values.astype(np.float64)
    if level == "ordinal":
        # The distance of two grades: how many were given from one to the other, half of each end.
        places = np.cumsum(totals) - totals / 2.0
    squared: NDArray[np.float64] = (places[:, None] - places[None, :]) ** 2
    return squared


def _kappa(units: Sequence[Mapping[str, int]], first: str, second: str) -> Kappa | None:
    both = [(given[first], given[second]) for given in units if first in given and second in given]
    if not both:
        return None
    a, b = zip(*both, strict=True)
    plain, linear, quadratic = (cohen_kappa(a, b, weights) for weights in WEIGHTS)
    same = sum(x == y for x, y in both) / len(both)
    return Kappa(first, second, len(both), same, plain, linear, quadratic)


def _cost(apart: NDArray[np.int64], weights: str) -> NDArray[np.float64]:
    """What it costs that two grades are so far apart."""
    power = {"": 0, "linear": 1, "quadratic": 2}[weights]
    return np.where(apart > 0, apart.astype(np.float64) ** power, 0.0)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
