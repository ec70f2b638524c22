"""Judging over a real corpus: what the session adds to judgments, suggestions and comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.errors import EvaluationError, WeightError
from workbench.session import Workbench

QUERIES = ROOT / "data" / "landmarks" / "queries.jsonl"
QRELS = ROOT / "data" / "landmarks" / "qrels.tsv"


@pytest.fixture
def judgments(tmp_path: Path) -> wb.Judgments:
    found = wb.Judgments(tmp_path / "mine.jsonl", who="ann")
    found.import_qrels(QRELS)
    return found


def test_a_file_of_judgments_is_as_good_as_qrels(
    landmarks: Workbench, judgments: wb.Judgments
) -> None:
    expected = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", progress=False).to_dict()
    for source in (judgments, judgments.path, str(judgments.path)):
        found = landmarks.evaluate(QUERIES, source, "nDCG@10", progress=False)
        assert found.to_dict() == expected
    tuned = [landmarks.tune(QUERIES, s, progress=False).best for s in (QRELS, judgments.path)]
    assert tuned[0] == tuned[1]


def test_a_disagreement_needs_a_rule_and_is_counted(
    landmarks: Workbench, judgments: wb.Judgments
) -> None:
    first = judgments.current()[0]
    judgments.add(first.query_id, first.paper_id, first.grade + 1, who="bob")
    with pytest.raises(EvaluationError, match="people disagree on 1 of"):
        landmarks.evaluate(QUERIES, judgments, "RR", progress=False)
    settled = wb.Judgments(judgments.path, conflicts="lowest")
    report = landmarks.evaluate(QUERIES, settled, "RR", progress=False)
    assert report.settled == 1
    assert "1 pair judged differently" in str(report)


def test_the_loop_of_judging_closes(landmarks: Workbench, judgments: wb.Judgments) -> None:
    """Take a third of the judgments away: what is suggested is unjudged, and judging it as the
    full judgments do is what tuning then sees."""
    truth = {(j.query_id, j.paper_id): j.grade for j in judgments}
    for query_id, paper_id in list(truth)[::3]:
        judgments.retract(query_id, paper_id)
    asked = wb.read_queries(QUERIES)
    found = landmarks.judge_next(asked, judgments, 8, progress=False)
    assert len(found) == 8
    assert found.changing > 0
    standing = {(j.query_id, j.paper_id) for j in judgments}
    for suggestion in found:
        assert (suggestion.query_id, suggestion.paper_id) not in standing
        assert suggestion.query in {query.text for query in asked}
        assert suggestion.title
    top = found[0]
    judgments.add(top.query_id, top.paper_id, top.grade)
    after = landmarks.judge_next(asked, judgments, 10**6, progress=False)
    assert (top.query_id, top.paper_id) not in {(s.query_id, s.paper_id) for s in after}
    # Its promise holds: the rival is now ahead of the weights that won, by the gain.
    curve = landmarks.tune(asked, judgments, progress=False)
    ahead = curve.at(top.rival["dense"]) - curve.at(top.winner["dense"])
    assert ahead == pytest.approx(top.gain, abs=1e-12)


def test_signals_and_contenders_can_be_named(landmarks: Workbench, judgments: wb.Judgments) -> None:
    for query_id, paper_id in [(j.query_id, j.paper_id) for j in judgments][::2]:
        judgments.retract(query_id, paper_id)
    two = [{"bm25": 0.35, "dense": 0.65}, {"bm25": 0.2, "title": 0.1, "dense": 0.7}]
    found = landmarks.judge_next(QUERIES, judgments, 3, contenders=two, progress=False)
    assert all(dict(s.rival) in two for s in found)
    three = landmarks.judge_next(
        QUERIES, judgments, 3, metric="P@5", signals=("bm25", "title", "dense"), progress=False
    )
    assert three.metric == "P@5"
    assert set(three.winner) == {"bm25", "title", "dense"}
    with pytest.raises(WeightError, match="sparse"):
        landmarks.judge_next(QUERIES, judgments, signals=("bm25", "sparse"), progress=False)


def test_two_rankings_are_compared_by_what_tells_them_apart(landmarks: Workbench) -> None:
    ranking = landmarks.search("dense retrieval", profile="fast")  # two signals: no feedback
    found = landmarks.compare(ranking, ranking.reweigh({"dense": 0.1}))
    assert (found.first, found.second) == ("bm25 0.35, dense 0.65", "bm25 0.9, dense 0.1")
    assert 0 < found.rbo < 1
    assert all(move.title for move in found.moves)
    same = landmarks.compare(ranking, ranking)
    assert (same.rbo, same.tau, same.shared) == (pytest.approx(1), pytest.approx(1), 10)
    other = landmarks.search("word embeddings")
    assert landmarks.compare(ranking, other).second == "word embeddings"
    assert landmarks.compare(ranking, other.paper_ids).first == "dense retrieval"
    assert landmarks.compare(ranking, ranking.reweigh(normaliser="rrf")).second == "rrf"
    assert (same.first, same.second) == ("first", "second")
