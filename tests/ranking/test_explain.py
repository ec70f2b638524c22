"""Explanations: every sum adds up exactly, and only hits of the ranking have one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.errors import QueryError
from workbench.ranking.explain import Explanation
from workbench.ranking.ranking import Ranking
from workbench.session import Workbench

WEIGHTS = [{"dense": 0.7}, {"bm25": 1}, {"bm25": 0.3, "title": 0.3, "dense": 1.7}]


@pytest.fixture(scope="module")
def ranking(landmarks: Workbench) -> Ranking:
    return landmarks.search("query expansion for ranking with term weights", k=20)


@pytest.fixture(params=WEIGHTS, ids=str)
def explanations(ranking: Ranking, request: pytest.FixtureRequest) -> list[Explanation]:
    other = ranking.reweigh(request.param)
    return [other.explain(hit) for hit in other]


def test_the_score_is_the_exact_sum_of_the_contributions(explanations: list[Explanation]) -> None:
    for explanation in explanations:
        parts = [signal.contribution for signal in explanation.hit.signals.values()]
        assert explanation.hit.score == sum(parts)


def test_a_contribution_is_weight_times_normalised(explanations: list[Explanation]) -> None:
    for explanation in explanations:
        for signal in explanation.hit.signals.values():
            assert signal.contribution == signal.weight * signal.normalised


def test_a_lexical_value_is_the_float32_sum_of_its_terms(explanations: list[Explanation]) -> None:
    for explanation in explanations:
        for name in ("bm25", "title"):
            total = np.float32(0)
            for part in explanation.terms[name].values():
                total += np.float32(part)
            assert float(total) == explanation.hit.signals[name].value


def test_a_repeated_word_counts_as_often_as_it_stands_in_the_query(landmarks: Workbench) -> None:
    once, twice = (landmarks.search(q, k=200) for q in ("colbert", "colbert colbert"))
    [part] = once.explain("khattab2020colbert").terms["bm25"].values()
    [double] = twice.explain("khattab2020colbert").terms["bm25"].values()
    assert part > 0
    assert double == 2 * part


def test_a_hit_its_rank_and_its_paper_have_one_explanation(ranking: Ranking) -> None:
    hit = ranking[3]
    assert ranking.explain(hit) == ranking.explain(4) == ranking.explain(hit.paper.id)


def test_a_rank_from_the_frame_is_a_rank(ranking: Ranking) -> None:
    rank = ranking.to_frame()["rank"][2]
    assert ranking.explain(rank).hit is ranking[2]


@pytest.mark.parametrize("wrong", [0, -1, 21, "nobody", None, 1.5], ids=repr)
def test_what_is_no_hit_is_named(ranking: Ranking, wrong: Any) -> None:
    with pytest.raises(QueryError, match=str(wrong)):
        ranking.explain(wrong)


def test_a_hit_of_another_ranking_is_refused(landmarks: Workbench, ranking: Ranking) -> None:
    others = landmarks.search("hashing of images", k=100)
    stranger = next(hit for hit in others if hit.paper.id not in ranking.paper_ids)
    with pytest.raises(QueryError, match=stranger.paper.id):
        ranking.explain(stranger)


def test_rows_are_one_a_signal_and_one_a_term(ranking: Ranking) -> None:
    explanation = ranking.explain(1)
    rows = [(row["signal"], row["term"]) for row in explanation.rows()]
    assert rows == [
        row
        for signal in ("bm25", "title", "dense", "bm25_feedback", "dense_feedback")
        for row in [(signal, ""), *((signal, term) for term in explanation.terms.get(signal, ()))]
    ]
    assert list(explanation.terms["bm25"]) == list(explanation.terms["title"])


def test_the_frame_has_the_rows(ranking: Ranking) -> None:
    explanation = ranking.explain(1)
    frame = explanation.to_frame()
    assert list(frame.columns) == [
        *("signal", "term", "value", "normalised", "weight", "contribution")
    ]
    assert frame["value"].tolist() == [row["value"] for row in explanation.rows()]


def test_the_text_names_score_signals_and_terms(ranking: Ranking) -> None:
    explanation = ranking.explain(1)
    text = str(explanation)
    assert f"score {explanation.hit.score:.4f}" in text
    for name in (*explanation.hit.signals, *explanation.terms["bm25"]):
        assert name in text
