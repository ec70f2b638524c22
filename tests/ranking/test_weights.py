"""The balance between lexical and semantic weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.ranking.weights import balance_of, with_balance

FULL = {"bm25": 0.2, "title": 0.1, "dense": 0.3, "dense_feedback": 0.3, "cross_encoder": 0.5}
weights = st.fixed_dictionaries(dict.fromkeys(FULL, st.floats(0, 2).map(lambda w: round(w, 3))))


@pytest.mark.parametrize(
    ("given", "balance"),
    [({"bm25": 0.35, "dense": 0.65}, 0.65), ({"title": 1.0}, 0.0), (FULL, 2 / 3), ({}, 0.5)],
    ids=str,
)
def test_the_share_of_the_semantic_signals(given: dict[str, float], balance: float) -> None:
    assert balance_of(given) == pytest.approx(balance)


def test_two_signals_split_their_sum() -> None:
    moved = with_balance({"bm25": 0.35, "title": 0.0, "dense": 0.65}, 0.7)
    assert moved == {"bm25": 0.3, "title": 0.0, "dense": 0.7}


def test_a_group_of_nothing_gives_all_to_its_first_signal() -> None:
    assert with_balance({"bm25": 1.0, "dense": 0.0, "dense_feedback": 0.0}, 0.5) == {
        "bm25": 0.5,
        "dense": 0.5,
        "dense_feedback": 0.0,
    }


@given(weights, st.floats(0, 1))
def test_the_total_the_proportions_and_the_others_stay(
    given: dict[str, float], balance: float
) -> None:
    moved = with_balance(given, balance)
    total = sum(given[n] for n in FULL if n != "cross_encoder") or 1.0
    assert sum(moved[n] for n in FULL if n != "cross_encoder") == pytest.approx(total, abs=1e-5)
    assert moved["cross_encoder"] == given["cross_encoder"]
    assert moved["bm25"] * given["title"] == pytest.approx(moved["title"] * given["bm25"], abs=1e-5)
    assert balance_of(moved) == pytest.approx(balance, abs=1e-4 / total + 1e-5)
