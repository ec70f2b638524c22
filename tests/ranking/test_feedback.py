"""Feedback: the expansion against plain loops, and what it adds to candidates and rankings."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.corpus.analysis import Analyser
from workbench.engines.base import FEEDBACK, SIGNALS
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import WeightError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.profiles import NORMALISERS, Profile
from workbench.ranking import feedback
from workbench.ranking.fusion import normalise
from workbench.ranking.retriever import Retrieved, Retriever
from workbench.session import Workbench

QUERY = "late interaction retrieval"
ON = Profile(feedback=True)
OFF = Profile(feedback=False)


@pytest.fixture(scope="module")
def retriever(landmarks: Workbench, embedder: OnnxEmbedder) -> Retriever:
    return Retriever(landmarks.engine, embedder, Analyser())


@pytest.fixture(scope="module")
def retrieved(retriever: Retriever) -> Retrieved:
    return retriever.retrieve(QUERY, ON)


def first_pass(retriever: Retriever) -> list[tuple[str, int, float]]:
    """(paper, passage, score) of the first pass, best first, the plain way."""
    found = retriever.retrieve(QUERY, OFF).candidates
    columns = normalise(found, "min-max")
    weights = [OFF.first_pass.get(signal, 0.0) for signal in found.signals]
    scored = [
        (str(found.paper_ids[i]), int(found.numbers[i]), float(columns[i] @ weights))
        for i in range(len(found))
    ]
    return sorted(scored, key=lambda item: -item[2])


# The expansion


def test_terms_are_those_of_a_plain_relevance_model(
    landmarks: Workbench, retriever: Retriever, retrieved: Retrieved
) -> None:
    top = first_pass(retriever)[: feedback.LEXICAL_PASSAGES]
    whole = sum(score for _, _, score in top)
    weights: Counter[str] = Counter()
    for paper_id, number, score in top:
        [paper] = landmarks.engine.papers([paper_id])
        [passage] = landmarks.engine.passages([(paper_id, number)])
        terms = Analyser().terms(f"{paper.title} {passage.text}")
        frequencies, passages = landmarks.engine.document_frequencies(terms)
        for term in set(terms):
            df = frequencies[term]
            idf = math.log(1 + (passages - df + 0.5) / (df + 0.5))
            weights[term] += score / whole * terms.count(term) / len(terms) * idf
    best = sorted(weights, key=lambda term: (-weights[term], term))[: feedback.TERMS]
    share = sum(weights[term] for term in best)
    query = Analyser().counts(QUERY)
    mix = feedback.LEXICAL_MIX
    expected = {
        term: mix * query[term] + (1 - mix) * query.total() * weights[term] / share * (term in best)
        for term in {*best, *query}
    }
    assert retrieved.expanded is not None
    assert dict(retrieved.expanded.terms) == pytest.approx(expected)


def test_terms_that_the_index_keeps_are_those_of_the_texts(
    landmarks: Workbench, retriever: Retriever, retrieved: Retrieved
) -> None:
    class Texts(EmbeddedEngine):
        def occurrences(self, keys: Any) -> Any:
            return None

    texts = Retriever(Texts(landmarks.folder), retriever._embedder, Analyser())
    for edits in (None, wb.QueryEdits(mute=("late",))):
        kept, analysed = (r.retrieve(QUERY, ON, edits=edits).expanded for r in (retriever, texts))
        assert kept is not None
        assert analysed is not None
        assert kept.terms == analysed.terms


def test_the_vector_is_moved_towards_the_best_passages(
    landmarks: Workbench, retriever: Retriever, retrieved: Retrieved
) -> None:
    top = [(paper, number) for paper, number, _ in first_pass(retriever)]
    vectors = landmarks.engine.vectors(top[: feedback.DENSE_PASSAGES]).astype(np.float64)
    query = retrieved.candidates.query.vector
    assert query is not None
    moved = query + feedback.ROCCHIO * vectors.mean(axis=0)
    assert retrieved.expanded is not None
    assert retrieved.expanded.vector is not None
    assert retrieved.expanded.vector.dtype == np.float32
    assert retrieved.expanded.vector == pytest.approx(moved / np.linalg.norm(moved), abs=1e-6)


def test_the_expanded_terms_weigh_as_much_as_the_querys(retrieved: Retrieved) -> None:
    assert retrieved.expanded is not None
    assert sum(retrieved.expanded.terms.values()) == pytest.approx(3.0)
    assert len(retrieved.expanded.terms) <= feedback.TERMS + 3


@given(
    counts=st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), min_size=1), min_size=1
    ),
    scores=st.lists(st.floats(0, 1), min_size=30, max_size=30),
)
def test_a_relevance_model_is_a_distribution(
    counts: list[dict[str, int]], scores: list[float]
) -> None:
    frequencies = {term: 1 + i for i, term in enumerate("abcdefg")}
    shares = np.array((scores * len(counts))[: len(counts)])
    found = feedback.counted_terms(counts, frequencies, 10)
    model = feedback.relevance_model(found, shares)
    assert "h" not in model
    assert "a" not in feedback.relevance_model(found, shares, {"a"})
    assert all(weight >= 0 for weight in model.values())
    assert sum(model.values()) == pytest.approx(1.0) or not model


def test_without_passages_the_query_stays(landmarks: Workbench, retriever: Retriever) -> None:
    query = retriever.prepare(QUERY)
    assert feedback.expand(query, [], np.zeros(0), landmarks.engine, Analyser()) is query


# In candidates


def test_candidates_have_two_more_true_signals(
    landmarks: Workbench, retriever: Retriever, retrieved: Retrieved
) -> None:
    found, expanded = retrieved.candidates, retrieved.expanded
    assert found.signals == (*SIGNALS, *FEEDBACK) == retriever.signals(ON)
    assert expanded is not None
    assert expanded.vector is not None
    keys = [(str(i), int(n)) for i, n in zip(found.paper_ids, found.numbers, strict=True)]
    cosines = landmarks.engine.vectors(keys) @ expanded.vector
    assert found.column("dense_feedback") == pytest.approx(cosines, abs=1e-5)
    for row in (0, len(found) // 2, len(found) - 1):
        parts = landmarks.engine.term_scores(expanded, *keys[row])["bm25"]
        assert found.column("bm25_feedback")[row] == pytest.approx(sum(parts.values()), rel=1e-5)


def test_plain_signals_keep_their_values(retriever: Retriever, retrieved: Retrieved) -> None:
    plain = retriever.retrieve(QUERY, OFF).candidates
    places = {(i, n): row for row, (i, n) in enumerate(_keys(retrieved.candidates))}
    rows = [places[key] for key in _keys(plain)]
    assert np.array_equal(retrieved.candidates.values[rows, :3], plain.values)


def _keys(candidates: Any) -> list[tuple[str, int]]:
    return list(zip(candidates.paper_ids.tolist(), candidates.numbers.tolist(), strict=True))


@pytest.mark.parametrize(
    "change",
    [{"weights": {"bm25": 1.0}}, {"normaliser": "rrf"}, {"weights": {"dense_feedback": 2.0}}],
    ids=str,
)
def test_candidates_do_not_depend_on_what_is_tuned(
    retriever: Retriever, retrieved: Retrieved, change: dict[str, Any]
) -> None:
    again = retriever.retrieve(QUERY, ON.replace(**change)).candidates
    assert np.array_equal(again.values, retrieved.candidates.values)
    assert _keys(again) == _keys(retrieved.candidates)


def test_the_first_pass_drives_feedback(retriever: Retriever, retrieved: Retrieved) -> None:
    other = retriever.retrieve(QUERY, ON.replace(first_pass={"title": 1.0}))
    assert other.expanded is not None
    assert retrieved.expanded is not None
    assert other.expanded.terms != retrieved.expanded.terms


def test_nothing_found_still_has_every_signal(landmarks: Workbench) -> None:
    ranking = landmarks.search(QUERY, profile=ON, ids=["nobody"])
    assert ranking.candidates.signals == (*SIGNALS, *FEEDBACK)
    assert ranking.notes == ("No paper passes the filters.",)


def test_filters_hold_for_expanded_arms(landmarks: Workbench) -> None:
    ranking = landmarks.search(QUERY, k=200, profile=ON, year=(2018, None))
    assert min(hit.paper.year or 0 for hit in ranking) >= 2018


def test_stop_words_are_answered_by_dense_and_by_what_it_found(landmarks: Workbench) -> None:
    ranking = landmarks.search("the of and", k=5, profile=ON)
    assert "only stop words" in ranking.notes[0]
    assert not ranking.candidates.column("bm25").any()
    assert ranking.candidates.column("bm25_feedback").any()
    assert len(landmarks.search("the of and", profile=ON, weights={"bm25_feedback": 1})) == 10


# In rankings, evaluation and tuning


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_explanations_add_up(landmarks: Workbench, normaliser: str) -> None:
    ranking = landmarks.search(QUERY, k=5, profile=ON).reweigh(
        {"dense": 0.1}, normaliser=normaliser
    )
    for hit in ranking:
        explanation = ranking.explain(hit)
        assert hit.score == sum(s.contribution for s in hit.signals.values())
        total = np.float32(0)
        for part in explanation.terms["bm25_feedback"].values():
            assert part > 0
            total += np.float32(part)
        assert float(total) == hit.signals["bm25_feedback"].value


def test_reweighing_equals_a_fresh_search(landmarks: Workbench) -> None:
    weights = {"bm25_feedback": 0.6, "dense": 0.4}
    ranking = landmarks.search(QUERY, profile=ON)
    fresh = landmarks.search(QUERY, profile=ON, weights=weights)
    assert ranking.reweigh(weights).hits == fresh.hits


def test_a_weight_for_a_stage_that_is_off_says_how_to_turn_it_on(landmarks: Workbench) -> None:
    plain = landmarks.search(QUERY, profile=OFF)
    for signal, remedy in (
        ("bm25_feedback", "turn feedback on"),
        ("late_interaction", 'reranker = "late-interaction"'),
        ("cross_encoder", "cross-encoder"),
    ):
        with pytest.raises(WeightError, match=remedy):
            landmarks.search(QUERY, profile=OFF, weights={signal: 0.5})
        with pytest.raises(WeightError, match=remedy):
            plain.reweigh({signal: 0.5})
    assert landmarks.search(QUERY, profile=OFF.replace(weights={"bm25": 1, "dense_feedback": 0}))


def test_tuning_computes_the_signals_that_it_is_asked_for(landmarks: Workbench) -> None:
    queries = [wb.Query(QUERY, id="q"), wb.Query("query expansion", id="r")]
    judged = [wb.Judgment("q", "khattab2020colbert", 1), wb.Judgment("r", "rocchio1971", 1)]
    curve = landmarks.tune(
        queries, judged, "RR", signals=("dense", "dense_feedback"), profile=OFF, progress=False
    )
    assert 0 < curve.best.value <= 1
    assert curve.base.feedback
    assert curve.base.weights == OFF.weights
    with pytest.raises(WeightError, match="'splade'"):
        landmarks.tune(queries, judged, signals=("bm25", "splade"), progress=False)


def test_evaluation_ranks_as_search_does(landmarks: Workbench) -> None:
    queries = [wb.Query(text, id=text) for text in (QUERY, "query expansion", "the of and")]
    judged = [wb.Judgment(query.id, "khattab2020colbert", 1) for query in queries]
    report = landmarks.evaluate(queries, judged, "RR", profile=ON, progress=False)
    for query in queries:
        ids = landmarks.search(query.text, k=1000, profile=ON).paper_ids
        expected = 1 / (1 + ids.index("khattab2020colbert"))
        assert report.per_query.loc[query.id, "RR"] == pytest.approx(expected)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_queries_are_answered_in_order_whatever_the_workers(
    retriever: Retriever, workers: int
) -> None:
    texts = [f"{word} ranking" for word in ("dense", "sparse", "neural", "fast", "late")] * 3
    profile = ON.replace(workers=workers)
    found = list(retriever.retrieve_all(texts, profile))
    assert [retrieved.candidates.query.text for retrieved in found] == texts
    alone = retriever.retrieve(texts[1], ON).candidates
    assert np.array_equal(found[6].candidates.values, alone.values)
    assert list(retriever.retrieve_all([], profile)) == []
