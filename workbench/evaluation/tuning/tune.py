"""From retrieved candidates and judgments to what tuning returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.reports.present import first_ids
from workbench.evaluation.tuning.curve import WeightCurve, weight_curve
from workbench.evaluation.tuning.exact.branch_and_bound import cost, maximum
from workbench.evaluation.tuning.exact.line_search import Climb, Line, axis, proper
from workbench.evaluation.tuning.exact.many_lines import Batch, make_batch
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.sample import CurveItem, Sample, prepare
from workbench.evaluation.tuning.exact.step_functions import UNIT, around
from workbench.evaluation.tuning.left_out import LeftOut, what_is_left_out
from workbench.evaluation.tuning.result import PLAIN
from workbench.evaluation.tuning.weight_search import BestWeights, WeightSearch
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
    found: Iterable[tuple[Query, Candidates]],
    asked: Sequence[Query],
    grades: Mapping[str, Mapping[str, int]],
    signals: Sequence[str],
    metric: str,
    base: Profile,
    unknown_papers: Sequence[str] = (),
) -> WeightCurve | WeightSearch:
    """A curve for two signals, a search for more. `found`: the candidates of each judged query;
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
        for query, candidates in found
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
    sample = prepare(items, signals, parse_metric(metric))
    batch = make_batch(sample, signals)
    climb = Climb(batch, np.ones(len(sample), dtype=np.int64))
    move = climb.run(_starts(climb, base, restarts, seed))
    path = {move.start}
    cells = cells if cells is not None else EXACT_CELLS if len(signals) == 3 else 0
    bound = None
    if cells and cost(batch, cells).affordable:
        known = dict(zip(signals, move.weights.tolist(), strict=True))
        bound = maximum(batch, sample, known, cells)
        start = np.array([bound.weights[signal] for signal in signals])
        move = max(move, climb.run([start], len(climb.moves)), key=lambda found: found.total)
        path.add(move.start)
    weights, value = _short(sample, batch, move.weights, move.total / UNIT / len(sample))
    named = dict(zip(signals, weights.tolist(), strict=True))
    axes = {name: climb.draw(*axis(weights, i), weights[i]) for i, name in enumerate(signals)}
    return WeightSearch(
        metric=metric,
        signals=tuple(signals),
        best=BestWeights(value, named, _intervals(axes, climb, batch.total(weights, climb.counts))),
        path=tuple(step for step in climb.moves if step.start in path),
        lines=climb.lines,
        bound=bound,
        base=base,
        left_out=left_out or LeftOut(),
        _sample=sample,
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


def _short(sample: Sample, batch: Batch, weights: Vector, value: float) -> tuple[Vector, float]:
    """The weights in as few decimals as keep their value, with sum 1, where no papers tie, and
    that value by ranking anew."""
    for decimals in range(1, 16):
        short = np.round(weights, decimals)
        largest = int(np.argmax(short))
        short[largest] = round(1.0 - (short.sum() - short[largest]), decimals)
        if short.min() < 0 or not short.any() or not batch.clear(short):
            continue
        here = _mean(sample, batch.signals, short)
        if here >= value - SAME:
            return short, here
    return weights, _mean(sample, batch.signals, weights)


def _mean(sample: Sample, signals: Sequence[str], weights: Vector) -> float:
    named = dict(zip(signals, weights.tolist(), strict=True))
    return float(sample.per_query(named).mean())


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
