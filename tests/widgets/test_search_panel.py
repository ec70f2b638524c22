"""The kernel's side of the search panel: what it answers to what the browser sends."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from workbench.errors import ModelNotFound
from workbench.profiles import Profile
from workbench.ranking.weights import with_balance
from workbench.session import Workbench
from workbench.widgets.rankings import REMEMBERED
from workbench.widgets.search_panel import SearchPanel

QUERY = "late interaction retrieval"


@pytest.fixture
def panel(landmarks: Workbench) -> SearchPanel:
    return SearchPanel(landmarks, QUERY, k=7)


def send(panel: SearchPanel, **changes: Any) -> None:
    """Settings as the browser sends them: all of them, with the next number."""
    old = panel.page.settings
    panel.page.settings = {**old, **changes, "seq": old["seq"] + 1}


def hear(panel: SearchPanel, monkeypatch: pytest.MonkeyPatch, **message: Any) -> list[Any]:
    """What the panel answers to a message."""
    said: list[Any] = []
    monkeypatch.setattr(panel.page, "send", said.append)
    panel._hear(panel.page, {"result": panel.page.result["id"], **message}, [])
    return said


def test_the_first_result_is_the_search(panel: SearchPanel, landmarks: Workbench) -> None:
    result, ranking = panel.page.result, landmarks.search(QUERY, k=7)
    ids = [result["cards"][str(row)]["id"] for row in result["order"]]
    assert ids == ranking.paper_ids
    assert result["fingerprint"] == ranking.fingerprint
    columns = np.array([np.frombuffer(column) for column in result["columns"]]).T
    assert np.array_equal(columns, ranking.normalised)
    starts = np.frombuffer(result["starts"], dtype=np.int32)
    assert np.array_equal(starts, ranking.candidates.paper_starts)


def test_moved_weights_reuse_the_candidates(
    panel: SearchPanel, landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmarks, "search", None)  # a retrieval would fail
    weights = with_balance(panel.base.weights, 0.2)
    send(panel, weights=weights)
    assert panel.ranking is not None
    assert panel.page.order["order"] == panel.ranking.rows.tolist()
    assert panel.page.order["fingerprint"] == panel.ranking.fingerprint
    assert panel.page.answered == 1
    assert dict(panel.profile.weights) == weights
    assert not panel.page.message["text"]


def test_another_normaliser_sends_other_columns(panel: SearchPanel) -> None:
    send(panel, normaliser="rrf")
    first = np.frombuffer(panel.page.result["columns"][0])
    assert first.max() <= 1 / 61
    assert panel.page.result["normaliser"] == "rrf"


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"weights": {"bm25": 0, "dense": 0}}, "Weight error"),
        ({"filters": {"year": [2020, 2010]}}, "Filter error"),
        ({"filters": {"year": ["abc", None]}}, "Filter error"),
        ({"edits": {"add": {"two words": 0.5}}}, "Query error"),
        ({"filters": {"author": "!!!"}}, "Filter error"),
        ({"edits": {"mute": ["banana"]}}, "Query error"),
        ({"query": "x" * 100_001}, "Query error"),
        ({"k": 0}, "Query error"),
        ({"normaliser": "magic"}, "Profile error"),
        ({"edits": {"nonsense": 1}}, "Something unexpected"),
    ],
    ids=str,
)
def test_an_error_is_told_and_the_ranking_on_screen_stays(
    panel: SearchPanel, changes: dict[str, Any], title: str
) -> None:
    before, settings = panel.code(), panel.state.settings()
    send(panel, **changes)
    assert panel.page.message["title"] == title
    assert panel.page.answered == 1
    assert panel.code() == before
    # What was refused is gone from the page too, so the next move is not refused with it.
    assert {name: panel.page.settings[name] for name in settings} == settings
    send(panel, k=5)
    assert not panel.page.message["text"]
    assert len(panel.page.order["order"]) == 5


def test_a_missing_model_is_told_and_the_panel_recovers(
    landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ModelNotFound("no weights; give a folder")

    with monkeypatch.context() as patched:
        patched.setattr(landmarks, "search", broken)
        panel = SearchPanel(landmarks, QUERY)
        assert panel.page.message["text"] == "no weights; give a folder"
        assert panel.ranking is None
        assert panel.code() == ""
    send(panel, query="attention")
    assert not panel.page.message["text"]
    assert panel.ranking is not None


def test_no_query_shows_no_hits(panel: SearchPanel) -> None:
    send(panel, query="  ")
    assert panel.ranking is None
    assert "columns" not in panel.page.result
    assert not panel.page.message["text"]


def test_what_is_typed_ahead_is_there_when_asked(
    panel: SearchPanel, landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(panel, monkeypatch, type="ahead", query="attention")
    monkeypatch.setattr(landmarks, "search", None)
    send(panel, query="attention", edits={})
    assert panel.ranking is not None
    assert panel.ranking.query == "attention"


def test_rankings_kept_are_bounded(panel: SearchPanel) -> None:
    for number in range(REMEMBERED + 5):
        send(panel, query=f"attention {number}")
    assert len(panel.rankings) == REMEMBERED


def test_details_add_up_and_go_with_the_weights(
    panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert panel.ranking is not None
    row = panel.page.result["order"][0]
    (reply,) = hear(panel, monkeypatch, type="details", row=row)
    assert reply["row"] == row
    assert reply["details"]["score"] == f"{panel.ranking[0].score:.4f}"
    parts = [float(r["contribution"]) for r in reply["details"]["rows"] if not r["term"]]
    assert sum(parts) == pytest.approx(panel.ranking[0].score, abs=2e-4)


def test_rows_that_are_none_are_no_cards(
    panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(panel, monkeypatch, type="cards", rows=[0, -1, 10**6])
    assert list(panel.page.more["cards"]) == ["0"]
    assert hear(panel, monkeypatch, type="details", row=10**6) == []


def test_a_profile_can_be_used_from_code(panel: SearchPanel) -> None:
    seen = []
    panel.on_ranking(lambda p: seen.append(p.ranking.fingerprint if p.ranking else ""))
    panel.use(Profile(name="words", weights={"bm25": 1.0}))
    assert panel.profile.weights["bm25"] == 1.0
    assert panel.ranking is not None
    assert seen == [panel.ranking.fingerprint]
    panel.search("attention")
    assert panel.ranking.query == "attention"


def test_a_changed_word_keeps_the_edits_of_the_others(panel: SearchPanel) -> None:
    send(panel, edits={"mute": ["late"], "boost": {"retrieval": 2}, "add": {"index": 0.5}})
    send(panel, query="interaction retrieval")
    assert panel.state.edits.to_dict() == {"boost": {"retrieval": 2.0}, "add": {"index": 0.5}}
    assert panel.page.settings["edits"] == panel.state.edits.to_dict()


def test_names_are_offered_and_a_filter_without_papers_says_what_to_try(
    panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reply,) = hear(panel, monkeypatch, type="names", kind="author", text="khat")
    assert reply["names"][0]["name"] == "Omar Khattab"
    count = reply["names"][0]["count"]
    send(panel, filters={"author": "khat"})
    assert panel.page.result["hints"][0]["name"] == "Omar Khattab"
    send(panel, filters={"author": "Khattab, Omar"})
    assert panel.ranking is not None
    assert panel.ranking.papers_found == count


@pytest.mark.parametrize(
    ("query", "said"), [("word " * 200, "first 256 tokens"), ("图神经网络", "may not know")]
)
def test_the_model_behind_an_odd_order_is_named(panel: SearchPanel, query: str, said: str) -> None:
    send(panel, query=query)
    assert said in " ".join(panel.page.result["notes"])
    assert len(panel.page.result["order"]) == 7


def test_settings_that_were_sent_before_an_undo_do_not_come_after_it(
    panel: SearchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ipywidgets holds settings back while an answer is awaited; other messages overtake them."""
    first = panel.state
    send(panel, weights=with_balance(panel.base.weights, 0.2))
    panel._settle()
    sent = panel.page.settings
    hear(panel, monkeypatch, type="undo", seq=sent["seq"] + 2)
    assert panel.page.answered == panel.page.settings["seq"] == sent["seq"] + 2
    late = with_balance(panel.base.weights, 0.9)
    panel.page.settings = {**sent, "weights": late, "seq": sent["seq"] + 1}
    assert panel.state == first
    hear(panel, monkeypatch, type="go", step=99, seq=sent["seq"] + 3)  # there is no such step
    assert "no step 99" in panel.page.message["text"]
    assert panel.page.answered == sent["seq"] + 3


def test_a_cell_asks_for_the_code_while_the_page_moves_weights(panel: SearchPanel) -> None:
    """JupyterLab sends what widgets say to a thread beside the running cell."""
    wishes = [with_balance(panel.base.weights, i / 40) for i in range(40)]
    page = threading.Thread(target=lambda: [send(panel, weights=wish) for wish in wishes])
    page.start()
    names: dict[str, Any] = {"bench": panel.bench}
    while page.is_alive():
        exec(panel.code(), names)  # the cell itself says where it gives another ranking
    page.join()
    assert panel.state.weights == wishes[-1]
