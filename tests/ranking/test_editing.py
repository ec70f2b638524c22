"""Query edits: what they do to the terms and to what is found, and terms that hits suggest."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from workbench.corpus.analysis import Analyser
from workbench.errors import QueryError
from workbench.profiles import Profile
from workbench.ranking.editing import QueryEdits, query_terms
from workbench.ranking.suggestions import suggest_terms
from workbench.session import Workbench

QUERY = "late interaction retrieval"


def terms_after(bench: Workbench, **edits: Any) -> dict[str, float]:
    return dict(bench.search(QUERY, edits=QueryEdits(**edits)).candidates.query.terms)


def test_without_edits_nothing_changes(landmarks: Workbench) -> None:
    plain = landmarks.search(QUERY)
    assert landmarks.search(QUERY, edits=QueryEdits()).fingerprint == plain.fingerprint


def test_a_muted_term_scores_as_a_query_without_it(landmarks: Workbench) -> None:
    assert terms_after(landmarks, mute="interactions") == {"late": 1.0, "retriev": 1.0}
    muted = landmarks.search(QUERY, k=50, weights={"bm25": 1}, edits=QueryEdits(mute="interaction"))
    without = landmarks.search("late retrieval", k=50, weights={"bm25": 1})
    assert [h.score for h in muted if h.score] == [h.score for h in without if h.score]


def test_a_boosted_term_counts_as_if_written_more_often(landmarks: Workbench) -> None:
    assert terms_after(landmarks, boost={"late": 2})["late"] == 2.0
    boosted = landmarks.search(QUERY, weights={"bm25": 1}, edits=QueryEdits(boost={"late": 2}))
    written = landmarks.search(f"late {QUERY}", weights={"bm25": 1})
    assert boosted.paper_ids == written.paper_ids


def test_every_paper_has_a_required_term(landmarks: Workbench) -> None:
    found = landmarks.search(QUERY, k=50, edits=QueryEdits(require="translations"))
    assert 0 < found.papers_found < landmarks.manifest.papers
    for hit in found:
        assert "translat" in Analyser().terms(f"{hit.paper.title} {hit.paper.text}")


def test_an_added_term_takes_half_the_weight_of_a_written_one(landmarks: Workbench) -> None:
    assert terms_after(landmarks, add=["passages"])["passag"] == 0.5
    assert terms_after(landmarks, add={"late": 1.5})["late"] == 2.5


def test_muting_everything_leaves_the_dense_signal(landmarks: Workbench) -> None:
    edits, plain = QueryEdits(mute=("late", "interaction", "retrieval")), Profile(feedback=False)
    muted = landmarks.search(QUERY, edits=edits, profile=plain)
    assert muted.paper_ids == landmarks.search(QUERY, weights={"dense": 1}).paper_ids
    assert muted.notes


def test_feedback_does_not_bring_a_muted_term_back(landmarks: Workbench) -> None:
    ranking = landmarks.search(QUERY, edits=QueryEdits(mute=("interaction",)))
    terms = {term for hit in ranking for term in ranking.explain(hit).terms["bm25_feedback"]}
    assert "late" in terms
    assert "interact" not in terms


@pytest.mark.parametrize(
    "edits",
    [
        {"mute": ("banana",)},
        {"boost": {"banana": 2}},
        {"require": ("two words",)},
        {"add": ["!!!"]},
    ],
    ids=str,
)
def test_a_term_that_cannot_be_meant_is_an_error(
    landmarks: Workbench, edits: dict[str, Any]
) -> None:
    with pytest.raises(QueryError, match=r"banana|two words|!!!"):
        landmarks.search(QUERY, edits=QueryEdits(**edits))


@pytest.mark.parametrize(
    "edits",
    [
        {"boost": {"late": 0}},
        {"boost": {"late": math.nan}},
        {"boost": {"late": 1e9}},
        {"boost": ["late"]},
        {"add": {"late": -1}},
        {"mute": (3,)},
        {"add": {"late": True}},
    ],
    ids=str,
)
def test_a_factor_that_cannot_be_meant_is_an_error(edits: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="give"):
        QueryEdits(**edits)


def test_edits_can_be_hashed_copied_and_compared() -> None:
    edits = QueryEdits(mute="a", boost={"b": 2}, add=["c"])
    assert len({edits, copy.copy(edits), copy.deepcopy(edits)}) == 1
    assert edits != QueryEdits()
    assert not QueryEdits()
    assert edits.to_dict() == {"mute": ["a"], "boost": {"b": 2.0}, "add": {"c": 0.5}}


def test_terms_come_with_the_words_that_gave_them(landmarks: Workbench) -> None:
    edits = QueryEdits(mute="late", boost={"retrieval": 2}, require="passages", add=["passages"])
    late, interaction, retrieval, passages = query_terms(
        "Late interactions, retrieval", edits, Analyser(), landmarks.engine
    )
    assert (late.state, late.weight) == ("muted", 0.0)
    assert (interaction.word, interaction.term) == ("interactions", "interact")
    assert (retrieval.factor, retrieval.weight) == (2.0, 2.0)
    assert (passages.state, passages.required, passages.weight) == ("added", True, 0.5)


def test_counts_and_idf_are_those_of_the_papers(landmarks: Workbench) -> None:
    (term,) = query_terms("translation", QueryEdits(), Analyser(), landmarks.engine)
    found = landmarks.search("translation", k=200, weights={"bm25": 1})
    assert term.papers == sum(hit.score > 0 for hit in found)  # a passage a paper in this corpus
    assert term.idf == pytest.approx(
        math.log(1 + (term.of - term.papers + 0.5) / (term.papers + 0.5))
    )


def test_suggestions_are_shared_by_top_hits_and_new(landmarks: Workbench) -> None:
    ranking = landmarks.search("recipes for training deep networks", k=10)
    found = suggest_terms(ranking, 6)
    assert 0 < len(found) <= 6
    assert found[0].share == 1.0
    assert not {s.term for s in found} & set(ranking.candidates.query.terms)
    for suggestion in found:
        has = [
            suggestion.term in Analyser().terms(f"{hit.paper.title} {hit.paper.text}")
            for hit in ranking.hits[:5]
        ]
        assert sum(has) >= 2
        added = landmarks.search(ranking.query, edits=QueryEdits(add=[suggestion.word]))
        assert suggestion.term in added.candidates.query.terms


def test_no_hits_suggest_nothing(landmarks: Workbench) -> None:
    assert suggest_terms(landmarks.search(QUERY, year=1700)) == []
