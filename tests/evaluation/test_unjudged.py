"""Bounds of metrics: equal to the extremes over every filling of the holes, one by one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.evaluation.metrics import per_query
from workbench.evaluation.unjudged import find_bounds
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
