"""Runs as other programs keep them: scores decide, and nothing without an order passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import EvaluationError
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.reports.report import Report
from workbench.evaluation.reports.runs import as_run, ids_of
from workbench.evaluation.reports.trec import read_run, read_scores, write_run
from workbench.records import Judgment

papers = [f"p{n}" for n in range(9)]
scores = st.dictionaries(
    st.sampled_from(papers),
    st.floats(-1e3, 1e3, width=32) | st.sampled_from([0.5, 0.25]) | st.integers(-3, 3),
    min_size=1,
)
runs = st.dictionaries(st.sampled_from(["a", "b"]), scores, min_size=1)
qrels = st.dictionaries(st.sampled_from(papers), st.integers(0, 3), min_size=1)


@given(run=runs, grades=st.dictionaries(st.sampled_from(["a", "b"]), qrels, min_size=1))
@settings(max_examples=80, deadline=None)
def test_a_run_with_scores_has_the_values_of_ir_measures(run: Any, grades: Any) -> None:
    judged = [Judgment(q, p, g) for q, of in grades.items() for p, g in of.items()]
    names = ["RR", "AP", "nDCG@3", "P@2"]
    frame = per_query(run, judged, names)
    floats = {q: {p: float(s) for p, s in of.items()} for q, of in run.items()}
    for name in names:
        measure = ir_measures.parse_measure(name)
        expected = {m.query_id: m.value for m in ir_measures.iter_calc([measure], grades, floats)}
        for query in frame.index:
            assert frame.loc[query, name] == pytest.approx(expected[query], abs=1e-12)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(run=runs)
def test_a_run_with_scores_is_written_as_it_is_ranked(tmp_path: Path, run: Any) -> None:
    order = ids_of(as_run(run))
    Report.from_run(run, {"a": {"p0": 1}, "b": {"p0": 1}}, "RR").write_run(tmp_path / "report")
    write_run(tmp_path / "run", run)
    for name in ("run", "report"):
        assert read_run(tmp_path / name) == order
    written = read_scores(tmp_path / "run")
    for query, ranked in as_run(run).items():
        given = np.array([score for _, score in ranked], dtype=np.float32)
        if (np.diff(given) < 0).all():  # nothing had to move to keep the order
            assert list(written[query].values()) == pytest.approx(list(given))


def test_the_better_score_is_first_whatever_the_order_of_the_dict() -> None:
    report = Report.from_run({"q": {"bad": 0.1, "good": 0.9}}, {"q": {"good": 1}}, "RR")
    assert report.metrics["RR"].mean == 1.0


def test_ids_that_are_numbers_are_their_digits() -> None:
    for run in ({1: [7, 8]}, {1: {7: 0.9, 8: 0.1}}, {"1": ["7", "8"]}, {1: np.array([7, 8])}):
        assert ids_of(as_run(run)) == {"1": ["7", "8"]}


@pytest.mark.parametrize(
    "frame",
    [
        {"qid": ["q", "q"], "docno": ["b", "a"], "score": [0.1, 0.9], "rank": [5, 5]},
        {"query_id": ["q", "q"], "doc_id": ["b", "a"], "rank": [2, 1]},
        {"query-id": ["q", "q"], "corpus-id": ["a", "b"]},
    ],
    ids=["PyTerrier", "ranks only", "rows"],
)
def test_frames_of_other_programs(frame: dict[str, list[Any]]) -> None:
    assert ids_of(as_run(pd.DataFrame(frame))) == {"q": ["a", "b"]}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"q": {"a", "b"}}, "a set, which has no order"),
        ({"q": {"a": float("nan")}}, "'a' has score nan"),
        ({"q": {"a": "0.5"}}, "'a' has score '0.5'"),
        ({"q": {"a": True}}, "'a' has score True"),
        ({"q": ["a", "a"]}, "'a' twice"),
        ({"q": {1: 0.5, "1": 0.4}}, "'1' twice"),
        ({"q": 3}, "not a list of paper ids"),
        ({1: ["a"], "1": ["a"]}, "query '1' is in the run twice"),
        ([("q", "a", 1.0)], "the run is a list"),
        (pd.DataFrame({"q": ["a"]}), "a DataFrame with columns q;"),
        (pd.DataFrame({"qid": [1, 1], "docno": [2, 2], "score": [1, 2]}), "2 twice"),
    ],
)
def test_what_is_no_run_is_refused(run: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        as_run(run)
