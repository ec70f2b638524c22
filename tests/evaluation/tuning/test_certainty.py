"""How sure a tuned weight is, what it costs single queries, and whether to predict it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evaluation.tuning.test_curve import (
    EXAMPLES,
    METRICS,
    bm25_dense,
    brute_force,
    item,
    judged_items,
    random_items,
)
from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.tuning.certainty import UNTOLD, CrossValidation, cross_validate
from workbench.evaluation.tuning.curve import RESOLVED, CurveItem, WeightCurve, weight_curve
from workbench.evaluation.tuning.left_out import what_is_left_out
from workbench.evaluation.tuning.result import PLAIN
from workbench.evaluation.tuning.tune import tune
from workbench.profiles import Profile
from workbench.records import Query

some = settings(
    max_examples=max(60, EXAMPLES // 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def curve() -> WeightCurve:
    """60 queries, 40 papers each."""
    return weight_curve(random_items(np.random.default_rng(6), 60, 40))


# Cross-validation


def test_leaving_one_out_tunes_without_it() -> None:
    items = random_items(np.random.default_rng(5), 8, 20)
    curve = weight_curve(items)
    checked = curve.cross_validate(folds=8, repeats=1)
    for i, value in enumerate(checked.per_query):
        without = weight_curve(items[:i] + items[i + 1 :])
        best = (without.best.low + without.best.high) / 2
        assert value == pytest.approx(brute_force([items[i]], best, "nDCG@10"), abs=1e-12)
    assert checked.value == pytest.approx(checked.per_query.mean())
    assert checked.tuned == curve.best.value
    assert checked.optimism == checked.tuned - checked.value
    assert checked.default == curve.default
    assert len(checked.weights) == 8


def test_cross_validation_is_seeded_and_kept(curve: WeightCurve) -> None:
    first = curve.cross_validate(seed=3)
    assert curve.cross_validate(seed=3) is first
    assert curve.cross_validate(seed=4).value != first.value
    assert first.optimism > 0
    assert first.low <= first.difference <= first.high


def test_folds_are_cut_to_the_queries() -> None:
    curve = weight_curve(random_items(np.random.default_rng(5), 3, 10))
    assert curve.cross_validate(folds=10).folds == 3


@pytest.mark.parametrize(("folds", "repeats"), [(1, 1), (5, 0)])
def test_cross_validation_needs_folds_and_repeats(
    curve: WeightCurve, folds: int, repeats: int
) -> None:
    with pytest.raises(EvaluationError, match=f"{folds} folds, {repeats} repeats of 60 queries"):
        curve.cross_validate(folds, repeats)


def test_one_query_cannot_be_cross_validated() -> None:
    curve = weight_curve([bm25_dense({"a": (1.0, 0.0), "b": (0.0, 1.0)}, {"b": 1})])
    with pytest.raises(EvaluationError, match="2 queries"):
        curve.cross_validate()
    assert curve.to_dict()["optimism"] is None
    assert "honest" not in str(curve)


def better_by(gain: float, noise: float, queries: int) -> CrossValidation:
    """Cross-validation input where tuning always finds the same weight, better by `gain`."""
    dice = np.random.default_rng(0)
    default = dice.random(queries) * 0.5
    tuned = default + gain + noise * dice.standard_normal(queries)
    return cross_validate(lambda counts: (0.7, tuned), tuned, default, 10, 2, 0)


def test_a_clear_gain_needs_no_warning_and_the_careful_person_takes_it() -> None:
    checked = better_by(0.1, 0.05, 100)
    assert checked.warning == ""
    assert (checked.nested, checked.kept) == (checked.value, 0.0)
    assert checked.optimism == pytest.approx(0)
    assert checked.p < 0.001


def test_a_loss_says_keep_the_default_and_the_careful_person_does() -> None:
    checked = better_by(-0.1, 0.05, 100)
    assert checked.warning.startswith("the tuned weights are worse than the default")
    assert checked.warning.endswith("keep the default")
    assert (checked.nested, checked.kept) == (pytest.approx(checked.default), 1.0)


def test_a_small_gain_says_how_many_queries_would_tell() -> None:
    checked = better_by(0.02, 0.2, 50)
    assert checked.low < 0
    if checked.difference > 0:
        assert f"about {checked.needed:,} queries would" in checked.warning
    # Told 4 times in 5: the normal formula against simulation.
    dice = np.random.default_rng(1)
    count = checked.needed
    drawn = dice.normal(abs(checked.difference), checked.spread, (400, count))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(count))
    assert (np.abs(t) > 1.96).mean() == pytest.approx(0.8, abs=0.07)


def test_weights_of_other_signals_in_the_default_are_mentioned() -> None:
    curve = weight_curve(random_items(np.random.default_rng(1), 5, 10), ("title", "dense"))
    assert "the default also weighs bm25, which these weights leave at 0" in str(curve)
    both = weight_curve(random_items(np.random.default_rng(1), 5, 10))
    assert "also weighs" not in str(both)


def test_what_cross_validation_found_is_shown(curve: WeightCurve) -> None:
    checked = curve.cross_validate()
    for shown in (str(checked), checked._repr_html_()):
        assert f"{checked.value:.4f}" in shown
        assert f"optimism {checked.optimism:+.4f}" in shown
        assert "nested" in shown
    assert f"{checked.value:.4f} on queries not tuned on" in repr(checked)


def test_a_difference_that_no_one_could_tell_says_so() -> None:
    checked = better_by(1e-6, 0.0, 20)
    told = replace(checked, low=-0.01, spread=0.2)
    assert told.needed > UNTOLD
    assert told.warning.endswith("more than 100,000 queries would be needed")


def test_no_difference_at_all_says_keep_the_default() -> None:
    checked = better_by(0.0, 0.0, 20)
    assert checked.needed is None
    assert checked.warning.endswith("keep the default")


# Tolerance and the steady weight


@some
@given(items=judged_items(), metric=st.sampled_from(METRICS))
def test_within_the_tolerance_nothing_is_worse_than_a_standard_error(
    items: list[CurveItem], metric: str
) -> None:
    curve = weight_curve(items, metric=metric)
    low, high = curve.tolerance
    assert low <= curve.best.weight <= high
    floor = curve.best.value - curve.standard_error
    frame = curve.to_frame()
    inside = frame[(frame["low"] >= low) & (frame["high"] <= high)]
    assert (inside["value"] >= floor).all()
    outside = frame[(frame["high"] == low) | (frame["low"] == high)]
    assert (outside["value"] < floor).all()


def test_the_steady_weight_prefers_a_plateau_to_a_peak() -> None:
    # Query 1 is won in a narrow peak around 0.2, queries 2 and 3 from 0.6 on.
    peak = item(["a", "b", "m"], [[0.195, 0, -0.805], [-0.205, 0, 0.795], [0, 0, 0]], {"m": 1})
    late = bm25_dense({"a": (0.6, -0.4), "m": (0.0, 0.0)}, {"m": 1})
    curve = weight_curve([peak, peak, peak, late, late], metric="RR")
    assert 0.19 < curve.best.weight < 0.21
    assert curve.steady >= 0.69
    assert curve.profile_at(curve.steady).weights["dense"] == curve.steady
    assert curve.cross_validate(steady=True).tuned == curve.at(curve.steady)


# Regret


@some
@given(items=judged_items(), metric=st.sampled_from(METRICS), weight=st.floats(0, 1))
def test_regret_is_against_each_querys_own_curve(
    items: list[CurveItem], metric: str, weight: float
) -> None:
    curve = weight_curve(items, metric=metric)
    frame = curve.regret(weight).to_frame()
    for made, row in zip(items, frame.to_dict("records"), strict=True):
        assert row["value"] == pytest.approx(brute_force([made], weight, metric), abs=1e-12)
        if not any(grade > 0 for grade in made.grades.values()):
            assert (row["own_best"], row["own_low"], row["own_high"]) == (0.0, 0.0, 1.0)
            continue
        own = weight_curve([made], metric=metric)
        assert row["own_best"] == pytest.approx(own.best.value, abs=1e-12)
        if own.best.high - own.best.low > RESOLVED:
            width = row["own_high"] - row["own_low"]
            assert width == pytest.approx(own.best.high - own.best.low, abs=1e-9)
        assert row["regret"] == pytest.approx(max(row["own_best"] - row["value"], 0), abs=1e-12)


def test_the_oracle_is_the_mean_of_own_optima_and_worst_comes_first(curve: WeightCurve) -> None:
    regret = curve.regret()
    assert regret.value == pytest.approx(curve.best.value, abs=1e-12)
    assert regret.oracle >= regret.value
    assert regret.gap == pytest.approx(regret.to_frame()["regret"].mean(), abs=1e-12)
    worst = regret.worst(5)["regret"].tolist()
    assert worst == sorted(worst, reverse=True)
    assert worst[-1] > 0
    made = regret.to_dict()
    assert made["weights"] == curve.weights(curve.best.weight)
    assert len(made["queries"]) == 60
    assert "each query's own best" in str(regret)
    assert "Regret(nDCG@10 over 60 queries" in repr(regret)


def test_regret_of_a_weight_outside_its_range_is_an_error(curve: WeightCurve) -> None:
    with pytest.raises(WeightError, match="from 0 to 1"):
        curve.regret(1.5)


def test_html_escapes_what_comes_from_queries() -> None:
    made = bm25_dense({"a": (1.0, 0.0), "b": (0.0, 1.0)}, {"b": 1})
    bad = type(made.candidates.query)("<script>alert(1)</script>", id="<b>")
    found = type(made.candidates)(
        query=bad,
        **{
            name: getattr(made.candidates, name)
            for name in ("signals", "paper_ids", "numbers", "values", "lower")
        },
    )
    curve = weight_curve([CurveItem(found, made.normalised, made.grades)], metric="RR")
    html = curve.regret(0.1)._repr_html_() + curve._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html


# What is left out


def test_what_is_left_out_is_counted_and_named() -> None:
    asked = [Query("q", id=name) for name in ("good", "nobody", "none", "empty")]
    grades = {
        "good": {"a": 2, "b": -1},
        "none": {"a": 0},
        "empty": {"a": 1},
        "stranger": {"a": 1},
    }
    full, empty = item(["a", "b"], [[1, 0.5, 0], [0, 0.5, 1]], {}), item([], [], {})
    found = [
        (asked[0], named(full, "good").candidates),
        (asked[2], named(full, "none").candidates),
        (asked[3], named(empty, "empty").candidates),
    ]
    curve = tune(found, asked, grades, ("title", "dense"), "RR", PLAIN.replace(normaliser="none"))
    left = curve.left_out
    assert left.without_judgments == ("nobody",)
    assert left.without_relevant == ("none",)
    assert left.without_results == ("empty",)
    assert (left.unknown_queries, left.negative_grades) == (1, 1)
    assert left.constant == {"title": 2, "dense": 0}
    text = str(curve)
    for words in ("nobody", "none", "not asked", "1 negative grades", "title is the same"):
        assert words in text
    assert curve.to_dict()["left_out"]["without_judgments"] == ["nobody"]
    assert [query.id for query in curve.queries] == ["good", "none", "empty"]


def named(made: CurveItem, name: str) -> CurveItem:
    found = made.candidates
    other = type(found)(
        Query("q", id=name), found.signals, found.paper_ids, found.numbers, found.values,
        found.lower,
    )  # fmt: skip
    return CurveItem(other, made.normalised, made.grades)


def test_nothing_left_out_is_no_note(curve: WeightCurve) -> None:
    assert curve.left_out.notes == ()
    left = what_is_left_out([], {}, [], ("bm25",))
    assert left.notes == ()


def test_no_judged_query_at_all_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="none of 1 queries is judged"):
        tune([], [Query("q", id="a")], {"b": {"p": 1}}, ("bm25", "dense"), "RR", Profile())


# What is shown


def test_the_figure_has_the_curve_and_its_marks(curve: WeightCurve) -> None:
    figure = curve.plot(current=0.25)
    line = figure.data[0] if figure.data[0].mode == "lines" else figure.data[1]
    assert list(line.x) == curve.edges.tolist()
    assert list(line.y[:-1]) == curve.values.tolist()
    assert line.line.shape == "hv"
    names = " ".join(str(trace.name) for trace in figure.data)
    assert f"best {curve.best.value:.4f}" in names
    assert f"0.25: {curve.at(0.25):.4f}" in names
    assert len(figure.layout.shapes) == 3
    assert len(curve.plot(bootstrap=False).layout.shapes) == 1
    with pytest.raises(WeightError, match="from 0 to 1"):
        curve.plot(current=2)


def test_the_table_is_exact(curve: WeightCurve) -> None:
    table = curve.table([0.0, 0.33, 1.0])
    assert table["value"].tolist() == [curve.at(weight) for weight in (0.0, 0.33, 1.0)]
    assert (table["difference"] <= 1e-12).all()


def test_the_profile_is_the_base_with_the_best_weights() -> None:
    base = PLAIN.replace(normaliser="z-score", n_retrieval=50)
    curve = weight_curve(random_items(np.random.default_rng(1), 5, 10), base=base)
    tuned = curve.profile
    assert tuned.weights == {"title": 0.0, **curve.weights(curve.best.weight)}
    assert (tuned.normaliser, tuned.n_retrieval, tuned.name) == ("z-score", 50, "tuned")
    assert curve.default == pytest.approx(curve._sample.per_query(base.weights).mean())


# What to use


def noisy_items(dice: np.random.Generator, count: int, signal: float) -> list[CurveItem]:
    """Relevant papers that dense raises by `signal`; the rest is chance."""
    items = random_items(dice, count, 12)
    made = []
    for one in items:
        values = dice.random(one.normalised.shape)
        papers = list(one.candidates.paper_ids)
        for paper in one.grades:
            values[papers.index(paper), 2] += signal
        made.append(replace(one, normalised=values))
    return made


def test_what_chance_alone_found_is_not_recommended() -> None:
    taken = []
    for seed in range(12):
        items = noisy_items(np.random.default_rng(seed), 10, 0.0)
        found = weight_curve(items, metric="nDCG@5").recommended
        taken.append(found.share)
        assert (found.share > 0) == (found.gain > 1.64 * found.error)
    # The best weights of ten queries of noise always look better than the default.
    assert np.mean(np.array(taken) == 0) >= 0.5


def test_what_other_queries_support_is_recommended() -> None:
    items = noisy_items(np.random.default_rng(1), 60, 1.0)
    base = Profile(weights={"bm25": 0.9, "dense": 0.1}, feedback=False)
    curve = weight_curve(items, metric="nDCG@5", base=base)
    found = curve.recommended
    assert found.share > 0
    assert found.value > curve.default
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.profile.weights == found.weights
    assert curve.profile.weights["dense"] == curve.best.weight
    assert "on queries not tuned on" in found.reason
    assert f"recommended    {found.value:.4f}" in str(curve)
    assert curve.to_dict()["recommended"]["share"] == found.share


def test_one_query_supports_the_default_alone() -> None:
    curve = weight_curve(noisy_items(np.random.default_rng(1), 1, 1.0), metric="nDCG@5")
    assert curve.recommended.share == 0
    assert curve.recommended.weights == dict(curve.base.weights)
    assert "the default" in curve.recommended.reason
