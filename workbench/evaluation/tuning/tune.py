"""From retrieved candidates and judgments to what tuning returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.tuning.curve import WeightCurve, weight_curve
from workbench.evaluation.tuning.exact.branch_and_bound import cost, maximum
from workbench.evaluation.tuning.exact.line_search import Climb, Line, axis, proper
from workbench.evaluation.tuning.exact.many_lines import Batch, make_batch
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.step_functions import UNIT, around
from workbench.evaluation.tuning.exact.tuning_set import CurveItem, TuningSet, prepare
from workbench.evaluation.tuning.left_out import LeftOut, what_is_left_out
from workbench.evaluation.tuning.result import PLAIN, BestWeights
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.present.words import first_ids
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise, weight_vector
from workbench.records import Candidates, Query

Vector = NDArray[np.float64]

RESTARTS = 3
"""Random starts besides the base weights, equal weights and the best two signals."""

EXACT_CELLS = 5_000
"""Cells of the simplex of three signals: a second or two on 2 cores."""

SAME = 1e-12
"""Means up to this far apart are equal."""


def tune(
    retrieved: Iterable[tuple[Query, Candidates]],
    asked: Sequence[Query],
    grades: Mapping[str, Mapping[str, int]],
    signals: Sequence[str],
    metric: str,
    base: Profile,
    unknown_papers: Sequence[str] = (),
) -> WeightCurve | WeightSearch:
    """A curve for two signals, a search for more. `retrieved`: the candidates of each judged query;
    `asked`: all queries; `grades`: by query id and paper id; `unknown_papers`: judged papers that
    the corpus does not have, which is only said.

    Raises EvaluationError for no judged query, no relevant paper among any query's candidates, and
    what `weight_curve` and `search_weights` raise.
    """
    if isinstance(signals, str):
        raise WeightError(f"signals are the text {signals!r}; give names, like ('bm25', 'dense')")
    signals = tuple(signals)
    measure = parse_metric(metric)
    items = [
        CurveItem(
            _named(candidates, query.id), normalise(candidates, base.normaliser), grades[query.id]
        )
        for query, candidates in retrieved
    ]
    if not items:
        raise EvaluationError(
            f"none of {len(asked)} queries is judged ({len(grades)} other query ids are); check "
            "that the ids match"
        )
    for known in {item.candidates.signals for item in items}:
        weight_vector(dict.fromkeys(signals, 1.0), known)
    left_out = what_is_left_out(asked, grades, items, signals, unknown_papers, measure.least)
    if left_out.without_candidates and len(left_out.without_candidates) == sum(
        any(map(measure.sees, item.grades.values())) for item in items
    ):
        raise EvaluationError(
            f"no relevant paper ({measure.counted}) is among the candidates of any query, so every "
            f"weight gives 0, first {first_ids(left_out.without_candidates)}; check that the paper "
            "ids match, or retrieve more (n_retrieval of the profile)"
        )
    if len(signals) > 2:
        return search_weights(items, signals, metric, base=base, left_out=left_out)
    return weight_curve(items, signals, metric, base=base, left_out=left_out)


def search_weights(
    items: Sequence[CurveItem],
    signals: Sequence[str],
    metric: str = "nDCG@10",
    *,
    base: Profile | None = None,
    left_out: LeftOut | None = None,
    restarts: int = RESTARTS,
    cells: int | None = None,
    seed: int = 0,
) -> WeightSearch:
    """The best weights of three or more signals by exact line searches; all others weigh 0.

    Starts from the weights of `base`, equal weights, the best two signals alone (so it is never
    worse than those), and `restarts` random weights. Then up to `cells` cells of the whole simplex
    are looked through for anything better (`maximum`; None means EXACT_CELLS for three
    signals and none for more), unless its cost is above its limit. Raises what `weight_curve`
    raises.
    """
    if len(signals) < 3 or len(set(signals)) < len(signals):
        raise WeightError(f"signals are {', '.join(signals)}; give three or more different ones")
    base = base or PLAIN
    judged = prepare(items, signals, parse_metric(metric))
    batch = make_batch(judged, signals)
    climb = Climb(batch, np.ones(len(judged), dtype=np.int64))
    end = climb.run(_starts(climb, base, restarts, seed))
    path = {end.start}
    cells = cells if cells is not None else EXACT_CELLS if len(signals) == 3 else 0
    bound = None
    if cells and cost(batch, cells).affordable:
        known = dict(zip(signals, end.weights.tolist(), strict=True))
        bound = maximum(batch, judged, known, cells)
        start = np.array([bound.weights[signal] for signal in signals])
        end = max(end, climb.run([start], len(climb.path)), key=lambda end: end.total)
        path.add(end.start)
    weights, value = _short(judged, batch, end.weights, end.total / UNIT / len(judged))
    named = dict(zip(signals, weights.tolist(), strict=True))
    axes = {name: climb.draw(*axis(weights, i), weights[i]) for i, name in enumerate(signals)}
    return WeightSearch(
        metric=metric,
        signals=tuple(signals),
        best=BestWeights(value, named, _intervals(axes, climb, batch.total(weights, climb.counts))),
        path=tuple(step for step in climb.path if step.start in path),
        lines=climb.lines,
        bound=bound,
        base=base,
        left_out=left_out or LeftOut(),
        _tuning_set=judged,
        _batch=batch,
        _axes=axes,
    )


def _named(candidates: Candidates, query_id: str) -> Candidates:
    """The candidates with the judged query's id, which retrieval does not know."""
    return replace(candidates, query=replace(candidates.query, id=query_id))


def _starts(climb: Climb, base: Profile, restarts: int, seed: int) -> list[Vector]:
    """Where the search starts, weights in the order of the signals."""
    signals = climb.batch.signals
    own = np.array([base.weights.get(signal, 0.0) for signal in signals])
    even = np.full(len(signals), 1 / len(signals))
    random = np.random.default_rng(seed).dirichlet(np.ones(len(signals)), restarts)
    return [climb.best_edge(), proper(own) if own.any() else even, even, *random]


def _short(judged: TuningSet, batch: Batch, weights: Vector, value: float) -> tuple[Vector, float]:
    """The weights in as few decimals as keep their value, with sum 1, where no papers tie, and
    that value by ranking anew."""
    for decimals in range(1, 16):
        short = np.round(weights, decimals)
        largest = int(np.argmax(short))
        short[largest] = round(1.0 - (short.sum() - short[largest]), decimals)
        if short.min() < 0 or not short.any() or not batch.clear(short):
            continue
        here = _mean(judged, batch.signals, short)
        if here >= value - SAME:
            return short, here
    return weights, _mean(judged, batch.signals, weights)


def _mean(judged: TuningSet, signals: Sequence[str], weights: Vector) -> float:
    named = dict(zip(signals, weights.tolist(), strict=True))
    return float(judged.query_values(named).mean())


def _intervals(
    axes: Mapping[str, Line], climb: Climb, total: int
) -> dict[str, tuple[float, float]]:
    """From where to where each weight can move on its line with the same sum, `total`; a weight of
    0 whose signal would change it at once cannot."""
    intervals = {}
    for name, line in axes.items():
        same = line.steps.sums(climb.counts) == total
        stays = bool(same[line.interval(line.here)])
        intervals[name] = around(same, line.edges, line.here) if stays else (float(line.here),) * 2
    return intervals
