"""One report against others: figures, tests, what is unfair and what differs."""

from __future__ import annotations

import json

import pytest

from tests.evaluation.reports.conftest import (
    JUDGMENTS,
    METRICS,
    QUERIES,
    Tags,
    good_run,
    random_run,
)
from workbench.errors import EvaluationError
from workbench.evaluation.reports.comparison import TESTS, Comparison
from workbench.evaluation.reports.report import Report, make_report
from workbench.evaluation.statistics import (
    benjamini_hochberg,
    cohens_d,
    holm,
    paired_t,
    randomisation,
    wilcoxon,
)
from workbench.records import Judgment


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


def test_the_queries_that_moved_most_are_shown(compared: Comparison) -> None:
    moved = compared.moved("AP", 3, other="poor")["difference"]
    line = ", ".join(f"{query} {difference:+.3f}" for query, difference in moved.items())
    assert f"moved most, AP - poor: {line}" in str(compared)
    assert line in Tags(compared._repr_html_()).text


def test_a_comparison_as_plain_values(compared: Comparison, good: Report) -> None:
    plain = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert [row["other"] for row in plain["contrasts"]] == [c.other for c in compared.contrasts]
    assert json.dumps(good.compare(good).to_dict(), allow_nan=False)


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
    assert compared.differences == {"default (weights.dense 1, k 10)": said}
    assert "weights.dense 0.7 against 1, k 1000 against 10" in str(compared)
    assert "weights.dense 0.7 against 1" in Tags(compared._repr_html_()).text
    [note] = compared.notes
    assert "k is 1000 against 10, and AP look further" in note
    assert at(10, 0.7).compare(at(10, 1.0)).notes == ()
