"""What stands after adding, revising, retracting and undoing, by anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.judgments.conftest import in_a_folder
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Judgment


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


def test_nothing_is_redone_over_what_was_entered_since(judgments: Judgments) -> None:
    judgments.add("q", "p", 1, note="sure")
    judgments.undo()
    again = judgments.redo()
    assert again is not None
    assert (again.grade, again.note) == (1, "sure")
    judgments.undo()
    Judgments(judgments.path, who=judgments.who).add("q", "p", 2)  # another process
    assert judgments.redo() is None
    assert judgments.current() == [Judgment("q", "p", 2)]


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
        st.sampled_from(["add", "retract", "undo", "undo", "redo"]),
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
    after: dict[str, list[dict[str, int]]] = {"ann": [], "bob": []}
    for kind, who, paper, grade in steps:
        if kind == "add":
            before[who].append(dict(state[who]))
            after[who].clear()
            state[who][paper] = grade
            judgments.add("q", paper, grade, who=who)
        elif kind == "retract" and paper in state[who]:
            before[who].append(dict(state[who]))
            after[who].clear()
            del state[who][paper]
            judgments.retract("q", paper, who=who)
        elif kind == "undo":
            assert (judgments.undo(who=who) is None) == (not before[who])
            if before[who]:
                after[who].append(state[who])
                state[who] = before[who].pop()
        elif kind == "redo":
            assert (judgments.redo(who=who) is None) == (not after[who])
            if after[who]:
                before[who].append(state[who])
                state[who] = after[who].pop()
        for reader in (judgments, Judgments(path)):
            for name, expected in state.items():
                assert {j.paper_id: j.grade for j in reader.current(name)} == expected


# Several people


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
