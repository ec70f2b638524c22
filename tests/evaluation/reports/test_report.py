"""Reports and comparisons: the figures, what is left out, the contract, and the pages."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest

from tests.evaluation.reports.conftest import (
    EVIL,
    JUDGMENTS,
    METRICS,
    QUERIES,
    Tags,
    good_run,
    random_run,
)
from workbench.errors import EvaluationError
from workbench.evaluation.reports.report import Interval, Report, make_report
from workbench.evaluation.reports.trec import read_run, write_qrels
from workbench.evaluation.statistics import (
    mean_interval,
)
from workbench.records import Judgment, Query

# Figures


def test_means_equal_ir_measures(good: Report) -> None:
    qrels = [ir_measures.Qrel(j.query_id, j.paper_id, j.grade) for j in JUDGMENTS]
    run = {q: {p: -float(n) for n, p in enumerate(ps)} for q, ps in good_run().items()}
    measures = [ir_measures.parse_measure(name) for name in METRICS]
    expected = ir_measures.calc_aggregate(measures, qrels, run)
    for measure in measures:
        assert good.metrics[str(measure)].mean == pytest.approx(expected[measure], abs=1e-12)
    judged = ir_measures.parse_measure("Judged@10")
    assert good.judged_at_10 == pytest.approx(
        ir_measures.calc_aggregate([judged], qrels, run)[judged]
    )


def test_intervals_are_those_of_the_means(good: Report) -> None:
    for name, interval in good.metrics.items():
        assert interval == Interval(*mean_interval(good.per_query[name].to_numpy()))
        assert interval.low < interval.mean < interval.high


def test_queries_stand_in_their_order_whatever_the_runs(good: Report) -> None:
    backwards = dict(reversed(good_run().items()))
    again = make_report(backwards, QUERIES, reversed(JUDGMENTS), METRICS, "good")
    assert list(again.per_query.index) == QUERIES
    assert again.to_dict() == good.to_dict()


def test_queries_can_be_records() -> None:
    queries = [Query(text="words", id=name) for name in QUERIES]
    assert make_report(good_run(), queries, JUDGMENTS, "AP").queries == 40


def test_rankings_can_be_arrays() -> None:
    arrays: Any = {query: np.array(papers) for query, papers in good_run().items()}
    report = make_report(arrays, QUERIES, JUDGMENTS, METRICS)
    assert report.without_results == ()
    assert report.metrics == make_report(good_run(), QUERIES, JUDGMENTS, METRICS).metrics


def test_a_report_is_frozen(good: Report) -> None:
    with pytest.raises(FrozenInstanceError):
        good.label = "other"


# Nothing is left out silently


@pytest.fixture(scope="module")
def holes() -> Report:
    """One query of each kind: fine, nobody judged, nothing relevant, nothing found, not run."""
    run = {"fine": ["a", "b"], "unjudged": ["a"], "zero": ["a"], "empty": []}
    judgments = [
        Judgment("fine", "a", 1), Judgment("fine", "b", -1), Judgment("zero", "a", 0),
        Judgment("zero", "b", -1), Judgment("empty", "a", 1), Judgment("absent", "a", 1),
        Judgment("elsewhere", "a", -1),
    ]  # fmt: skip
    queries = ["fine", "unjudged", "zero", "empty", "absent"]
    return make_report(run, queries, judgments, ["P@1", "Judged@10"])


def test_every_hole_is_listed(holes: Report) -> None:
    assert holes.queries == 4
    assert list(holes.per_query.index) == ["fine", "zero", "empty", "absent"]
    assert holes.without_judgments == ("unjudged",)
    assert holes.without_relevant == ("zero",)
    assert holes.without_results == ("empty", "absent")
    assert holes.unknown_queries == 1
    assert holes.negative_grades == 2


def test_holes_count_as_zero(holes: Report) -> None:
    assert list(holes.per_query["P@1"]) == [1, 0, 0, 0]
    assert holes.metrics["P@1"].mean == 0.25
    assert holes.judged_at_10 == holes.metrics["Judged@10"].mean == 0.5


def test_holes_are_said(holes: Report, good: Report) -> None:
    for shown in (str(holes), Tags(holes._repr_html_()).text):
        assert "1 query without any judgment, left out of the means: unjudged" in shown
        assert "1 query without a relevant paper, counted as 0: zero" in shown
        assert "2 queries for which nothing was found, counted as 0: empty, absent" in shown
        assert "judgments for 1 query not asked, left out" in shown
        assert "2 negative grades" in shown
    assert good.notes == ()


def test_long_lists_are_cut_in_notes_only() -> None:
    report = make_report(random_run(1), QUERIES, JUDGMENTS[:1], "AP")
    assert len(report.without_judgments) == 39
    assert "and 34 more" in report.notes[0]
    assert len(report.to_dict()["without_judgments"]) == 39


# The contract


def test_the_dict_is_the_contract(holes: Report) -> None:
    report = json.loads(json.dumps(holes.to_dict(), allow_nan=False))
    assert set(report) >= {"metrics", "queries", "judged_at_10"}
    assert set(report["metrics"]["P@1"]) == {"mean", "low", "high"}
    assert report["queries"] == 4
    assert report["judged_at_10"] == 0.5
    assert report["without_judgments"] == ["unjudged"]
    assert report["without_results"] == ["empty", "absent"]


def test_text(good: Report) -> None:
    first, second, *_ = str(good).splitlines()
    judged = f"{good.judged_at_10:.1%} of the first 10 papers judged"
    assert first == f"good: 40 queries, {judged}"
    assert second.startswith(f"  nDCG@10  {good.metrics['nDCG@10'].mean:.4f}  [")
    assert repr(good).startswith("Report('good', 40 queries, nDCG@10 0.")


# Pages


@pytest.fixture(scope="module")
def evil() -> Report:
    run = {EVIL: ["a"], "q": ["a"]}
    judgments = [Judgment(EVIL, "a", 0), Judgment("q", "a", 1)]
    return make_report(run, [EVIL, "q", EVIL * 2], judgments, ["P@5", "RBP(p=0.8)"], EVIL)


def test_ids_and_labels_do_not_become_markup(evil: Report) -> None:
    tags = {
        "style",
        "div",
        "b",
        "table",
        "thead",
        "tbody",
        "details",
        "summary",
        "tr",
        "th",
        "td",
        "span",
    }
    for shown in (evil, evil.compare(evil)):
        html = shown._repr_html_()
        page = Tags(html)
        assert page.tags <= tags
        assert page.attributes <= {"class", "dir", "style", "role", "aria-label", "title"}
        assert EVIL in page.text
        assert "<script" not in html
        assert "<img" not in html


def test_control_characters_do_not_reach_the_terminal() -> None:
    judgments = [Judgment("q\x1b[2J", "a", 0)]
    report = make_report({"q\x1b[2J": ["a"]}, ["q\x1b[2J"], judgments, "AP", "\x1b[2J")
    assert "\x1b" not in str(report) + str(report.compare(report))


# Bad input


@pytest.mark.parametrize(
    ("run", "queries", "message"),
    [
        ({"q00": ["a"], "zz": ["a"]}, ["q00"], "1 query not asked for: zz"),
        ({"x": ["a"]}, ["x"], r"none of 1 query \(x\) has a judgment; the judgments are for q00,"),
        ({}, [], "none of 0 queries"),
        ({}, ["q00", "q00"], "'q00' is there twice"),
        ({}, [""], "a query's id, .* is ''"),
        ({}, [Query(text="words")], "a query's id, .* is ''"),
        ({}, [7.0], "a query's id, .* is 7.0"),
        ({}, "q00", "give a list of queries"),
    ],
)
def test_bad_input_is_refused(run: Any, queries: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        make_report(run, queries, JUDGMENTS, "AP")


# Runs of other programs


def test_a_run_goes_out_and_comes_back_as_the_same_report(good: Report, tmp_path: Path) -> None:
    good.write_run(tmp_path / "good.run", tag="mine")
    assert read_run(tmp_path / "good.run") == {q: list(p) for q, p in good.run.items()}
    write_qrels(tmp_path / "all.qrels", JUDGMENTS)
    back = Report.from_run(tmp_path / "good.run", tmp_path / "all.qrels", METRICS)
    assert back.label == "good"
    assert back.to_dict() == good.to_dict()
    assert back.compare(good).moved("AP").empty


def test_trec_eval_reads_both_files_and_finds_the_same(good: Report, tmp_path: Path) -> None:
    good.write_run(tmp_path / "good.run")
    write_qrels(tmp_path / "all.qrels", JUDGMENTS)
    measures = [ir_measures.parse_measure(name) for name in METRICS]
    found = ir_measures.pytrec_eval.calc_aggregate(
        measures,
        list(ir_measures.read_trec_qrels(str(tmp_path / "all.qrels"))),
        list(ir_measures.read_trec_run(str(tmp_path / "good.run"))),
    )
    expected = {name: interval.mean for name, interval in good.metrics.items()}
    assert {str(m): v for m, v in found.items()} == pytest.approx(expected, abs=1e-12)


def test_a_run_from_elsewhere_keeps_queries_that_it_missed() -> None:
    judgments = [Judgment("q1", "a", 1), Judgment("q2", "a", 1)]
    report = Report.from_run({"q1": ["a"], "q3": ["b"]}, judgments, "RR")
    assert list(report.per_query["RR"]) == [1.0, 0.0]
    assert report.without_results == ("q2",)
    assert report.without_judgments == ("q3",)
    only = Report.from_run({"q1": ["a"]}, judgments, "RR", queries=["q1"], label="mine")
    assert (only.label, only.unknown_queries) == ("mine", 1)


def test_settled_conflicts_are_counted_and_said(tmp_path: Path) -> None:
    report = make_report({"q": ["a"]}, ["q"], [Judgment("q", "a", 1)], "RR", settled=2)
    assert report.to_dict()["settled"] == 2
    assert "2 pairs judged differently" in str(report)


# What a report says of its input


def test_a_grade_that_nobody_gave_is_said() -> None:
    report = make_report(good_run(), QUERIES, JUDGMENTS, ("AP", "AP(rel=8)"))
    assert report.metrics["AP(rel=8)"].mean == 0
    assert set(report.without_grade) == {"AP(rel=8)"}
    assert any("AP(rel=8)" in note and "40 queries" in note for note in report.notes)
    assert report.to_dict()["without_grade"]["AP(rel=8)"][0] == "q00"


def test_a_run_of_other_papers_is_said() -> None:
    report = Report.from_run({"q": ["doc13"]}, {"q": {"13": 1}}, "AP")
    assert any("no judged paper is in any ranking" in note for note in report.notes)


def test_queries_and_judgments_of_a_report_may_be_anything(good: Report, tmp_path: Path) -> None:
    nested: dict[str, dict[str, int]] = {}
    for j in JUDGMENTS:
        nested.setdefault(j.query_id, {})[j.paper_id] = j.grade
    back = Report.from_run(good_run(), nested, iter(METRICS), queries=QUERIES, label="good")
    assert back.to_dict() == good.to_dict()


def test_reports_go_to_another_process(good: Report) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(Report.to_dict, good).result() == good.to_dict()
