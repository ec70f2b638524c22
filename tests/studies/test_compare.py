"""Systems side by side: what they share is done once, what fails is recorded, ties have a range."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.experiments.conftest import METRICS
from workbench.errors import EvaluationError, ProfileError
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.reports.report import make_report
from workbench.experiments.batch import CandidateBatch
from workbench.experiments.experiment import Experiment
from workbench.ranking.weights import ranked_papers
from workbench.records import Candidates, Judgment, Query
from workbench.session import Workbench
from workbench.studies import measuring
from workbench.studies.measuring import tie_range
from workbench.system.deadline import check_deadline

Judged = tuple[list[Query], list[Judgment]]


def test_systems_of_every_kind_stand_side_by_side(
    bench: Workbench, judged: Judged, tmp_path: Path
) -> None:
    alone = bench.evaluate(*judged, METRICS, weights={"bm25": 1}, progress=False)
    alone.write_run(tmp_path / "theirs.trec")
    found = wb.compare(
        {
            "default": bench,
            "bm25": {"bm25": 1},
            "fast": "fast",
            "other": (bench, wb.Profile(normaliser="rrf")),
            "theirs": tmp_path / "theirs.trec",
            "ranx": bench.experiments()[alone.experiment].to_ranx(),
        },
        *judged,
        METRICS,
        bench=bench,
        progress=False,
    )
    assert list(found.reports) == ["default", "bm25", "fast", "other", "theirs", "ranx"]
    assert not found.failures
    for label in ("theirs", "ranx", "bm25"):
        assert found[label].metrics["AP"].mean == pytest.approx(alone.metrics["AP"].mean)
    single = bench.evaluate(*judged, METRICS, progress=False)
    assert found["default"].per_query.equals(single.per_query)
    frame = found.to_frame().set_index(["system", "metric"])
    row = frame.loc[("bm25", "AP")]
    expected = alone.metrics["AP"].mean - single.metrics["AP"].mean
    assert row["difference"] == pytest.approx(expected)
    assert row["tie_low"] <= row["mean"] <= row["tie_high"]
    assert found.comparison is not None
    assert "baseline" in str(found)
    assert found._repr_html_()
    assert "-0.0000" not in str(wb.compare([bench, bench], *judged, bench=bench, progress=False))
    assert found.to_dict()["baseline"] == "default"


def test_a_failing_system_is_recorded_and_the_others_finish(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = CandidateBatch.rank

    def broken(self: CandidateBatch, profile: wb.Profile, k: int) -> Any:
        if profile.weights["bm25"] == 1:
            raise RuntimeError("the disk of the other lab")
        return usual(self, profile, k)

    monkeypatch.setattr(CandidateBatch, "rank", broken)
    asked: dict[str, Any] = {"a": {"bm25": 0.5}, "b": {"bm25": 1}, "c": {"dense": 1}}
    asked["like a"] = asked["a"]
    found = wb.compare(asked, *judged, METRICS, bench=bench, progress=False, baseline="c")
    assert list(found.reports) == ["a", "c", "like a"]
    assert [outcome.reused for outcome in found.outcomes] == [False, False, False, True]
    assert "the disk of the other lab" in found.failures["b"]
    assert "b failed: RuntimeError" in str(found)
    [row] = bench.experiments().filter(failed=True).rows
    assert row.error == "RuntimeError: the disk of the other lab"
    monkeypatch.undo()
    again = wb.compare(asked, *judged, METRICS, bench=bench, progress=False)
    assert [outcome.reused for outcome in again.outcomes] == [True, False, True, True]
    assert again["a"].per_query.equals(found["a"].per_query)


KILLED = """
import os, sys
from workbench.experiments import blobs, database
from workbench.studies import measuring
import workbench as wb
def counting(owner, name):
    usual = getattr(owner, name)
    def step(*given, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return usual(*given, **options)
    setattr(owner, name, step)
for owner, name in ((measuring, "_own"), (measuring.Retrieval, "_retrieve"),
                    (blobs, "replace_bytes"), (measuring.CandidateBatch, "rank"),
                    (database.ExperimentDatabase, "add")):
    counting(owner, name)
bench = wb.open(sys.argv[1], progress=False)
for query in wb.read_queries(sys.argv[2]):  # known to the children, who are spared the model
    bench.subject.embedder.encode_query(query.text)
for left in map(int, sys.argv[4:]):
    if child := os.fork():
        print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        continue
    grid = {"n_retrieval": [5, 20, 60], "weights.dense": [0.2, 0.7]}
    wb.sweep(None, grid, sys.argv[2], sys.argv[3], bench=bench, progress=False)
    os._exit(0)
"""


def test_killed_at_any_moment_and_run_again_nothing_is_measured_twice(
    bench: Workbench, judged: Judged, retrieved: list[str], tmp_path: Path
) -> None:
    """Three sets of candidates side by side, killed five times at steps drawn at random."""
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.txt"
    rows = [json.dumps({"id": q.id, "text": q.text}) for q in judged[0]]
    queries.write_text("\n".join(rows), "utf-8")
    lines = [f"{j.query_id} 0 {j.paper_id} {j.grade}" for j in judged[1]]
    qrels.write_text("\n".join(lines), "utf-8")
    steps = np.random.default_rng().integers([1, 4, 6, 8, 10], [4, 8, 12, 16, 20]).tolist()
    others = {row.id for row in bench.experiments().rows}
    command = [sys.executable, "-c", KILLED, *map(str, (bench.folder, queries, qrels, *steps))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    codes = done.stdout.split()
    assert codes[0] == "9", (steps, done.stderr)
    assert set(codes) <= {"0", "9"}, (steps, codes, done.stderr)
    before = {row.id for row in bench.experiments().rows if row.kind == "evaluate"} - others
    grid = {"n_retrieval": [5, 20, 60], "weights.dense": [0.2, 0.7]}
    found = wb.sweep(None, grid, queries, qrels, bench=bench, progress=False)
    made = {row.id for row in bench.experiments().rows if row.kind == "evaluate"} - others
    assert before <= made
    assert len(made) == 6  # nothing twice, nothing missing
    assert {point.experiment for point in found.points} == made
    again = bench.evaluate(*judged, profile=found.points[-1].profile, progress=False)
    assert again.metrics["nDCG@10"] == found.points[-1].metrics["nDCG@10"]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_batch_ranks_as_each_query_alone(seed: int) -> None:
    """Equal scores, passages of one paper, queries that found nothing: the same bits."""
    rng = np.random.default_rng(seed)
    signals, found = ("bm25", "title", "dense"), []
    for number in range(int(rng.integers(1, 5))):
        ids = np.sort(rng.integers(0, 9, int(rng.integers(0, 20))).astype(np.str_))
        values = rng.integers(0, 4, (len(ids), 3)) / 3
        numbers = np.arange(len(ids), dtype=np.int32)
        query = Query("x", id=f"q{number}")
        lower = np.array([0.0, 0.0, -1.0])
        found.append(
            (query, Candidates(query, signals, ids.astype(np.str_), numbers, values, lower))
        )
    batch = CandidateBatch(found)
    for normaliser in ("min-max", "rrf", "z-score"):
        weights = {"bm25": float(rng.random()), "dense": 0.5}
        profile = wb.Profile(weights=weights, normaliser=normaliser, feedback=False)
        ranked = batch.rank(profile, 6)
        for query, candidates in found:
            papers, scores = ranked_papers(candidates, profile, 6)
            assert ranked[query.id][0] == papers
            assert ranked[query.id][1].tobytes() == scores.tobytes()


def test_a_grid_is_retrieved_once_and_gives_the_same_numbers(
    bench: Workbench, judged: Judged, retrieved: list[str]
) -> None:
    grid = {"weights.dense": [0.2, 0.8], "normaliser": ["min-max", "rrf"], "feedback": [False]}
    found = wb.sweep(None, grid, *judged, METRICS, bench=bench, progress=False)
    assert len(retrieved) == len(judged[0])
    assert (len(found), found.retrievals) == (4, 1)
    for point in found.points:
        alone = bench.evaluate(*judged, METRICS, profile=point.profile, progress=False)
        assert alone.metrics == point.metrics
        experiment: Experiment = bench.experiments()[point.experiment]
        assert experiment.metrics == point.metrics
    assert found.best.metrics["nDCG@10"].mean == max(
        point.metrics["nDCG@10"].mean for point in found.points
    )
    assert len(found.to_frame()) == 4
    assert found.plot().data
    assert "4 points, 1 set of candidates" in str(found)


def test_what_retrieves_differently_runs_side_by_side_on_the_same_queries(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=60)  # one after the other would wait here for ever
    met: set[int] = set()
    usual = measuring.Retrieval.__iter__

    def meeting(self: Any) -> Any:
        met.add(both.wait())
        return usual(self)

    monkeypatch.setattr(measuring.Retrieval, "__iter__", meeting)
    encoded: list[str] = []
    kind = type(bench.subject.embedder)
    remembered = kind._remembered

    def counted(self: Any, text: str, encode: Any) -> Any:
        encoded.append(text)
        return remembered(self, text, encode)

    monkeypatch.setattr(kind, "_remembered", counted)
    asked = [wb.Profile(n_retrieval=5), wb.Profile(n_retrieval=60)]
    found = wb.compare(asked, *judged, METRICS, bench=bench, progress=False)
    assert met == {0, 1}
    assert sorted(encoded) == sorted(query.text for query in judged[0])
    monkeypatch.undo()
    labels = ["default, n_retrieval 5", "default, n_retrieval 60"]
    for label, profile in zip(labels, asked, strict=True):
        alone = bench.evaluate(*judged, METRICS, profile=profile, progress=False)
        assert found[label].per_query.equals(alone.per_query)
    rows = {row.id: row for row in bench.experiments().rows}
    [block] = [row for row in rows.values() if row.kind == "comparison"]
    assert {rows[o.experiment].parent for o in found.outcomes} == {block.id}
    assert block.metrics == {n: v.mean for n, v in found[labels[0]].metrics.items()}


def test_ctrl_c_ends_all_and_what_was_measured_stays(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, pause = measuring._own, threading.Event()

    def interrupted(system: Any, *given: Any) -> Any:
        if system.label == "b":
            os.kill(os.getpid(), signal.SIGINT)
            while True:  # until the interruption reaches it, which is what is tested
                check_deadline()
                pause.wait(0.01)
        return usual(system, *given)

    monkeypatch.setattr(measuring, "_own", interrupted)
    asked: dict[str, Any] = {"a": {"bm25": 0.5}, "b": {"bm25": 1}, "c": {"dense": 1}}
    # A job in a shell's background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            wb.compare(asked, *judged, METRICS, bench=bench, progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    made = bench.experiments()
    assert [row.name for row in made.rows if row.kind == "evaluate"] == ["a"]
    assert made.rows[0].error == "KeyboardInterrupt"
    monkeypatch.undo()
    again = wb.compare(asked, *judged, METRICS, bench=bench, progress=False)
    assert [outcome.reused for outcome in again.outcomes] == [True, False, False]


def test_costs_make_a_front(bench: Workbench, judged: Judged) -> None:
    grid = {"n_retrieval": [5, 200]}
    found = wb.sweep("fast", grid, *judged, bench=bench, costs=True, progress=False)
    assert all(point.p50_ms and point.memory_mb for point in found.points)
    assert found.front
    assert set(found.front) <= set(found.points)
    assert len(found.plot().data) == 2


def test_bad_systems_and_grids_are_told(bench: Workbench, judged: Judged) -> None:
    for wrong, said in (([], "no system"), ("default", "give a list"), (["fast"], "say which")):
        with pytest.raises(EvaluationError, match=said):
            wb.compare(wrong, *judged, progress=False)
    with pytest.raises(EvaluationError, match="baseline is 'x'"):
        wb.compare([bench], *judged, baseline="x", progress=False)
    with pytest.raises(ProfileError, match="no profile 'nobody'"):
        wb.compare(["nobody"], *judged, bench=bench, progress=False)
    for grid, said in (
        ({}, "give settings"),
        ({"k": "abc"}, "give a list"),
        ({"k": []}, "0 point"),
    ):
        with pytest.raises(EvaluationError, match=said):
            wb.sweep(None, grid, *judged, bench=bench, progress=False)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(ProfileError, match="unknown setting"):
        wb.sweep(None, {"n_retreival": [5]}, *judged, bench=bench, progress=False)


@pytest.mark.parametrize("seed", range(12))
def test_the_range_over_ties_is_that_of_all_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    papers = [f"p{n}" for n in range(5)]
    scores = np.sort(rng.integers(0, 3, 5).astype(float))[::-1]
    judgments = [Judgment("q", p, int(rng.integers(0, 3))) for p in papers[:4]]
    judgments.append(Judgment("q", "elsewhere", 1))
    metrics = ("nDCG@3", "AP", "RR")
    report = make_report({"q": papers}, ["q"], judgments, metrics)
    found = tie_range({"q": (papers, scores)}, report)
    orders = [
        list(order)
        for order in itertools.permutations(range(5))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    values = [
        per_query({"q": [papers[i] for i in order]}, judgments, metrics).loc["q"]
        for order in orders
    ]
    for metric in metrics:
        column = [float(value[metric]) for value in values]
        assert found[metric] == pytest.approx((min(column), max(column)))
