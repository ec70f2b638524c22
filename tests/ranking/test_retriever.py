"""Queries of every kind that a person may type, from the text to candidates and notes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.corpus.analysis import Analyser
from workbench.errors import QueryError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.profiles import Profile
from workbench.ranking.retriever import MAX_QUERY, Retriever
from workbench.records import Filters
from workbench.session import Workbench

PLAIN = Profile(feedback=False)


@pytest.fixture(scope="module")
def retriever(landmarks: Workbench, embedder: OnnxEmbedder) -> Retriever:
    return Retriever(landmarks.engine, embedder, Analyser())


# From text to query


def test_a_query_is_analysed_counted_and_embedded(
    retriever: Retriever, embedder: OnnxEmbedder
) -> None:
    query = retriever.prepare("The ranking of Rankings, ranked", query_id="q7")
    assert query.terms == {"rank": 3.0}
    assert query.vector is not None
    assert np.array_equal(query.vector, embedder.encode_query("The ranking of Rankings, ranked"))
    assert (query.text, query.id) == ("The ranking of Rankings, ranked", "q7")


def test_a_query_vector_has_unit_length(retriever: Retriever) -> None:
    assert np.linalg.norm(retriever.prepare("ranking").vector) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000\u00a0"], ids=repr)
def test_an_empty_query_is_refused_with_a_remedy(retriever: Retriever, text: str) -> None:
    with pytest.raises(QueryError, match="empty; give at least one word"):
        retriever.prepare(text)


@pytest.mark.parametrize("text", [None, 7, b"ranking", ["ranking"], float("nan")], ids=repr)
def test_a_query_that_is_no_text_names_its_type(retriever: Retriever, text: Any) -> None:
    with pytest.raises(QueryError, match=type(text).__name__):
        retriever.prepare(text)


def test_a_query_at_the_limit_is_searched(landmarks: Workbench) -> None:
    text = ("late interaction retrieval " * 4000)[:MAX_QUERY]
    assert len(text) == MAX_QUERY == 100_000
    assert "khattab2020colbert" in landmarks.search(text, k=10).paper_ids


def test_a_query_of_many_different_words_is_searched(landmarks: Workbench) -> None:
    text = " ".join(f"w{i}" for i in range(14_000)) + " colbert"
    assert "khattab2020colbert" in landmarks.search(text, k=5, weights={"bm25": 1}).paper_ids


def test_a_query_over_the_limit_names_length_and_limit(landmarks: Workbench) -> None:
    with pytest.raises(QueryError, match="100,001 characters, the limit is 100,000"):
        landmarks.search("x" * (MAX_QUERY + 1))


# Notes


def test_an_ordinary_query_has_no_notes(retriever: Retriever) -> None:
    assert retriever.retrieve("dense retrieval", PLAIN).notes == ()


@pytest.mark.parametrize("text", ["the of and", "?!", "🙂🙂", "---", "\x00\x07"], ids=repr)
def test_a_query_without_a_searchable_word_is_answered_by_dense_and_says_so(
    landmarks: Workbench, text: str
) -> None:
    ranking = landmarks.search(text, k=5)
    assert len(ranking) == 5
    assert "only stop words or signs" in ranking.notes[0]
    assert not ranking.candidates.column("bm25").any()


@pytest.mark.parametrize("weights", [{"bm25": 1}, {"title": 1}, {"bm25": 1, "title": 2}], ids=str)
def test_a_query_without_a_searchable_word_is_refused_under_lexical_weights(
    landmarks: Workbench, weights: dict[str, float]
) -> None:
    with pytest.raises(QueryError, match=r"no searchable word.*give dense a weight"):
        landmarks.search("the of and", weights=weights)


@pytest.mark.parametrize("text", ["密集检索", "استرجاع المعلومات", "поиск", "zzyzx"], ids=ascii)
def test_words_that_no_paper_has_are_answered_by_dense_and_say_so(
    landmarks: Workbench, text: str
) -> None:
    ranking = landmarks.search(text, k=5)
    assert len(ranking) == 5
    assert "No word of the query occurs" in ranking.notes[0]


def test_filters_that_nothing_passes_say_so(landmarks: Workbench) -> None:
    ranking = landmarks.search("ranking", year=1200)
    assert (len(ranking), ranking.papers_found) == (0, 0)
    assert ranking.notes == ("No paper passes the filters.",)


def test_notes_stay_under_other_weights(landmarks: Workbench) -> None:
    ranking = landmarks.search("zzyzx", k=2)
    assert ranking.reweigh({"dense": 0.9}).notes == ranking.notes != ()


# Odd characters


@pytest.mark.parametrize(
    "text",
    [
        "ColBERT 🙂",
        "\ud800 ColBERT \udfff",
        "\x00ColBERT\x1b[31m",
        "ColBERT\u202e\u200b",
        "ＣｏｌＢＥＲＴ",
        "ColBERT'); --",
        "%ColBERT_",
        '"ColBERT" AND (',
    ],
    ids=ascii,
)
def test_odd_characters_do_not_hide_the_word(landmarks: Workbench, text: str) -> None:
    ranking = landmarks.search(text, k=3, weights={"bm25": 0.9})
    assert "khattab2020colbert" in ranking.paper_ids
    assert ranking.query == text.encode("utf-8", errors="replace").decode()
    json.dumps(ranking.to_dict(), ensure_ascii=False).encode()


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=80))
def test_any_text_is_searched_or_refused_as_empty(landmarks: Workbench, text: str) -> None:
    if text.strip():
        assert len(landmarks.search(text, k=2)) == 2
    else:
        with pytest.raises(QueryError, match="empty"):
            landmarks.search(text)


# Timings and filters


def test_retrieval_reports_where_its_time_went(retriever: Retriever) -> None:
    times = retriever.retrieve("dense retrieval", PLAIN).timings_ms
    assert set(times) == {"query", "candidates"}
    assert min(times.values()) > 0


def test_retrieval_passes_filters_on(retriever: Retriever) -> None:
    found = retriever.retrieve("dense", PLAIN, Filters(ids=("khattab2020colbert",))).candidates
    assert set(found.paper_ids) == {"khattab2020colbert"}
