"""Exact tuning: the curve against re-ranking at every interval and every breakpoint.

`CURVE_EXAMPLES=10000 pytest tests/evaluation/tuning/test_curve.py -k brute_force`
runs 10,000 made cases.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.tuning.curve import RESOLVED, CurveItem, WeightCurve, weight_curve
from workbench.evaluation.tuning.exact.one_line import envelope
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.ranking.fusion import NORMALISERS, fuse, normalise, rank_papers, weight_vector
from workbench.records import Candidates, Judgment, Query

EXAMPLES = int(os.environ.get("CURVE_EXAMPLES", "150"))
SIGNALS = ("bm25", "title", "dense")
METRICS = ("nDCG@10", "nDCG@2", "nDCG", "P@2", "R@3", "RR", "RR@2", "Success@1", "AP", "AP@3")
RARER = ("RBP", "RBP(p=0.5)@3", "Judged@3", "AP(rel=2)", "P(rel=2)@3", "RR(rel=3)")
PAPERS = [f"p{i}" for i in range(12)]

many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def item(keys: list[str], values: Any, grades: dict[str, int], normaliser: str = "") -> CurveItem:
    """Rows of these papers, which must be in order; values (rows, 3) taken as they are, or
    normalised."""
    numbers = [keys[:i].count(key) for i, key in enumerate(keys)]
    found = Candidates(
        query=Query("q"),
        signals=SIGNALS,
        paper_ids=np.array(keys, dtype=np.str_),
        numbers=np.array(numbers, dtype=np.int32),
        values=np.array(values, dtype=np.float64).reshape(len(keys), 3),
        lower=np.array([0.0, 0.0, -1.0]),
    )
    return CurveItem(found, normalise(found, normaliser or "none"), grades)


def bm25_dense(rows: dict[str, tuple[float, float]], grades: dict[str, int]) -> CurveItem:
    """One row a paper, with its score at weight 0 and at 1."""
    return item(list(rows), [[a, 0.0, b] for a, b in rows.values()], grades)


# Brute force: rank again, evaluate again


def ranking(made: CurveItem, weights: Mapping[str, float]) -> list[str]:
    scores = fuse(made.normalised, weight_vector(weights, made.candidates.signals))
    rows, _ = rank_papers(made.candidates, scores)
    return [str(made.candidates.paper_ids[row]) for row in rows]


def formula(ranked: list[str], grades: Mapping[str, int], metric: str) -> float:
    """The metric in plain Python, from its textbook definition."""
    name, _, cutoff = metric.partition("@")
    name, _, arguments = name.partition("(")
    given = dict(part.split("=") for part in arguments.rstrip(")").split(",") if part)
    top = ranked[: int(cutoff)] if cutoff else ranked
    if name == "Judged":
        return len([paper for paper in top if paper in grades]) / len(top) if top else 0.0
    relevant = {
        paper: grade for paper, grade in grades.items() if grade >= int(given.get("rel", 1))
    }
    hits = [rank for rank, paper in enumerate(top, 1) if paper in relevant]
    if not hits:
        return 0.0
    p = float(given.get("p", 0.8))
    ideal = sorted(relevant.values(), reverse=True)[: int(cutoff) if cutoff else None]
    best = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(ideal, 1))
    gain = sum(relevant[ranked[rank - 1]] / math.log2(rank + 1) for rank in hits)
    return {
        "P": len(hits) / int(cutoff or 1),
        "R": len(hits) / len(relevant),
        "RR": 1 / hits[0],
        "Success": 1.0,
        "AP": sum(n / rank for n, rank in enumerate(hits, 1)) / len(relevant),
        "RBP": sum((1 - p) * p ** (rank - 1) for rank in hits),
        "nDCG": gain / best,
    }[name]


def brute_force(items: list[CurveItem], weight: float, metric: str) -> float:
    return brute_force_at(items, {"bm25": 1.0 - weight, "dense": weight}, metric)


def brute_force_at(items: list[CurveItem], weights: Mapping[str, float], metric: str) -> float:
    return math.fsum(formula(ranking(made, weights), made.grades, metric) for made in items) / len(
        items
    )


def wide_intervals(curve: WeightCurve) -> list[tuple[float, float]]:
    """Midpoint and value of each interval for which a promise is made."""
    edges = curve.edges.tolist()
    return [
        ((low + high) / 2, float(value))
        for low, high, value in zip(edges, edges[1:], curve.values, strict=False)
        if high - low > RESOLVED
    ]


# Made cases

level = st.integers(0, 8).map(lambda i: i / 8) | st.integers(0, 50).map(lambda i: i / 50)


@st.composite
def curve_items(draw: st.DrawFn) -> CurveItem:
    """A few papers with a few passages each, with ties, duplicate rows and missing signals."""
    names = sorted(draw(st.sets(st.sampled_from(PAPERS), max_size=9)))
    keys = [name for name in names for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3])))]
    pool = draw(st.lists(st.tuples(level, level, level), min_size=1, max_size=12))
    values = np.array([draw(st.sampled_from(pool)) for _ in keys]).reshape(len(keys), 3)
    constant = draw(st.sampled_from([None, None, None, 0, 2]))
    if constant is not None:
        values[:, constant] = draw(st.sampled_from([0.0, 0.3]))
    grades = draw(st.dictionaries(st.sampled_from(PAPERS), st.integers(-1, 3), max_size=6))
    return item(keys, values, grades, draw(st.sampled_from(list(NORMALISERS))))


@st.composite
def judged_items(draw: st.DrawFn) -> list[CurveItem]:
    items = draw(st.lists(curve_items(), min_size=1, max_size=4))
    return [
        *items[1:],
        # One query at least must have something to find.
        CurveItem(items[0].candidates, items[0].normalised, {**items[0].grades, "p3": 3}),
    ]


@many
@given(items=judged_items(), metric=st.sampled_from([*METRICS, *RARER]))
def test_the_curve_equals_brute_force(items: list[CurveItem], metric: str) -> None:
    curve = weight_curve(items, metric=metric)
    assert (np.diff(curve.edges) > 0).all()
    assert len(curve.values) == len(curve.breakpoints) + 1
    between = wide_intervals(curve)
    for weight, value in between:
        assert value == pytest.approx(brute_force(items, weight, metric), abs=1e-12)
    for weight in curve.edges.tolist():
        assert curve.at(weight) == pytest.approx(brute_force(items, weight, metric), abs=1e-12)
    best = curve.best
    assert best.value == pytest.approx(max(value for _, value in between), abs=1e-12)
    assert best.low < best.weight < best.high
    assert brute_force(items, best.weight, metric) == pytest.approx(best.value, abs=1e-12)


@many
@given(items=judged_items(), metric=st.sampled_from(METRICS), weight=st.floats(0, 1))
def test_at_equals_brute_force_at_any_weight(
    items: list[CurveItem], metric: str, weight: float
) -> None:
    curve = weight_curve(items, metric=metric)
    for made, value in zip(items, curve.query_values(weight), strict=True):
        assert value == pytest.approx(brute_force([made], weight, metric), abs=1e-12)
    assert curve.at(weight) == pytest.approx(brute_force(items, weight, metric), abs=1e-12)


def random_items(
    rng: np.random.Generator, queries: int, papers: int, passages: int = 1
) -> list[CurveItem]:
    """Continuous scores, nothing tied."""
    keys = [f"d{i:05d}" for i in range(papers) for _ in range(passages)]
    made = []
    for _ in range(queries):
        relevant = rng.choice(papers, 3, replace=False)
        values = rng.random((len(keys), 3))
        values[relevant * passages] += [0.3, 0.0, 0.4]
        grades = {keys[i * passages]: int(rng.integers(1, 4)) for i in relevant}
        made.append(item(keys, values, grades, "min-max"))
    return made


@pytest.mark.parametrize("passages", [1, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_continuous_scores_equal_brute_force(metric: str, passages: int) -> None:
    items = random_items(np.random.default_rng(3), 5, 30, passages)
    curve = weight_curve(items, metric=metric)
    for weight, value in wide_intervals(curve):
        assert value == pytest.approx(brute_force(items, weight, metric), abs=1e-12)


@given(
    ranked=st.lists(st.sampled_from(PAPERS), unique=True),
    grades=st.dictionaries(st.sampled_from(PAPERS), st.integers(-2, 4), min_size=1),
)
@settings(deadline=None)
def test_metrics_equal_ir_measures(ranked: list[str], grades: dict[str, int]) -> None:
    judgments = [Judgment("q", paper, grade) for paper, grade in grades.items()]
    expected = per_query({"q": ranked}, judgments, [*METRICS, *RARER]).loc["q"]
    for metric in [*METRICS, *RARER]:
        own = parse_metric(metric)
        counted = {paper: grade for paper, grade in grades.items() if own.sees(grade)}
        found = [paper for paper in ranked if paper in counted]
        ranks = np.array([ranked.index(paper) + 1 for paper in found], dtype=np.int64)
        value = own(
            ranks.reshape(-1, 1),
            np.array([counted[paper] for paper in found], dtype=np.int64),
            np.array(list(counted.values()), dtype=np.int64),
            len(ranked),
        )
        assert value.tolist() == pytest.approx([expected[metric]], abs=1e-12), metric
        assert formula(ranked, grades, metric) == pytest.approx(expected[metric], abs=1e-12), metric


# Cases by hand


def test_two_crossing_papers_have_one_breakpoint() -> None:
    curve = weight_curve([bm25_dense({"a": (1.0, 0.0), "b": (0.0, 1.0)}, {"b": 1})], metric="RR")
    assert curve.breakpoints.tolist() == [0.5]
    assert curve.values.tolist() == [0.5, 1.0]
    assert curve.at(0.5) == 0.5  # a tie falls to the smaller id
    assert (curve.best.low, curve.best.high, curve.best.weight) == (0.5, 1.0, 0.8)


def test_a_paper_is_as_good_as_its_best_passage() -> None:
    values = [[0.6, 0.0, 0.6], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    curve = weight_curve([item(["a", "b", "b"], values, {"a": 1})], metric="RR")
    assert curve.breakpoints.tolist() == pytest.approx([0.4, 0.6])
    assert curve.values.tolist() == [0.5, 1.0, 0.5]


def test_an_envelope_leaves_out_lines_that_are_never_highest() -> None:
    first, second = [1.0, 0.6, 0.0, 1.0, 0.4], [0.0, 0.6, 1.0, -1.0, 0.6]
    pieces = envelope(first, second)
    assert [(p, q) for _, _, p, q in pieces] == [(1.0, 0.0), (0.6, 0.6), (0.0, 1.0)]
    assert [left for left, *_ in pieces] == pytest.approx([0.0, 0.4, 0.6])


def test_other_signals_weigh_nothing() -> None:
    made = item(["a", "b"], [[1.0, 0.0, 1.0], [0.0, 9.0, 0.0]], {"a": 1})
    assert weight_curve([made], metric="RR").values.tolist() == [1.0]


def test_a_missing_relevant_paper_counts_in_the_ideal() -> None:
    made = bm25_dense({"a": (1.0, 1.0)}, {"a": 1, "gone": 1})
    assert weight_curve([made], metric="AP").values.tolist() == [0.5]


def test_a_query_without_relevant_papers_or_candidates_counts_as_zero() -> None:
    good = bm25_dense({"a": (1.0, 1.0)}, {"a": 1})
    nothing, empty = bm25_dense({"a": (1.0, 1.0)}, {"a": -1}), item([], [], {"a": 1})
    curve = weight_curve([good, nothing, empty, good], metric="RR")
    assert curve.values.tolist() == [0.5]
    assert curve.query_values(0.3).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_crossings_that_differ_by_rounding_are_one_breakpoint() -> None:
    # All three pass b at weight 0.3 or one unit in the last place beside it.
    rows = {f"c{i}": (0.3 * i / 7, -0.7 * i / 7) for i in (1, 2, 3)} | {"d": (0.0, 0.0)}
    curve = weight_curve([bm25_dense(rows, {"d": 1})], metric="RR")
    assert curve.breakpoints.tolist() == pytest.approx([0.3], abs=1e-15)
    assert curve.values.tolist() == [0.25, 1.0]


def test_adjacent_intervals_that_are_equally_good_are_one_optimum() -> None:
    # Between 0.25 and 0.75 one query wins what the other loses.
    up = bm25_dense({"a": (0.5, -0.5), "b": (0.0, 0.0)}, {"b": 1})
    down = bm25_dense({"a": (-0.5, 0.5), "b": (0.0, 0.0)}, {"b": 1})
    later = bm25_dense({"a": (0.25, -0.75), "b": (0.0, 0.0)}, {"b": 1})
    curve = weight_curve([up, down, later], metric="RR")
    assert curve.breakpoints.tolist() == [0.25, 0.5]
    assert (curve.best.low, curve.best.high) == (0.25, 1.0)


def meeting(low: str, high: str, metric: str) -> WeightCurve:
    """Paper m; `low` is above it until 0.5, `high` from then on; at 0.5 all three tie."""
    rows = {low: (0.5, -0.5), high: (-0.5, 0.5), "m": (0.0, 0.0)}
    return weight_curve([bm25_dense(dict(sorted(rows.items())), {"m": 1})], metric=metric)


@pytest.mark.parametrize(
    ("low", "high", "metric", "tied", "between"),
    [
        ("a", "b", "RR", 1 / 3, 1 / 2),
        ("y", "z", "RR", 1.0, 1 / 2),
        ("a", "b", "R@2", 0.0, 1.0),
        ("y", "z", "R@1", 1.0, 0.0),
    ],
)
def test_where_three_papers_meet_the_best_weight_stands_clear(
    low: str, high: str, metric: str, tied: float, between: float
) -> None:
    curve = meeting(low, high, metric)
    assert curve.breakpoints.tolist() == [0.5]
    assert curve.values.tolist() == [between, between]
    assert curve.at(0.5) == tied
    assert (curve.best.low, curve.best.high, curve.best.value) == (0.0, 1.0, between)
    assert curve.at(curve.best.weight) == between


@pytest.mark.parametrize("relevant", ["a", "b"])
def test_where_a_paper_touches_a_corner_there_is_a_breakpoint(relevant: str) -> None:
    # The corner of a's envelope lies on b's line, so at 0.5 they tie and a comes first.
    values = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]]
    other = [values[2], values[0], values[1]]
    for keys, rows in ((["a", "a", "b"], values), (["a", "b", "b"], other)):
        made = item(keys, rows, {relevant: 1})
        curve = weight_curve([made], metric="RR")
        assert curve.breakpoints.tolist() == [0.5]
        assert curve.at(0.5) == brute_force([made], 0.5, "RR")
        assert curve.at(curve.best.weight) == curve.best.value


def test_the_curve_as_frame_dict_and_text() -> None:
    curve = weight_curve([bm25_dense({"a": (1.0, 0.0), "b": (0.0, 1.0)}, {"b": 1})], metric="RR")
    assert curve.intervals().to_dict("list") == {
        "low": [0.0, 0.5],
        "high": [0.5, 1.0],
        "value": [0.5, 1.0],
    }
    contract = {
        "metric": "RR",
        "signals": ["bm25", "dense"],
        "best": {"weights": {"bm25": 0.2, "dense": 0.8}, "interval": [0.5, 1.0], "value": 1.0},
        "default": {"weights": {"bm25": 0.35, "title": 0.0, "dense": 0.65}, "value": 1.0},
        "bootstrap": {"interval": [0.75, 0.75], "value": [pytest.approx(0.025, abs=0.01), 1.0]},
        "optimism": None,
        "curve": [[0.0, 0.5], [0.5, 1.0]],
    }
    assert {key: curve.to_dict()[key] for key in contract} == contract
    assert "RR over 1 query: best 1.0000 at dense 0.8, from 0.5000 to 1.0000" in repr(curve)


# How sure


def test_the_bootstrap_equals_resampling_the_items() -> None:
    items = random_items(np.random.default_rng(5), 6, 20)
    curve = weight_curve(items)
    result = curve.bootstrap(resamples=10, seed=7)
    draws = np.random.default_rng(7).integers(0, 6, (10, 6))
    for draw, weight, value in zip(draws, result.weights[:, 1], result.values, strict=True):
        drawn = weight_curve([items[i] for i in draw])
        assert drawn.at(weight) == pytest.approx(drawn.best.value, abs=1e-12)
        assert value == pytest.approx(drawn.at(curve.best.weight), abs=1e-12)


def test_the_bootstrap_is_seeded_and_contains_the_optimum() -> None:
    curve = weight_curve(random_items(np.random.default_rng(6), 60, 40))
    result = curve.bootstrap(seed=1)
    assert result.interval == curve.bootstrap(seed=1).interval
    assert result.interval != curve.bootstrap(seed=2).interval
    assert 0 <= result.interval[0] <= curve.best.weight <= result.interval[1] <= 1
    assert result.value[0] < curve.best.value < result.value[1]


def test_a_bootstrap_needs_a_resample() -> None:
    curve = weight_curve([bm25_dense({"a": (1.0, 0.0)}, {"a": 1})])
    with pytest.raises(EvaluationError, match="resamples is 0"):
        curve.bootstrap(0)


# Bad input


UNKNOWN = "ndcg@10 nDCG@0 nDCG@  P R Success Judged BM25 RBP(p=1) RBP(p=2) RBP(q=0.5) RBP(0.5)"


@pytest.mark.parametrize(
    "metric", [*UNKNOWN.split(" "), "RBP(p=0.5,p=0.6)", "AP(p=0.5)", "AP(rel=0)", "nDCG(rel=2)@3"]
)
def test_an_unknown_metric_is_an_error(metric: str) -> None:
    with pytest.raises(EvaluationError, match=re.escape(f"metric {metric!r}")):
        weight_curve([bm25_dense({"a": (1.0, 0.0)}, {"a": 1})], metric=metric)


@pytest.mark.parametrize("weight", [math.nan, -0.1, 1.1, math.inf])
def test_a_weight_outside_its_range_is_an_error(weight: float) -> None:
    curve = weight_curve([bm25_dense({"a": (1.0, 0.0)}, {"a": 1})])
    with pytest.raises(WeightError, match=f"dense is {weight}; it must be from 0 to 1"):
        curve.at(weight)


def test_an_unknown_signal_is_an_error() -> None:
    with pytest.raises(WeightError, match="'splade'"):
        weight_curve([bm25_dense({"a": (1.0, 0.0)}, {"a": 1})], ("bm25", "splade"))


def test_one_signal_twice_is_an_error() -> None:
    with pytest.raises(WeightError, match="two different"):
        weight_curve([bm25_dense({"a": (1.0, 0.0)}, {"a": 1})], ("bm25", "bm25"))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_an_error(value: float) -> None:
    good = bm25_dense({"a": (1.0, 0.0)}, {"a": 1})
    bad = CurveItem(good.candidates, np.array([[1.0, value, 0.0]]), good.grades)
    with pytest.raises(WeightError, match="not finite"):
        weight_curve([bad])


def test_a_matrix_of_other_candidates_is_an_error() -> None:
    good = bm25_dense({"a": (1.0, 0.0)}, {"a": 1})
    with pytest.raises(EvaluationError, match=r"shape \(2, 3\) for 1 candidates"):
        weight_curve([CurveItem(good.candidates, np.zeros((2, 3)), good.grades)])


@pytest.mark.parametrize("items", [[], [bm25_dense({"a": (1.0, 0.0)}, {"a": 0, "b": -1})]])
def test_nothing_relevant_is_an_error(items: list[CurveItem]) -> None:
    with pytest.raises(EvaluationError, match="has a relevant paper"):
        weight_curve(items)
