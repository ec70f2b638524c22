"""Judgments: what stands after adding, revising, retracting and undoing, by anybody."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.corpus.collection import read_qrels
from workbench.errors import CorpusNotFound, EvaluationError, RecordError
from workbench.evaluation.inputs import as_judgments
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Hit, Judgment, Paper, Passage, Query

EVIL = "<script>alert(1)</script>"
in_a_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "judgments.jsonl"


@pytest.fixture
def judgments(path: Path) -> Judgments:
    return Judgments(path, who="ann")


# What stands


def test_a_judgment_comes_back_from_a_new_object(judgments: Judgments, path: Path) -> None:
    entry = judgments.add("q1", "p1", 2, "clearly on topic")
    assert (entry.who, entry.grade, entry.note) == ("ann", 2, "clearly on topic")
    again = Judgments(path)
    assert again.current() == list(again) == [Judgment("q1", "p1", 2)]
    assert len(again) == 1
    (row,) = again.to_frame().to_dict("records")
    assert (row["who"], row["note"], row["at"]) == ("ann", "clearly on topic", entry.at)


def test_a_revision_takes_the_place_and_the_history_keeps_both(judgments: Judgments) -> None:
    judgments.add("q1", "p1", 2)
    judgments.add("q1", "p1", 0)
    assert judgments.current() == [Judgment("q1", "p1", 0)]
    assert [entry.grade for entry in judgments.history("q1", "p1")] == [2, 0]
    assert judgments.conflicts() == []


def test_nothing_is_ever_rewritten(judgments: Judgments, path: Path) -> None:
    before = b""
    for step in (
        lambda: judgments.add("q", "p", 1),
        lambda: judgments.add("q", "p", 2),
        lambda: judgments.retract("q", "p"),
        judgments.undo,
        lambda: judgments.add("q", "p", 0, who="bob"),
    ):
        step()
        content = path.read_bytes()
        assert content.startswith(before)
        assert len(content) > len(before)
        before = content


def test_undo_goes_back_step_by_step_for_one_person(judgments: Judgments) -> None:
    judgments.add("q", "p", 1)
    judgments.add("q", "p", 2, who="bob")
    judgments.add("q", "p", 3)
    judgments.retract("q", "p")
    undone = [judgments.undo() for _ in range(4)]
    assert [entry and (entry.kind, entry.grade) for entry in undone] == [
        ("retract", None), ("judge", 3), ("judge", 1), None,
    ]  # fmt: skip
    assert judgments.current() == [Judgment("q", "p", 2)]
    assert judgments.undo(who="bob") is not None
    assert judgments.current() == []
    assert len(judgments.history()) == 8


def test_what_is_undone_can_be_judged_again(judgments: Judgments) -> None:
    judgments.add("q", "p", 1)
    judgments.undo()
    judgments.add("q", "p", 2)
    judgments.undo()
    judgments.add("q", "p", 3)
    assert judgments.current() == [Judgment("q", "p", 3)]


def test_retracting_what_is_not_there_is_refused(judgments: Judgments) -> None:
    judgments.add("q", "p", 1, who="bob")
    with pytest.raises(EvaluationError, match="'ann' has no grade for query 'q', paper 'p'"):
        judgments.retract("q", "p")
    assert len(judgments.history()) == 1


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "retract", "undo"]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["p1", "p2"]),
        st.integers(-1, 2),
    ),
    max_size=14,
)


@in_a_folder
@given(steps=steps)
def test_any_history_leaves_what_a_stack_of_states_leaves(tmp_path: Path, steps: Any) -> None:
    # The model: each person's state, and the states before each of their steps.
    path = tmp_path / "any.jsonl"
    path.unlink(missing_ok=True)
    judgments = Judgments(path, who="ann")
    state: dict[str, dict[str, int]] = {"ann": {}, "bob": {}}
    before: dict[str, list[dict[str, int]]] = {"ann": [], "bob": []}
    for kind, who, paper, grade in steps:
        if kind == "add":
            before[who].append(dict(state[who]))
            state[who][paper] = grade
            judgments.add("q", paper, grade, who=who)
        elif kind == "retract" and paper in state[who]:
            before[who].append(dict(state[who]))
            del state[who][paper]
            judgments.retract("q", paper, who=who)
        elif kind == "undo":
            assert (judgments.undo(who=who) is None) == (not before[who])
            state[who] = before[who].pop() if before[who] else state[who]
        for reader in (judgments, Judgments(path)):
            for name, expected in state.items():
                assert {j.paper_id: j.grade for j in reader.current(name)} == expected


# Several people


@pytest.fixture
def disputed(judgments: Judgments) -> Judgments:
    for who, grade in (("ann", 2), ("bob", 0), ("cy", 1), ("di", 2)):
        judgments.add("q", "p", grade, who=who)
    judgments.add("q", "same", 1)
    judgments.add("q", "same", 1, who="bob")
    return judgments


def test_a_disagreement_is_an_error_that_says_what_to_do(disputed: Judgments) -> None:
    with pytest.raises(EvaluationError, match=r"on 1 of 2 pairs.*'p'.*conflicts=\"median\""):
        disputed.current()
    (conflict,) = disputed.conflicts()
    assert [(e.who, e.grade) for e in conflict.entries] == [
        ("ann", 2), ("bob", 0), ("cy", 1), ("di", 2),
    ]  # fmt: skip
    assert disputed.people == ["ann", "bob", "cy", "di"]
    assert disputed.current("bob") == [Judgment("q", "p", 0), Judgment("q", "same", 1)]
    assert disputed.current("nobody") == []


@pytest.mark.parametrize(
    ("rule", "grade"), [("median", 1), ("latest", 2), ("lowest", 0), ("highest", 2)]
)
def test_a_rule_settles_a_disagreement(disputed: Judgments, rule: str, grade: int) -> None:
    settled = Judgments(disputed.path, conflicts=rule)
    assert settled.current() == [Judgment("q", "p", grade), Judgment("q", "same", 1)]


def test_the_latest_grade_is_the_last_in_the_file(disputed: Judgments) -> None:
    disputed.add("q", "p", 0, who="ann")
    assert Judgments(disputed.path, conflicts="latest").current()[0].grade == 0
    disputed.undo(who="ann")
    assert Judgments(disputed.path, conflicts="latest").current()[0].grade == 2


def test_files_of_two_people_can_be_concatenated(tmp_path: Path) -> None:
    ann, bob = (Judgments(tmp_path / f"{who}.jsonl", who=who) for who in ("ann", "bob"))
    ann.add("q", "p", 1)
    bob.add("q", "p", 2)
    bob.add("q", "r", 0)
    both = tmp_path / "both.jsonl"
    both.write_bytes(ann.path.read_bytes() + bob.path.read_bytes() + ann.path.read_bytes())
    merged = Judgments(both, conflicts="highest")
    assert merged.current() == [Judgment("q", "p", 2), Judgment("q", "r", 0)]
    assert merged.undo(who="ann") is not None
    assert merged.undo(who="ann") is None


# Progress


def hit(name: str) -> Hit:
    return Hit(1, 0.5, Paper(name, "A title"), Passage(name, 0, 0, 1, "A"))


def test_progress_counts_the_pool_and_lists_what_is_left(judgments: Judgments) -> None:
    judgments.add("q1", "b", 1)
    judgments.add("q1", "z", 1)  # below the depth
    judgments.add("q2", "c", 1, who="bob")
    run = {"q1": ["a", "b", "c", "z"], "q2": [hit("c"), hit("d")]}
    progress = judgments.progress(["q1", Query("text", id="q2")], 3, run)
    assert (progress.judged, progress.papers, progress.share) == (2, 5, 0.4)
    assert progress.counts == {"q1": (1, 3), "q2": (1, 2)}
    assert progress.left == (("q1", "a"), ("q1", "c"), ("q2", "d"))
    assert judgments.progress(["q2"], 3, run, who="ann").left == (("q2", "c"), ("q2", "d"))


def test_a_blind_order_is_random_the_same_each_time_and_stable(judgments: Judgments) -> None:
    run = {"q": [f"p{n}" for n in range(30)]}
    first = judgments.progress(["q"], 30, run, seed=1).left
    assert first == judgments.progress(["q"], 30, run, seed=1).left
    assert sorted(first) == sorted(("q", paper) for paper in run["q"])
    assert first != judgments.progress(["q"], 30, run, seed=2).left
    ranks = [int(paper[1:]) for _, paper in first]
    assert abs(np.corrcoef(ranks, range(30))[0, 1]) < 0.5
    judgments.add(*first[7], 1)
    assert judgments.progress(["q"], 30, run, seed=1).left == first[:7] + first[8:]
    judgments.undo()
    assert judgments.progress(["q"], 30, run, seed=1).left == first


def test_progress_of_what_cannot_be_judged_is_refused(judgments: Judgments) -> None:
    with pytest.raises(EvaluationError, match="depth is 0"):
        judgments.progress(["q"], 0, {"q": ["a"]})
    with pytest.raises(EvaluationError, match="'r' has no ranking"):
        judgments.progress(["r"], 1, {"q": ["a"]})
    assert judgments.progress([], 1, {}).share == 1.0


# Fingerprint and snapshots


def test_the_fingerprint_is_of_what_stands(tmp_path: Path) -> None:
    one, two = (Judgments(tmp_path / name, who="ann") for name in ("1.jsonl", "2.jsonl"))
    one.add("q", "a", 1, "a note")
    one.add("q", "b", 2)
    two.add("q", "b", 0)
    two.add("q", "b", 2)
    two.add("q", "a", 1)
    assert one.fingerprint == two.fingerprint
    two.add("q", "a", 2)
    changed = two.fingerprint
    assert changed != one.fingerprint
    two.undo()
    assert one.fingerprint == two.fingerprint
    two.retract("q", "a")
    two.add("q", "a", 1, who="bob")
    assert two.fingerprint not in (one.fingerprint, changed)


def test_a_snapshot_is_what_stood_then_and_takes_nothing(judgments: Judgments) -> None:
    judgments.add("q", "a", 1)
    judgments.add("q", "a", 2)
    name = judgments.fingerprint
    target = judgments.snapshot()
    assert target.name == f"judgments-{name}.jsonl"
    judgments.add("q", "b", 3)
    frozen = Judgments(target)
    assert frozen.current() == [Judgment("q", "a", 2)]
    assert len(frozen.history()) == 2
    assert frozen.fingerprint == name
    with pytest.raises(EvaluationError, match=r"snapshot of judgments\.jsonl"):
        frozen.add("q", "c", 1)
    assert Judgments(target).fingerprint == name
    assert judgments.snapshot(target.parent) != target
    assert len(list(target.parent.iterdir())) == 2


def test_the_same_state_is_the_same_snapshot(judgments: Judgments) -> None:
    judgments.add("q", "a", 1)
    first = judgments.snapshot()
    judgments.add("q", "b", 1)
    judgments.undo()
    assert judgments.snapshot() == first


def test_a_changed_snapshot_is_refused(judgments: Judgments) -> None:
    judgments.add("q", "a", 1)
    target = judgments.snapshot()
    target.write_text(target.read_text().replace('"grade": 1', '"grade": 2'))
    with pytest.raises(EvaluationError, match="it was changed"):
        Judgments(target)


# In and out


def test_qrels_go_in_and_out(judgments: Judgments, tmp_path: Path) -> None:
    source = tmp_path / "in.qrels"
    source.write_text("q1 0 a 2\nq1 0 b 0\nq2 0 a -1\n")
    assert judgments.import_qrels(source, who="trec") == 3
    assert judgments.import_qrels(source, who="trec") == 0
    assert judgments.people == ["trec"]
    assert judgments.export_qrels(tmp_path / "out.qrels") == 3
    assert read_qrels(tmp_path / "out.qrels") == read_qrels(source)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@in_a_folder
@given(
    given=st.dictionaries(
        st.tuples(texts, texts, texts), st.tuples(st.integers(-3, 3), texts), max_size=5
    )
)
def test_csv_comes_back_with_who_when_and_notes(tmp_path: Path, given: Any) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).unlink(missing_ok=True)
    one, two = Judgments(tmp_path / "one.jsonl"), Judgments(tmp_path / "two.jsonl")
    for (query, paper, who), (grade, note) in given.items():
        one.add(query, paper, grade, note, who=who)
    assert one.export_csv(tmp_path / "all.csv") == len(given)
    assert two.import_csv(tmp_path / "all.csv") == len(given)
    assert two.import_csv(tmp_path / "all.csv") == 0
    assert two.fingerprint == one.fingerprint
    assert one.to_frame().equals(two.to_frame())


def test_csv_from_elsewhere_needs_three_columns_only(judgments: Judgments, tmp_path: Path) -> None:
    source = tmp_path / "sheet.csv"
    source.write_text('\ufeffgrade,paper_id,query_id\n1,"a, b",q\n1,"a, b",q\n0,c,q\n', "utf-8")
    assert judgments.import_csv(source, who="sheet") == 2
    assert judgments.current("sheet") == [Judgment("q", "a, b", 1), Judgment("q", "c", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,doc,stars\nq,p,1\n", "line 1.*no column grade"),
        ("query_id,paper_id,grade\nq,p,1,much,more\n", "line 2: 5 cells under 3 columns"),
        ("query_id,paper_id,grade\nq,p,1_0\n", "line 2: grade '1_0'"),
        ("query_id,paper_id,grade\nq,p,1\nq,r,high\n", "line 3: grade 'high'"),
        ("query_id,paper_id,grade\nq,p,1\nq,p\n", "line 3"),
        ("query_id,paper_id,grade\nq,p,1\nq,p,2\n", "line 3.*grade 2 here and 1 before"),
        ("query_id,paper_id,grade\nq,p,1\n,p,2\n", "line 3"),
        ("query_id,paper_id,grade\nq,p,5000\n", "up to 1,000"),
        ("query_id,paper_id,grade,at\nq,p,1,yesterday\n", "line 2"),
    ],
)
def test_a_bad_csv_adds_nothing(
    judgments: Judgments, tmp_path: Path, text: str, message: str
) -> None:
    source = tmp_path / "bad.csv"
    source.write_text(text)
    with pytest.raises(EvaluationError, match=message):
        judgments.import_csv(source)
    assert judgments.history() == []


def test_an_older_import_replaces_nothing_newer(tmp_path: Path) -> None:
    kept = Judgments(tmp_path / "kept.jsonl", who="ann")
    for paper in ("a", "b", "c"):
        kept.add("q", paper, 1)
    kept.export_csv(tmp_path / "old.csv")
    time.sleep(0.002)  # times are kept in milliseconds
    kept.add("q", "a", 2)
    kept.retract("q", "b")
    assert kept.import_csv(tmp_path / "old.csv") == 0
    assert kept.current() == [Judgment("q", "a", 2), Judgment("q", "c", 1)]
    assert "2 grades are older" in kept.notes[-1]
    (tmp_path / "undated.csv").write_text("query_id,paper_id,grade\nq,a,0\n")
    assert kept.import_csv(tmp_path / "undated.csv") == 1
    assert kept.current()[0].grade == 0


def test_ids_that_are_numbers_are_their_digits_everywhere(judgments: Judgments) -> None:
    number: Any = 7
    judgments.add(number, np.int64(8), 1)
    assert judgments.current() == [Judgment("7", "8", 1)]
    assert len(judgments.history(number)) == 1
    assert judgments.progress([number], 1, {"7": [8]}).judged == 1
    judgments.retract("7", "8")
    assert judgments.current() == []


def test_bad_files_are_typed_errors(judgments: Judgments, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none\.csv.*check the path"):
        judgments.import_csv(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"query_id,paper_id,grade\nq,\xe9,1\n")
    with pytest.raises(EvaluationError, match=r"latin\.csv line 2: not UTF-8 \(byte 0xe9\)"):
        judgments.import_csv(tmp_path / "latin.csv")
    (tmp_path / "bad.qrels").write_text("q 0 a 1\nq 0 a 2\n")
    with pytest.raises(RecordError, match="grade 2 here and 1 before"):
        judgments.import_qrels(tmp_path / "bad.qrels")
    assert judgments.history() == []


# Bad input


@pytest.mark.parametrize("grade", [1.5, "2", None, True, 1001, float("nan")])
def test_a_grade_that_is_no_whole_number_is_refused(judgments: Judgments, grade: Any) -> None:
    with pytest.raises(EvaluationError, match="whole number up to 1,000"):
        judgments.add("q", "p", grade)
    assert judgments.history() == []


@pytest.mark.parametrize("value", [" ", 3.0, "a\ud800"])
@pytest.mark.parametrize("field", ["query_id", "paper_id", "note", "who"])
def test_what_is_no_text_is_refused(judgments: Judgments, field: str, value: Any) -> None:
    arguments = {"query_id": "q", "paper_id": "p", "grade": 1, field: value}
    with pytest.raises(EvaluationError, match=f"{field}.*(a text that is not empty|no UTF-8)"):
        judgments.add(**arguments)
    assert judgments.history() == []


@pytest.mark.parametrize("field", ["query_id", "paper_id", "who"])
def test_an_empty_id_is_refused(judgments: Judgments, field: str) -> None:
    arguments = {"query_id": "q", "paper_id": "p", "grade": 1, field: ""}
    with pytest.raises(EvaluationError, match=f"{field} is ''"):
        judgments.add(**arguments)


def test_a_numpy_grade_is_a_grade(judgments: Judgments) -> None:
    judgments.add("q", "p", np.int64(2))
    assert judgments.current() == [Judgment("q", "p", 2)]


def test_an_unknown_rule_is_refused(path: Path) -> None:
    with pytest.raises(EvaluationError, match="conflicts is 'mean'; choose one of error, median"):
        Judgments(path, conflicts="mean")


def test_a_file_without_judgments_is_empty_and_not_made(judgments: Judgments, path: Path) -> None:
    assert judgments.current() == judgments.entries() == judgments.conflicts() == []
    assert judgments.undo() is None
    assert "0 pairs judged by nobody yet" in str(judgments)
    assert bool(judgments)
    assert judgments.to_frame().empty
    assert not path.exists() or path.stat().st_size == 0


def test_the_person_is_the_login_name_or_the_one_set(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_PERSON", "Grace")
    assert Judgments(path).add("q", "p", 1).who == "Grace"
    monkeypatch.delenv("WORKBENCH_PERSON")
    assert Judgments(path).who.strip()


# Wherever judgments are wanted


def test_all_kinds_of_judgments_are_read(judgments: Judgments, tmp_path: Path) -> None:
    judgments.add("q", "p", 1)
    judgments.export_qrels(tmp_path / "q.qrels")
    expected = [Judgment("q", "p", 1)]
    for source in (judgments, judgments.path, str(judgments.path), tmp_path / "q.qrels", expected):
        assert as_judgments(source) == expected
    with pytest.raises(CorpusNotFound, match=r"none\.jsonl"):
        as_judgments(tmp_path / "none.jsonl")


def test_it_is_a_public_name() -> None:
    assert wb.Judgments is Judgments


# Pages


def test_what_people_wrote_does_not_become_markup(judgments: Judgments) -> None:
    judgments.add(EVIL, EVIL, 1, EVIL)
    judgments.add(EVIL, EVIL, 2, EVIL, who=EVIL)
    for shown in (judgments, judgments.agreement()):
        html = shown._repr_html_()
        assert "<script" not in html
        assert "&lt;script" in html
    judgments.add("q\x1b[2J", "p", 1, who="a\x1b[2J")
    judgments.add("q\x1b[2J", "p", 1)
    assert "\x1b" not in str(judgments) + str(judgments.agreement())


def test_the_page_shows_the_newest_and_says_how_many_more(judgments: Judgments) -> None:
    for number in range(13):
        judgments.add("q", f"p{number:02d}", number % 3, f"note {number}")
    html = judgments._repr_html_()
    assert "note 12" in html
    assert "note 2" not in html
    assert "and 3 more" in html


def test_the_facts_are_plain_values(disputed: Judgments) -> None:
    facts = json.loads(json.dumps(disputed.to_dict()))
    assert facts["pairs"] == 2
    assert facts["conflicts"] == 1
    assert facts["entries"] == 6
