"""Judgments: fingerprints, snapshots, and what a person sees of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from workbench.errors import CorpusNotFound, EvaluationError
from workbench.evaluation.inputs import as_judgments
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Judgment

EVIL = "<script>alert(1)</script>"


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


# Settings


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
