"""Which weights to use: what queries not tuned on support."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.tuning.test_curve import (
    random_items,
)
from workbench.evaluation.tuning.curve import CurveItem, weight_curve
from workbench.profiles import Profile


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
