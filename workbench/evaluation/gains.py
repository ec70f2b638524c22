"""Metrics as functions of the relevant papers' ranks, for many weights at once.

Definitions and names are trec_eval's and ir_measures': linear gain in nDCG, relevant means a grade
above 0, and a relevant paper that was not found counts in the ideal and in recall. A query without
a relevant paper scores 0, as in trec_eval. Every value lies in [0, 1].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError

Ranks = NDArray[np.int64]
"""1 is best; shape (relevant papers found, weights)."""
Grades = NDArray[np.int64]
Values = NDArray[np.float64]
_Formula = Callable[[Ranks, Grades, Grades, float], Values]


@dataclass(frozen=True, slots=True)
class RankMetric:
    """A metric that depends on the relevant papers' ranks alone. `cutoff` None means no cutoff."""

    name: str
    formula: _Formula
    cutoff: int | None

    def __call__(self, ranks: Ranks, grades: Grades, relevant: Grades) -> Values:
        """The metric, float64 (weights,).

        `ranks` is int64 (found, weights), `grades` (found,) the grades of those rows, `relevant`
        every grade above 0 of the query, found or not.
        """
        if not len(ranks):
            return np.zeros(ranks.shape[1])
        return self.formula(ranks, grades, relevant, np.inf if self.cutoff is None else self.cutoff)


def parse_metric(name: str) -> RankMetric:
    """The metric of that name, as ir_measures writes it: "nDCG@10", "AP", "RR@10", "P@5".

    Raises EvaluationError for a name that is unknown or that lacks its cutoff.
    """
    match = re.fullmatch(r"(\w+?)(?:@([1-9][0-9]*))?", name, re.ASCII)
    if match is None or match[1] not in _FORMULAS:
        known = ", ".join(f"{n}@k" if n in _NEED_CUTOFF else f"{n} or {n}@k" for n in _FORMULAS)
        raise EvaluationError(f"cannot tune for metric {name!r}; choose one of {known}")
    if match[2] is None and match[1] in _NEED_CUTOFF:
        raise EvaluationError(f"metric {name!r} needs a cutoff, for example {name}@10")
    return RankMetric(name, _FORMULAS[match[1]], int(match[2]) if match[2] else None)


def _ndcg(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    """Järvelin and Kekäläinen, TOIS 2002, with trec_eval's discount 1 / log2(rank + 1)."""
    discounted = np.where(ranks <= cutoff, grades[:, None] / np.log2(ranks + 1.0), 0.0)
    ideal = np.sort(relevant)[::-1][: int(min(cutoff, len(relevant)))]
    return _float(discounted.sum(axis=0) / (ideal / np.log2(np.arange(len(ideal)) + 2.0)).sum())


def _precision(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    return _float((ranks <= cutoff).sum(axis=0) / cutoff)


def _recall(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    return _float((ranks <= cutoff).sum(axis=0) / len(relevant))


def _reciprocal(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    first = ranks.min(axis=0)
    return np.where(first <= cutoff, 1.0 / first, 0.0)


def _success(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    return _float(ranks.min(axis=0) <= cutoff)


def _average_precision(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float) -> Values:
    ordered = np.sort(ranks, axis=0)
    precision = np.arange(1, len(ranks) + 1)[:, None] / ordered
    return _float(np.where(ordered <= cutoff, precision, 0.0).sum(axis=0) / len(relevant))


def _float(values: NDArray[np.generic]) -> Values:
    return np.asarray(values, dtype=np.float64)


_FORMULAS: Mapping[str, _Formula] = {
    "nDCG": _ndcg,
    "P": _precision,
    "R": _recall,
    "RR": _reciprocal,
    "Success": _success,
    "AP": _average_precision,
}
_NEED_CUTOFF = ("P", "R", "Success")
