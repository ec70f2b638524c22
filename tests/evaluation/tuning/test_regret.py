"""What one weight for all costs single queries."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evaluation.tuning.test_curve import (
    EXAMPLES,
    METRICS,
    bm25_dense,
    brute_force,
    judged_items,
)
from workbench.errors import WeightError
from workbench.evaluation.tuning.curve import RESOLVED, CurveItem, WeightCurve, weight_curve

some = settings(
    max_examples=max(60, EXAMPLES // 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


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
    assert "if each had its own best" in str(regret)
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
