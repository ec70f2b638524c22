"""Whether weights hold on another engine; whole reports are in tests/engines/elastic."""

from __future__ import annotations

import numpy as np
import pytest

import workbench as wb
from workbench.evaluation.likeness.parity import HOLDS, WeightParity, _weights
from workbench.records import Candidates, Judgment, Query

PROFILE = wb.Profile(weights={"bm25": 0.5, "dense": 0.5}, feedback=False)
SIGNALS = ("bm25", "title", "dense")
IDS = np.array([f"p{n:02d}" for n in range(30)])
JUDGMENTS = [Judgment(f"q{n}", f"p{n:02d}", 1) for n in range(12)]


def asked(number: int, values: np.ndarray) -> Candidates:
    query = Query("x", id=f"q{number}")
    lower = np.array([0.0, 0.0, -1.0])
    return Candidates(query, SIGNALS, IDS, np.zeros(30, np.int32), values, lower)


def weights(swapped: bool, noise: float) -> WeightParity:
    """Dense tells what is relevant on the first engine, BM25 where `swapped` on the second."""
    dice = np.random.default_rng(5)
    retrieved = []
    for number in range(12):
        values = dice.random((30, 3))
        values[number, 2] += 0.6
        other = values[:, [2, 1, 0]] if swapped else values + noise * dice.random((30, 3))
        one, two = asked(number, values), asked(number, other)
        retrieved.append((one.query, one, two))
    found = _weights(retrieved, JUDGMENTS, "nDCG@10", PROFILE)
    assert found is not None
    return found


def test_weights_of_engines_that_trust_other_signals_do_not_hold() -> None:
    found = weights(swapped=True, noise=0.0)
    assert found.first_steady > 0.6
    assert found.second_steady < 0.4
    assert found.regret > 10 * HOLDS
    assert not found.holds
    assert "weights do not hold" in found.sentence


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_weights_hold_where_values_differ_in_their_last_digits(noise: float) -> None:
    found = weights(swapped=False, noise=noise)
    assert found.holds
    assert found.first_steady == pytest.approx(found.second_steady, abs=0.02)
    assert f"regret {found.regret:.4f}: weights hold" in found.sentence
