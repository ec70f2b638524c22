"""Steps: undo, redo, names, files; and that what is copied is what is seen, whatever was done."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import QueryError, UnsupportedSource
from workbench.profiles import Profile
from workbench.ranking.editing import QueryEdits
from workbench.session import Workbench
from workbench.widgets.search_panel import SearchPanel
from workbench.widgets.state import PanelState
from workbench.widgets.steps import MOST, Steps, change_of

QUERY = "late interaction retrieval"


def send(panel: SearchPanel, **changes: Any) -> None:
    """Settings as the browser sends them: all of them, with the next number."""
    old = panel.page.settings
    panel.page.settings = {**old, **changes, "seq": old["seq"] + 1}


def say(panel: SearchPanel, **message: Any) -> None:
    panel._hear(panel.page, {"result": panel.page.result["id"], **message}, [])


number = st.sampled_from([0.0, 0.1, 0.35, 1.0])
weights = st.fixed_dictionaries(dict.fromkeys(("bm25", "title", "dense"), number))
word = st.sampled_from(["late", "interaction", "retrieval", "banana", "two words", "ranking"])
edits = st.fixed_dictionaries(
    {},
    optional={
        "mute": st.lists(word, max_size=2),
        "boost": st.dictionaries(word, st.sampled_from([2.0, 0.5, -1.0]), max_size=2),
        "require": st.lists(word, max_size=1),
        "add": st.dictionaries(word, st.just(0.5), max_size=2),
    },
)
year = st.sampled_from([None, "2015", 2022, "x"])
filters = st.fixed_dictionaries(
    {}, optional={"year": st.tuples(year, year).map(list), "author": st.sampled_from(["", "khat"])}
)
changes = st.one_of(
    st.fixed_dictionaries({"query": st.sampled_from([QUERY, "retrieval of passages", "", "  "])}),
    st.fixed_dictionaries({"weights": weights, "gesture": st.integers(1, 3)}),
    st.fixed_dictionaries({"edits": edits}),
    st.fixed_dictionaries({"filters": filters}),
    st.fixed_dictionaries({"k": st.sampled_from([0, 5, 10])}),
    st.fixed_dictionaries({"normaliser": st.sampled_from(["min-max", "rrf", "magic"])}),
).map(lambda change: ("send", change))
moves = st.sampled_from(["undo", "redo", "settle", "pin", "unpin"]).map(lambda move: (move, {}))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(changes | moves, max_size=12))
def test_what_is_copied_is_what_is_seen(
    landmarks: Workbench, actions: list[tuple[str, dict[str, Any]]]
) -> None:
    panel = SearchPanel(landmarks, QUERY)
    first = panel.state
    for kind, change in actions:
        if kind == "send":
            send(panel, **change)
        else:
            say(panel, type=kind)
        page = panel.page
        shown = {name: page.settings[name] for name in panel.state.settings()}
        assert PanelState.of(shown, panel.base) == panel.state
        assert panel.steps.current is not None
        assert panel.steps.current.state == panel.state
        if panel.ranking is None:
            assert panel.code() == ""
            continue
        order = page.order if page.order.get("result") == page.result["id"] else page.result
        ids = [page.result["ids"][_paper(page.result, row)] for row in order["order"]]
        assert ids == panel.ranking.paper_ids
    if panel.ranking is not None:
        names: dict[str, Any] = {}
        exec(panel.code(), names)
        assert names["ranking"].fingerprint == panel.ranking.fingerprint
    for _ in range(len(panel.steps)):
        panel.undo()
    assert panel.state == first
    for _ in range(len(panel.steps)):
        panel.redo()
    assert panel.steps.at == len(panel.steps) - 1
    panel.close()


def _paper(result: dict[str, Any], row: int) -> int:
    import numpy as np

    starts = np.frombuffer(result["starts"], dtype=np.int32)
    return int(np.searchsorted(starts, row, side="right")) - 1


def test_one_pull_of_a_slider_is_one_step_and_a_change_drops_what_was_undone() -> None:
    base = PanelState(query="a", weights={"bm25": 0.5})
    steps = Steps().record(base)
    for tenth in range(3):
        state = PanelState(query="a", weights={"bm25": tenth / 10})
        steps = steps.record(state, gesture=7)
    assert [step.name for step in steps.done] == ["“a”", "bm25 0.50 → 0.20"]
    steps = steps.with_current(0.5).record(PanelState(query="b"), gesture=7)
    assert len(steps) == 3
    steps = steps.moved(-2).record(PanelState(query="c"))
    assert [step.name for step in steps.done] == ["“a”", "“c”"]
    assert steps.moved(5) == steps
    with pytest.raises(QueryError, match="no step 9"):
        steps.gone_to(9)


def test_of_many_steps_the_first_the_named_and_the_last_stay() -> None:
    steps = Steps()
    for number in range(3 * MOST):
        steps = steps.record(PanelState(query=str(number)))
        if number == 5:
            steps = steps.renamed(6, "mine")
    assert len(steps) == MOST
    kept = [1, 6, *range(2 * MOST + 3, 3 * MOST + 1)]
    assert [step.number for step in steps.done] == kept
    start = steps.moved(-MOST).current
    assert start is not None
    assert start.state == PanelState(query="0")
    for number in range(1, 2 * MOST):  # where all are named, old ones go all the same
        steps = steps.record(PanelState(query=f"x{number}"))
        steps = steps.renamed(steps.done[-1].number, "each")
    assert len(steps) == MOST
    assert steps.done[0].number == 1


def test_a_message_brings_along_what_ipywidgets_holds_back(landmarks: Workbench) -> None:
    panel = SearchPanel(landmarks, QUERY)
    first, sent = panel.state, panel.page.settings
    number = sent["seq"]
    held = {**sent, "weights": {"bm25": 1.0}, "seq": number + 1}
    say(panel, type="undo", seq=number + 2, settings=held)
    assert panel.state == first
    assert panel.page.answered == number + 2
    panel.page.settings = held  # comes at last, and is undone already
    assert panel.state == first
    say(panel, type="redo", seq=number + 3)
    assert panel.state.weights["bm25"] == 1.0
    held = {**panel.page.settings, "k": 5, "seq": number + 4}
    say(panel, type="pin", settings=held)
    assert panel.pinned is not None
    assert len(panel.pinned.ranking) == 5
    before = panel.page.order
    panel.page.settings = held  # known by now
    assert panel.page.order is before


def test_a_step_says_what_changed() -> None:
    before = PanelState(query="a", weights={"bm25": 1.0, "dense": 0.0})
    said = {
        change_of(before, PanelState(query="a", weights=before.weights, **change))
        for change in (
            {"edits": QueryEdits(mute=("late",), boost={"x": 2})},
            {"year": (2015, None), "author": ("Omar Khattab",)},
            {"k": 20, "normaliser": "rrf"},
            {"profile": Profile(name="mine")},
        )
    }
    assert said == {
        "muted late, x ×2",
        "years 2015–, author Omar Khattab",
        "rrf, 20 hits",
        "profile mine",
    }


def test_a_step_is_named_and_written_to_files(landmarks: Workbench, tmp_path: Path) -> None:
    panel = SearchPanel(landmarks, QUERY, k=5)
    send(panel, weights={"bm25": 1.0}, k=7)
    say(panel, type="rename", step=1, name="  the <default> ")
    assert panel.steps.done[0].name == "the <default>"
    assert "the &lt;default&gt;" in panel.view().html()
    now, then = panel.ranking, landmarks.search(QUERY, 5)
    assert now is not None
    with open(panel.export(tmp_path / "now.csv"), newline="", encoding="utf-8") as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == now.paper_ids
    papers = json.loads(panel.export(tmp_path / "then.json", step=1).read_text("utf-8"))
    assert [paper["id"] for paper in papers] == then.paper_ids
    assert panel.export(tmp_path / "then.bib", step=1).read_text("utf-8").count("\n@") == 4
    assert Profile.from_toml(panel.export(tmp_path / "now.toml")).weights == now.profile.weights
    assert then[0].paper.title in panel.export(tmp_path / "then.html", step=1).read_text("utf-8")
    names: dict[str, Any] = {}
    exec(panel.export(tmp_path / "then.py", step=1).read_text("utf-8"), names)
    assert names["ranking"].paper_ids == then.paper_ids
    with pytest.raises(UnsupportedSource, match="docx"):
        panel.export(tmp_path / "now.docx")
