"""The kernel's side of the ask panel: what it answers to what the page says."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from workbench.qa.records import Draft, Section
from workbench.qa.writers.base import Task
from workbench.session import Workbench
from workbench.widgets.ask_panel import AskPanel

QUESTION = "How do late-interaction models keep their index small?"
OTHER = "How can ranked lists be merged when their scores are not comparable?"


def say(panel: AskPanel, monkeypatch: pytest.MonkeyPatch, **message: Any) -> list[Any]:
    """Speak as the page does; gives what came back."""
    said: list[Any] = []
    monkeypatch.setattr(panel.page, "send", said.append)
    panel._hear(panel.page, message, [])
    panel.wait()
    return said


def test_the_panel_shows_what_ask_gives_and_its_code_gives_it_again(
    landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = AskPanel(landmarks, QUESTION, words=250)
    answer = landmarks.ask(QUESTION, words=250)
    assert panel.answer is not None
    assert panel.answer.fingerprint == answer.fingerprint
    shown = panel.page.answer
    assert [s["title"] for s in shown["sections"]] == [s.title for s in answer.sections]
    for quote in answer.quotes:
        content = shown["quotes"][quote.id]
        before, after = content["before"].strip("…"), content["after"].strip("…")
        (paper,) = landmarks.engine.papers([quote.paper_id])
        assert before + content["text"] + after in paper.text
    assert [stage["state"] for stage in panel.page.progress["stages"]] == ["done"] * 4
    first, second = (quote.id for quote in answer.quotes[:2])
    say(panel, monkeypatch, type="verdict", answer=1, quote=first, verdict="rejected")
    say(panel, monkeypatch, type="verdict", answer=1, quote=second, verdict="accepted")
    assert panel.page.answer["rejected"] == [first]
    assert panel.page.answer["accepted"] == [second]
    names: dict[str, Any] = {}
    exec(panel.code(), names)
    assert names["answer"].accepted == (second,)
    say(panel, monkeypatch, type="verdict", answer=1, quote=first, verdict="")
    assert panel.page.answer["rejected"] == []
    (export,) = say(panel, monkeypatch, type="export", format="BibTeX")
    assert export["text"] == panel.answer.to_bibtex()
    html = panel._repr_mimebundle_()["text/html"]
    assert "wb-evidence" in html
    assert QUESTION in html


def test_earlier_questions_come_back_and_errors_are_told(
    landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = AskPanel(landmarks)
    assert panel.code() == ""
    say(panel, monkeypatch, type="ask", question=QUESTION, writer="extractive", words=150)
    assert panel.ask(OTHER) is panel.answer
    assert [entry["question"] for entry in panel.page.history] == [QUESTION, OTHER]
    say(panel, monkeypatch, type="open", number=1)
    assert panel.page.answer["question"] == panel.page.settings["question"] == QUESTION
    assert panel.ask("  ") is None
    assert "empty" in panel.page.message["text"]
    assert panel.page.answer["question"] == QUESTION  # what was there stays
    say(panel, monkeypatch, type="verdict", answer=1, quote="q999", verdict="rejected")
    assert "q999" in panel.page.message["text"]
    say(panel, monkeypatch, type="verdict", answer=2, quote="q1", verdict="rejected")
    assert "open the one of this quote" in panel.page.message["text"]
    assert panel.page.answer["rejected"] == []
    assert not panel.page.progress["running"]


def test_stop_keeps_what_is_finished(landmarks: Workbench) -> None:
    writing = threading.Event()

    class Slow:
        name = fingerprint = "slow-panel"

        def write(self, task: Task) -> Draft:
            if all(quote.id != "q1" for quote in task.plan.quotes):
                writing.set()
                task.stop.wait(60)
            return Draft(Section("x", ()))

    panel = AskPanel(landmarks, QUESTION, writer=Slow(), words=600)
    assert writing.wait(60)
    panel.stop()
    panel.wait()
    assert panel.answer is not None
    assert not panel.answer.complete
    assert any("Interrupted" in note for note in panel.answer.notes)
    panel.close()
