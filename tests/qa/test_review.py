"""A person's verdicts on quotes, and what is remembered between answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.errors import AnswerError
from workbench.qa.asking import Stages
from workbench.qa.choose import choose
from workbench.qa.evidence import find_sources, weigh_sentences
from workbench.qa.outline import make_outline
from workbench.qa.records import Draft, Section, Sentence
from workbench.qa.writers.base import Task
from workbench.session import Workbench

QUESTION = "How do late-interaction models keep their index small?"


class Counting:
    """Writes each quote as a sentence, and counts what it was asked for."""

    def __init__(self, fingerprint: str) -> None:
        self.name = self.fingerprint = fingerprint
        self.titles: list[str] = []
        self.fails = False

    def write(self, task: Task) -> Draft:
        self.titles.append(task.plan.title)
        if self.fails:
            raise ZeroDivisionError("down")
        sentences = tuple(Sentence(quote.text, (quote.id,)) for quote in task.plan.quotes)
        return Draft(Section("x", sentences, self.name))


@pytest.fixture(scope="module")
def answer(landmarks: Workbench) -> wb.Answer:
    return landmarks.ask(QUESTION, words=600)


def planned(answer: wb.Answer) -> list[list[str]]:
    return [[quote.id for quote in plan.quotes] for plan in answer.stages["outline"].plans]


def test_every_rejected_quote_is_gone_and_only_its_section_changed(
    landmarks: Workbench, answer: wb.Answer
) -> None:
    for ids in planned(answer):
        name = ids[-1]
        reviewed = landmarks.review(answer, reject=[name])
        assert name not in [quote.id for quote in reviewed.quotes]
        assert [quote.id for quote in reviewed.rejected] == [name]
        assert answer.quote(name).text not in reviewed.to_markdown().replace("\\", "")
        changed = [a.title for a in answer.sections if a not in reviewed.sections]
        gone = [s for s in answer.sections if name in {c for t in s.sentences for c in t.citations}]
        assert changed == [section.title for section in gone]
        assert len(reviewed.tldr) == len(answer.tldr)
        assert reviewed.check(landmarks.engine) == []
        assert any(d.reason == "rejected by a person" for d in reviewed.audit().dropped)


def test_verdicts_are_saved_and_taken_back_whole(
    landmarks: Workbench, answer: wb.Answer, tmp_path: Path
) -> None:
    first, second = planned(answer)[0][:2]
    reviewed = landmarks.review(answer, accept=[second], reject=[first])
    assert reviewed.accepted == (second,)
    assert list(reviewed.to_frame().query("accepted")["id"]) == [second]
    opened = wb.open_answer(reviewed.save(tmp_path / "answer.json"))
    assert json.dumps(opened.to_dict()) == json.dumps(reviewed.to_dict())
    again = landmarks.review(opened, accept=[second], reject=[first])
    assert again.fingerprint == reviewed.fingerprint
    assert landmarks.review(again).fingerprint == answer.fingerprint
    everything = landmarks.review(answer, reject=[i for ids in planned(answer) for i in ids])
    assert everything.quotes == everything.sections == ()
    assert "Every quote of this answer was rejected" in str(everything)


def test_an_unknown_quote_or_two_verdicts_are_told(landmarks: Workbench, answer: wb.Answer) -> None:
    with pytest.raises(AnswerError, match="'q999', which is no quote"):
        landmarks.review(answer, reject=["q999"])
    with pytest.raises(AnswerError, match="both accepted and rejected"):
        landmarks.review(answer, accept="q1", reject="q1")


def test_a_writer_is_asked_for_the_section_that_changed_alone(landmarks: Workbench) -> None:
    writer = Counting("counting-1")
    answer = landmarks.ask(QUESTION, words=600, writer=writer)
    titles, writer.titles = writer.titles, []
    assert sorted(titles) == sorted(section.title for section in answer.sections)
    ids = planned(answer)[1]
    reviewed = landmarks.review(answer, reject=ids[:1], writer=writer)
    assert writer.titles == [answer.sections[1].title]
    landmarks.review(reviewed, accept=ids[1:2], reject=ids[:1], writer=writer)
    assert landmarks.review(reviewed, writer=writer).fingerprint == answer.fingerprint
    assert landmarks.ask(QUESTION, words=600, writer=writer).fingerprint == answer.fingerprint
    assert len(writer.titles) == 1  # the rest was remembered


def test_what_failed_is_tried_again_and_then_remembered(landmarks: Workbench) -> None:
    writer = Counting("counting-2")
    writer.fails = True
    failed = landmarks.ask(QUESTION, writer=writer)
    assert {section.writer for section in failed.sections} == {"extractive"}
    writer.fails = False
    worked = landmarks.ask(QUESTION, writer=writer)
    assert {section.writer for section in worked.sections} == {"counting-2"}
    asked = len(writer.titles)
    assert landmarks.ask(QUESTION, writer=writer).fingerprint == worked.fingerprint
    assert len(writer.titles) == asked


def test_every_stage_can_be_another_and_is_made_once(landmarks: Workbench) -> None:
    made: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def stage(*given: Any) -> Any:
            made.append(name)
            return function(*given)

        return stage

    def first(evidence: Any, words: int) -> Sequence[int]:
        return choose(evidence, words)[:2]

    stages = Stages(
        retrieve=counted("retrieve", lambda search: search().reweigh({"bm25": 1})),
        keep=counted("keep", find_sources),
        weigh=counted("weigh", weigh_sentences),
        choose=counted("choose", first),
        outline=counted("outline", make_outline),
    )
    answer = landmarks.ask(QUESTION, stages=stages)
    assert made == ["retrieve", "keep", "weigh", "choose", "outline"]
    assert len(answer.quotes) == 2
    assert answer.stages["retrieve"].profile.weights["bm25"] == 1
    assert landmarks.ask(QUESTION, stages=stages).fingerprint == answer.fingerprint
    assert len(made) == 5
    landmarks.ask(QUESTION, stages=stages, words=100)  # another length needs another choice
    assert made[5:] == ["choose", "outline"]
