"""What a query's candidates say about the weight that would serve it: numbers before any judgment.

After the predictors of query performance (Carmel and Yom-Tov, "Estimating the Query Difficulty for
Information Retrieval", 2010): how long and how rare the words are, how far the scores spread, and
how much the two signals agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.ranking.fusion import fuse, weight_vector
from workbench.records import Candidates

Vector = NDArray[np.float64]
Frequencies = Callable[[Sequence[str]], tuple[Mapping[str, int], int]]
"""In how many passages each term occurs, and how many passages there are: an engine's
`document_frequencies`."""


class DocumentFrequencies:
    """An engine's `document_frequencies`. Sent to another process it stays behind with the corpus,
    and asking there says so: guessing how rare words are would predict other weights."""

    def __init__(self, ask: Frequencies | None) -> None:
        self._ask = ask

    def __call__(self, terms: Sequence[str]) -> tuple[Mapping[str, int], int]:
        """Raises EvaluationError in another process than the one that has the corpus."""
        if self._ask is None:
            raise EvaluationError(
                "this curve came from another process, and its predictor needs the corpus to know "
                "which words are rare; call predictor() where it was tuned, or tune here"
            )
        return self._ask(terms)

    def __reduce__(self) -> tuple[Any, ...]:
        return DocumentFrequencies, (None,)


MIXES = (0.0, 0.25, 0.5, 0.65, 0.8, 1.0)
"""Weights of the second signal at which the fused scores are looked at."""

NAMES = (
    "terms",
    "characters",
    "mean_idf",
    "max_idf",
    "min_idf",
    "spread_of_idf",
    "unknown_terms",
    "first_best",
    "second_best",
    "first_best_per_idf",
    "first_gap_to_2",
    "second_gap_to_2",
    "first_gap_to_10",
    "second_gap_to_10",
    "first_spread_of_10",
    "second_spread_of_10",
    "first_mean",
    "second_mean",
    "overlap_at_10",
    "overlap_at_3",
    "same_best",
    "second_of_first_best",
    "first_of_second_best",
    "second_rank_of_first_best",
    "first_rank_of_second_best",
    "correlation",
    "different_bests",
    *(f"gap_to_2_at_{mix:g}" for mix in MIXES),
    *(f"spread_of_10_at_{mix:g}" for mix in MIXES),
)
"""What each feature is called; "first" and "second" are the two signals."""


def features(
    candidates: Candidates,
    normalised: NDArray[np.float64],
    signals: tuple[str, str],
    idf: Mapping[str, float],
) -> Vector:
    """The features NAMES of one query, all finite; 0 throughout where nothing was found."""
    if not len(candidates):
        return np.zeros(len(NAMES))
    starts = candidates.paper_starts
    mixed = [
        np.maximum.reduceat(_mix(candidates, normalised, signals, mix), starts) for mix in MIXES
    ]
    raw = [np.maximum.reduceat(candidates.column(name), starts) for name in signals]
    orders = [np.argsort(-scores, kind="stable") for scores in mixed]
    words = _words(candidates, idf)
    known = max(float(sum(idf.get(term, 0.0) for term in candidates.query.terms)), 1e-9)
    first, second = mixed[0], mixed[-1]
    values = [
        *words,
        raw[0].max(),
        raw[1].max(),
        raw[0].max() / known if idf else 0.0,
        *(_gap(mixed[i], orders[i], 1) for i in (0, -1)),
        *(_gap(mixed[i], orders[i], 9) for i in (0, -1)),
        *(mixed[i][orders[i][:10]].std() for i in (0, -1)),
        first.mean(),
        second.mean(),
        *_agreement(first, second, orders[0], orders[-1]),
        len({int(order[0]) for order in orders}),
        *(_gap(scores, order, 1) for scores, order in zip(mixed, orders, strict=True)),
        *(scores[order[:10]].std() for scores, order in zip(mixed, orders, strict=True)),
    ]
    return np.array(values, dtype=np.float64)


def inverse_frequencies(terms: Sequence[str], frequencies: Frequencies | None) -> dict[str, float]:
    """BM25's idf of each term, the largest for one that no passage has; empty without an engine."""
    if frequencies is None or not terms:
        return {}
    known, count = frequencies(terms)
    return {term: _idf(known.get(term, 0), count) for term in terms}


def _idf(frequency: int, count: int) -> float:
    return float(np.log1p((count - frequency + 0.5) / (frequency + 0.5)))


def _mix(
    candidates: Candidates,
    normalised: NDArray[np.float64],
    signals: tuple[str, str],
    weight: float,
) -> Vector:
    weights = {signals[0]: 1.0 - weight, signals[1]: weight}
    return fuse(normalised, weight_vector(weights, candidates.signals))


def _words(candidates: Candidates, idf: Mapping[str, float]) -> list[float]:
    terms = list(candidates.query.terms)
    found = np.array([idf[term] for term in terms if term in idf] or [0.0])
    highest = max(idf.values(), default=0.0)
    unknown = float(np.mean(found >= highest)) if idf and terms else 0.0
    length = float(np.log1p(len(candidates.query.text)))
    return [len(terms), length, found.mean(), found.max(), found.min(), found.std(), unknown]


def _gap(scores: Vector, order: NDArray[np.intp], place: int) -> float:
    """How far the best is above the one at a place from 0, or above the last."""
    return float(scores[order[0]] - scores[order[min(place, len(order) - 1)]])


def _agreement(
    first: Vector, second: Vector, by_first: NDArray[np.intp], by_second: NDArray[np.intp]
) -> list[float]:
    """How much the two orders of papers have in common."""
    top, other = int(by_first[0]), int(by_second[0])
    varied = first.std() > 0 and second.std() > 0
    return [
        *(len(set(by_first[:k]) & set(by_second[:k])) / k for k in (10, 3)),
        float(top == other),
        second[top],
        first[other],
        np.log1p(np.flatnonzero(by_second == top)[0]),
        np.log1p(np.flatnonzero(by_first == other)[0]),
        float(np.corrcoef(first, second)[0, 1]) if varied else 0.0,
    ]
