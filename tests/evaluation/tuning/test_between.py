"""The metric between two sets of weights: what re-ranking gives, and what `tune` gives for two."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import ROOT
from workbench.evaluation.tuning.between import CurveBetween, curve_between
from workbench.evaluation.tuning.curve import WeightCurve
from workbench.profiles import Profile
from workbench.ranking.weights import with_balance
from workbench.session import Workbench

JUDGED = ROOT / "data/landmarks/queries.jsonl", ROOT / "data/landmarks/qrels.tsv"
FIVE = {"bm25": 0.2, "title": 0.1, "dense": 0.3, "bm25_feedback": 0.1, "dense_feedback": 0.3}


@pytest.fixture(scope="module")
def tuned(landmarks: Workbench) -> WeightCurve:
    return landmarks.tune(*JUDGED, profile=Profile(feedback=True), progress=False)


@pytest.fixture(scope="module")
def curve(tuned: WeightCurve) -> CurveBetween:
    return curve_between(tuned, with_balance(FIVE, 0.0), with_balance(FIVE, 1.0))


def test_every_tenth_interval_is_what_ranking_anew_gives(curve: CurveBetween) -> None:
    edges = curve.edges
    assert len(edges) > 100
    for i in range(0, len(curve.values), 10):
        if edges[i + 1] - edges[i] > 1e-6:
            middle = float(edges[i] + edges[i + 1]) / 2
            assert curve.query_values(middle).mean() == pytest.approx(curve.values[i], abs=1e-9)


def test_the_best_is_the_highest_and_reached(curve: CurveBetween) -> None:
    best = curve.best
    assert best.value == curve.values.max()
    assert best.low < best.weight < best.high
    assert curve.query_values(best.weight).mean() == pytest.approx(best.value, abs=1e-9)


def test_two_signals_alone_are_the_curve_of_tune(tuned: WeightCurve) -> None:
    same = curve_between(tuned, {"bm25": 1.0}, {"dense": 1.0})
    assert np.array_equal(same.breakpoints, tuned.breakpoints)
    assert np.array_equal(same.values, tuned.values)
    for name in ("value", "low", "high", "weight"):
        assert getattr(same.best, name) == getattr(tuned.best, name)


def test_regret_is_against_each_querys_own_best(curve: CurveBetween) -> None:
    found = curve.regret(0.5)
    assert found.value == pytest.approx(curve.query_values(0.5).mean())
    assert len(found.queries) == len(curve)
    assert found.oracle >= curve.best.value - 1e-12


def test_evaluate_agrees(curve: CurveBetween, landmarks: Workbench) -> None:
    profile = Profile(feedback=True, weights=curve.weights(0.4))
    report = landmarks.evaluate(*JUDGED, "nDCG@10", profile=profile, progress=False)
    here = curve.query_values(0.4).mean()
    assert report.metrics["nDCG@10"].mean == pytest.approx(here, abs=1e-12)
