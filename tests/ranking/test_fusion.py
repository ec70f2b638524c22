"""Fusion: normalisers against plain formulas, weights, and the order of papers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench.errors import ProfileError, WeightError
from workbench.ranking.fusion import (
    NORMALISERS,
    RRF_K,
    fuse,
    min_max,
    normalise,
    rank_papers,
    reciprocal_rank,
    weight_vector,
)
from workbench.records import Candidates, Query

SIGNALS = ("bm25", "title", "dense")
LOWER = [0.0, 0.0, -1.0]

Column = list[float]

columns = st.lists(st.floats(-1000, 1000), min_size=1, max_size=12)
few_values = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=10)
matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=st.floats(0, 9)
)


def column(values: Column, normaliser: str, lower: float = 0.0) -> Column:
    """One column through a normaliser."""
    scaled = NORMALISERS[normaliser](np.array([values]).T, np.array([lower]))
    return [float(value) for value in scaled[:, 0]]


def candidates(keys: list[tuple[str, int]], values: Any = None) -> Candidates:
    """Candidates with these (paper id, passage) rows, which must be in canonical order."""
    return Candidates(
        query=Query("q"),
        signals=SIGNALS,
        paper_ids=np.array([name for name, _ in keys], dtype=np.str_),
        numbers=np.array([number for _, number in keys], dtype=np.int32),
        values=np.zeros((len(keys), 3)) if values is None else np.array(values, dtype=np.float64),
        lower=np.array(LOWER),
    )


# Normalisers, each against its formula in plain Python


def plain_min_max(values: Column, lower: float) -> Column:
    low, high = min(values), max(values)
    return [(v - low) / (high - low) for v in values]


def plain_theoretical(values: Column, lower: float) -> Column:
    return [(v - lower) / (max(values) - lower) for v in values]


def plain_z_score(values: Column, lower: float) -> Column:
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return [(v - mean) / deviation for v in values]


def plain_rrf(values: Column, lower: float) -> Column:
    return [1 / (RRF_K + 1 + sum(w > v for w in values)) if v > lower else 0.0 for v in values]


PLAIN: dict[str, Callable[[Column, float], Column]] = {
    "min-max": plain_min_max,
    "theoretical": plain_theoretical,
    "z-score": plain_z_score,
    "rrf": plain_rrf,
    "none": lambda values, lower: values,
}


def test_each_normaliser_has_a_formula_here() -> None:
    assert set(PLAIN) == set(NORMALISERS)


@pytest.mark.parametrize("normaliser", PLAIN)
@given(values=st.lists(st.integers(-90, 90).map(lambda i: i / 8), min_size=2, unique=True))
def test_a_normaliser_equals_its_formula(normaliser: str, values: Column) -> None:
    lower = min(values) - 1.0
    assert column(values, normaliser, lower) == pytest.approx(PLAIN[normaliser](values, lower))


@given(values=columns)
def test_min_max_stays_in_the_unit_interval(values: Column) -> None:
    assert all(0.0 <= value <= 1.0 for value in column(values, "min-max"))


@given(values=columns)
def test_min_max_reaches_both_ends_unless_constant(values: Column) -> None:
    scaled = column(values, "min-max")
    assert {min(scaled), max(scaled)} in ({0.0, 1.0}, {0.0})


@pytest.mark.parametrize("normaliser", ["min-max", "z-score"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e9])
def test_a_constant_column_becomes_zero(normaliser: str, value: float) -> None:
    assert column([value] * 7, normaliser) == [0.0] * 7


@pytest.mark.parametrize("normaliser", ["min-max", "z-score"])
def test_rounding_noise_is_no_difference(normaliser: str) -> None:
    assert column([0.3, 0.1 + 0.2, math.nextafter(0.3, 1)], normaliser) == [0.0] * 3


def test_a_small_true_difference_is_one() -> None:
    assert column([1e-30, 2e-30, 3e-30], "min-max") == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize("normaliser", NORMALISERS)
@given(values=columns)
def test_a_normaliser_never_reverses_two_values(normaliser: str, values: Column) -> None:
    scaled = column(values, normaliser, lower=-1000.0)
    order = sorted(range(len(values)), key=lambda i: values[i])
    assert [scaled[i] for i in order] == sorted(scaled)


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_columns_are_normalised_each_by_itself(normaliser: str) -> None:
    matrix = np.array([[1.0, 0.0, -0.2], [3.0, 7.0, 0.9], [2.0, 7.0, 0.1]])
    together = NORMALISERS[normaliser](matrix, np.array(LOWER))
    for i, lower in enumerate(LOWER):
        assert together[:, i].tolist() == column(matrix[:, i].tolist(), normaliser, lower)


def test_theoretical_does_not_depend_on_the_worst_candidate() -> None:
    assert column([4.0, 2.0, 1.0], "theoretical")[:2] == column([4.0, 2.0], "theoretical")


def test_equal_values_share_the_better_reciprocal_rank() -> None:
    assert column([5.0, 3.0, 3.0, 1.0], "rrf") == [1 / 61, 1 / 62, 1 / 62, 1 / 64]


def test_what_matched_nothing_has_no_reciprocal_rank() -> None:
    assert column([5.0, 0.0, 0.0], "rrf") == [1 / 61, 0.0, 0.0]


def test_reciprocal_rank_takes_another_constant() -> None:
    assert reciprocal_rank(np.array([[2.0], [1.0]]), np.zeros(1), k=1).tolist() == [
        [1 / 2],
        [1 / 3],
    ]


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_no_candidates_normalise_to_none(normaliser: str) -> None:
    assert normalise(candidates([]), normaliser).shape == (0, 3)


def test_normalise_uses_the_candidates_lower_bounds() -> None:
    found = candidates([("a", 0), ("b", 0)], [[2.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    assert normalise(found, "theoretical").tolist() == [[1.0, 0.0, 0.5], [0.5, 0.0, 1.0]]


def test_normalising_leaves_the_values_alone() -> None:
    found = candidates([("a", 0), ("b", 0)], [[2.0, 1.0, 0.5], [1.0, 3.0, 0.1]])
    before = found.values.copy()
    for normaliser in NORMALISERS:
        normalise(found, normaliser)
    assert np.array_equal(found.values, before)


@pytest.mark.parametrize("found", [candidates([]), candidates([("a", 0)])], ids=["empty", "one"])
def test_an_unknown_normaliser_is_named_with_the_known_ones(found: Candidates) -> None:
    with pytest.raises(ProfileError, match=r"'softmax'.*min-max, z-score.*rrf"):
        normalise(found, "softmax")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_value_that_is_not_finite_names_its_signal(value: float, signal: str) -> None:
    values = np.ones((2, 3))
    values[1, SIGNALS.index(signal)] = value
    with pytest.raises(WeightError, match=f"^signal {signal} has"):
        normalise(candidates([("a", 0), ("b", 0)], values), "min-max")


# Weights


def test_weights_stand_in_the_order_of_the_signals() -> None:
    assert weight_vector({"dense": 0.7, "bm25": 0.3}, SIGNALS).tolist() == [0.3, 0.0, 0.7]


@pytest.mark.parametrize("weight", [2, np.float32(0.5), np.int64(3), 1e300])
def test_any_kind_of_real_number_is_a_weight(weight: Any) -> None:
    assert weight_vector({"bm25": weight}, SIGNALS)[0] == weight


@given(largest=st.floats(1e-200, 1e200), share=st.floats(0, 0.99))
def test_a_weight_that_is_rounding_beside_the_largest_is_zero(largest: float, share: float) -> None:
    small = {"bm25": largest, "dense": largest * share * 1e-12}
    assert weight_vector(small, SIGNALS).tolist() == [largest, 0.0, 0.0]
    assert weight_vector({"bm25": largest, "dense": largest * 1e-11}, SIGNALS)[2] > 0


@pytest.mark.parametrize(
    "weight",
    [math.nan, math.inf, -math.inf, -0.1, np.float32("nan"), True, np.True_, "0.5", None, 1j, [1]],
    ids=repr,
)
def test_a_bad_weight_is_named_with_its_signal(weight: Any) -> None:
    with pytest.raises(WeightError) as error:
        weight_vector({"bm25": 1.0, "dense": weight}, SIGNALS)
    assert "weight of dense is" in str(error.value)
    assert str(weight) in str(error.value)


@pytest.mark.parametrize("weights", [{}, {"bm25": 0}, dict.fromkeys(SIGNALS, 0.0)], ids=repr)
def test_weights_that_are_all_zero_order_nothing(weights: dict[str, float]) -> None:
    with pytest.raises(WeightError, match="every weight is 0"):
        weight_vector(weights, SIGNALS)


def test_an_unknown_signal_is_named_with_the_known_ones() -> None:
    with pytest.raises(WeightError, match="'bm52', 'splade'; this engine has bm25, title, dense"):
        weight_vector({"splade": 1.0, "bm52": 1.0, "bm25": 1.0}, SIGNALS)


# Fusion


@given(matrix=matrices, weights=st.lists(st.floats(0, 5), min_size=3, max_size=3))
def test_fusing_is_the_sum_from_left_to_right(matrix: Any, weights: list[float]) -> None:
    expected = [sum(float(v) * w for v, w in zip(row, weights, strict=True)) for row in matrix]
    assert fuse(matrix, np.array(weights)).tolist() == expected


@given(
    matrix=matrices,
    weights=st.lists(st.integers(0, 100).map(lambda i: i / 100), min_size=3, max_size=3),
    power=st.integers(-20, 20),
)
def test_scaling_all_weights_keeps_the_order(matrix: Any, weights: list[float], power: int) -> None:
    found = candidates([(f"p{i}", 0) for i in range(len(matrix))])
    # A power of two scales floats without rounding, so ties stay ties.
    one, other = (
        rank_papers(found, fuse(matrix, np.array(weights) * scale))[0] for scale in (1, 2.0**power)
    )
    assert one.tolist() == other.tolist()


# The order of papers


@st.composite
def scored_passages(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[float]]:
    """Passages of a few papers in canonical order, with scores that often tie."""
    names = draw(st.sets(st.sampled_from(["a", "B", "10", "9", "é", "ab"]), min_size=1))
    numbers = {name: draw(st.sets(st.integers(0, 5), min_size=1, max_size=4)) for name in names}
    keys = [(name, number) for name in sorted(names) for number in sorted(numbers[name])]
    scores = draw(
        st.lists(
            st.sampled_from([-1.0, 0.0, 0.5, 1.0]) | st.floats(-2, 2),
            min_size=len(keys),
            max_size=len(keys),
        )
    )
    return keys, scores


def brute_force(keys: list[tuple[str, int]], scores: list[float]) -> list[tuple[str, int]]:
    """Every paper's best passage, by sorting everything and keeping the first of each paper."""
    order = sorted(zip(keys, scores, strict=True), key=lambda item: (-item[1], item[0]))
    best: dict[str, tuple[str, int]] = {}
    for key, _ in order:
        best.setdefault(key[0], key)
    return list(best.values())


@given(scored=scored_passages())
def test_ranking_papers_equals_brute_force(
    scored: tuple[list[tuple[str, int]], list[float]],
) -> None:
    keys, scores = scored
    rows, count = rank_papers(candidates(keys), np.array(scores))
    assert [keys[row] for row in rows] == brute_force(keys, scores)
    assert count == len({name for name, _ in keys})


@given(scored=scored_passages(), k=st.integers(1, 8))
def test_the_first_k_papers_are_the_start_of_all(
    scored: tuple[list[tuple[str, int]], list[float]], k: int
) -> None:
    keys, scores = scored
    every, count = rank_papers(candidates(keys), np.array(scores))
    some, same_count = rank_papers(candidates(keys), np.array(scores), k)
    assert some.tolist() == every.tolist()[:k]
    assert count == same_count


def test_ties_fall_to_the_smaller_paper_id_and_the_earlier_passage() -> None:
    keys = [("10", 0), ("9", 0), ("9", 3), ("B", 1), ("a", 0)]
    rows, _ = rank_papers(candidates(keys), np.array([1.0, 1.0, 1.0, 2.0, 1.0]))
    assert [keys[row] for row in rows] == [("B", 1), ("10", 0), ("9", 0), ("a", 0)]


def test_no_candidates_rank_no_papers() -> None:
    rows, count = rank_papers(candidates([]), np.zeros(0), 5)
    assert (rows.tolist(), count) == ([], 0)


@given(values=few_values)
def test_ranking_after_min_max_is_ranking_before(values: Column) -> None:
    found = candidates([(f"p{i:02d}", 0) for i in range(len(values))])
    raw = np.array(values)
    scaled = min_max(raw[:, None], np.zeros(1))[:, 0]
    assert rank_papers(found, raw)[0].tolist() == rank_papers(found, scaled)[0].tolist()
