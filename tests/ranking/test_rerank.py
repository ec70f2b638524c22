"""The rerank stage: which rows are scored, what the others get, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.corpus.chunking import embedding_text
from workbench.errors import ModelError, ModelNotFound
from workbench.profiles import NORMALISERS, Profile
from workbench.ranking.fusion import normalise
from workbench.ranking.rerank import rerank
from workbench.records import Candidates
from workbench.session import Workbench

QUERY = "late interaction retrieval"


class Length:
    """Scores a passage by its length; remembers what it was asked."""

    name, signal, fingerprint = "length", "length", "length-1"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float64]:
        self.asked += [(query, passage) for passage in passages]
        return np.array([float(len(passage)) for passage in passages])


class Wrong(Length):
    """Gives what it was told to."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def scores(self, query: str, passages: Sequence[str]) -> Any:
        return self.found


@pytest.fixture(scope="module")
def candidates(landmarks: Workbench) -> Candidates:
    return landmarks.search(QUERY, profile=Profile(feedback=False)).candidates


ROWS = np.array([7, 2, 11])


def test_scored_rows_have_their_scores_and_others_the_least(
    landmarks: Workbench, candidates: Candidates
) -> None:
    reranker = Length()
    found = rerank(candidates, ROWS, reranker, landmarks.engine)
    column = found.column("length")
    assert found.signals == (*candidates.signals, "length")
    assert np.array_equal(found.values[:, :-1], candidates.values)
    assert [(query, float(len(text))) for query, text in reranker.asked] == [
        (QUERY, column[row]) for row in ROWS
    ]
    others = np.delete(column, ROWS)
    assert set(others) == {column[ROWS].min()} == {found.lower[-1]}
    assert found.fingerprint != candidates.fingerprint


def test_passages_are_read_with_their_titles(landmarks: Workbench, candidates: Candidates) -> None:
    reranker = Length()
    rerank(candidates, ROWS[:1], reranker, landmarks.engine)
    key = str(candidates.paper_ids[7]), int(candidates.numbers[7])
    [paper], [passage] = landmarks.engine.papers([key[0]]), landmarks.engine.passages([key])
    assert reranker.asked == [(QUERY, embedding_text(paper.title, passage.text))]


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_rows_that_were_not_scored_have_no_advantage(
    landmarks: Workbench, candidates: Candidates, normaliser: str
) -> None:
    found = rerank(candidates, ROWS, Length(), landmarks.engine)
    column = normalise(found, normaliser)[:, -1]
    assert np.delete(column, ROWS).max() <= column[ROWS].min()
    assert np.isfinite(column).all()


def test_without_rows_the_column_is_there(landmarks: Workbench, candidates: Candidates) -> None:
    none = np.zeros(0, dtype=np.intp)
    assert not rerank(candidates, none, Length(), landmarks.engine).column("length").any()
    empty = landmarks.search(QUERY, ids=["nobody"]).candidates
    found = rerank(empty, none, Length(), landmarks.engine)
    assert found.values.shape == (0, len(empty.signals) + 1)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], r"shape \(2,\) for 3 passages"),
        (1.0, r"shape \(\) for 3"),
        ([1.0, float("nan"), float("inf")], "2 scores that are not finite"),
    ],
    ids=str,
)
def test_scores_that_cannot_be_meant_are_refused(
    landmarks: Workbench, candidates: Candidates, scores: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        rerank(candidates, ROWS, Wrong(scores), landmarks.engine)


def test_a_reranker_that_is_nowhere_is_named_before_anything_is_retrieved(
    landmarks: Workbench,
) -> None:
    with pytest.raises(ModelNotFound, match="no-such-reranker"):
        landmarks.search(QUERY, profile=Profile(reranker="../no-such-reranker"))
