"""Agreement: published worked examples, scikit-learn, and the definitions written out."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.agreement import (
    Agreement,
    agreement,
    cohen_kappa,
    krippendorff_alpha,
)

_ = None

# Krippendorff, "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
# The worked example of the Wikipedia article on the coefficient: three coders, fifteen units.
THREE = [
    [_, _, _, _, _, 3, 4, 1, 2, 1, 1, 3, 3, _, 3],
    [1, _, 2, 1, 3, 3, 4, 3, _, _, _, _, _, _, _],
    [_, _, 2, 1, 3, 4, 4, _, 2, 1, 1, 3, 3, _, 4],
]


def units(table: list[list[int | None]]) -> list[dict[str, int]]:
    return [
        {f"judge{n}": grade for n, grade in enumerate(column) if grade is not None}
        for column in zip(*table, strict=True)
    ]


@pytest.mark.parametrize(
    ("table", "level", "value"),
    [
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (THREE, "nominal", 0.691),
        (THREE, "interval", 0.811),
    ],
)
def test_alpha_of_published_examples(table: Any, level: str, value: float) -> None:
    assert krippendorff_alpha(units(table), level) == pytest.approx(value, abs=5e-4)


def by_definition(given: list[dict[str, int]], level: str) -> float:
    """1 - observed / expected disagreement, pair by pair of the grades that can be paired."""
    several = [list(unit.values()) for unit in given if len(unit) > 1]
    every = [grade for unit in several for grade in unit]
    counts = Counter(every)

    def ordinal(c: int, k: int) -> float:
        between = sum(n for grade, n in counts.items() if min(c, k) <= grade <= max(c, k))
        return (between - (counts[c] + counts[k]) / 2) ** 2

    distances: dict[str, Callable[[int, int], float]] = {
        "nominal": lambda c, k: float(c != k),
        "ordinal": lambda c, k: ordinal(c, k) if c != k else 0.0,
        "interval": lambda c, k: float((c - k) ** 2),
    }
    distance = distances[level]
    observed = sum(
        distance(a, b) / (len(unit) - 1) for unit in several for a, b in permutations(unit, 2)
    ) / len(every)
    expected = sum(distance(a, b) for a, b in permutations(every, 2))
    return 1 - observed * len(every) * (len(every) - 1) / expected


judged_units = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(-1, 4), max_size=4),
    max_size=12,
)


@given(given=judged_units, level=st.sampled_from(["nominal", "ordinal", "interval"]))
@settings(max_examples=150, deadline=None)
def test_alpha_equals_its_definition(given: Any, level: str) -> None:
    grades = {grade for unit in given if len(unit) > 1 for grade in unit.values()}
    found = krippendorff_alpha(given, level)
    if len(grades) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(by_definition(given, level), abs=1e-12)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40),
    weights=st.sampled_from(["", "linear", "quadratic"]),
)
@settings(max_examples=150, deadline=None)
def test_kappa_equals_scikit_learn(pairs: list[tuple[int, int]], weights: str) -> None:
    first, second = zip(*pairs, strict=True)
    found = cohen_kappa(first, second, weights)
    if len({*first, *second}) == 1:
        assert math.isnan(found)
        return
    # All five labels, so that the weights there are differences of grades too.
    expected = cohen_kappa_score(first, second, labels=range(5), weights=weights or None)
    assert found == pytest.approx(expected, abs=1e-12)


def test_kappa_of_a_published_example() -> None:
    # Fifty proposals, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4, abs=1e-12)


def test_weights_go_by_the_grades_not_by_their_places() -> None:
    # Grades 0, 1 and 10: a slip by nine costs more than a slip by one.
    near = cohen_kappa([0, 1, 10, 10], [1, 1, 10, 10], "linear")
    far = cohen_kappa([0, 1, 10, 10], [0, 1, 1, 10], "linear")
    assert near > far


def test_many_pairs_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 200_000)).tolist()
    assert cohen_kappa(first, second, "quadratic") == pytest.approx(0, abs=0.02)


@pytest.fixture
def found() -> Agreement:
    pairs = {
        ("q", "a"): {"ann": 2, "bob": 2, "cy": 1},
        ("q", "b"): {"ann": 0, "bob": 1},
        ("q", "c"): {"ann": 1, "bob": 1},
        ("q", "d"): {"ann": 1},
    }
    return agreement(pairs)


def test_every_two_who_share_a_pair_are_compared(found: Agreement) -> None:
    assert found.people == ("ann", "bob", "cy")
    assert found.pairs == 3
    frame = found.to_frame().set_index(["first", "second"])
    assert list(frame.index) == [("ann", "bob"), ("ann", "cy"), ("bob", "cy")]
    assert frame.loc[("ann", "bob"), "pairs"] == 3
    assert frame.loc[("ann", "bob"), "same"] == pytest.approx(2 / 3)
    assert found.grades == (0, 1, 2)
    table = np.array(found.table)
    assert (table == table.T).all()
    assert table.sum() == 7  # the grades that meet another


def test_its_texts_and_plain_values(found: Agreement) -> None:
    assert "ann and bob: 3 pairs, 67% the same" in str(found)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["kappas"][0]["first"] == "ann"
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + 3 + 1 + 3


def test_nobody_in_common_is_not_defined() -> None:
    alone = agreement({"x": {"ann": 1}, "y": {"bob": 1}})
    assert alone.pairs == 0
    assert all(math.isnan(value) for value in alone.alpha.values())
    assert alone.to_frame().empty
    assert "not known" in alone._repr_html_()
    assert alone.to_dict()["alpha"]["nominal"] is None
    assert math.isnan(cohen_kappa([], []))


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(EvaluationError, match="2 and 1 grades"):
        cohen_kappa([1, 2], [1])
    with pytest.raises(EvaluationError, match="weights are 'cubic'"):
        cohen_kappa([1], [1], "cubic")
    with pytest.raises(EvaluationError, match="level is 'ratio'"):
        krippendorff_alpha([], "ratio")
