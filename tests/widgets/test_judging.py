"""The judging widget's kernel side: every grade on the disk, ranks withheld, faults told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.errors import EvaluationError
from workbench.evaluation.judge_next.judgment_pool import WHOLE
from workbench.evaluation.judgments.judgments import Judgments
from workbench.session import Workbench
from workbench.widgets.judging import judge

QUERIES = [wb.Query("late interaction retrieval", id="q1"), wb.Query("skip lists", id="q2")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "judged.jsonl"


@pytest.fixture
def widget(landmarks: Workbench, file: Path) -> Any:
    return judge(landmarks, QUERIES, file, depth=3, who="ada")


def papers(page: Any, query: str = "q1") -> list[dict[str, Any]]:
    page.say(type="open", query=query)
    found: list[dict[str, Any]] = page.last("papers")["papers"]
    return found


def test_a_grade_is_on_the_disk_before_the_page_hears_of_it(
    widget: Any, file: Path, page_of: Any
) -> None:
    page = page_of(widget)
    paper = papers(page)[0]["id"]
    seen = []
    widget.send = lambda content, *_: seen.append((content, Judgments(file).current("ada")))
    page.say(type="grade", query="q1", paper=paper, grade=2, note="why")
    content, on_disk = seen[0]
    assert (content["type"], content["grade"], content["note"]) == ("saved", 2, "why")
    assert on_disk == [wb.Judgment("q1", paper, 2)]
    progress, _ = seen[1]
    assert progress["done"] == 1


def test_undo_goes_back_one_by_one_and_ends(widget: Any, file: Path, page_of: Any) -> None:
    page = page_of(widget)
    first, second = (paper["id"] for paper in papers(page)[:2])
    page.say(type="grade", query="q1", paper=first, grade=1, note="")
    page.say(type="grade", query="q1", paper=first, grade=3, note="")
    page.say(type="grade", query="q1", paper=second, grade=0, note="")
    assert page.say(type="undo")[0]["grade"] is None
    undone = page.say(type="undo")[0]
    assert (undone["paper"], undone["grade"], undone["undone"]) == (first, 1, True)
    again = page.say(type="redo")[0]
    assert (again["paper"], again["grade"], again["undone"]) == (first, 3, True)
    page.say(type="undo")
    page.say(type="undo")
    assert Judgments(file).current("ada") == []
    assert "nothing of yours to undo" in page.say(type="undo")[0]["message"]["text"]
    assert len(Judgments(file).history()) == 8


def test_each_person_sees_their_own_grades(
    landmarks: Workbench, file: Path, page_of: Any, widget: Any
) -> None:
    page = page_of(widget)
    paper = papers(page)[0]["id"]
    page.say(type="grade", query="q1", paper=paper, grade=3, note="")
    other = page_of(judge(landmarks, QUERIES, file, depth=3, who="bob"))
    assert all(card["grade"] is None for card in papers(other))
    again = page_of(judge(landmarks, QUERIES, file, depth=3, who="ada"))
    assert [card["grade"] for card in papers(again) if card["id"] == paper] == [3]


def test_ranks_are_sent_only_where_not_blind(
    landmarks: Workbench, file: Path, page_of: Any
) -> None:
    widget = judge(landmarks, QUERIES, file, depth=3, blind=True, seed=4)
    page = page_of(widget)
    blind = papers(page)
    assert all(card["ranks"] == {} for card in blind)
    assert "ranking" not in str([{**card, "text": "", "title": ""} for card in blind])
    page.say(type="open", query="q1", blind=False)
    seen = papers(page)
    assert [card["ranks"][WHOLE] for card in seen[:3]] == [1, 2, 3]
    assert sorted(card["id"] for card in blind) == sorted(card["id"] for card in seen)


def test_the_next_paper_by_impact_comes_with_its_reason(
    landmarks: Workbench, widget: Any, file: Path, page_of: Any
) -> None:
    page = page_of(widget)
    judgments = Judgments(file, who="ada")
    for query in QUERIES:
        judgments.add(query.id, landmarks.search(query.text).paper_ids[0], 2)
    expected = landmarks.judge_next(QUERIES, judgments, 1, progress=False)[0]
    told = page.say(type="next")[-1]
    assert told["type"] == "next"
    assert (told["query"], told["paper"]) == (expected.query_id, expected.paper_id)
    assert told["reason"] == expected.reason
    assert expected.paper_id in [card["id"] for card in papers(page, expected.query_id)]
    widget.blind = True
    assert "rank" not in page.say(type="next")[-1]["reason"]  # which would tell where it stands


def test_text_is_sent_as_pieces_and_long_text_is_cut(
    landmarks: Workbench, file: Path, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.widgets.judging.LONGEST", 100)
    card = papers(page_of(judge(landmarks, QUERIES, file, depth=1)))[0]
    assert len("".join(text for text, _ in card["text"])) == 100
    assert card["cut"] > 0
    assert any(marked for _, marked in card["title"] + card["text"])


def test_every_query_gets_its_badge(widget: Any, page_of: Any) -> None:
    page = page_of(widget)
    page.say(type="hello")
    widget._ranking.join(20)
    assert [query["id"] for query in page.last("start")["queries"]] == ["q1", "q2"]
    badges = {m["query"]: m["of"] for m in page.heard if m["type"] == "progress"}
    assert set(badges) == {"q1", "q2"}
    assert all(of >= 3 for of in badges.values())


def test_a_query_that_cannot_be_searched_stops_no_other(
    landmarks: Workbench, file: Path, page_of: Any
) -> None:
    queries = [wb.Query("", id="empty"), *QUERIES]
    widget = judge(landmarks, queries, file, depth=3)
    page = page_of(widget)
    page.say(type="hello")
    widget._ranking.join(20)
    progress = {m["query"]: m for m in page.heard if m["type"] == "progress"}
    assert set(progress) == {"empty", "q1", "q2"}
    assert "empty" in progress["empty"]["problem"]
    told = page.say(type="open", query="empty")[0]
    assert (told["type"], told["message"]["kind"]) == ("failed", "error")


def test_a_key_does_not_wait_for_a_search(
    landmarks: Workbench, widget: Any, file: Path, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(widget)
    paper = papers(page)[0]["id"]
    searching, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> Any:
        searching.set()
        assert go_on.wait(10)
        raise EvaluationError("too slow")

    monkeypatch.setattr(landmarks, "search", slow)
    page.say(type="hello")  # starts to rank the other query
    assert searching.wait(10)
    page.say(type="grade", query="q1", paper=paper, grade=1, note="")
    assert len(Judgments(file).current("ada")) == 1
    go_on.set()
    widget._ranking.join(10)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "open", "query": "q9"},
        {"type": "grade", "query": "q1", "paper": "", "grade": 1},
        {"type": "grade", "query": "q1", "paper": "p", "grade": "many"},
        {"type": "retract", "query": "q1", "paper": "never judged"},
        {"type": "nonsense"},
        {},
    ],
)
def test_no_message_ends_in_a_traceback(
    widget: Any, page_of: Any, file: Path, content: dict[str, Any]
) -> None:
    told = page_of(widget).say(**content)
    assert [message["type"] for message in told] == ["failed"]
    assert told[0]["of"] == content
    assert told[0]["message"]["text"]
    assert Judgments(file).history() == []


def test_arguments_that_cannot_be_meant(landmarks: Workbench, file: Path) -> None:
    with pytest.raises(EvaluationError, match="no query to judge for"):
        judge(landmarks, [], file)
    with pytest.raises(EvaluationError, match="depth is 0"):
        judge(landmarks, QUERIES, file, depth=0)
    file.write_text("no judgment\n")
    with pytest.raises(EvaluationError, match=r"judged\.jsonl line 1.*import_qrels"):
        judge(landmarks, QUERIES, file)
