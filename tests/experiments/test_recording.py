"""What a record holds, by default and in a block; how large it is; what happens where it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.conftest import ROOT
from tests.experiments.conftest import METRICS, Make
from workbench.errors import ExperimentError
from workbench.experiments import candidates as kept_candidates
from workbench.experiments.experiment import Experiment
from workbench.experiments.machine import without_secrets
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Judgment, Query
from workbench.session import Workbench

Judged = tuple[list[Query], list[Judgment]]


def test_a_record_gives_back_what_was_measured(bench: Workbench, judged: Judged) -> None:
    report = bench.evaluate(*judged, METRICS, k=20, progress=False)
    found: Experiment = bench.experiments()[report.experiment]
    assert found.profile == bench.profile
    assert found.judgments == judged[1]
    assert [(q.id, q.text) for q in found.queries] == [(q.id, q.text) for q in judged[0]]
    assert {q: papers for q, (papers, _) in found.ranked.items()} == dict(report.run)
    assert found.per_query.equals(report.per_query)
    again = found.report()
    assert again.metrics == report.metrics
    assert again.bounds == report.bounds
    ranking = bench.search(judged[0][0].text, k=20)
    papers, scores = found.ranked[judged[0][0].id]
    assert papers == ranking.paper_ids
    assert scores.tolist() == [hit.score for hit in ranking]
    vector = next(q.vector for q in found.queries if q.id == judged[0][0].id)
    assert np.array_equal(vector, ranking.candidates.query.vector)
    machine = found.document["machine"]
    assert machine["versions"]["numpy"] == np.__version__
    assert found.document["models"]["weights_sha256"].startswith("53aa5117")
    assert len(found.document["models"]["tokenizer_sha256"]) == 64
    assert found.document["origin"]["command"]
    assert set(found.stages) == {
        "source", "passages", "vectors", "queries", "candidates", "ranking", "metric",
    }  # fmt: skip
    assert "\n" not in repr(found)
    assert found.id in str(found)


def test_tune_and_answers_are_recorded_too(bench: Workbench, judged: Judged) -> None:
    curve = bench.tune(*judged, "AP", progress=False)
    found: Experiment = bench.experiments()["latest"]
    assert found.kind == "tune"
    assert found.metrics["AP"].mean == pytest.approx(curve.best.value)
    assert found.profile.weights == {**found.profile.weights, **curve.best.weights}
    assert found.rerun().identical
    from workbench.qa.evaluation.questions import JudgedQuestion
    from workbench.studies.records import rerun_record

    paper = judged[1][0].paper_id
    questions = [JudgedQuestion("a", judged[0][0].text, (paper,), ("ranking",))]
    report = bench.evaluate_answers(questions, [80], progress=False)
    answers: Experiment = bench.experiments()["latest"]
    assert answers.kind == "answers"
    assert answers.metrics["coverage"].mean == report.row().coverage
    assert rerun_record(answers, bench).identical
    with pytest.raises(ExperimentError, match="ranked nothing itself"):
        answers.report()


def test_a_block_holds_what_is_measured_inside(bench: Workbench, judged: Judged) -> None:
    with bench.experiment("two weights", tags="mine", note="before lunch") as run:
        for weight in (0.2, 0.8):
            bench.evaluate(*judged, "AP", weights={"dense": weight}, progress=False)
    assert [each.parent for each in run.measurements] == [run.id] * 2
    table = bench.experiments()
    row = next(row for row in table.rows if row.id == run.id)
    assert (row.name, row.kind, row.tags, row.notes) == (
        "two weights", "block", ("mine",), ("before lunch",),
    )  # fmt: skip
    assert row.metrics["AP"] == run.last.metrics["AP"].mean
    assert run.diff(run.measurements[0]).difference["AP"] != 0
    with pytest.raises(ZeroDivisionError), bench.experiment("breaks"):
        _ = 1 / 0
    assert bench.experiments().rows[0].error == "ZeroDivisionError: division by zero"
    with pytest.raises(ExperimentError, match="say what it is about"):
        bench.experiment("  ")


def test_nothing_is_recorded_where_that_is_not_wanted(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_RECORD", "false")
    assert bench.evaluate(*judged, "AP", progress=False).experiment == ""
    assert not (bench.folder / "experiments").exists()
    assert len(bench.experiments()) == 0


def test_a_measurement_is_given_also_where_it_cannot_be_kept(
    bench: Workbench, judged: Judged, caplog: pytest.LogCaptureFixture
) -> None:
    (bench.folder / "experiments").write_text("a file is in the way")
    for _ in range(2):
        report = bench.evaluate(*judged, "AP", progress=False)
        assert report.experiment == ""
        assert report.metrics["AP"].mean > 0
    assert len([r for r in caplog.records if "not recorded" in r.message]) == 1
    measured = []
    with pytest.raises(wb.CorpusError), bench.experiment("asked for"):
        measured.append(bench.evaluate(*judged, "AP", progress=False))
    assert measured


def test_equal_candidates_are_retrieved_once_and_changed_ones_anew(
    bench: Workbench, judged: Judged, retrieved: list[str]
) -> None:
    first = bench.evaluate(*judged, METRICS, progress=False)
    once = len(retrieved)
    again = bench.evaluate(*judged, METRICS, weights={"dense": 0.9}, progress=False)
    same = bench.evaluate(*judged, METRICS, progress=False)
    assert len(retrieved) == once
    assert same.per_query.equals(first.per_query)
    assert again.metrics != first.metrics
    for path in (bench.folder / "experiments" / kept_candidates.FOLDER).iterdir():
        content = bytearray(path.read_bytes())
        content[-20] ^= 1  # a damaged cache is only computed again
        path.write_bytes(content)
    assert bench.evaluate(*judged, METRICS, progress=False).per_query.equals(first.per_query)
    assert len(retrieved) == 2 * once
    bench.delete(judged[1][0].paper_id)
    bench.evaluate(*judged, METRICS, progress=False)
    assert len(retrieved) == 3 * once


def test_the_cache_keeps_within_its_bounds(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bench.folder / "experiments" / kept_candidates.FOLDER
    bench.evaluate(*judged, METRICS, progress=False)
    [first] = folder.iterdir()
    monkeypatch.setattr(kept_candidates, "MOST", int(1.5 * first.stat().st_size))
    fast = bench.profile.replace(n_retrieval=70)
    bench.evaluate(*judged, METRICS, profile=fast, progress=False)
    [second] = folder.iterdir()
    assert first != second
    monkeypatch.setattr(kept_candidates, "LARGEST", 100)
    bench.evaluate(*judged, METRICS, profile=fast.replace(n_retrieval=60), progress=False)
    assert list(folder.iterdir()) == [second]


def test_a_record_of_300_queries_and_100_hits_is_small(
    base: Path, embedder: OnnxEmbedder, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "c")
    rng = np.random.default_rng(0)
    words = (ROOT / "README.md").read_text("utf-8").split()
    with Workbench(tmp_path / "c", embedder=embedder) as bench:
        ids = sorted(bench.engine.known(bench.engine.paper_digests().paper_ids.tolist()))  # type: ignore[union-attr] # the embedded engine tells
        queries = [Query(" ".join(rng.choice(words, 6)), id=f"q{n}") for n in range(300)]
        judgments = [Judgment(q.id, str(rng.choice(ids)), 1) for q in queries]
        bench.evaluate(queries, judgments, k=100, progress=False)
    folder = tmp_path / "c" / "experiments"
    kept = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in kept if kept_candidates.FOLDER not in path.parts)
    assert size < 1_000_000


def test_secrets_stay_out_of_records() -> None:
    text = "wb.open(engine='https://me:hunter2@host') --api-key=abc token xyz"
    assert without_secrets(text) == "wb.open(engine='https://me:***@host') --api-key=*** token ***"


def test_two_corpora_do_not_share_records(make: Make, judged: Judged) -> None:
    one, two = make("one"), make("two")
    a = one.experiments()[one.evaluate(*judged, "AP", progress=False).experiment]
    b = two.experiments()[two.evaluate(*judged, "AP", progress=False).experiment]
    assert (len(one.experiments()), len(two.experiments())) == (1, 1)
    assert a.diff(b).identical
