"""What is judged of a pool, what is left, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Hit, Paper, Passage, Query


def hit(name: str) -> Hit:
    return Hit(1, 0.5, Paper(name, "A title"), Passage(name, 0, 0, 1, "A"))


def test_progress_counts_the_pool_and_lists_what_is_left(judgments: Judgments) -> None:
    judgments.add("q1", "b", 1)
    judgments.add("q1", "z", 1)  # below the depth
    judgments.add("q2", "c", 1, who="bob")
    run = {"q1": ["a", "b", "c", "z"], "q2": [hit("c"), hit("d")]}
    progress = judgments.progress(["q1", Query("text", id="q2")], 3, run)
    assert (progress.judged, progress.papers, progress.share) == (2, 5, 0.4)
    assert progress.counts == {"q1": (1, 3), "q2": (1, 2)}
    assert progress.left == (("q1", "a"), ("q1", "c"), ("q2", "d"))
    assert judgments.progress(["q2"], 3, run, who="ann").left == (("q2", "c"), ("q2", "d"))


def test_a_blind_order_is_random_the_same_each_time_and_stable(judgments: Judgments) -> None:
    run = {"q": [f"p{n}" for n in range(30)]}
    first = judgments.progress(["q"], 30, run, seed=1).left
    assert first == judgments.progress(["q"], 30, run, seed=1).left
    assert sorted(first) == sorted(("q", paper) for paper in run["q"])
    assert first != judgments.progress(["q"], 30, run, seed=2).left
    ranks = [int(paper[1:]) for _, paper in first]
    assert abs(np.corrcoef(ranks, range(30))[0, 1]) < 0.5
    judgments.add(*first[7], 1)
    assert judgments.progress(["q"], 30, run, seed=1).left == first[:7] + first[8:]
    judgments.undo()
    assert judgments.progress(["q"], 30, run, seed=1).left == first


def test_progress_of_what_cannot_be_judged_is_refused(judgments: Judgments) -> None:
    with pytest.raises(EvaluationError, match="depth is 0"):
        judgments.progress(["q"], 0, {"q": ["a"]})
    with pytest.raises(EvaluationError, match="'r' has no ranking"):
        judgments.progress(["r"], 1, {"q": ["a"]})
    assert judgments.progress([], 1, {}).share == 1.0
