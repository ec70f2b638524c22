"""The judged questions, the measures, and what answers of the sample corpus are worth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.errors import EvaluationError, QueryError
from workbench.qa.evaluation.baselines import BASELINES
from workbench.qa.evaluation.evaluate import as_lengths
from workbench.qa.evaluation.measures import (
    citation_precision,
    citation_recall,
    coverage,
    redundancy,
    strict_coverage,
)
from workbench.qa.evaluation.questions import JudgedQuestion, read_questions
from workbench.qa.evaluation.report import AnswerReport
from workbench.session import Workbench

FILE = ROOT / "data" / "landmarks" / "questions.jsonl"


@pytest.fixture(scope="module")
def report(landmarks: Workbench) -> AnswerReport:
    return landmarks.evaluate_answers(FILE, words=(150, 300, 600), progress=False)


def test_the_questions_are_whole() -> None:
    questions = read_questions(FILE)
    papers = {
        json.loads(line)["id"]
        for line in (FILE.parent / "papers.jsonl").read_text("utf-8").splitlines()
    }
    assert len(questions) == 25
    assert sum(not question.answerable for question in questions) == 5
    for question in questions:
        assert set(question.papers) <= papers
        assert len(question.statements) >= 2 or not question.answerable
        assert bool(question.papers) == bool(question.statements)


def test_required_papers_are_cited_and_what_has_no_answer_is_declined(
    report: AnswerReport,
) -> None:
    assert report.row(words=300).citation_recall >= 0.8
    assert len(report.declined_rightly) == 5
    assert len(report.declined_wrongly) <= 1
    assert report.abstention_accuracy >= 0.96
    assert report.verbatim == report.support == 1.0


def test_answers_say_more_than_other_ways_and_much_more_than_chance(report: AnswerReport) -> None:
    assert report.wins("coverage")[300]
    for words in (150, 600):  # nearest sentences are about as good in few words
        others = [row.coverage for row in report.rows if row.words == words]
        assert report.row(words=words).coverage >= max(others) - 0.03
    for row in report.rows:
        assert row.coverage > 2 * row.shuffled_coverage
        assert row.citation_recall > 10 * row.shuffled_recall
        assert row.words_used <= row.words
    assert {row.method for row in report.rows} == {"workbench", *BASELINES}
    assert len(report.to_frame()) == 15
    assert "workbench" in str(report)
    assert report.to_dict()["abstention_accuracy"] == report.abstention_accuracy
    assert "<table" in report._repr_html_()


def test_a_lost_comparison_is_said(report: AnswerReport) -> None:

    beaten = [
        replace(row, coverage=0.0 if row.method == "workbench" else 1.0) for row in report.rows
    ]
    told = str(replace(report, rows=tuple(beaten)))
    assert "At 150 words lead covers more: 1.000 against 0.000, p 0." in told
    assert all(0 < row.p <= 1 for row in report.rows)
    assert report.row("lead", 300).p < report.row("nearest", 150).p  # a tie is told as one


def test_measures_by_hand() -> None:
    said = ["Kelp forests feed urchins.", "Urchins graze on kelp forests."]
    assert coverage(["urchins graze kelp", "sea otters hunt"], " ".join(said)) == 0.5
    assert strict_coverage(["feed grazing otters whales urchins"], said) == 1.0  # 2 of 5 in one
    assert strict_coverage(["feed grazing otters whales"], said) == 0.0
    assert coverage(["feed grazing otters whales"], " ".join(said)) == 1.0  # 2 of 4 in both
    assert coverage([], "x") == citation_recall([], ["a"]) == citation_precision(["a"], []) == 0.0
    assert citation_recall(["a", "b"], ["b", "c", "d"]) == 0.5
    assert citation_precision(["a", "b"], ["b", "c", "d", "e"]) == 0.25
    assert redundancy(said) == 0.75  # kelp, forest, urchin of kelp, forest, urchin, graze
    assert redundancy(["one"]) == 0.0


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (['{"id": "a"}'], "line 1: a question needs"),
        (["no json"], "line 1"),
        (['{"id": "a", "text": "t", "papers": "p"}'], "lists of texts"),
        (['{"id": "a", "text": "t"}', '{"id": "a", "text": "u"}'], "twice"),
        ([], "at least one"),
    ],
)
def test_what_is_no_question_is_named(tmp_path: Path, lines: list[str], match: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(wb.WorkbenchError, match=match):
        read_questions(path)


def test_questions_may_be_records() -> None:
    question = JudgedQuestion("a", "b")
    assert read_questions([question]) == [question]
    with pytest.raises(EvaluationError, match="twice"):
        read_questions([question, question])


@pytest.mark.parametrize("words", [(), "150", 5, (150, 9), None, (150.0,)])
def test_lengths_that_are_none_are_told(landmarks: Workbench, words: object) -> None:
    with pytest.raises(QueryError, match="words is"):
        landmarks.evaluate_answers(FILE, words=words)  # type: ignore[arg-type]  # on purpose


def test_one_length_is_enough() -> None:
    assert as_lengths(150) == as_lengths([150, 150]) == (150,)
