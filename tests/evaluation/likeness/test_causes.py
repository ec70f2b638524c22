"""A cause is named only where swapping it in gives the other engine's value or list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import CorpusError
from workbench.evaluation.likeness.causes import Asked, alike, swapped
from workbench.evaluation.likeness.lost import Lists
from workbench.ranking.weights import ranked_ids
from workbench.records import Candidates, Query

NAMES = ("one", "two", "three")
SIGNALS = ("bm25", "title", "dense", "bm25_feedback", "dense_feedback")
PROFILE = wb.Profile(weights=dict.fromkeys(SIGNALS, 0.2))
QUERY = Query("q")
effects = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(-9, 9)))


@given(effects, st.sets(st.sampled_from(NAMES)), st.floats(0.01, 5))
def test_the_largest_effect_that_gives_the_value_is_named(
    effect: dict[str, int], real: set[str], off: float
) -> None:
    def value(taken: frozenset[str]) -> float:
        return 7.0 + sum(effect[name] for name in taken)

    second = value(frozenset(real))
    assume(not alike(7.0, second))
    cause = swapped(value, NAMES, 7.0, second)
    assert effect[cause] != 0
    reachable = {value(frozenset(s)) for s in _subsets()}
    if all(abs(second + off - v) > 0.005 for v in reachable):
        assert swapped(value, NAMES, 7.0, second + off) == "unexplained"
    # Where the first value itself is not met, nothing is known of the second.
    assert swapped(value, NAMES, 8.0, second) == "unexplained"


def _subsets() -> list[set[str]]:
    return [{n for i, n in enumerate(NAMES) if bits >> i & 1} for bits in range(8)]


def candidates(ids: list[str], values: np.ndarray[Any, Any]) -> Candidates:
    lower = np.array([0.0, 0.0, -1.0, 0.0, -1.0])
    numbers = np.zeros(len(ids), np.int32)
    return Candidates(QUERY, SIGNALS, np.array(ids), numbers, values, lower)


def lists(one: Candidates, other: Candidates, engine: Any = None, n: int = 9, k: int = 3) -> Lists:
    first, second = (SimpleNamespace(candidates=c, engine=engine) for c in (one, other))
    profile = PROFILE.replace(n_retrieval=n, n_keyword=n)
    asked = Asked(QUERY, QUERY, QUERY, QUERY)
    return Lists(first, second, asked, profile, k, exact=True)


def lost(one: Candidates, other: Candidates) -> list[str]:
    there = ranked_ids(other, PROFILE, 3)
    found = [paper for paper in ranked_ids(one, PROFILE, 3) if paper not in there]
    return [lists(one, other).cause(paper) for paper in found]


IDS = [f"p{n}" for n in range(8)]


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_the_columns_that_changed_a_list_are_its_cause(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = candidates(IDS, rng.random((8, 5)))
    own, fed = one.values.copy(), one.values.copy()
    own[:, :3], fed[:, 3:] = rng.random((8, 3)), rng.random((8, 2))
    assert set(lost(one, candidates(IDS, own))) <= {"score differences"}
    assert set(lost(one, candidates(IDS, fed))) <= {"own feedback"}


def test_more_candidates_are_a_cause_of_their_own() -> None:
    one = candidates(IDS[:4], np.array([[4.0] * 5, [3.0] * 5, [2.0] * 5, [1.0] * 5]))
    more = np.vstack([one.values, [[9.0] * 5]])
    other = candidates([*IDS[:4], "p9"], more)
    assert lost(one, other) == ["other candidates"]


class Held:
    """An engine that knows one passage's values."""

    def __init__(self, value: float) -> None:
        self._value = value

    def term_scores(self, *_: Any) -> dict[str, dict[str, float]]:
        return {"bm25": {"t": self._value}, "title": {"t": 0.0}}


class Empty:
    """An engine that does not hold the passage."""

    def term_scores(self, *_: Any) -> Any:
        raise CorpusError("no paper with id 'p0'")


def test_a_passage_that_the_second_does_not_hold_is_said_so() -> None:
    one = candidates(IDS[:4], np.array([[4.0] * 5, [3.0] * 5, [2.0] * 5, [1.0] * 5]))
    other = candidates(IDS[1:4], one.values[1:])
    assert lists(one, other, engine=Empty()).cause("p0") == "other passages"


@pytest.mark.parametrize(
    ("value", "cause"), [(0.5, "cut of an arm"), (2.5, "unexplained"), (9.0, "unexplained")]
)
def test_an_arm_that_should_have_had_a_passage_is_not_its_cut(value: float, cause: str) -> None:
    one = candidates(IDS[:4], np.array([[4.0] * 5, [3.0] * 5, [2.0] * 5, [1.0] * 5]))
    other = candidates(IDS[1:4], one.values[1:])
    found = lists(one, other, engine=Held(value), n=3 if value < 9 else 1, k=2)
    # Dense arms are 0 for a query without a vector: the three others fill them.
    assert found.cause("p0") == cause
