"""Two settings side by side: what each side ranks, and what is said of both."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import ModelNotFound
from workbench.evaluation.likeness.list_comparison import compare_lists
from workbench.profiles import Profile
from workbench.ranking.weights import balance_of, with_balance
from workbench.session import Workbench
from workbench.widgets.compare import ComparePanel
from workbench.widgets.search_panel import SearchPanel

WORDS = with_balance(Profile().weights, 0.0)
QUERY = "getting a model to show its working"


def test_a_is_the_session_and_b_starts_with_words_alone(landmarks: Workbench) -> None:
    panel = ComparePanel(landmarks, QUERY)
    assert panel.rankings is not None
    first, second = panel.rankings
    assert first.paper_ids == landmarks.search(QUERY).paper_ids
    words = with_balance(landmarks.profile.weights, 0.0)
    assert second.paper_ids == landmarks.search(QUERY, weights=words).paper_ids
    assert panel.comparison == compare_lists(first, second, labels=("A", "B"))


def test_controls_change_their_side_only(landmarks: Workbench) -> None:
    panel = ComparePanel(landmarks, QUERY)
    assert panel.rankings is not None
    before = panel.rankings[0].fingerprint
    panel.b.balance.value = 1.0
    panel.b.normaliser.value = "rrf"
    assert panel.rankings[0].fingerprint == before
    dense = landmarks.search(QUERY, weights=with_balance(landmarks.profile.weights, 1.0))
    assert panel.rankings[1].paper_ids == dense.reweigh(normaliser="rrf").paper_ids
    panel.k.value = 20
    assert [len(ranking) for ranking in panel.rankings] == [20, 20]


def test_a_is_what_the_search_panel_is_set_to(landmarks: Workbench) -> None:
    search, panel = SearchPanel(landmarks, QUERY, k=5), ComparePanel(landmarks, k=5)
    panel.follow(search.state, search.profile)
    for weights in ({"dense": 1.0}, {"bm25": 0.25, "dense_feedback": 0.75}):
        search.search(QUERY, weights=weights)
        panel.follow(search.state, search.profile)
        assert panel.rankings is not None
        assert search.ranking is not None
        first, second = panel.rankings
        assert first.fingerprint == search.ranking.fingerprint
        assert second.paper_ids == landmarks.search(QUERY, 5, weights=WORDS).paper_ids
    panel.b.profile.value = "default"  # the name's own settings, not the panel's
    panel.b.balance.value = balance_of(Profile.named("default").weights)
    assert panel.rankings[1].paper_ids == landmarks.search(QUERY, 5).paper_ids
    panel.a.profile.value = "default"
    search.search("skip lists")
    panel.follow(search.state, search.profile)
    assert panel.a.profile.value == "default"  # what a person chose there stays
    assert panel.query.value == "skip lists"


def test_a_profile_brings_its_own_weights(landmarks: Workbench) -> None:
    words = Profile(name="words", weights={"bm25": 1.0})
    panel = ComparePanel(landmarks, QUERY, other_profile=words)
    assert panel.b.balance.value == 0.0
    panel.b.profile.value = "default"
    own = balance_of(Profile.named("default").weights)
    assert panel.b.balance.value == pytest.approx(own)
    assert panel.comparison is not None
    assert panel.comparison.rbo == pytest.approx(1.0)


def test_a_reranker_is_a_setting_too(landmarks: Workbench) -> None:
    panel = ComparePanel(landmarks, QUERY, other_profile=Profile())
    panel.b.reranker.value = "late-interaction"
    assert panel.rankings is not None
    assert "late_interaction" in panel.rankings[1].candidates.signals
    assert not panel.messages.widget.value


def test_two_engines(landmarks: Workbench) -> None:
    panel = ComparePanel(landmarks, QUERY, other={"again": landmarks})
    assert (panel.a.engine.value, panel.b.engine.value) == ("this", "again")
    assert panel.comparison is not None
    assert panel.comparison.rbo == pytest.approx(1.0)


def test_an_error_stays_inside(landmarks: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ModelNotFound("no weights; give a folder")

    panel = ComparePanel(landmarks, QUERY)
    with monkeypatch.context() as patched:
        patched.setattr(landmarks, "search", broken)
        panel.search("other words")
        assert "no weights; give a folder" in panel.messages.widget.value
    panel.search("attention")
    assert not panel.messages.widget.value
    panel.search(" ")
    assert panel.output.value == ""


def test_titles_are_text(landmarks: Workbench) -> None:
    panel = ComparePanel(landmarks, "<script>alert(1)</script> attention")
    assert "<script>" not in panel.output.value
