"""Pools: the union of what the ranking and each arm would show, in an order that tells nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import EvaluationError
from workbench.evaluation.judge_next.judgment_pool import (
    WHOLE,
    PooledPaper,
    judgment_pool,
    shuffled,
)
from workbench.session import Workbench

QUERIES = ("late interaction retrieval", "stochastic gradient descent", "the of and")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("depth", [1, 5, 30])
def test_a_pool_is_the_union_of_searches_with_each_weight(
    landmarks: Workbench, query: str, depth: int
) -> None:
    ranking = landmarks.search(query, k=depth)
    pool = judgment_pool(ranking.candidates, ranking.profile, depth)
    searched = {WHOLE: landmarks.search(query, k=depth).paper_ids}
    for signal, weight in ranking.profile.weights.items():
        values = ranking.candidates.column(signal) if signal in ranking.candidates.signals else []
        if weight and len(values) and values.max() > values.min():
            searched[signal] = ranking.reweigh({signal: 1.0}).paper_ids
    assert {paper.paper_id for paper in pool} == {i for ids in searched.values() for i in ids}
    assert len({paper.paper_id for paper in pool}) == len(pool)
    for paper in pool:
        found = {
            arm: ids.index(paper.paper_id) + 1
            for arm, ids in searched.items()
            if paper.paper_id in ids
        }
        assert dict(paper.ranks) == found
    assert [paper.paper_id for paper in pool][: len(searched[WHOLE])] == searched[WHOLE]


def test_a_depth_that_asks_for_nothing(landmarks: Workbench) -> None:
    ranking = landmarks.search("bm25")
    with pytest.raises(EvaluationError, match="depth is 0"):
        judgment_pool(ranking.candidates, ranking.profile, 0)


papers = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=12).map(
    lambda ids: tuple(PooledPaper(paper_id, {WHOLE: n}) for n, paper_id in enumerate(ids, start=1))
)


@given(pool=papers, query=st.text(max_size=5), seed=st.integers(0, 9))
def test_a_shuffle_keeps_the_papers_and_forgets_their_order(
    pool: tuple[PooledPaper, ...], query: str, seed: int
) -> None:
    mixed = shuffled(pool, query, seed)
    assert sorted(p.paper_id for p in mixed) == sorted(p.paper_id for p in pool)
    assert shuffled(pool[::-1], query, seed) == mixed  # nothing of the ranks is left in it
    shorter = shuffled(pool[1:], query, seed)
    assert [p for p in mixed if p in shorter] == list(shorter)  # a pool that grows keeps its order


def test_seeds_and_queries_shuffle_differently() -> None:
    pool = tuple(PooledPaper(f"p{n}", {}) for n in range(30))
    orders = [shuffled(pool, query, seed) for query in ("a", "b") for seed in (0, 1)]
    assert len({tuple(paper.paper_id for paper in order) for order in orders}) == 4
