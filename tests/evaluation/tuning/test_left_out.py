"""What tuning did not use is counted and named."""

from __future__ import annotations

import pytest

from tests.evaluation.tuning.test_curve import (
    item,
)
from workbench.errors import EvaluationError
from workbench.evaluation.tuning.curve import CurveItem, WeightCurve
from workbench.evaluation.tuning.left_out import what_is_left_out
from workbench.evaluation.tuning.result import PLAIN
from workbench.evaluation.tuning.tune import tune
from workbench.profiles import Profile
from workbench.records import Query


def test_what_is_left_out_is_counted_and_named() -> None:
    asked = [Query("q", id=name) for name in ("good", "nobody", "none", "empty")]
    grades = {
        "good": {"a": 2, "b": -1},
        "none": {"a": 0},
        "empty": {"a": 1},
        "stranger": {"a": 1},
    }
    full, empty = item(["a", "b"], [[1, 0.5, 0], [0, 0.5, 1]], {}), item([], [], {})
    found = [
        (asked[0], named(full, "good").candidates),
        (asked[2], named(full, "none").candidates),
        (asked[3], named(empty, "empty").candidates),
    ]
    curve = tune(found, asked, grades, ("title", "dense"), "RR", PLAIN.replace(normaliser="none"))
    left = curve.left_out
    assert left.without_judgments == ("nobody",)
    assert left.without_relevant == ("none",)
    assert left.without_results == ("empty",)
    assert (left.unknown_queries, left.negative_grades) == (1, 1)
    assert left.constant == {"title": 2, "dense": 0}
    text = str(curve)
    for words in ("nobody", "none", "not asked", "1 negative grade,", "title is the same"):
        assert words in text
    assert curve.to_dict()["left_out"]["without_judgments"] == ["nobody"]
    assert [query.id for query in curve.queries] == ["good", "none", "empty"]


def named(made: CurveItem, name: str) -> CurveItem:
    found = made.candidates
    other = type(found)(
        Query("q", id=name), found.signals, found.paper_ids, found.numbers, found.values,
        found.lower,
    )  # fmt: skip
    return CurveItem(other, made.normalised, made.grades)


def test_nothing_left_out_is_no_note(curve: WeightCurve) -> None:
    assert curve.left_out.notes == ()
    left = what_is_left_out([], {}, [], ("bm25",))
    assert left.notes == ()


def test_no_judged_query_at_all_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="none of 1 queries is judged"):
        tune([], [Query("q", id="a")], {"b": {"p": 1}}, ("bm25", "dense"), "RR", Profile())
