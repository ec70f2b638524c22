"""Judgments as qrels and CSV, there and back."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.judgments.conftest import in_a_folder
from workbench.corpus.collection import read_qrels
from workbench.errors import EvaluationError, RecordError
from workbench.evaluation.judgments import judgments as module
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Judgment


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


class Clock(datetime):
    """Each look at it is a millisecond later; times are kept in milliseconds."""

    ticks = count()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime(2026, 1, 1, tzinfo=tz) + timedelta(milliseconds=next(cls.ticks))


def test_an_older_import_replaces_nothing_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "datetime", Clock)
    kept = Judgments(tmp_path / "kept.jsonl", who="ann")
    for paper in ("a", "b", "c"):
        kept.add("q", paper, 1)
    kept.export_csv(tmp_path / "old.csv")
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
