"""Two rankings compared: each coefficient against its definition or another implementation."""

from __future__ import annotations

import json
import math
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import EvaluationError
from workbench.evaluation.likeness.list_comparison import ListComparison, compare_lists
from workbench.evaluation.likeness.overlap import best_ranks, jaccard, kendall_tau, rbo
from workbench.records import Hit, Paper, Passage

EVIL = "<script>alert(1)</script>"
lists = st.lists(st.sampled_from("abcdefghij"), unique=True, min_size=1, max_size=8)


def summed(first: list[str], second: list[str], p: float) -> float:
    """RBO as (1 - p) times the sum of p^(d - 1) times the agreement at d, carried on far enough:
    past its end the shorter list goes on agreeing as it did, past both the agreement stays."""
    short, long = sorted((first, second), key=len)
    s, total, agreement = len(short), 0.0, 0.0
    at_short = len(set(first[:s]) & set(second[:s]))
    for d in range(1, 3000):
        if d <= len(long):
            overlap: float = len(set(first[:d]) & set(second[:d]))
            if d > s:
                overlap += at_short * (d - s) / s
            agreement = overlap / d
        total += p ** (d - 1) * agreement
    return (1 - p) * total


@given(first=lists, second=lists, p=st.sampled_from([0.5, 0.9, 0.98]))
@settings(max_examples=200, deadline=None)
def test_rbo_equals_the_sum_over_prefixes(first: list[str], second: list[str], p: float) -> None:
    assert rbo(first, second, p) == pytest.approx(summed(first, second, p), abs=1e-12)


def groups(cuts: list[bool], order: str) -> list[set[str]]:
    """The letters in order, a new group where `cuts` says so."""
    found: list[set[str]] = []
    for letter, cut in zip(order, cuts, strict=False):
        if cut or not found:
            found.append(set())
        found[-1].add(letter)
    return found


def broken(ranked: list[set[str]]) -> list[list[str]]:
    """Every order in which the ties can be broken."""
    orders = [permutations(sorted(group)) for group in ranked]
    return [[p for part in choice for p in part] for choice in product(*orders)]


@given(
    first=st.lists(st.booleans(), min_size=1, max_size=5),
    second=st.lists(st.booleans(), min_size=1, max_size=5),
    order=st.permutations("abcdef"),
)
@settings(max_examples=60, deadline=None)
def test_ties_give_the_mean_over_every_way_to_break_them(
    first: list[bool], second: list[bool], order: list[str]
) -> None:
    a, b = groups(first, "abcdef"), groups(second, "".join(order))
    values = [summed(x, y, 0.8) for x, y in product(broken(a)[:30], broken(b)[:30])]
    if len(broken(a)) <= 30 and len(broken(b)) <= 30:
        assert rbo(a, b, 0.8) == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_rbo_of_published_examples() -> None:
    # The list and its rotation that several implementations print: 0.828.
    assert rbo(list("abcde"), list("bcdae"), 0.9) == pytest.approx(0.828, abs=5e-4)
    # The lists <abcdefg> and <zcavwxy>, their agreement depth by depth.
    a, b = list("abcdefg"), list("zcavwxy")
    agreement = [0, 0, 2 / 3, 2 / 4, 2 / 5, 2 / 6, 2 / 7]
    by_hand = 0.1 * sum(0.9**d * x for d, x in enumerate(agreement)) + 0.9**7 * agreement[-1]
    assert rbo(a, b, 0.9) == pytest.approx(by_hand, abs=1e-12)


@given(ranked=lists, cut=st.integers(1, 8))
@settings(deadline=None)
def test_a_list_agrees_fully_with_itself_and_its_head(ranked: list[str], cut: int) -> None:
    assert rbo(ranked, ranked) == pytest.approx(1, abs=1e-12)
    assert rbo(ranked, ranked[:cut]) == pytest.approx(1, abs=1e-12)
    assert rbo(ranked, [f"{paper}x" for paper in ranked]) == 0


@given(first=lists, second=lists)
@settings(deadline=None)
def test_coefficients_do_not_depend_on_which_is_first(first: list[str], second: list[str]) -> None:
    one, other = compare_lists(first, second), compare_lists(second, first)
    assert one.rbo == pytest.approx(other.rbo, abs=1e-15)
    assert one.jaccard == other.jaccard
    assert one.tau == pytest.approx(other.tau, abs=1e-15, nan_ok=True)


def tau_b(x: list[int], y: list[int]) -> float:
    """Concordant minus discordant pairs over the geometric mean of the pairs not tied in each."""
    pairs = [(x[i] - x[j], y[i] - y[j]) for i in range(len(x)) for j in range(i)]
    signs = [(a > 0) - (a < 0) for a, _ in pairs], [(b > 0) - (b < 0) for _, b in pairs]
    untied = [sum(abs(sign) for sign in side) for side in signs]
    if not all(untied):
        return math.nan
    return sum(a * b for a, b in zip(*signs, strict=True)) / math.sqrt(untied[0] * untied[1])


@given(first=lists, second=lists)
@settings(max_examples=150, deadline=None)
def test_tau_equals_its_definition_and_scipy(first: list[str], second: list[str]) -> None:
    found = compare_lists(first, second)
    union = list(dict.fromkeys(first + second))
    x = [first.index(p) if p in first else 99 for p in union]
    y = [second.index(p) if p in second else 99 for p in union]
    assert found.tau == pytest.approx(tau_b(x, y), abs=1e-12, nan_ok=True)
    if not math.isnan(found.tau):
        assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    both = [p for p in first if p in second]
    x, y = [first.index(p) for p in both], [second.index(p) for p in both]
    assert found.shared_tau == pytest.approx(tau_b(x, y), abs=1e-12, nan_ok=True)


def test_tied_papers_share_a_rank() -> None:
    ranks = best_ranks([{"a", "b"}, "c", frozenset("de")])
    assert ranks == {"a": 1, "b": 1, "c": 3, "d": 4, "e": 4}
    assert kendall_tau(ranks, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}, list("abcde")) == (
        pytest.approx(tau_b([1, 1, 3, 4, 4], [1, 2, 3, 4, 5]), abs=1e-12)
    )
    assert jaccard([{"a", "b"}, "c"], ["a", "c"], 1) == 0.5


def test_jaccard_by_hand() -> None:
    found = compare_lists(list("abcdefg"), list("bacxyz"))
    assert found.jaccard == {5: 3 / 7, 7: 3 / 10}
    assert jaccard(["a", "b", "c"], ["c", "b", "x"], 2) == 1 / 3


# Side by side


@pytest.fixture
def found() -> ListComparison:
    return compare_lists(list("abcd"), list("bxac"), titles={"b": "On b", "d": EVIL})


def test_every_paper_stands_once_with_what_happened_to_it(found: ListComparison) -> None:
    rows = found.to_frame().set_index("paper_id")
    assert list(rows.index) == ["b", "x", "a", "c", "d"]
    assert list(rows["status"]) == ["up", "new", "down", "down", "lost"]
    assert list(rows["moved"].dropna()) == [1, -2, -1]
    assert rows.loc["b", "title"] == "On b"
    assert rows["first_rank"].isna().sum() == rows["second_rank"].isna().sum() == 1
    assert [move.paper_id for move in found.only("new", "lost")] == ["x", "d"]
    assert found.shared == 3


def test_its_texts_and_plain_values(found: ListComparison) -> None:
    assert "3 of 5 papers in both" in str(found)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["moves"][0]["moved"] == 1
    assert json.dumps(compare_lists(["a"], ["b"]).to_dict(), allow_nan=False)
    html = found._repr_html_()
    assert "<script" not in html
    assert "&lt;script" in html
    assert "and 20 more" in compare_lists([f"p{n}" for n in range(120)], ["p1"])._repr_html_()


def test_hits_bring_their_titles() -> None:
    hit = Hit(1, 0.5, Paper("a", "On a"), Passage("a", 0, 0, 1, "A"))
    assert compare_lists([hit], ["a"]).moves[0].title == "On a"


@pytest.mark.parametrize(
    ("first", "second", "p", "message"),
    [
        ([], [], 0.9, "both lists are empty"),
        (["a", "a"], ["b"], 0.9, "first list holds paper 'a' twice"),
        (["a"], [{"b", "c"}, "b"], 0.9, "second list holds paper 'b' twice"),
        (["a"], ["b"], 1.0, "p is 1.0"),
        (["a"], ["b"], float("nan"), "p is nan"),
        ("abc", ["b"], 0.9, "first list is 'abc'"),
        ([1], ["b"], 0.9, "1 is no paper"),
        ([{1, "a"}], ["b"], 0.9, "is no paper"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    first: Any, second: Any, p: float, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        compare_lists(first, second, p=p)
    with pytest.raises(EvaluationError, match="depth is 0"):
        jaccard(["a"], ["b"], 0)


def test_one_empty_list_shares_nothing() -> None:
    found = compare_lists([], ["a", "b"])
    assert found.rbo == 0
    assert math.isnan(found.shared_tau)
    assert [move.status for move in found.moves] == ["new", "new"]
