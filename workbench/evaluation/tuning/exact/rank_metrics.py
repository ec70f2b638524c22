"""Metrics as functions of the relevant papers' ranks, for many weights at once.

Definitions and names are trec_eval's and ir_measures': linear gain in nDCG, relevant means a grade
above 0, and a relevant paper that was not found counts in the ideal and in recall. A query without
a relevant paper scores 0, as in trec_eval. Every value lies in [0, 1]. Judged@k counts every judged
paper, over the papers found where they are fewer than k.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.metric_names import ALIASES, nearest_name

Ranks = NDArray[np.int64]
"""1 is best; shape (relevant papers found, weights)."""
Grades = NDArray[np.int64]
Values = NDArray[np.float64]
_Formula = Callable[[Ranks, Grades, Grades, float], Values]


@dataclass(frozen=True, slots=True)
class RankMetric:
    """A metric that depends on the ranks of judged papers alone. `cutoff` None means no cutoff;
    papers of grade `least` and up count, all judged ones where it is None."""

    name: str
    formula: _Formula
    cutoff: int | None
    least: int | None = 1

    def __call__(
        self, ranks: Ranks, grades: Grades, relevant: Grades, papers: int | None = None
    ) -> Values:
        """The metric, float64 (weights,).

        `ranks` is int64 (found, weights), `grades` (found,) the grades of those rows, `relevant`
        every grade of the query that counts, found or not, `papers` how many were found in all.
        """
        if not len(ranks):
            return np.zeros(ranks.shape[1])
        cutoff = np.inf if self.cutoff is None else self.cutoff
        if self.least is None and papers is not None:
            cutoff = min(cutoff, papers)
        return self.formula(ranks, grades, relevant, cutoff)

    def sees(self, grade: int) -> bool:
        """Whether a paper of this grade counts."""
        return self.least is None or grade >= self.least

    @property
    def counted(self) -> str:
        """Which papers count, in words."""
        return "any grade" if self.least is None else f"a grade of {self.least} or more"


def parse_metric(name: str) -> RankMetric:
    """The metric of that name, as ir_measures writes it: "nDCG@10", "AP", "RR@10", "P(rel=2)@5",
    "RBP(p=0.8)", "Judged@10"; also MAP, MRR, NDCG, Recall and Precision.

    Raises EvaluationError for a name that is unknown, lacks its cutoff, or has wrong arguments.
    """
    if not isinstance(name, str):
        raise EvaluationError(f"metric is {name!r}; give one name, such as nDCG@10")
    name = name.strip()
    match = _NAME.fullmatch(name)
    base = ALIASES.get(match[1], match[1]) if match else ""
    if match is None or base not in _FORMULAS:
        known = ", ".join(f"{n}@k" if n in _NEED_CUTOFF else f"{n} or {n}@k" for n in _FORMULAS)
        near = nearest_name(name, [*_FORMULAS, *ALIASES])
        raise EvaluationError(f"cannot tune for metric {name!r}{near}; choose one of {known}")
    formula = _FORMULAS[base]
    if match[3] is None and base in _NEED_CUTOFF:
        raise EvaluationError(f"metric {name!r} needs a cutoff, for example {name}@10")
    given = _arguments(name, base, match[2])
    if base == "RBP":
        formula = partial(formula, p=given.pop("p", RBP_P))
    least = None if base == "Judged" else int(given.pop("rel", 1))
    return RankMetric(name, formula, int(match[3]) if match[3] else None, least)


def _arguments(name: str, base: str, text: str | None) -> dict[str, float]:
    """The numbers in the parentheses: rel, a whole number from 1, and p of RBP, between 0 and 1."""
    allowed = {"RBP": ("p", "rel"), "nDCG": (), "Judged": ()}.get(base, ("rel",))
    given: dict[str, float] = {}
    for part in (text or "").split(",") if text else ():
        key, _, number = (piece.strip() for piece in part.partition("="))
        fits = _REL if key == "rel" else _P
        if key not in allowed or key in given or not fits.fullmatch(number) or not float(number):
            takes = " and ".join(allowed) or "no arguments"
            raise EvaluationError(
                f"metric {name!r}: {part.strip()!r} is no argument that can be tuned for; {base} "
                f"takes {takes} (rel a whole number from 1, p between 0 and 1)"
            )
        given[key] = float(number)
    return given


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


def _rank_biased(ranks: Ranks, grades: Grades, relevant: Grades, cutoff: float, p: float) -> Values:
    """Moffat and Zobel, TOIS 2008."""
    return _float(np.where(ranks <= cutoff, (1 - p) * p ** (ranks - 1.0), 0.0).sum(axis=0))


def _float(values: NDArray[np.generic]) -> Values:
    return np.asarray(values, dtype=np.float64)


_FORMULAS: Mapping[str, Callable[..., Values]] = {
    "nDCG": _ndcg,
    "P": _precision,
    "R": _recall,
    "RR": _reciprocal,
    "Success": _success,
    "AP": _average_precision,
    "RBP": _rank_biased,
    "Judged": _precision,
}
_NEED_CUTOFF = ("P", "R", "Success", "Judged")

RBP_P = 0.8
"""The persistence that ir_measures takes where none is given."""

_NAME = re.compile(r"(\w+?)(?:\(([^()]*)\))?(?:@([1-9][0-9]*))?", re.ASCII)
_REL = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_P = re.compile(r"0?\.[0-9]+", re.ASCII)
