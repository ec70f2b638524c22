"""How sure a tuned weight is: cross-validation, tolerance, the steady weight."""

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
from workbench.errors import EvaluationError
from workbench.evaluation.tuning.certainty import UNTOLD, CrossValidation, cross_validate
from workbench.evaluation.tuning.curve import CurveItem, WeightCurve, weight_curve
from workbench.evaluation.tuning.result import PLAIN

some = settings(
    max_examples=max(60, EXAMPLES // 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


# Cross-validation


def test_leaving_one_out_tunes_without_it() -> None:
    items = random_items(np.random.default_rng(5), 8, 20)
    curve = weight_curve(items)
    checked = curve.cross_validate(folds=8, repeats=1)
    for i, value in enumerate(checked.query_values):
        without = weight_curve(items[:i] + items[i + 1 :])
        best = (without.best.low + without.best.high) / 2
        assert value == pytest.approx(brute_force([items[i]], best, "nDCG@10"), abs=1e-12)
    assert checked.value == pytest.approx(checked.query_values.mean())
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
    frame = curve.intervals()
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


# The table and the profile


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
    assert curve.default == pytest.approx(curve._tuning_set.query_values(base.weights).mean())
