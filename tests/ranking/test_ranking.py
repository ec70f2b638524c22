"""Rankings: hits, shares, other weights on the same candidates, and what they export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.corpus.analysis import Analyser
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import ProfileError, QueryError, WeightError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.profiles import Profile
from workbench.ranking.fusion import NORMALISERS
from workbench.ranking.ranking import Ranking
from workbench.ranking.retriever import Retriever
from workbench.ranking.weights import complete_weights
from workbench.records import Candidates, Filters, Hit, Query
from workbench.session import Workbench

SIGNALS = ("bm25", "title", "dense")
ALL = (*SIGNALS, "bm25_feedback", "dense_feedback")
BASE = {"bm25": 0.4, "title": 0.0, "dense": 0.6}
QUERY = "late interaction retrieval"
WEIGHTS = [
    {"dense": 0.7},
    {"dense": 1},
    {"bm25": 1},
    {"title": 0.2},
    {"bm25": 2, "dense": 1, "title": 0.5},
]

sums_to_one = pytest.approx(1.0, abs=1e-12)


@pytest.fixture(scope="module")
def ranking(landmarks: Workbench) -> Ranking:
    return landmarks.search(QUERY, k=8)


class CountingEngine(EmbeddedEngine):
    """The embedded engine, with a count of its retrievals."""

    retrievals = 0

    def candidates(
        self, query: Query, n: int, filters: Filters = Filters(), **options: Any
    ) -> Candidates:
        self.retrievals += 1
        return super().candidates(query, n, filters, **options)


# Hits


def test_hits_are_ranked_from_one_by_falling_score(ranking: Ranking) -> None:
    assert [hit.rank for hit in ranking] == list(range(1, 9))
    scores = [hit.score for hit in ranking]
    assert scores == sorted(scores, reverse=True)


def test_a_paper_appears_once_with_a_passage_of_its_own(ranking: Ranking) -> None:
    assert len(set(ranking.paper_ids)) == 8
    for hit in ranking:
        assert hit.passage.paper_id == hit.paper.id
        assert hit.passage.text == hit.paper.text[hit.passage.start : hit.passage.end]


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_a_score_is_the_exact_sum_of_its_contributions(
    ranking: Ranking, normaliser: str, weights: dict[str, float]
) -> None:
    for hit in ranking.reweigh(weights, normaliser=normaliser, k=100):
        assert hit.score == sum(signal.contribution for signal in hit.signals.values())


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_shares_sum_to_one(ranking: Ranking, normaliser: str) -> None:
    for hit in ranking.reweigh({"title": 0.2}, normaliser=normaliser):
        shares = [signal.share for signal in hit.signals.values()]
        assert sum(shares) == sums_to_one
        assert min(shares) >= 0


def test_shares_of_a_score_of_nothing_are_zero(landmarks: Workbench) -> None:
    last = landmarks.search("xylophone", k=3, weights={"bm25": 1})[-1]
    assert {signal.share for signal in last.signals.values()} == {0.0}


def test_a_signals_value_is_the_candidates_value(ranking: Ranking) -> None:
    found = ranking.candidates
    for hit in ranking:
        mine = (found.paper_ids == hit.paper.id) & (found.numbers == hit.passage.number)
        assert [s.value for s in hit.signals.values()] == found.values[mine][0].tolist()


# k


def test_k_larger_than_the_corpus_gives_every_paper(landmarks: Workbench) -> None:
    everything = landmarks.search(QUERY, k=10_000, profile=Profile(n_retrieval=1000))
    assert len(everything) == everything.papers_found == landmarks.manifest.papers


def test_fewer_hits_are_the_start_of_more(landmarks: Workbench) -> None:
    assert landmarks.search(QUERY, k=3).paper_ids == landmarks.search(QUERY, k=20).paper_ids[:3]


@pytest.mark.parametrize("k", [0, -1, 10_001, 2.0, "5", None, True], ids=repr)
def test_a_bad_k_is_named_with_its_limits(landmarks: Workbench, k: Any) -> None:
    with pytest.raises(QueryError, match=f"k is {k!r}.*1 to 10000"):
        landmarks.search(QUERY, k=k)


@pytest.mark.parametrize("k", [0, -1, 2.0, "5", True], ids=repr)
def test_a_bad_k_is_refused_for_other_weights_too(ranking: Ranking, k: Any) -> None:
    with pytest.raises(QueryError, match="k is"):
        ranking.reweigh(k=k)


# Other weights


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_reweighing_equals_a_fresh_search(
    landmarks: Workbench, ranking: Ranking, weights: dict[str, float]
) -> None:
    fresh = landmarks.search(QUERY, k=8, weights=weights)
    again = ranking.reweigh(weights)
    assert again.hits == fresh.hits
    assert again.profile == fresh.profile


@settings(max_examples=25, deadline=None)
@given(dense=st.floats(0, 1), title=st.floats(0, 1), k=st.integers(1, 30))
def test_reweighing_equals_a_fresh_search_at_any_weight(
    landmarks: Workbench, ranking: Ranking, dense: float, title: float, k: int
) -> None:
    weights = {"bm25": 1.0, "dense": dense, "title": title}
    fresh = landmarks.search(QUERY, k=k, weights=weights)
    assert ranking.reweigh(weights, k=k).hits == fresh.hits


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_another_normaliser_equals_a_fresh_search(
    landmarks: Workbench, ranking: Ranking, normaliser: str
) -> None:
    fresh = landmarks.search(QUERY, k=8, profile=Profile(normaliser=normaliser))
    assert ranking.reweigh(normaliser=normaliser).hits == fresh.hits


def test_reweighing_retrieves_nothing(landmarks: Workbench, embedder: OnnxEmbedder) -> None:
    engine = CountingEngine(landmarks.folder)
    retrieved = Retriever(engine, embedder, Analyser()).retrieve(QUERY, Profile())
    first, before = Ranking(retrieved, Profile(), engine, 5), engine.retrievals
    first.reweigh({"dense": 0.1}).reweigh({"bm25": 0.9}, normaliser="rrf", k=40)
    assert engine.retrievals == before
    engine.close()


def test_reweighing_makes_a_new_ranking(ranking: Ranking) -> None:
    before = ranking.fingerprint, dict(ranking.profile.weights)
    other = ranking.reweigh({"bm25": 1})
    assert other.candidates is ranking.candidates
    assert (ranking.fingerprint, dict(ranking.profile.weights)) == before
    assert other.fingerprint != ranking.fingerprint


def test_weights_there_and_back_change_nothing(ranking: Ranking) -> None:
    assert ranking.reweigh({"dense": 1}).reweigh(ranking.profile.weights).hits == ranking.hits


def test_reweighing_without_change_changes_nothing(ranking: Ranking) -> None:
    assert ranking.reweigh().hits == ranking.hits


def test_a_weight_of_one_alone_orders_by_that_signal(ranking: Ranking) -> None:
    for signal in SIGNALS:
        hits = ranking.reweigh({signal: 1}, k=50)
        values = [hit.signals[signal].value for hit in hits]
        assert values == sorted(values, reverse=True)


def test_reweighing_refuses_what_search_refuses(ranking: Ranking) -> None:
    with pytest.raises(WeightError, match="nan"):
        ranking.reweigh({"dense": float("nan")})
    with pytest.raises(WeightError, match="'splade'"):
        ranking.reweigh({"splade": 1.0})
    with pytest.raises(ProfileError, match="'softmax'"):
        ranking.reweigh(normaliser="softmax")


# Weights that a person leaves out


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ({"dense": 0.7}, {"bm25": 0.3, "title": 0.0, "dense": 0.7}),
        ({"dense": 1}, {"bm25": 0.0, "title": 0.0, "dense": 1.0}),
        ({"bm25": 2, "dense": 1}, {"bm25": 2.0, "title": 0.0, "dense": 1.0}),
        ({"dense": 0}, {"bm25": 1.0, "title": 0.0, "dense": 0.0}),
        ({"dense": 0, "title": 0.25}, {"bm25": 0.75, "title": 0.25, "dense": 0.0}),
        ({"title": 0.5}, {"bm25": 0.2, "title": 0.5, "dense": 0.3}),
        ({"bm25": 0, "dense": 0, "title": 3}, {"bm25": 0.0, "title": 3.0, "dense": 0.0}),
        ({}, BASE),
    ],
    ids=str,
)
def test_weights_left_out_share_what_is_missing_to_one(
    given: dict[str, float], full: dict[str, float]
) -> None:
    assert complete_weights(given, BASE, SIGNALS) == pytest.approx(full)


@given(
    named=st.dictionaries(st.sampled_from(["bm25", "dense"]), st.floats(0, 1), max_size=1),
)
def test_completed_weights_sum_to_one_where_the_named_ones_leave_room(
    named: dict[str, float],
) -> None:
    assert sum(complete_weights(named, BASE, SIGNALS).values()) == sums_to_one


@given(
    parts=st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any),
    noise=st.floats(-1e-10, 1e-10),
)
def test_named_weights_that_sum_to_one_within_rounding_leave_nothing(
    parts: list[int], noise: float
) -> None:
    signals = (*SIGNALS, "bm25_feedback", "dense_feedback")
    named = dict(zip(["bm25", "title", "bm25_feedback"], parts, strict=True))
    given = {name: part / sum(parts) * (1 + noise) for name, part in named.items()}
    base = dict.fromkeys(signals, 0.2)
    full = complete_weights(given, base, signals)
    assert (full["dense"], full["dense_feedback"]) == (0.0, 0.0)
    assert {name: full[name] for name in given} == given


def test_weights_whose_sum_rounds_below_one_do_not_wake_other_signals(
    landmarks: Workbench,
) -> None:
    weights = {"bm25": 0.2, "title": 0.7, "bm25_feedback": 0.1}
    assert sum(weights.values()) < 1
    found = landmarks.search(QUERY, weights=weights)
    assert found.profile.weights["dense"] == 0.0
    with pytest.raises(QueryError, match="only lexical signals"):
        landmarks.search("the of and", weights={"bm25": 0.2, "title": 0.8 - 1e-16})
    tiny = landmarks.profile.replace(weights={"bm25": 1.0, "dense": 1e-17})
    with pytest.raises(QueryError, match="only lexical signals"):
        landmarks.search("the of and", profile=tiny)
    assert landmarks.search(QUERY, profile=tiny)[0].signals["dense"].weight == 0.0


def test_named_zeros_that_leave_nothing_are_refused() -> None:
    with pytest.raises(WeightError, match="leave every signal at 0"):
        complete_weights({"bm25": 0, "dense": 0}, BASE, SIGNALS)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0, True, "1"], ids=repr)
def test_a_bad_named_weight_is_refused(weight: Any) -> None:
    with pytest.raises(WeightError, match=f"weight of dense is {weight!r}"):
        complete_weights({"dense": weight}, BASE, SIGNALS)


@pytest.mark.parametrize("weights", [0.7, [0.3, 0.7], "dense"], ids=repr)
def test_weights_that_are_no_mapping_are_refused(landmarks: Workbench, weights: Any) -> None:
    with pytest.raises(WeightError, match="weights"):
        landmarks.search(QUERY, weights=weights)


# A sequence


def test_a_ranking_is_a_sequence_of_hits(ranking: Ranking) -> None:
    assert isinstance(ranking, Sequence)
    assert len(ranking) == 8
    assert all(isinstance(hit, Hit) for hit in ranking)
    assert ranking[0] is ranking.hits[0]
    assert ranking[-1].rank == 8
    assert [hit.rank for hit in ranking[2:4]] == [3, 4]
    assert ranking[3] in ranking
    assert next(reversed(ranking)).rank == 8


def test_a_place_past_the_end_is_an_index_error(ranking: Ranking) -> None:
    with pytest.raises(IndexError):
        ranking[8]


# Exports


def test_the_frame_has_a_row_a_hit_and_two_columns_a_signal(ranking: Ranking) -> None:
    frame = ranking.to_frame()
    assert list(frame.columns) == [
        *("rank", "paper_id", "title", "authors", "year", "venue", "score", "passage"),
        *(f"{signal}_{part}" for signal in ALL for part in ("value", "share")),
    ]


def test_the_frame_holds_what_the_ranking_holds(ranking: Ranking) -> None:
    frame = ranking.to_frame()
    assert frame["paper_id"].tolist() == ranking.paper_ids
    assert frame["title"].tolist() == [hit.paper.title for hit in ranking]
    assert frame["score"].tolist() == [hit.score for hit in ranking]


def test_an_empty_ranking_makes_an_empty_frame(landmarks: Workbench) -> None:
    assert landmarks.search(QUERY, ids=["nobody"]).to_frame().empty


def test_the_dictionary_is_the_json_contract(ranking: Ranking) -> None:
    content = ranking.to_dict()
    assert set(content) >= {"query", "profile", "weights", "hits", "timings_ms"}
    hit = content["hits"][0]
    assert set(hit) >= {"rank", "paper_id", "title", "score", "signals", "passage"}
    assert set(hit["signals"]) == set(ALL)
    assert set(hit["signals"]["dense"]) >= {"value", "normalised", "share"}
    assert set(hit["passage"]) >= {"text", "start", "end"}


def test_the_dictionary_holds_what_the_ranking_holds(ranking: Ranking) -> None:
    content = ranking.to_dict()
    assert content["query"] == QUERY
    assert content["profile"] == "default"
    assert content["weights"] == Profile().weights
    assert [hit["paper_id"] for hit in content["hits"]] == ranking.paper_ids
    assert [hit["score"] for hit in content["hits"]] == [hit.score for hit in ranking]


def test_the_dictionary_survives_json(ranking: Ranking) -> None:
    content = ranking.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_timings_of_the_stages_add_up(ranking: Ranking) -> None:
    times = dict(ranking.timings_ms)
    total = times.pop("total")
    assert set(times) == {"query", "candidates", "feedback", "fusion", "texts"}
    assert sum(times.values()) == pytest.approx(total)


# Fingerprints


@pytest.fixture(scope="module")
def reopened(landmarks: Workbench, embedder: OnnxEmbedder) -> Workbench:
    return Workbench(landmarks.folder, embedder=embedder)


def test_two_opens_give_the_same_ranking(ranking: Ranking, reopened: Workbench) -> None:
    again = reopened.search(QUERY, k=8)
    assert again.hits == ranking.hits
    assert again.fingerprint == ranking.fingerprint
    reopened.close()


def test_fingerprints_tell_rankings_apart(landmarks: Workbench, ranking: Ranking) -> None:
    others = [
        ranking.reweigh(k=7),
        ranking.reweigh({"bm25": 0.41, "dense": 0.59}),
        landmarks.search("query expansion", k=8),
    ]
    prints = {ranking.fingerprint, *(other.fingerprint for other in others)}
    assert len(prints) == 4


def test_scores_of_candidates_are_those_of_the_hits(ranking: Ranking) -> None:
    assert ranking.scores.max() == ranking[0].score
    assert ranking.scores.dtype == np.float64


def test_repr_is_one_short_line(ranking: Ranking) -> None:
    assert repr(ranking) == (
        f"Ranking({QUERY!r}, 8 of {ranking.papers_found} papers, first "
        f"{ranking[0].paper.id!r} {ranking[0].score:.3f})"
    )
