"""Bounds of metrics: equal to the extremes over every filling of the holes, one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import EvaluationError
from workbench.evaluation.reports.bound_formulas import JudgedRanks, Measure, bounds
from workbench.evaluation.reports.bounds import find_bounds
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.reports.report import Report, make_report
from workbench.records import Judgment

NAMES = ["nDCG@3", "nDCG@10", "nDCG", "AP", "AP@3", "AP(rel=2)", "P@3", "R@2", "R@10", "RR"]
NAMES += ["RR@2", "Success@2", "RBP(p=0.8)", "RBP(p=0.5, rel=2)@3", "P(rel=2)@2"]

PAPERS = [f"p{n}" for n in range(7)]


def extremes(
    ranking: list[str], grades: dict[str, int], name: str, depth: int | None, top: int
) -> tuple[float, float]:
    """The least and largest value over every filling, each measured by trec_eval's code."""
    holes = [paper for paper in ranking[:depth] if paper not in grades]
    fillings = list(product(range(top + 1), repeat=len(holes)))
    judgments = [
        Judgment(f"q{n}", paper, grade)
        for n, filling in enumerate(fillings)
        for paper, grade in {**grades, **dict(zip(holes, filling, strict=True))}.items()
    ]
    run = {f"q{n}": ranking for n in range(len(fillings))}
    values = per_query(run, judgments, [name])[name]
    return float(values.min()), float(values.max())


@given(
    ranking=st.lists(st.sampled_from(PAPERS), unique=True, min_size=1, max_size=6),
    grades=st.dictionaries(
        st.sampled_from([*PAPERS, "x", "y"]), st.integers(-1, 3), min_size=1, max_size=6
    ),
    name=st.sampled_from(NAMES),
    top=st.integers(1, 3),
    depth=st.sampled_from([None, 2, 5]),
)
@settings(max_examples=400, deadline=None)
def test_bounds_are_the_extremes_over_all_fillings(
    ranking: list[str], grades: dict[str, int], name: str, top: int, depth: int | None
) -> None:
    found = find_bounds({"q": ranking}, {"q": grades}, name, depth=depth, top=top)
    deep = found.bounds[name].depth
    low, high = extremes(ranking, grades, name, deep, top)
    assert found.bounds[name].low == pytest.approx(low, abs=1e-12)
    assert found.bounds[name].high == pytest.approx(high, abs=1e-12)


def test_bounds_by_hand() -> None:
    run = {"q1": ["a", "x", "b"], "q2": ["y", "z"]}
    grades = {"q1": {"a": 1, "b": 1}, "q2": {"y": 0, "c": 1}}
    found = find_bounds(run, grades, "P@2, RR, AP, R@2, nDCG@2, Judged@2, Rprec")
    bounds = {name: (b.low, b.high) for name, b in found.bounds.items()}
    assert bounds["P@2"] == (1 / 4, 3 / 4)
    assert bounds["RR"] == (1 / 2, 3 / 4)
    # q1: x is not relevant, (1 + 2/3) / 2, or relevant, 1. q2: z is not, 0, or relevant, 1/2 / 2.
    assert bounds["AP"] == pytest.approx(((5 / 6) / 2, (1 + 1 / 4) / 2))
    assert bounds["R@2"] == pytest.approx(((1 / 2) / 2, (2 / 3 + 1 / 2) / 2))
    assert found.unbounded == ("Judged@2", "Rprec")
    at_2 = found.bounds["P@2"]
    assert (at_2.judged, at_2.holes, at_2.depth) == (0.5, 2, 2)
    everywhere = found.bounds["RR"]
    assert (everywhere.judged, everywhere.holes) == (pytest.approx((2 / 3 + 1 / 2) / 2), 2)
    assert found.per_query.loc["q2", ("RR", "high")] == 1 / 2
    assert list(found.to_frame().columns) == ["low", "high", "judged", "holes", "depth"]


def test_a_perfect_ranking_can_still_lose_to_what_is_not_judged() -> None:
    # nDCG is 1 as judged. A hole at rank 2 of a higher grade should have come first.
    (bounds,) = find_bounds({"q": ["a", "x"]}, {"q": {"a": 1}}, "nDCG@2", top=3).bounds.values()
    assert bounds.high == 1
    assert bounds.low == pytest.approx((1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3)))


def test_all_judged_leaves_nothing_open_and_the_value_lies_between() -> None:
    rng = np.random.default_rng(5)
    papers = [f"p{n}" for n in range(40)]
    run = {f"q{q}": [str(p) for p in rng.permutation(papers)] for q in range(20)}
    every = [Judgment(q, p, int(rng.integers(0, 4))) for q in run for p in papers]
    part = [judgment for judgment in every if rng.random() < 0.6]
    metrics = ["nDCG@10", "AP", "RR", "P@5", "R@20", "RBP(p=0.9)", "Success@1"]
    full, holed = (make_report(run, run, judged, metrics) for judged in (every, part))
    for name in metrics:
        low, high = full.bounds[name].low, full.bounds[name].high
        assert low == pytest.approx(full.metrics[name].mean, abs=1e-12)
        assert high == pytest.approx(low, abs=1e-12)
        # The truth is one of the fillings.
        ends = holed.unjudged(depth=40, top=3).per_query[name]
        assert (ends["low"] <= full.per_query[name] + 1e-12).all()
        assert (ends["high"] >= full.per_query[name] - 1e-12).all()
        assert (ends["low"] <= holed.per_query[name] + 1e-12).all()
        assert (ends["high"] >= holed.per_query[name] - 1e-12).all()


@pytest.fixture
def report() -> Report:
    judgments = [Judgment("q1", "a", 2), Judgment("q2", "b", 0)]
    return make_report({"q1": ["x", "a"], "q2": ["b"]}, ["q1", "q2"], judgments, "nDCG@10, Rprec")


def test_the_report_says_what_is_open(report: Report) -> None:
    [line] = [line for line in str(report).splitlines() if line.startswith("  nDCG@10")]
    assert line.endswith("0.3155 to 0.5000 with 1 unjudged")
    assert "given the unjudged papers" in report._repr_html_()
    assert report.to_dict()["bounds"]["nDCG@10"]["holes"] == 1
    frame = report.to_frame()
    assert frame.loc["nDCG@10", "lowest"] == report.bounds["nDCG@10"].low
    assert np.isnan(frame.loc["Rprec", "lowest"])
    assert "all judged" in make_report({"q": ["a"]}, ["q"], [Judgment("q", "a", 1)])._repr_html_()


def test_other_assumptions_are_computed_on_demand(report: Report) -> None:
    assert report.unjudged(top=5).top == 5
    assert report.unjudged(depth=1).bounds["nDCG@10"].depth == 1
    with pytest.raises(EvaluationError, match="depth is 0"):
        report.unjudged(depth=0)
    with pytest.raises(EvaluationError, match="whole number"):
        report.unjudged(top=5000)


def test_large_grades_and_long_rankings_are_quick_enough_to_finish() -> None:
    run = {"q": [f"p{n}" for n in range(2_000)]}
    grades = {"q": {f"p{n}": n % 1000 + 1 for n in range(0, 2_000, 7)}}
    (bounds,) = find_bounds(run, grades, "nDCG").bounds.values()
    assert 0 < bounds.low < bounds.high <= 1


def test_no_query_has_bounds_of_nothing() -> None:
    with pytest.raises(EvaluationError, match="no query"):
        find_bounds({}, {}, "AP")


def ndcg(ranks: np.ndarray, grades: np.ndarray, judged: np.ndarray, cutoff: float) -> float:
    """By the definition, plainly; `grades` at `ranks`, `judged` all grades of the query."""
    ideal = np.sort(judged)[::-1]
    places = np.arange(1, len(ideal) + 1)
    best = (ideal / np.log2(places + 1))[places <= cutoff].sum()
    return float((grades / np.log2(ranks + 1))[ranks <= cutoff].sum() / best) if best else 0.0


@st.composite
def many_grades(draw: st.DrawFn) -> tuple[JudgedRanks, float]:
    """Up to 150 judged papers with grades 0 to 8, some of them found, and up to 40 holes."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 150))
    dice = np.random.default_rng(seed)
    judged = dice.integers(0, draw(st.integers(1, 8)) + 1, count)
    found = draw(st.integers(0, count))
    holes = draw(st.one_of(st.integers(0, 3), st.integers(0, 40)))
    ranks = dice.permutation(found + holes) + 1
    cutoff = draw(st.sampled_from([5, 10, 100, np.inf]))
    top = draw(st.integers(1, 8))
    own = np.sort(ranks[:found])
    return JudgedRanks(own, judged[:found], judged, np.sort(ranks[found:]), top), cutoff


@given(many_grades())
@settings(max_examples=150, deadline=None)
def test_the_bounds_of_ndcg_end_and_are_the_extremes(made: tuple[JudgedRanks, float]) -> None:
    ranked, cutoff = made
    low, high = bounds(ranked, Measure("nDCG", cutoff, 1, 0.0))
    holes, dice = len(ranked.holes), np.random.default_rng(1)
    few = holes <= 3
    fillings = (
        np.array(list(product(range(ranked.top + 1), repeat=holes)), dtype=np.int64)
        if few
        else dice.integers(0, ranked.top + 1, (100, holes))
    )
    ranks = np.concatenate((ranked.ranks, ranked.holes))
    values = [
        ndcg(
            ranks,
            np.concatenate((ranked.grades, filling)),
            np.concatenate((ranked.judged, filling)),
            cutoff,
        )
        for filling in fillings
    ]
    assert 0 <= low <= min(values) + 1e-12
    assert max(values) - 1e-12 <= high <= 1 + 1e-12
    if few:
        assert low == pytest.approx(min(values), abs=1e-12)
        assert high == pytest.approx(max(values), abs=1e-12)


def test_an_iteration_whose_gains_stay_above_rounding_ends() -> None:
    ranks = np.array([1, 2, 4, 5, 6, 11, 16, 18, 24, 27, 30, 35, 55, 76])
    grades = np.array([8, 1, 3, 4, 7, 2, 2, 1, 7, 4, 1, 1, 1, 2])
    judged = np.array([4, 2, 7, 2, 1, 7, 2, 1, 8, 1, 1, 2, 1, 4, 3, 1, 1])
    ranked = JudgedRanks(ranks, grades, judged, np.array([3, 7, 8, 9, 10]), 8)
    low, high = bounds(ranked, Measure("nDCG", 10, 1, 0.0))
    # 9^5 fillings, each by the definition.
    fillings = np.array(list(product(range(9), repeat=5)))
    discounts = 1 / np.log2(np.arange(2, 12))
    inside = grades[ranks <= 10] @ discounts[ranks[ranks <= 10] - 1]
    every = np.hstack((np.tile(judged, (len(fillings), 1)), fillings))
    ideal = np.sort(every, axis=1)[:, ::-1][:, :10] @ discounts
    values = (inside + fillings @ discounts[ranked.holes - 1]) / ideal
    assert (low, high) == pytest.approx((values.min(), values.max()), abs=1e-12)
