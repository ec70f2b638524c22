"""Papers by aspects: spans or an explicit "not found"."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import AnswerError, ProfileError, QueryError, WriterError
from workbench.qa.aspects import LEAST, weigh_aspect
from workbench.qa.records import Draft, Section, Sentence
from workbench.qa.roles import ROLES, role_probabilities
from workbench.qa.table import NOT_FOUND
from workbench.qa.writers.base import Task
from workbench.session import Workbench

QUESTION = "How do late-interaction models keep their index small?"


@pytest.fixture(scope="module")
def answer(landmarks: Workbench) -> wb.Answer:
    return landmarks.ask(QUESTION)


ASPECTS = st.sampled_from(["method", "Data", "results", "latency", "\u00e9", "the"])


@given(st.lists(ASPECTS, min_size=1, unique=True))
def test_every_cell_is_a_span_or_not_found(
    landmarks: Workbench, answer: wb.Answer, aspects: list[str]
) -> None:
    table = answer.table(aspects)
    assert len(table.cells) == len(answer.paper_ids) * len(aspects)
    assert table.check(landmarks.engine) == []
    papers = {p.id: p for p in landmarks.engine.papers(answer.paper_ids)}
    for cell in table.cells:
        spans = [papers[q.paper_id].text[q.start : q.end] for q in cell.quotes]
        assert [cell.text] == spans if cell.found else cell.text == NOT_FOUND
        assert all(quote.paper_id == cell.paper_id for quote in cell.quotes)
    frame = table.to_frame()
    for aspect in aspects:
        found = [table.cell(i, aspect).found for i in answer.paper_ids]
        assert list(frame[aspect].notna()) == found
        assert list(frame[f"{aspect} start"].notna()) == found


def test_a_saved_answer_fills_cells_from_the_passages_it_carries(
    landmarks: Workbench, answer: wb.Answer, tmp_path: Path
) -> None:
    opened = wb.open_answer(answer.save(tmp_path / "answer.json"))
    table = opened.table("result")
    assert table.check(landmarks.engine) == []
    assert any(cell.found for cell in table.cells)
    assert opened.table("result", papers=landmarks.engine).cells == answer.table("result").cells
    html, text = table._repr_html_(), str(table)
    for cell in table.cells:
        assert cell.text in text
        assert cell.found or "wb-absent" in html


def test_a_writers_cell_is_checked_against_its_quotes(
    landmarks: Workbench, answer: wb.Answer
) -> None:
    class Half:
        name = fingerprint = "half"

        def write(self, task: Task) -> Draft:
            quote = task.plan.quotes[0]
            if "data" in task.question:
                raise ZeroDivisionError("down")
            invented = Sentence("It is 99 times faster on Mars.", (quote.id,))
            return Draft(Section("x", (Sentence(quote.text, (quote.id,)), invented)))

    table = answer.table(["method", "data"], writer=Half())
    assert table.check(landmarks.engine) == []
    assert all("Mars" not in cell.text for cell in table.cells)
    assert all(cell.found for cell in table.cells if cell.aspect == "method")
    plain = answer.table(["data"])
    for cell in table.cells:
        if cell.aspect == "data":
            assert cell.text == plain.cell(cell.paper_id, "data").text
            assert "down" in cell.note


@pytest.mark.parametrize("aspects", [[], [""], ["a", "a"], [3], [f"a{n}" for n in range(21)]])
def test_aspects_that_are_none_are_told(answer: wb.Answer, aspects: list[str]) -> None:
    with pytest.raises(AnswerError, match="give 1 to 20 different texts"):
        answer.table(aspects)


SHARES = {"background": 0.8, "objective": 0.45, "method": 0.6, "result": 0.7}


def test_roles_of_sentences_are_found(shared_data: Callable[[str], Path]) -> None:
    """On the part of CSAbstruct that the model was not made of: of the cells, and of the abstracts
    that have such a sentence, so many are right."""
    lines = shared_data("data/csabstruct").joinpath("dev.jsonl").read_text("utf-8").splitlines()
    abstracts = [json.loads(line) for line in lines]
    for aspect, least in SHARES.items():
        right = taken = there = 0
        for abstract in abstracts:
            labels, sentences = abstract["labels"], abstract["sentences"]
            weights = weigh_aspect(aspect, sentences)
            best = max(range(len(weights)), key=weights.__getitem__)
            there += aspect in labels
            if weights[best] >= LEAST:
                taken += 1
                right += labels[best] == aspect
        assert right / taken > least, aspect
        assert right / there > 0.45, aspect


@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_sentences_have_roles(sentences: list[str]) -> None:
    shares = role_probabilities(sentences)
    assert shares.shape == (len(sentences), len(ROLES))
    totals = shares.sum(axis=1)
    assert np.all((np.abs(totals - 1) < 1e-9) | (totals == 0))
    for aspect in ("method", "data", "limitations", "kelp"):
        assert len(weigh_aspect(aspect, sentences)) == len(sentences)


def test_settings_are_given_as_in_ask(answer: wb.Answer) -> None:
    plain = answer.table("result")
    assert answer.table("result", writer="extractive", profile="fast").cells == plain.cells
    with pytest.raises(ProfileError, match="slow"):
        answer.table("result", profile="slow")
    with pytest.raises(ProfileError, match="give a Profile"):
        answer.table("result", profile=7)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(WriterError, match="poet"):
        answer.table("result", writer="poet")
    with pytest.raises(QueryError, match="above 0"):
        answer.table("result", seconds=0)
