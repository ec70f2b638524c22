"""A weight for each query, predicted before anyone judged it, and whether that is worth it.

Kernel ridge regression (Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm in Dual
Variables", ICML 1998) predicts a query's whole curve from its `features`; the weight where the
predicted curve is highest is taken. How wide the kernel and how strong the ridge is chosen by
cross-validation; one weight for all is among the choices.

Queries that share most relevant papers (paraphrases, a claim and its negation) always lie in the
same fold: else the predictor would look better than it is on queries that resemble none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.reports.present import count_queries, render
from workbench.evaluation.statistics import RESAMPLES, randomisation
from workbench.evaluation.tuning.certainty import percentiles
from workbench.evaluation.tuning.exact.sample import Prepared
from workbench.evaluation.tuning.exact.step_functions import UNIT, Steps
from workbench.evaluation.tuning.features import Frequencies, features, inverse_frequencies
from workbench.ranking.fusion import Matrix, normalise
from workbench.records import Candidates

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

WEIGHTS = np.linspace(0.01, 0.99, 50)
"""The weights of the second signal that can be predicted."""

SETTINGS = ((0.0, 0.0), (0.3, 1.0), (0.3, 3.0), (1.0, 1.0), (1.0, 3.0), (1.0, 10.0))
"""Width of the kernel and strength of the ridge; width 0 is one weight for all."""

INNER = 3
"""Folds in which the settings are compared."""

CLIP = 4.0
"""Standard deviations; a feature further out is taken as this far."""

MOST = 2_000
"""Queries learnt from at most, drawn at random: the kernel's memory grows with their square."""

LEAST = 20
FLIPS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """`coefficients` (queries, weights) over the kernel of the scaled features `known`; without
    them one weight for all, the best of `mean` (weights,)."""

    centre: Vector
    scale: Vector
    known: Matrix
    width: float
    coefficients: Matrix | None
    mean: Vector

    def choose(self, rows: Matrix) -> Integers:
        """The number of the weight for each row of features, shape (rows,)."""
        if self.coefficients is None:
            return np.full(len(rows), int(np.argmax(self.mean)))
        kernel = np.exp(-self.width * _distances(self.scaled(rows), self.known))
        return np.asarray(np.argmax(self.mean + kernel @ self.coefficients, axis=1))

    def scaled(self, rows: Matrix) -> Matrix:
        scaled: Matrix = np.clip((rows - self.centre) / self.scale, -CLIP, CLIP)
        return scaled


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightPredictor:
    """Predicts a weight for each query. All values are honest: each query's weight is predicted,
    and the one weight for all tuned, without it and without the queries that share most of its
    relevant papers (k folds).

    - `value`: the mean with predicted weights; `one`: with one weight for all; `oracle`: with each
      query's own best, which no prediction exceeds
    - `low`, `high`: 95 % bootstrap interval of `value` minus `one`; `p`: randomisation test; both
      over such groups of queries
    - `learnt`: whether the features were used at all; if not, it predicts one weight for all
    """

    metric: str
    signals: tuple[str, str]
    normaliser: str
    queries: int
    value: float
    one: float
    oracle: float
    low: float
    high: float
    p: float
    _model: _Model
    _frequencies: Frequencies | None

    @property
    def learnt(self) -> bool:
        """Whether predictions differ from query to query."""
        return self._model.coefficients is not None

    @property
    def gain(self) -> float:
        """What predicting gains over one weight for all."""
        return self.value - self.one

    @property
    def share(self) -> float:
        """The part of the way from one weight for all to the oracle; 0 where there is no way."""
        way = self.oracle - self.one
        return self.gain / way if way > 0 else 0.0

    @property
    def verdict(self) -> str:
        """Whether to use it, in a sentence."""
        facts = (
            f"predicted weights give {self.value:.4f}, one weight for all {self.one:.4f}, each "
            f"query's own best {self.oracle:.4f}: {self.share:.0%} of the way "
            f"({self.gain:+.4f}, 95 % interval {self.low:+.4f} to {self.high:+.4f}, p {self.p:.3f})"
        )
        if self.low > 0:
            return f"Worth using: {facts}."
        if self.gain > 0:
            return f"Not proven: {facts}. Keep one weight for all, or judge more queries."
        return f"Not worth using: {facts}. Keep one weight for all."

    def weights(self, candidates: Candidates) -> dict[str, float]:
        """The weights for one query's candidates, as `Ranking.reweigh` takes them."""
        row = _row(candidates, normalise(candidates, self.normaliser), self)
        weight = round(float(WEIGHTS[self._model.choose(row[None, :])[0]]), 2)
        return {self.signals[0]: round(1.0 - weight, 2), self.signals[1]: weight}

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        names = ("metric", "queries", "value", "one", "oracle", "gain", "share", "low", "high", "p")
        made = {name: getattr(self, name) for name in names}
        return {**made, "learnt": self.learnt, "verdict": self.verdict}

    def __repr__(self) -> str:
        return f"WeightPredictor({self.metric} over {count_queries(self.queries)}: {self.verdict})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return render("facts.html", head=repr(self), facts=[], notes=[])


def predict(
    metric: str,
    signals: tuple[str, str],
    normaliser: str,
    queries: Sequence[Prepared],
    curve: tuple[Vector, Steps],
    own_best: Vector,
    frequencies: Frequencies | None,
    folds: int,
    seed: int,
) -> WeightPredictor:
    """What `WeightCurve.predictor` returns; `curve` holds the edges and steps, `own_best` each
    query's best value. Raises EvaluationError for fewer than LEAST queries or 2 folds."""
    if len(queries) < LEAST or folds < 2:
        raise EvaluationError(
            f"{len(queries)} queries in {folds} folds; predicting weights needs at least {LEAST} "
            "queries and 2 folds"
        )
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(queries))[:MOST])
    terms = sorted({term for i in chosen for term in queries[i].item.candidates.query.terms})
    idf = inverse_frequencies(terms, frequencies)
    items = [queries[i].item for i in chosen]
    known = np.array([features(i.candidates, i.normalised, signals, idf) for i in items])
    values, groups = _values(*curve)[chosen], _groups([i.grades for i in items])
    fold = _folds(groups, folds, rng)
    if not fold.any():
        raise EvaluationError(
            f"{len(chosen)} queries share their relevant papers, so none can be held out; "
            "predicting weights needs queries about different things"
        )
    predicted, one = np.empty(len(chosen)), np.empty(len(chosen))
    for held in np.unique(fold):
        out, seen = fold == held, fold != held
        model = _fit(known[seen], values[seen], groups[seen], rng)
        rows = np.flatnonzero(out)
        predicted[out] = values[rows, model.choose(known[out])]
        one[out] = values[rows, int(np.argmax(model.mean))]
    low, high, p = _sure(predicted - one, groups, rng)
    return WeightPredictor(
        metric=metric,
        signals=signals,
        normaliser=normaliser,
        queries=len(chosen),
        value=float(predicted.mean()),
        one=float(one.mean()),
        oracle=float(own_best[chosen].mean()),
        low=low,
        high=high,
        p=p,
        _model=_fit(known, values, groups, rng),
        _frequencies=frequencies,
    )


def _row(candidates: Candidates, normalised: Matrix, predictor: WeightPredictor) -> Vector:
    idf = inverse_frequencies(list(candidates.query.terms), predictor._frequencies)
    return features(candidates, normalised, predictor.signals, idf)


def _values(edges: Vector, steps: Steps) -> Matrix:
    """Each query's value at each of WEIGHTS, (queries, weights)."""
    intervals = np.searchsorted(edges[1:-1], WEIGHTS, side="right")
    return np.stack([steps.at(int(interval)) for interval in intervals], axis=1) / UNIT


def _groups(grades: Sequence[Mapping[str, int]]) -> Integers:
    """The same number for queries at least half of whose relevant papers, together, are relevant
    to both; also by way of others."""
    relevant = [{paper for paper, grade in judged.items() if grade > 0} for judged in grades]
    group = list(range(len(grades)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = i = group[group[i]]
        return i

    queries_of: dict[str, list[int]] = {}
    for i, papers in enumerate(relevant):
        shared = Counter(j for paper in papers for j in queries_of.get(paper, ()))
        for j, count in shared.items():
            if 2 * count >= len(papers | relevant[j]):
                group[root(i)] = root(j)
        for paper in papers:
            queries_of.setdefault(paper, []).append(i)
    return np.array([root(i) for i in range(len(grades))], dtype=np.int64)


def _sure(
    difference: Vector, groups: Integers, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Ends of the bootstrap interval of the mean, and p: queries of a group are not independent,
    so whole groups are drawn and flipped."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=difference)
    draws = rng.integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = percentiles(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1))
    return low, high, randomisation(sums, FLIPS)


def _folds(groups: Integers, folds: int, rng: np.random.Generator) -> Integers:
    """A fold for each query, groups kept together, sizes as even as that allows."""
    names, sizes = np.unique(groups, return_counts=True)
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = {}
    # Large groups first, of equals in random order.
    for i in np.lexsort((rng.random(len(names)), -sizes)):
        fold_of[names[i]] = int(np.argmin(filled))
        filled[fold_of[names[i]]] += sizes[i]
    return np.array([fold_of[group] for group in groups], dtype=np.int64)


def _fit(rows: Matrix, values: Matrix, groups: Integers, rng: np.random.Generator) -> _Model:
    """The model of the settings that do best on inner folds."""
    fold = _folds(groups, INNER, rng)
    totals: dict[tuple[float, float], float] = dict.fromkeys(SETTINGS, 0.0)
    for held in np.unique(fold):
        out, seen = fold == held, fold != held
        if not seen.any():
            continue
        held_rows = np.arange(int(out.sum()))
        for setting in SETTINGS:
            chosen = _train(rows[seen], values[seen], *setting).choose(rows[out])
            totals[setting] += float(values[out][held_rows, chosen].sum())
    # Of equals the first: one weight for all.
    return _train(rows, values, *max(SETTINGS, key=lambda setting: totals[setting]))


def _train(rows: Matrix, values: Matrix, width: float, ridge: float) -> _Model:
    """Kernel ridge regression of the curves; width 0 means one weight for all."""
    scale, mean = rows.std(axis=0), values.mean(axis=0)
    model = _Model(rows.mean(axis=0), np.where(scale > 0, scale, 1.0), rows, width, None, mean)
    if not width:
        return model
    known = model.scaled(rows)
    kernel = np.exp(-width * _distances(known, known))
    kernel[np.diag_indices(len(kernel))] += ridge
    return replace(model, known=known, coefficients=np.linalg.solve(kernel, values - mean))


def _distances(rows: Matrix, others: Matrix) -> Matrix:
    """Squared distances a feature, (rows, others)."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :]
    distances: Matrix = np.maximum(squares - 2 * rows @ others.T, 0.0) / rows.shape[1]
    return distances
