"""What a cell gets from a widget: the live one, its static form, and nothing of an earlier run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import ref

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output
from ipywidgets.widgets.widget import _instances

from workbench.opening import import_panel, open_corpus
from workbench.session import Workbench
from workbench.widgets.ask_panel import AskPanel
from workbench.widgets.compare import ComparePanel
from workbench.widgets.judging import judge
from workbench.widgets.live import VIEW, Live
from workbench.widgets.memory_plot import memory_plot
from workbench.widgets.panel import Panel, panel
from workbench.widgets.profile_picker import profile_picker
from workbench.widgets.search_panel import SearchPanel

QUERY = "late interaction retrieval"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """IPython as a kernel has it, which knows what cell runs."""
    shell = InteractiveShell.instance()
    monkeypatch.setattr(shell, "get_parent", lambda: run_of("a", 1), raising=False)
    yield shell
    InteractiveShell.clear_instance()


def run_of(cell: str, run: int) -> dict[str, Any]:
    return {"metadata": {"cellId": cell}, "header": {"msg_id": f"{cell}-{run}"}}


def outputs(live: Live) -> list[dict[str, Any]]:
    """The bundles that a cell gets."""
    with capture_output() as got:
        display(live)
    return [output.data for output in got.outputs]


@pytest.fixture
def lives(landmarks: Workbench, tmp_path: Path) -> list[tuple[Live, str]]:
    """Every widget, and what its static form must say."""
    asked = [{"id": "q", "text": QUERY}]
    judging = judge(landmarks, asked, tmp_path / "judged.jsonl", who="ada")
    judging.judgments.add("q", "khattab2020colbert", 3, note="the <paper> itself")
    return [
        (SearchPanel(landmarks, QUERY), "ColBERT"),
        (panel(landmarks, query=QUERY), "ColBERT"),
        (ComparePanel(landmarks, QUERY), "ColBERT"),
        (judging, "the &lt;paper&gt; itself"),
        (memory_plot(), "models"),
        (profile_picker(landmarks), "n_retrieval"),
        (AskPanel(landmarks, "What is late interaction?", words=30), "What is late interaction?"),
        (import_panel(tmp_path / "new"), "Run the cell to choose files."),
    ]


@pytest.mark.usefixtures("shell")
def test_a_cell_gets_the_widget_and_its_static_form_until_it_is_closed(
    landmarks: Workbench, lives: list[tuple[Live, str]]
) -> None:
    for live, said in lives:
        first, second = outputs(live)
        assert first[VIEW]["model_id"] == live.widget.model_id
        assert "text/html" not in first
        assert said in second["text/html"]
        assert live.widget.model_id in second["text/html"]
        assert f"wb-live-{live.widget.model_id}" in live.widget._dom_classes
        assert said in live._repr_mimebundle_()["text/html"]
        assert "\n" not in repr(live)
    tabs = next(live for live, _ in lives if isinstance(live, Panel))
    for place in range(len(tabs._boxes)):
        tabs._build(place)
    for live, _ in lives:
        live.close()
        live.close()  # its cell run again, after a person closed it
        assert "closed" in repr(live)
        assert not reaches(live, landmarks), type(live)


def reaches(start: object, what: object) -> bool:
    """Whether one object keeps another alive; modules and classes are always there."""
    seen, waiting = {id(start)}, [start]
    while waiting:
        for held in gc.get_referents(waiting.pop()):
            if held is what:
                return True
            known = isinstance(held, ModuleType | type) or id(held) in seen
            if not known and not (isinstance(held, dict) and "__builtins__" in held):
                seen.add(id(held))
                waiting.append(held)
    return False


@pytest.mark.usefixtures("shell")
def test_the_static_form_follows(landmarks: Workbench) -> None:
    live = SearchPanel(landmarks, QUERY)
    outputs(live)
    live.search("batch normalization")
    with capture_output() as got:
        live.keep()
    (output,) = got.outputs
    assert "Batch Normalization" in output.data["text/html"]
    live.close()


def test_running_a_cell_again_closes_what_it_showed(
    landmarks: Workbench, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, benches = set(_instances), []
    for run in range(3):
        monkeypatch.setattr(shell, "get_parent", lambda run=run: run_of("b", run), raising=False)
        bench = open_corpus(landmarks.folder, progress=False)
        benches.append(ref(bench))
        shell.user_ns["panel"] = panel(bench)
        del bench
        outputs(shell.user_ns["panel"])
        opened = set(_instances) - before
        if not run:
            first = len(opened)
        assert len(opened) == first  # those of one panel
        assert [one() is not None for one in benches] == [False] * run + [True]
    # One that a variable still names, or that another cell shows again, stays.
    kept = shell.user_ns["kept"] = SearchPanel(landmarks, QUERY)
    for run, live in enumerate((kept, shell.user_ns["panel"]), start=5):
        monkeypatch.setattr(shell, "get_parent", lambda run=run: run_of("b", run), raising=False)
        outputs(live)
    assert kept.ranking is not None
