"""Metrics: equal to trec_eval's, by hand, and clear about what they cannot do."""

from __future__ import annotations

import sys
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import EvaluationError, MissingDependency
from workbench.evaluation.reports.metrics import (
    DEFAULT_METRICS,
    QueryValues,
    deepest_cutoff,
    grades_by_query,
    parse_metrics,
    per_query,
)
from workbench.records import Judgment

NAMES = ["nDCG@10", "nDCG", "AP", "AP(rel=2)", "RR", "RR@10", "P@5", "R@100", "Success@5"]
NAMES += ["Judged@10", "Rprec", "Bpref", "nDCG(gains={0:0,1:1,2:3,3:7})@10"]

SHALLOW = ["nDCG@3", "P@2", "R@4", "RR@3", "AP@3", "Success@1", "Judged@2"]
SHALLOW += ["nDCG(judged_only=True)@2", "P(judged_only=True)@3"]

papers = st.lists(st.sampled_from([f"p{n}" for n in range(12)]), unique=True, max_size=12)
grades = st.dictionaries(st.sampled_from([f"p{n}" for n in range(12)]), st.integers(-1, 3))


def judged(**queries: dict[str, int]) -> list[Judgment]:
    return [Judgment(q, paper, grade) for q, of in queries.items() for paper, grade in of.items()]


def one(metric: str, ranking: list[str], of: dict[str, int]) -> float:
    return float(per_query({"q": ranking}, judged(q=of), [metric]).loc["q", metric])


# Against other implementations


@given(
    run=st.dictionaries(st.sampled_from(["a", "b", "c"]), papers.filter(bool), min_size=1),
    qrels=st.dictionaries(st.sampled_from(["a", "b", "c"]), grades.filter(bool), min_size=1),
)
@settings(max_examples=80, deadline=None)
@pytest.mark.parametrize("names", [NAMES, SHALLOW], ids=["deep", "shallow"])
def test_values_equal_ir_measures(
    names: list[str], run: dict[str, list[str]], qrels: dict[str, Any]
) -> None:
    frame = per_query(run, judged(**qrels), names)
    scores = {q: {p: float(len(ps) - n) for n, p in enumerate(ps)} for q, ps in run.items()}
    clipped = {q: {p: max(0, g) for p, g in of.items()} for q, of in qrels.items()}
    assert list(frame.index) == [q for q in run if q in qrels]
    for name in names:
        measure = ir_measures.parse_measure(name)
        expected = {m.query_id: m.value for m in ir_measures.iter_calc([measure], clipped, scores)}
        for query in frame.index:
            assert frame.loc[query, name] == pytest.approx(expected[query], abs=1e-12), name


def test_many_queries_in_one_call_equal_ir_measures() -> None:
    rng = np.random.default_rng(4)
    names = [f"d{n}" for n in range(300)]
    run = {f"q{q}": [str(p) for p in rng.permutation(names)[:150]] for q in range(40)}
    qrels = {
        f"q{q}": {str(p): int(rng.integers(0, 4)) for p in rng.choice(names, 30, False)}
        for q in range(40)
    }
    frame = per_query(run, judged(**qrels), DEFAULT_METRICS)
    scores = {q: {p: -float(n) for n, p in enumerate(ps)} for q, ps in run.items()}
    for name in DEFAULT_METRICS:
        measure = ir_measures.parse_measure(name)
        expected = ir_measures.calc_aggregate([measure], qrels, scores)[measure]
        assert frame[name].mean() == pytest.approx(expected, abs=1e-12)


# By hand


RANKING = ["x", "a", "y", "b"]
JUDGED = {"a": 2, "b": 1, "c": 1, "y": 0}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("nDCG@4", (2 / np.log2(3) + 1 / np.log2(5)) / (2 + 1 / np.log2(3) + 1 / 2)),
        ("AP", (1 / 2 + 2 / 4) / 3),
        ("RR", 1 / 2),
        ("RR@1", 0.0),
        ("P@2", 1 / 2),
        ("P@10", 2 / 10),
        ("R@2", 1 / 3),
        ("R@100", 2 / 3),
        ("Success@1", 0.0),
        ("Success@2", 1.0),
        ("RBP(p=0.8)", 0.2 * (0.8 + 0.8**3)),
        ("RBP", 0.2 * (0.8 + 0.8**3)),
        ("RBP(p=0.5, rel=2)", 0.5 * 0.5),
        ("RBP(p=0.8)@2", 0.2 * 0.8),
        ("Judged@2", 1 / 2),
        ("Judged@10", 3 / 4),
    ],
)
def test_values_by_hand(metric: str, value: float) -> None:
    assert one(metric, RANKING, JUDGED) == pytest.approx(value, abs=1e-12)


def test_the_order_of_the_list_is_what_counts() -> None:
    # trec_eval orders ties by falling id; a list has none.
    assert one("RR", ["a", "z"], {"a": 1}) == one("RR", ["z", "a"], {"z": 1}) == 1.0


def test_ranks_stay_apart_in_long_lists() -> None:
    ranking = [f"p{n:05d}" for n in range(10_000)]
    assert one("RR", ranking, {"p09998": 1}) == pytest.approx(1 / 9_999)


@pytest.mark.parametrize("metric", ["nDCG@10", "AP", "RR@10", "P@5", "RBP(p=0.8)"])
def test_a_negative_grade_is_judged_and_not_relevant(metric: str) -> None:
    assert one(metric, ["a", "b"], {"a": -2, "b": 2}) == one(metric, ["a", "b"], {"a": 0, "b": 2})
    assert one("Judged@10", ["a", "x"], {"a": -2}) == 0.5


@pytest.mark.parametrize("metric", [*NAMES[:9], "RBP(p=0.8)", "Judged@10"])
def test_nothing_found_is_zero(metric: str) -> None:
    frame = per_query({"q": [], "r": ["a"]}, judged(q={"a": 1}, r={"a": 1}), [metric])
    assert frame.loc["q", metric] == 0
    assert frame.loc["r", metric] > 0 or "rel=2" in metric


@pytest.mark.parametrize("metric", [*NAMES[:9], "RBP(p=0.8)"])
def test_nothing_relevant_is_zero(metric: str) -> None:
    assert one(metric, ["a", "b"], {"a": 0, "b": -1}) == 0


@pytest.mark.parametrize("name", ["a\0b", "é", "1"])
def test_any_text_is_an_id(name: str) -> None:
    # pytrec_eval alone cuts at a zero.
    frame = per_query(
        {name: ["0", name]}, judged(**{name: {name: 1}}), ["RR", "RR@10", "Judged@10"]
    )
    assert list(frame.index) == [name]
    assert list(frame.iloc[0]) == [0.5, 0.5, 0.5]


# Shape


def test_rows_are_in_the_order_of_the_run_and_only_where_judged() -> None:
    run = {"z": ["a"], "none": ["a"], "b": ["a"]}
    frame = per_query(run, judged(b={"a": 1}, z={"a": 1}, elsewhere={"a": 1}), ["P@5", "RBP", "AP"])
    assert list(frame.index) == ["z", "b"]
    assert frame.index.name == "query_id"
    assert list(frame.columns) == ["P@5", "RBP", "AP"]
    assert set(frame.dtypes) == {np.dtype("float64")}


def test_no_query_in_common_is_an_empty_frame() -> None:
    frame = per_query({"q": ["a"]}, judged(other={"a": 1}), ["AP", "RBP"])
    assert frame.shape == (0, 2)


def test_columns_carry_the_names_as_given() -> None:
    names = ["RBP(p=0.8)", "NDCG@10", "nDCG@10", "MAP", "RBP"]
    frame = per_query({"q": ["a"]}, judged(q={"a": 1}), names)
    assert list(frame.columns) == names
    assert (frame["NDCG@10"] == frame["nDCG@10"]).all()


def test_gains_of_one_metric_are_not_those_of_another() -> None:
    grades, ranking = {"a": 1, "b": 2, "c": 3}, ["x", "a", "c", "b"]
    gains = ["nDCG@10", *(f"nDCG(gains={{1:{one},2:{one + 5}}})@10" for one in range(2, 9))]
    together = per_query({"q": ranking}, judged(q=grades), gains).loc["q"].to_dict()
    assert together == {name: one(name, ranking, grades) for name in gains}
    assert len(set(together.values())) == len(gains)


@given(orders=st.lists(st.permutations(["a", "b", "c", "d", "e"]), min_size=1, max_size=6))
@settings(max_examples=40)
def test_values_do_not_depend_on_what_was_measured_before(orders: list[list[str]]) -> None:
    measures = parse_metrics(["nDCG@3", "AP", "RBP", "P(judged_only=True)@3", "Judged@2"])
    grades = {"q": {"a": 2, "b": -1, "z": 1}, "r": {"e": 1}}
    kept = QueryValues(grades, measures)
    for order in orders:
        run = {"q": order[:3], "r": order}
        assert kept.of(run).equals(QueryValues(grades, measures).of(run))


def test_one_text_can_hold_several_names() -> None:
    text = "nDCG@10, RBP(p=0.9,rel=2) ,RR"
    assert list(parse_metrics(text)) == ["nDCG@10", "RBP(p=0.9,rel=2)", "RR"]
    assert list(parse_metrics(["RR", "RR"])) == ["RR"]


def test_the_deepest_cutoff() -> None:
    assert deepest_cutoff(["nDCG@10", "AP", "R@100", "RBP"]) == 100
    assert deepest_cutoff("AP, RR") == 0


# Bad input


@pytest.mark.parametrize(
    "name",
    ["NDGC@10", "foo", "", "nDCG@", "nDCG@ten", "nDCG@0", "nDCG@-1", "P", "P@5@10", "AP(1)",
     "AP(rel=)", "AP(level=1)", "AP(rel='x')", "AP(rel=1", "RBP(p=1.5)", "RBP(p=0.0)",
     "P(cutoff=0)", "AP(**x)", "nDCG@10; import os", "__import__('os')", "alpha_nDCG@10",
     "nDCG(dcg='exp-log2')@10", "AP(rel=os)", "AP(rel=0)", "IPrec@0.1", "ERR@10",
     "nDCG(gains={1:100000})@10", "nDCG(gains={1:-1})@10", "nDCG(gains={1:0.5})@10"],
)  # fmt: skip
def test_a_metric_that_cannot_be_computed_is_named(name: str) -> None:
    with pytest.raises(EvaluationError) as error:
        parse_metrics(["AP", name])
    assert repr(name) in str(error.value)
    assert "nDCG@10" in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"), [("ndgc@10", "nDCG"), ("ndcg@10", "nDCG"), ("recal@5", "Recall")]
)
def test_a_misspelt_metric_gets_a_suggestion(name: str, meant: str) -> None:
    with pytest.raises(EvaluationError, match=f"did you mean {meant}\\?"):
        parse_metrics(name)


def test_a_cutoff_far_beyond_the_ranking_is_computed() -> None:
    assert one("nDCG@999999999", ["a"], {"a": 1}) == one("R@999999999", ["a"], {"a": 1}) == 1.0


@pytest.mark.parametrize("metrics", [[], "", " ", [None], [3]])
def test_no_metric_is_refused(metrics: Any) -> None:
    with pytest.raises(EvaluationError, match="give"):
        parse_metrics(metrics)


def test_a_paper_twice_is_refused() -> None:
    with pytest.raises(EvaluationError, match="'q' holds paper 'b' twice"):
        per_query({"q": ["a", "b", "c", "b"]}, judged(q={"a": 1}), "AP")


@pytest.mark.parametrize(
    "papers", ["abc", [1.0, 2.0], [None], [True], {"a", "b"}, [" "], ["a\ud800"]]
)
def test_a_ranking_of_other_things_is_refused(papers: Any) -> None:
    with pytest.raises(EvaluationError, match=r"query 'q'.* not a list of paper ids"):
        per_query({"q": papers}, judged(q={"a": 1}), "AP")


def test_judgments_that_disagree_are_refused_and_repeats_are_not() -> None:
    with pytest.raises(EvaluationError, match="judged 1 and 2"):
        grades_by_query([Judgment("q", "a", 1), Judgment("q", "a", 2)])
    assert grades_by_query([Judgment("q", "a", 1)] * 2) == {"q": {"a": 1}}


@pytest.mark.parametrize("grade", [1.5, "2", None, 10**9, float("nan")])
def test_a_grade_that_is_no_small_whole_number_is_refused(grade: Any) -> None:
    with pytest.raises(EvaluationError, match="whole number up to 1,000"):
        grades_by_query([Judgment("q", "a", grade)])


def test_the_largest_grades_are_computed() -> None:
    assert one("nDCG@10", ["a", "b"], {"a": 1_000, "b": np.int64(-(10**9))}) == 1.0


def test_without_ir_measures_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingDependency, match="pip install ir_measures"):
        per_query({"q": ["a"]}, judged(q={"a": 1}), "AP")
