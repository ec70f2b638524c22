"""What every result of this room keeps: a repr of one line, tables, numbers that a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.tuning.test_curve import random_items
from workbench.evaluation.judge_next.choose import judge_next
from workbench.evaluation.judgments.judgments import Judgments
from workbench.evaluation.likeness.list_comparison import compare_lists
from workbench.evaluation.likeness.parity import ParityReport
from workbench.evaluation.reports.report import Report, make_report
from workbench.evaluation.tuning.curve import weight_curve
from workbench.evaluation.tuning.result import BestWeights, Tuned
from workbench.evaluation.tuning.tune import search_weights
from workbench.present.view import Shown
from workbench.records import Judgment

NOISE = re.compile(r"\d\.\d{7,}")
"""What no person wants to read: 0.30000000000000004."""

THREE = ("bm25", "title", "dense")


def report(label: str, run: dict[str, list[str]], **settings: Any) -> Report:
    judged = [Judgment("q1", "a", 1), Judgment("q2", "b", 2), Judgment("q3", "a", 1)]
    return make_report(run, ["q1", "q2", "q3"], judged, "nDCG@10,RR", label, settings=settings)


def tuned() -> tuple[Tuned, Tuned]:
    items = random_items(np.random.default_rng(3), 8, 12)
    return weight_curve(items), search_weights(items, THREE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    curve, search = tuned()
    first = report("default", {"q1": ["a", "b"], "q2": ["c", "b"], "q3": ["b", "c", "a"]}, k=10)
    second = report("default", {"q1": ["b", "a"], "q2": ["b"], "q3": ["b", "a"]}, k=20)
    path: Path = tmp_path_factory.mktemp("judgments") / "j.jsonl"
    judgments = Judgments(path, who="ann")
    for number in range(12):
        judgments.add("q1", f"p{number}", number % 3)
        judgments.add("q1", f"p{number}", number % 2, who="bob")
    run = {"q1": ["p1", "x"]}
    items = {str(i): item for i, item in enumerate(random_items(np.random.default_rng(4), 6, 20))}
    overlap = {"q1": 1 / 3, "q2": 0.1 + 0.2}
    made = [
        first,
        first.compare(second),
        first.unjudged(),
        first.bounds["RR"],
        first.metrics["RR"],
        first.compare(second).contrasts[0],
        curve,
        search,
        curve.best,
        search.best,
        curve.bootstrap(),
        search.bootstrap(),
        curve.cross_validate(),
        search.cross_validate(),
        curve.recommended,
        weight_curve(random_items(np.random.default_rng(5), 4, 9)).regret(),
        judgments,
        judgments.agreement(),
        judgments.progress(["q1"], 2, run=run),
        judge_next(items, 5),
        compare_lists([f"p{n}" for n in range(120)], ["p1", "p0"]),
        ParityReport("one", "other", 10, overlap, overlap, (), {}, {"bm25": 2 / 3}),
    ]
    return {f"{number} {type(one).__name__}": one for number, one in enumerate(made)}


def each(results: dict[str, Any], kind: type) -> Iterator[Any]:
    chosen = [one for one in results.values() if isinstance(one, kind)]
    assert len(chosen) > 1
    yield from chosen


def test_a_repr_is_one_line_with_numbers_that_a_person_reads(results: dict[str, Any]) -> None:
    for name, one in results.items():
        shown = repr(one)
        assert "\n" not in shown, name
        assert len(shown) < 250, name
        assert re.search(r"\d", shown), name
        assert not NOISE.search(shown), shown


def test_text_and_html_hold_the_head_and_no_noise(results: dict[str, Any]) -> None:
    for one in each(results, Shown):
        head = one.view().head
        assert str(one).startswith(head)
        assert 'class="wb-view' in one._repr_html_()
        assert not NOISE.search(str(one)), str(one)


def test_what_is_a_table_gives_a_frame(results: dict[str, Any]) -> None:
    for one in each(results, Shown):
        frame = one.to_frame()
        assert isinstance(frame, pd.DataFrame), type(one)
        assert len(frame), type(one)


def test_two_and_more_signals_give_one_kind_of_result() -> None:
    for result in tuned():
        best = result.best
        assert isinstance(best, BestWeights)
        assert list(best.weights) == list(best.intervals) == list(result.signals)
        assert sum(best.weights.values()) == pytest.approx(1)
        assert result.at(best.weights) == pytest.approx(best.value, abs=1e-12)
        assert result.query_values().mean() == pytest.approx(best.value, abs=1e-12)
        assert result.query_values(best.weights).tolist() == result.query_values().tolist()
        frame = result.to_frame()
        assert frame["signal"].tolist() == list(result.signals)
        assert frame["weight"].tolist() == list(best.weights.values())
        for signal, weight in best.weights.items():
            assert result.profile.weights[signal] == weight
            low, high = best.intervals[signal]
            assert low <= weight <= high
            edges, values = result.curve(signal)
            here = int(np.searchsorted(edges[1:-1], weight, side="right"))
            assert values[here] == pytest.approx(best.value, abs=1e-12)
        folds = result.cross_validate(folds=3, repeats=2).to_frame()
        assert folds.columns.tolist() == ["repeat", "fold", *result.signals]
        assert folds[["repeat", "fold"]].to_numpy().tolist() == [
            [repeat, fold] for repeat in (1, 2) for fold in (1, 2, 3)
        ]
        assert folds[list(result.signals)].sum(axis=1).tolist() == pytest.approx([1.0] * 6)


def test_the_interval_is_the_second_signals_and_there_is_none_for_more() -> None:
    curve, search = tuned()
    assert curve.best.interval == curve.best.intervals["dense"]
    assert curve.bootstrap(50).interval == curve.bootstrap(50).intervals["dense"]
    assert search.best.interval is None
    assert search.bootstrap(50).interval is None


def test_a_report_is_never_compared_with_one_of_the_same_name() -> None:
    first = report("default", {"q1": ["a"]}, k=10)
    same, other = report("default", {"q1": ["a"]}, k=10), report("default", {"q1": ["b"]}, k=20)
    compared = first.compare(same, other, same)
    assert list(compared.pairs) == ["default (2)", "default (k 20)", "default (3)"]
    assert compared.label not in compared.pairs
    assert "nDCG@10 +0.0000, p 1.0000" in repr(compared)
