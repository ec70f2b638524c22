"""Tuning more than two signals: flat lines against lines, the climb, and the proven maximum
against every cell of small cases.

`CURVE_EXAMPLES=10000 pytest tests/evaluation/tuning/test_weight_search.py` runs more made cases.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.tuning.test_curve import (
    EXAMPLES,
    METRICS,
    SIGNALS,
    brute_force_at,
    item,
    judged_items,
    random_items,
)
from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.tuning.curve import RESOLVED, CurveItem, weight_curve
from workbench.evaluation.tuning.exact.branch_and_bound import PAIRS, Cost, cost, maximum
from workbench.evaluation.tuning.exact.line_search import Climb, axis, segment
from workbench.evaluation.tuning.exact.many_lines import make_batch
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.tuning_set import prepare
from workbench.evaluation.tuning.result import PLAIN
from workbench.evaluation.tuning.tune import search_weights, tune
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.records import Query

few = settings(max_examples=max(20, EXAMPLES // 5), deadline=None)

weights3 = st.tuples(*[st.integers(0, 8)] * 3).filter(any).map(lambda w: np.array(w) / sum(w))


def named(weights: np.ndarray) -> dict[str, float]:
    return dict(zip(SIGNALS, weights.tolist(), strict=True))


# Lines


@few
@given(items=judged_items(), metric=st.sampled_from(METRICS), start=weights3, stop=weights3)
def test_flat_lines_equal_brute_force(
    items: list[CurveItem], metric: str, start: np.ndarray, stop: np.ndarray
) -> None:
    sample = prepare(items, SIGNALS, parse_metric(metric))
    batch = make_batch(sample, SIGNALS)
    breakpoints, steps = batch.line(start, stop)
    edges = np.concatenate(([0.0], breakpoints, [1.0]))
    sums = steps.sums(np.ones(len(items), dtype=np.int64))
    for low, high, total in zip(edges, edges[1:], sums, strict=False):
        # Where scores tie along a whole stretch, ranking goes by rounding: see `curve`.
        if high - low > 1e-6:
            place = low + (high - low) * 0.4637
            weights = (1 - place) * start + place * stop
            if clear(items, weights):
                expected = brute_force_at(items, named(weights), metric)
                assert total / 2**45 / len(items) == pytest.approx(expected, abs=1e-12)


def clear(items: list[CurveItem], weights: np.ndarray) -> bool:
    """Whether no two different rows of a query score within rounding of each other."""
    for made in items:
        rows = np.unique(
            made.normalised[:, :3] if len(made.normalised) else np.zeros((0, 3)), axis=0
        )
        # Signals that weigh nothing make no difference.
        rows = np.unique(rows[:, weights > 0], axis=0)
        scores = np.sort(rows @ weights[weights > 0])
        if len(scores) > 1 and np.diff(scores).min() < 1e-12:
            return False
    return True


@pytest.mark.parametrize("passages", [1, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_flat_lines_equal_lines_one_by_one(metric: str, passages: int) -> None:
    items = random_items(np.random.default_rng(4), 6, 40, passages)
    sample = prepare(items, SIGNALS, parse_metric(metric))
    batch = make_batch(sample, SIGNALS)
    start, stop = np.array([0.7, 0.3, 0.0]), np.array([0.1, 0.2, 0.7])
    flat, plain = batch.line(start, stop), sample.line(named(start), named(stop))
    # Where two relevant papers meet, a line one by one has a breakpoint between equal values.
    ones = np.ones(len(items), dtype=np.int64)
    edges = np.concatenate(([0.0], plain[0], [1.0]))
    middles = (edges[1:] + edges[:-1]) / 2
    there = np.searchsorted(flat[0], middles, side="right")
    assert flat[1].sums(ones)[there].tolist() == plain[1].sums(ones).tolist()
    assert np.abs(flat[0][:, None] - plain[0][None, :]).min(axis=1).max() < 1e-12


def test_a_segment_ends_where_a_weight_is_zero() -> None:
    start, stop, here = segment(np.array([0.2, 0.3, 0.5]), np.array([1.0, -1.0, 0.0]))
    assert start.tolist() == pytest.approx([0.0, 0.5, 0.5])
    assert stop.tolist() == pytest.approx([0.5, 0.0, 0.5])
    assert here == pytest.approx(0.4)


def test_an_axis_goes_from_none_of_a_signal_to_all_of_it() -> None:
    start, stop = axis(np.array([0.2, 0.3, 0.5]), 2)
    assert start.tolist() == pytest.approx([0.4, 0.6, 0.0])
    assert stop.tolist() == [0.0, 0.0, 1.0]
    start, stop = axis(np.array([0.0, 0.0, 1.0]), 2)
    assert start.tolist() == [0.5, 0.5, 0.0]


# The best of all


def arrangement(items: list[CurveItem]) -> list[np.ndarray]:
    """Three weights inside every cell that the lines of ties make in the triangle of weights.

    Between two neighbouring crossings (by the first weight) the lines keep their order, so the
    middles between them on one line across see every cell there.
    """
    normals = []
    for made in items:
        rows = np.unique(made.normalised, axis=0)
        normals += [a - b for a, b in itertools.combinations(rows, 2)]
    normals += list(np.eye(3))
    # Each line n . w = 0 in the plane of the weights (w0, w1), w2 = 1 - w0 - w1.
    lines = [(n[0] - n[2], n[1] - n[2], n[2]) for n in normals]
    crossings = {0.0, 1.0}
    for (a, b, c), (d, e, f) in itertools.combinations(lines, 2):
        determinant = a * e - b * d
        if abs(determinant) > 1e-9:
            crossings.add(round((b * f - c * e) / determinant, 12))
    xs = sorted(x for x in crossings if 0 <= x <= 1)
    points = []
    for x in [(low + high) / 2 for low, high in itertools.pairwise(xs) if high - low > 1e-7]:
        cuts = sorted({0.0, 1 - x} | {-(a * x + c) / b for a, b, c in lines if abs(b) > 1e-12})
        cuts = [y for y in cuts if 0 <= y <= 1 - x]
        points += [
            np.array([x, (low + high) / 2, 1 - x - (low + high) / 2])
            for low, high in itertools.pairwise(cuts)
            if high - low > 1e-7
        ]
    return points


@settings(max_examples=max(6, EXAMPLES // 40), deadline=None)
@given(
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(["nDCG@2", "RR", "AP", "P@2", "R@3", "Success@1"]),
    passages=st.sampled_from([1, 2]),
)
def test_the_proven_maximum_is_that_of_every_cell(seed: int, metric: str, passages: int) -> None:
    items = random_items(np.random.default_rng(seed), 2, 4, passages)
    search = search_weights(items, SIGNALS, metric)
    assert search.bound is not None
    assert search.bound.proven
    best = max(brute_force_at(items, named(w), metric) for w in arrangement(items))
    assert search.bound.upper == pytest.approx(best, abs=1e-9)
    assert search.best.value == pytest.approx(best, abs=1e-9)


@few
@given(items=judged_items(), metric=st.sampled_from(METRICS))
def test_the_bound_holds_everywhere(items: list[CurveItem], metric: str) -> None:
    search = search_weights(items, SIGNALS, metric, cells=40)
    assert search.bound is not None
    dice = np.random.default_rng(0)
    for weights in dice.dirichlet(np.ones(3), 30):
        assert brute_force_at(items, named(weights), metric) <= search.bound.upper + 1e-9
    assert search.best.value == pytest.approx(
        brute_force_at(items, search.best.weights, metric), abs=1e-12
    )


def tied_items() -> list[CurveItem]:
    """Papers that tie along a whole line of weights, on which rounding orders them."""
    first = {"p3": (1.0, 0.25, 0.25), "p4": (1.0, 0.375, 0.125), "p7": (0.75, 0.375, 1.0)}
    second = {"p0": (0.875, 1.0, 0.75), "p3": (0.875, 0.875, 0.875)}
    return [
        item(list(first), list(map(list, first.values())), {"p3": 3, "p8": 2}),
        item(list(second), list(map(list, second.values())), {"p0": 3}),
    ]


def test_a_tie_along_a_line_is_no_optimum_and_no_proof() -> None:
    items = tied_items()
    search = search_weights(items, SIGNALS)
    assert search.bound is not None
    assert search.bound.proven
    assert search.best.value == search.bound.value == search.at(search.best.weights)
    dice = np.random.default_rng(0)
    for weights in [*dice.dirichlet(np.ones(3), 300), *np.eye(3), *faces(dice)]:
        assert brute_force_at(items, named(weights), "nDCG@10") <= search.best.value + 1e-12


def faces(dice: np.random.Generator) -> list[np.ndarray]:
    """Weights with one signal at 0."""
    return [np.insert(dice.dirichlet(np.ones(2)), i, 0.0) for i in range(3) for _ in range(30)]


@settings(max_examples=max(20, EXAMPLES // 10), deadline=None)
@given(items=judged_items(), metric=st.sampled_from(METRICS))
def test_what_is_claimed_is_what_ranking_anew_gives(items: list[CurveItem], metric: str) -> None:
    search = search_weights(items, SIGNALS, metric, cells=2_000)
    assert search.bound is not None
    best = search.best
    assert best.value == search.at(best.weights)
    assert best.value == pytest.approx(brute_force_at(items, best.weights, metric), abs=1e-12)
    assert search.bound.value == search.at(search.bound.weights)
    assert search.bound.value <= best.value + 1e-12 <= search.bound.upper + 2e-12
    dice = np.random.default_rng(0)
    # Off the ties inside, and on the faces: no weights are better than the bound.
    for weights in [*dice.dirichlet(np.ones(3), 30), *np.eye(3), *faces(dice)]:
        if clear(items, weights):
            value = brute_force_at(items, named(weights), metric)
            assert value <= search.bound.upper + 1e-9
    for row in search.reach:
        assert row.low <= row.weight <= row.high


def test_a_small_budget_leaves_a_bound_and_no_proof() -> None:
    items = random_items(np.random.default_rng(1), 20, 60)
    search = search_weights(items, SIGNALS, cells=1)
    assert search.bound is not None
    assert search.bound.cells <= 2
    assert not search.bound.proven
    assert search.best.value < search.bound.upper <= 1
    more = search.maximum(400)
    assert more.value >= search.best.value - 1e-12
    assert more.upper < search.bound.upper


def test_what_costs_too_much_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    search = search_weights(random_items(np.random.default_rng(1), 3, 10), SIGNALS, cells=0)
    assert search.bound is None
    assert search.cost.affordable
    assert not Cost(PAIRS + 1, 1).affordable
    monkeypatch.setattr("workbench.evaluation.tuning.exact.branch_and_bound.PAIRS", 5)
    with pytest.raises(EvaluationError, match=r"pairs of passages .* the limits are 5 pairs"):
        search.maximum()
    again = search_weights(random_items(np.random.default_rng(1), 3, 10), SIGNALS)
    assert again.bound is None
    with pytest.raises(EvaluationError, match="at least 1 cell"):
        maximum(search._batch, search._tuning_set, search.best.weights, 0)
    assert cost(search._batch).pairs > 5


# The climb


@pytest.mark.parametrize("metric", ["nDCG@10", "AP", "RBP(p=0.9)"])
def test_three_signals_are_never_worse_than_the_best_two(metric: str) -> None:
    items = random_items(np.random.default_rng(8), 30, 40)
    search = search_weights(items, SIGNALS, metric, cells=0)
    pairs = [weight_curve(items, pair, metric) for pair in itertools.combinations(SIGNALS, 2)]
    assert search.best.value >= max(curve.best.value for curve in pairs) - 1e-12


def test_no_line_through_the_best_weights_is_better() -> None:
    items = random_items(np.random.default_rng(9), 30, 40)
    search = search_weights(items, SIGNALS, cells=0)
    for signal in SIGNALS:
        assert search.curve(signal)[1].max() <= search.best.value + 1e-12
    totals = [move.total for move in search.path]
    assert totals == sorted(totals)


def test_the_best_weights_are_short_and_sum_to_one() -> None:
    search = search_weights(random_items(np.random.default_rng(2), 12, 30), SIGNALS)
    values = list(search.best.weights.values())
    assert math.fsum(values) == pytest.approx(1, abs=1e-15)
    assert all(len(repr(value)) <= 8 for value in values)
    assert search.at(search.best.weights) == search.best.value
    assert search.profile.weights == search.best.weights
    assert search.profile.name == "tuned"


def test_four_signals_are_climbed_without_a_bound() -> None:
    base = random_items(np.random.default_rng(3), 10, 20)
    dice = np.random.default_rng(3)
    items = []
    for made in base:
        found = made.candidates
        extra = dice.random((len(found), 1))
        wider = type(found)(
            query=found.query,
            signals=(*SIGNALS, "rerank"),
            paper_ids=found.paper_ids,
            numbers=found.numbers,
            values=np.hstack((found.values, extra)),
            lower=np.append(found.lower, 0.0),
        )
        items.append(CurveItem(wider, np.hstack((made.normalised, extra)), made.grades))
    search = search_weights(items, (*SIGNALS, "rerank"))
    assert search.bound is None
    assert search.best.value >= search_weights(items, SIGNALS, cells=0).best.value - 1e-12
    assert search.maximum(50).upper >= search.best.value


# How much the weights matter, and how sure they are


def test_the_reach_of_a_weight_is_where_the_curve_leaves_the_standard_error() -> None:
    search = search_weights(random_items(np.random.default_rng(10), 40, 40), SIGNALS)
    for row in search.reach:
        edges, values = search.curve(row.signal)
        assert row.low <= row.weight <= row.high
        inside = (edges[:-1] >= row.low) & (edges[1:] <= row.high)
        assert values[inside].min() >= search.best.value - search.standard_error
        for outside in (edges[1:] == row.low, edges[:-1] == row.high):
            assert (values[outside] < search.best.value - search.standard_error).all()
        assert row.without == values[0]


def test_a_signal_that_orders_nothing_can_move_anywhere() -> None:
    items = [
        item(["a", "b"], [[1.0, 0.0, 0.2], [0.0, 0.0, 1.0]], {"a": 1}),
        item(["a", "b"], [[1.0, 0.0, 0.9], [0.0, 0.0, 1.0]], {"a": 1}),
    ]
    search = search_weights(items, SIGNALS, "RR")
    (title,) = [row for row in search.reach if row.signal == "title"]
    assert (title.low, title.high) == (0.0, 1.0)


def test_the_bootstrap_of_a_search() -> None:
    search = search_weights(random_items(np.random.default_rng(11), 40, 30), SIGNALS)
    sure = search.bootstrap(200)
    for signal, (low, high) in sure.intervals.items():
        assert 0 <= low <= high <= 1, signal
    assert sure.value[0] < search.best.value < sure.value[1]
    with pytest.raises(EvaluationError, match="resamples is 0"):
        search.bootstrap(0)


def test_cross_validation_searches_without_the_held_out_queries() -> None:
    items = random_items(np.random.default_rng(12), 9, 15)
    search = search_weights(items, SIGNALS)
    checked = search.cross_validate(folds=9)
    assert len(checked.weights) == 9
    assert checked.tuned == search.best.value
    # Leaving one out: its value under weights found without it.
    left = [made for i, made in enumerate(items) if i not in (4,)]
    climb = Climb(
        make_batch(prepare(left, SIGNALS, parse_metric("nDCG@10")), SIGNALS), np.ones(8, int)
    )
    even = np.full(3, 1 / 3)
    weights = climb.run([climb.best_edge(), even]).weights
    assert checked.query_values[4] == pytest.approx(
        brute_force_at([items[4]], named(weights), "nDCG@10"), abs=1e-12
    )


# What it looks like, and bad input


def test_the_search_as_frame_dict_text_and_html() -> None:
    search = search_weights(random_items(np.random.default_rng(13), 12, 20), SIGNALS)
    made = search.to_dict()
    assert made["best"]["weights"] == search.best.weights
    assert set(made["best"]["interval"]) == set(SIGNALS) == set(made["curves"])
    assert made["curve"] == made["curves"]["title"]
    assert made["curve"][0][0] == 0
    assert {"metric", "default", "bootstrap", "optimism", "upper_bound", "proven"} <= set(made)
    assert list(search.to_frame().columns) == ["signal", "weight", "low", "high", "without"]
    assert "no weights are better" in str(search)
    assert "proven over the whole simplex" in search._repr_html_() or not search.bound.proven
    assert f"{search.lines} line searches" in repr(search)
    figure = search.plot()
    assert {trace.name for trace in figure.data} >= set(SIGNALS)


def test_tune_gives_a_curve_for_two_signals_and_a_search_for_more() -> None:
    items = random_items(np.random.default_rng(14), 5, 10)
    queries = [Query("q", id=f"q{i}") for i in range(5)]
    found = [(query, made.candidates) for query, made in zip(queries, items, strict=True)]
    grades = {query.id: made.grades for query, made in zip(queries, items, strict=True)}
    given = (queries, grades)
    assert isinstance(tune(found, *given, SIGNALS, "RR", PLAIN), WeightSearch)
    curve = tune(found, *given, ("title", "dense"), "RR", PLAIN)
    assert curve.signals == ("title", "dense")


@pytest.mark.parametrize("signals", [("bm25", "dense"), ("bm25", "bm25", "dense")])
def test_a_search_needs_three_different_signals(signals: tuple[str, ...]) -> None:
    with pytest.raises(WeightError, match="three or more different"):
        search_weights(random_items(np.random.default_rng(0), 2, 5), signals)


def test_signals_as_one_text_are_an_error() -> None:
    with pytest.raises(WeightError, match="give names"):
        tune([], [], {}, "bm25,dense", "RR", PLAIN)


def test_a_search_over_an_unknown_signal_or_weight_is_an_error() -> None:
    items = random_items(np.random.default_rng(0), 2, 5)
    with pytest.raises(WeightError, match="'splade'"):
        search_weights(items, ("bm25", "dense", "splade"))
    search = search_weights(items, SIGNALS)
    with pytest.raises(WeightError, match="'splade' was not tuned"):
        search.curve("splade")
    with pytest.raises(WeightError, match="at least 0"):
        search.at({"bm25": -1.0})


def test_a_query_without_judged_papers_found_counts_as_zero() -> None:
    good = item(["a", "b"], [[1.0, 0.0, 0.2], [0.0, 1.0, 1.0]], {"a": 1})
    nothing, empty = item(["a"], [[1.0, 1.0, 1.0]], {"z": 1}), item([], [], {"a": 1})
    search = search_weights([good, nothing, empty], SIGNALS, "RR")
    assert search.best.value == pytest.approx(1 / 3)
    assert search.query_values().tolist() == [1.0, 0.0, 0.0]
    assert RESOLVED < 1e-6
