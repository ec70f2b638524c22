"""A line of a file of judgments: what may stand in it, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.judgments.conftest import LINE
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import Judgments
from workbench.records import Judgment


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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[1]", "line 2: no judgment"),
        ('{"id": "2"}', "line 2: no judgment .*KeyError.*'at'"),
        (LINE.replace('"grade": 2', '"grade": 2.5').strip(), "line 2: .*whole number"),
        (LINE.replace('"grade": 2', '"grade": true').strip(), "line 2: .*whole number"),
        (LINE.replace('"grade": 2', '"grade": 2000').strip(), "line 2: .*whole number"),
        (LINE.replace('"q"', '""').strip(), "line 2: no judgment"),
        (LINE.replace('"q"', "7").strip(), "line 2: no judgment"),
        (LINE.replace('"who"', '"kind": "erase", "who"').strip(), "line 2: .*'erase'"),
        (LINE.replace('"who"', '"kind": "undo", "who"').strip(), "line 2: .*what it undoes"),
        (LINE.replace("2026-01-02T", "soon").strip(), "line 2: no judgment"),
        ("\udcff", "line 2: no JSON"),
    ],
)
def test_a_bad_line_in_the_middle_is_named_and_nothing_is_changed(
    path: Path, line: str, message: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(
        LINE.encode() + line.encode("utf-8", "surrogateescape") + b"\n" + LINE.encode()
    )
    before = path.read_bytes()
    with pytest.raises(EvaluationError, match=message):
        Judgments(path)
    assert path.read_bytes() == before
