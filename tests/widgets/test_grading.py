"""Grades on the cards: on the disk at once, and the curve, the step and A against B follow."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import Judgments
from workbench.evaluation.reports.metrics import per_query
from workbench.records import Judgment
from workbench.session import Workbench
from workbench.widgets.judged import Judged
from workbench.widgets.search_panel import SearchPanel
from workbench.widgets.weight_tuner import weight_tuner

LANDMARKS = ROOT / "data" / "landmarks"
QUERIES, QRELS = LANDMARKS / "queries.jsonl", LANDMARKS / "qrels.tsv"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.jsonl"


@pytest.fixture
def panel(landmarks: Workbench, file: Path) -> SearchPanel:
    return weight_tuner(landmarks, QUERIES, QRELS, grades=file)


def say(panel: SearchPanel, monkeypatch: pytest.MonkeyPatch, **message: Any) -> list[Any]:
    said: list[Any] = []
    monkeypatch.setattr(panel.page, "send", said.append)
    panel._hear(panel.page, message, [])
    return said


def test_a_grade_is_on_the_disk_and_all_follows(
    panel: SearchPanel, landmarks: Workbench, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = panel.judged
    assert panel.ranking is not None
    assert judged is not None
    query_id = next(q.id for q in judged.queries if q.text == panel.ranking.query)
    given = judged.grades()[query_id]
    paper = next(p for p in panel.ranking.paper_ids if given.get(p, 0) == 0)
    before, value = panel.page.judged, panel.steps.current
    asked = panel.ranking.query
    panel.search("another query meanwhile")  # the card was of the one before
    (reply,) = say(panel, monkeypatch, type="grade", query=asked, paper=paper, grade=3)
    assert reply == {"type": "graded", "query": asked, "paper": paper, "grade": 3}
    panel.undo()
    assert Judgments(file).current() == [Judgment(query_id, paper, 3)]
    assert panel.page.judged["values"] != before["values"]
    assert panel.steps.current != value
    # The curve is what tuning says with both sources, and the step's value is trec_eval's.
    both = [Judgment(q, p, g) for q, grades in judged.grades().items() for p, g in grades.items()]
    report = landmarks.evaluate(QUERIES, both, "nDCG@10", progress=False)
    curve = judged.curve(panel.profile, judged.ends(panel.profile.weights))
    here = landmarks.evaluate(QUERIES, both, "nDCG@10", weights=curve.weights(0.3), progress=False)
    assert curve.query_values(0.3).mean() == pytest.approx(here.metrics["nDCG@10"].mean)
    run = {query_id: landmarks.search(panel.ranking.query).paper_ids}
    expected = per_query(run, both, "nDCG@10").iloc[0, 0]
    assert panel.steps.current is not None
    assert panel.steps.current.value == pytest.approx(expected)
    # A against itself at other weights: means and difference are those of the reports.
    panel.pin()
    assert panel.page.pinned["same"]
    assert panel.page.pinned["all"] is None  # nothing to compare yet
    panel.page.settings = {**panel.page.settings, "weights": {"bm25": 1.0}, "seq": 1}
    panel._settle()
    said = panel.page.pinned["all"]
    assert panel.page.pinned["here"]
    words = landmarks.evaluate(QUERIES, both, "nDCG@10", weights={"bm25": 1}, progress=False)
    compared = words.compare(report).to_frame().iloc[0]
    assert said["a"][0] == pytest.approx(report.metrics["nDCG@10"].mean)
    assert said["b"][0] == pytest.approx(words.metrics["nDCG@10"].mean)
    assert abs(said["difference"][0]) == pytest.approx(abs(compared["difference"]))
    (reply,) = say(panel, monkeypatch, type="grade", query=asked, paper=paper, grade=None)
    assert reply["grade"] == given.get(paper)
    assert Judgments(file).current() == []


def test_a_grade_that_cannot_be_written_is_taken_back(
    panel: SearchPanel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert panel.ranking is not None
    paper = panel.ranking.paper_ids[0]
    file.mkdir()
    query = panel.ranking.query
    (reply,) = say(panel, monkeypatch, type="grade", query=query, paper=paper, grade=0)
    assert reply == {"type": "graded", "query": query, "paper": paper, "failed": True}
    assert str(file) in panel.page.message["text"]


def test_grading_starts_from_nothing(landmarks: Workbench, file: Path) -> None:
    queries = [{"id": "a", "text": "attention for translation"}, {"id": "b", "text": "skip lists"}]
    panel = weight_tuner(landmarks, queries, grades=file)
    assert panel.page.judged == {}
    assert panel.ranking is not None
    grade = {"type": "grade", "paper": panel.ranking.paper_ids[0], "grade": 2}
    panel._hear(panel.page, {**grade, "query": panel.ranking.query}, [])
    assert panel.page.judged["queries"] == 1
    panel._hear(panel.page, {**grade, "query": "a question that nobody judges"}, [])
    assert "not one of those to judge" in panel.page.message["text"]
    with pytest.raises(EvaluationError, match="file to grade into"):
        Judged(landmarks, queries)
    with pytest.raises(EvaluationError, match=r"hold no grade.*as `grades`"):
        weight_tuner(landmarks, queries, {})
    # Somebody else writes to the file: the next search shows it.
    Judgments(file, who="bob").add("b", "pugh1990skip", 1)
    panel.search("skip lists")
    assert panel.page.judged["queries"] == 2


def test_cards_and_the_tab_that_judges_show_the_same(
    landmarks: Workbench, file: Path, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "attention for translation"
    panel = landmarks.panel([{"id": "a", "text": text}], grades=file)
    panel._tabs.selected_index = len(panel._boxes) - 1
    judging = page_of(panel._boxes[-1].children[0])
    assert panel.search.ranking is not None
    paper = panel.search.ranking.paper_ids[0]
    pair = {"query": "a", "paper": paper}
    say(panel.search, monkeypatch, type="grade", query=text, paper=paper, grade=2)
    assert judging.last("saved") == {
        "type": "saved", **pair, "grade": 2, "note": "", "undone": False
    }  # fmt: skip
    told: list[Any] = []
    monkeypatch.setattr(panel.search.page, "send", told.append)
    judging.say(type="grade", **pair, grade=3)
    assert told[-1] == {"type": "graded", "query": text, "paper": paper, "grade": 3}
    assert panel.search.judged is not None
    assert panel.search.judged.grades() == {"a": {paper: 3}}
    before = panel.search.page.judged["values"]
    # Undone on the cards, one by one: what stood before stands again, in both.
    for grade in (2, None):
        (reply,) = say(panel.search, monkeypatch, type="ungrade")
        assert (reply["grade"], reply["undone"]) == (grade, True)
        assert judging.last("saved")["grade"] == grade
    assert say(panel.search, monkeypatch, type="ungrade") == []
    for kind, grade in (("regrade", 2), ("regrade", 3), ("ungrade", 2), ("ungrade", None)):
        (reply,) = say(panel.search, monkeypatch, type=kind)
        assert (reply["grade"], judging.last("saved")["grade"]) == (grade, grade)
    assert before
    assert panel.search.page.judged == {}
    panel.close()


def test_a_curve_that_followed_grades_is_the_one_made_anew(
    panel: SearchPanel, landmarks: Workbench, file: Path
) -> None:
    """Of earlier grades what is the same is taken over: all the rest must be another."""
    judged, dice, profile = panel.judged, random.Random(3), panel.profile
    assert judged is not None
    ends, mine = judged.ends(profile.weights), set[tuple[str, str]]()
    [found] = judged._retrieved.values()
    for _ in range(12):
        one = dice.choice(found[:6])
        pair = one.query.text, dice.choice(one.candidates.paper_ids[:20].tolist())
        grade = dice.choice([0, 1, 2, 3, *([None] * 3 if pair in mine else [])])
        (mine.discard if grade is None else mine.add)(pair)
        judged.grade(*pair, grade)
        fresh = Judged(landmarks, QUERIES, QRELS, file=Judgments(file))
        fresh._retrieved = judged._retrieved  # the searches are no part of this
        assert judged.payload(profile, ends) == fresh.payload(profile, ends)


def test_the_band_holds_the_curve_and_chance_is_no_reason_to_move(landmarks: Workbench) -> None:
    judged = Judged(landmarks, QUERIES, QRELS)
    profile = landmarks.profile
    curve = judged.curve(profile, judged.ends(profile.weights))
    low, high = curve.band()
    assert ((low <= curve.values) & (curve.values <= high)).all()
    values = curve.query_values(curve.best.weight)
    error = values.std(ddof=1) / np.sqrt(len(values))
    place = int(np.searchsorted(curve.breakpoints, curve.best.weight))
    assert high[place] - curve.values[place] == pytest.approx(2.0096 * error, rel=0.1)
    held = curve.supported(0.6)
    assert held.weight == pytest.approx(0.6 + held.share * (curve.best.weight - 0.6), abs=1e-4)
    # From the best itself there is nowhere to go that left-out queries support.
    assert curve.supported(curve.best.weight).share == 0
