"""Reports and comparisons: the figures, what is left out, the contract, and the pages."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest

from workbench.errors import EvaluationError
from workbench.evaluation.reports.comparison import TESTS, Comparison
from workbench.evaluation.reports.report import Interval, Report, make_report
from workbench.evaluation.reports.trec import read_run, write_qrels
from workbench.evaluation.statistics import (
    benjamini_hochberg,
    cohens_d,
    holm,
    mean_interval,
    paired_t,
    randomisation,
    wilcoxon,
)
from workbench.records import Judgment, Query

EVIL = """<script>alert("1 & 2")</script><img src=x onerror='alert(1)'>"""
METRICS = ("nDCG@10", "AP", "P@5")
QUERIES = [f"q{n:02d}" for n in range(40)]
PAPERS = [f"p{n:03d}" for n in range(60)]
JUDGMENTS = [Judgment(q, p, (n + m) % 3) for n, q in enumerate(QUERIES)
             for m, p in enumerate(PAPERS) if (n * 7 + m * 5) % 11 == 0]  # fmt: skip


def random_run(seed: int, queries: list[str] = QUERIES) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    return {query: [str(p) for p in rng.permutation(PAPERS)[:30]] for query in queries}


def good_run() -> dict[str, list[str]]:
    """Relevant papers first for every query but each fifth."""
    grades = {(j.query_id, j.paper_id): j.grade for j in JUDGMENTS}
    run = random_run(9)
    for n, (query, papers) in enumerate(run.items()):
        if n % 5:
            papers.sort(key=lambda p: -grades.get((query, p), 0))
    return run


@pytest.fixture(scope="module")
def good() -> Report:
    return make_report(good_run(), QUERIES, JUDGMENTS, METRICS, "good")


@pytest.fixture(scope="module")
def poor() -> Report:
    return make_report(random_run(1), QUERIES, JUDGMENTS, METRICS, "poor")


@pytest.fixture(scope="module")
def compared(good: Report, poor: Report) -> Comparison:
    other = make_report(random_run(2), QUERIES, JUDGMENTS, METRICS, "other")
    return good.compare(poor, other)


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


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
        good.label = "other"  # type: ignore[misc]


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
    assert first == "good: 40 queries"
    assert second.startswith(f"  nDCG@10  {good.metrics['nDCG@10'].mean:.4f}  [")
    assert repr(good).startswith("Report('good', 40 queries, nDCG@10 0.")


# Comparisons


def test_every_metric_meets_every_other_report(compared: Comparison) -> None:
    pairs = [(c.other, c.metric) for c in compared.contrasts]
    assert pairs == [(other, m) for other in ("poor", "other") for m in METRICS]
    assert compared.notes == ()


def test_figures_of_a_contrast(compared: Comparison, good: Report, poor: Report) -> None:
    contrast = compared.contrasts[0]
    values = (good.per_query["nDCG@10"] - poor.per_query["nDCG@10"]).to_numpy()
    assert contrast.difference == pytest.approx(values.mean())
    assert contrast.mean == good.metrics["nDCG@10"].mean
    assert contrast.p["t"] == paired_t(values)
    assert contrast.p["wilcoxon"] == wilcoxon(values)
    assert contrast.p["randomisation"] == randomisation(values)
    assert contrast.effect_size == cohens_d(values)
    assert contrast.win + contrast.tie + contrast.loss == contrast.queries == 40
    assert contrast.win > contrast.loss


@pytest.mark.parametrize("test", TESTS)
def test_p_values_are_adjusted_over_all_contrasts(compared: Comparison, test: str) -> None:
    raw = [c.p[test] for c in compared.contrasts]
    assert len(raw) == 6
    assert [c.holm[test] for c in compared.contrasts] == list(holm(raw))
    adjusted = [c.benjamini_hochberg[test] for c in compared.contrasts]
    assert adjusted == list(benjamini_hochberg(raw))


def test_a_report_against_itself(good: Report) -> None:
    for contrast in good.compare(good).contrasts:
        assert contrast.difference == 0
        assert set(contrast.p.values()) == set(contrast.holm.values()) == {1.0}
        assert (contrast.win, contrast.tie, contrast.loss) == (0, 40, 0)
        assert contrast.effect_size == 0
    assert good.compare(good).moved("AP").empty


def test_the_other_way_round(good: Report, poor: Report) -> None:
    there, back = good.compare(poor).contrasts[0], poor.compare(good).contrasts[0]
    assert there.difference == pytest.approx(-back.difference)
    assert (there.win, there.loss) == (back.loss, back.win)
    assert there.p == pytest.approx(back.p)


def test_queries_that_moved_most(compared: Comparison, good: Report, poor: Report) -> None:
    moved = compared.moved("AP", 7, other="poor")
    assert list(moved.columns) == ["this", "other", "difference"]
    assert len(moved) == 7
    gap = (good.per_query["AP"] - poor.per_query["AP"]).abs()
    assert list(moved["difference"].abs()) == pytest.approx(sorted(gap, reverse=True)[:7])
    assert moved.loc[moved.index[0], "this"] == good.per_query.loc[moved.index[0], "AP"]


def test_the_frame_holds_everything(compared: Comparison) -> None:
    frame = compared.to_frame()
    assert len(frame) == 6
    assert {"metric", "other", "difference", "win", "effect_size"} <= set(frame.columns)
    for kind in ("p", "holm", "benjamini_hochberg"):
        assert {f"{kind}_{test}" for test in TESTS} <= set(frame.columns)


def test_other_queries_are_compared_on_those_in_both(good: Report) -> None:
    fewer = make_report(random_run(1, QUERIES[10:]), QUERIES[10:], JUDGMENTS, METRICS, "fewer")
    compared = good.compare(fewer)
    assert {c.queries for c in compared.contrasts} == {30}
    assert compared.notes == (
        "fewer: compared on the 30 queries in both; 10 only here, 0 only there",
    )
    assert compared.contrasts[0].mean == good.per_query["nDCG@10"].iloc[10:].mean()
    for shown in (str(compared), Tags(compared._repr_html_()).text):
        assert "30 queries in both" in shown


def test_other_metrics_are_said_not_to_be_compared(good: Report) -> None:
    other = make_report(random_run(1), QUERIES, JUDGMENTS, ["AP", "RR"], "other")
    compared = good.compare(other)
    assert [c.metric for c in compared.contrasts] == ["AP"]
    assert compared.notes == ("other: metrics not in both, not compared: nDCG@10, P@5, RR",)


def test_equal_labels_are_told_apart(good: Report, poor: Report) -> None:
    compared = good.compare(poor, poor, poor)
    assert list(compared.pairs) == ["poor", "poor (2)", "poor (3)"]


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


def test_the_page_of_a_comparison(compared: Comparison) -> None:
    text = Tags(compared._repr_html_()).text
    assert "over 6 comparisons" in text
    for contrast in compared.contrasts:
        assert f"{contrast.win} / {contrast.tie} / {contrast.loss}" in text
    assert str(compared).startswith("good against poor, other\n")
    first = compared.contrasts[0]
    assert repr(compared) == (
        f"Comparison('good' against 'poor', 'other': nDCG@10 {first.difference:+.4f}, p <0.0001)"
    )


def test_an_undefined_effect_size_is_a_dash() -> None:
    a = make_report({"q": ["a"]}, ["q"], [Judgment("q", "a", 1)], "P@1")
    b = make_report({"q": ["b"]}, ["q"], [Judgment("q", "a", 1)], "P@1")
    assert "d –" in str(a.compare(b))


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


def test_comparisons_that_cannot_be_made_are_refused(good: Report) -> None:
    elsewhere = make_report({"q": ["a"]}, ["q"], [Judgment("q", "a", 1)], METRICS, "elsewhere")
    other = make_report(random_run(1), QUERIES, JUDGMENTS, ["RR"], "other")
    with pytest.raises(EvaluationError, match="at least one"):
        good.compare()
    with pytest.raises(EvaluationError, match="no query is in this report and in 'elsewhere'"):
        good.compare(elsewhere)
    with pytest.raises(EvaluationError, match="no metric is in this report"):
        good.compare(other)


def test_moved_needs_a_metric_and_an_other_that_are_there(compared: Comparison) -> None:
    with pytest.raises(EvaluationError, match="name one of 'poor', 'other'"):
        compared.moved("AP")
    with pytest.raises(EvaluationError, match="name one of"):
        compared.moved("AP", other="nobody")
    with pytest.raises(EvaluationError, match="'RR' was not compared with 'poor'"):
        compared.moved("RR", other="poor")


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


def test_the_queries_that_moved_most_are_shown(compared: Comparison) -> None:
    moved = compared.moved("AP", 3, other="poor")["difference"]
    line = ", ".join(f"{query} {difference:+.3f}" for query, difference in moved.items())
    assert f"moved most, AP - poor: {line}" in str(compared)
    assert line in Tags(compared._repr_html_()).text


def test_a_comparison_as_plain_values(compared: Comparison, good: Report) -> None:
    plain = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert [row["other"] for row in plain["contrasts"]] == [c.other for c in compared.contrasts]
    assert json.dumps(good.compare(good).to_dict(), allow_nan=False)


def test_settled_conflicts_are_counted_and_said(tmp_path: Path) -> None:
    report = make_report({"q": ["a"]}, ["q"], [Judgment("q", "a", 1)], "RR", settled=2)
    assert report.to_dict()["settled"] == 2
    assert "2 pairs judged differently" in str(report)


# What makes a comparison unfair, and what differs


def test_reports_of_the_same_name_are_told_apart(good: Report) -> None:
    again = good.compare(good, good)
    assert again.label == "good"
    assert list(again.pairs) == ["good (2)", "good (3)"]
    assert again.notes == ()


def test_other_judgments_are_said_with_their_count(good: Report) -> None:
    changed = [Judgment(j.query_id, j.paper_id, 2 if n < 3 else j.grade)
               for n, j in enumerate(JUDGMENTS) if n != 5]  # fmt: skip
    apart = sum(new.grade != old.grade for new, old in zip(changed[:3], JUDGMENTS, strict=False))
    other = make_report(good_run(), QUERIES, changed, METRICS, "other")
    [note] = good.compare(other).notes
    assert note.startswith(f"other: not measured by the same judgments ({apart + 1} pairs of ")


def test_settings_that_differ_are_in_the_title_and_another_k_is_a_note() -> None:
    def at(k: int, weight: float) -> Report:
        settings = {"weights.dense": weight, "feedback": True, "k": k, "corpus": "a"}
        return make_report(
            random_run(1), QUERIES, JUDGMENTS, ("AP", "P@5"), "default", settings=settings
        )

    compared = at(1000, 0.7).compare(at(10, 1.0))
    said = ("weights.dense 0.7 against 1", "k 1000 against 10")
    assert compared.differences == {"default (2)": said}
    assert "weights.dense 0.7 against 1, k 1000 against 10" in str(compared)
    assert "weights.dense 0.7 against 1" in Tags(compared._repr_html_()).text
    [note] = compared.notes
    assert "k is 1000 against 10, and AP look further" in note
    assert at(10, 0.7).compare(at(10, 1.0)).notes == ()


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
