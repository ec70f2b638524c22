"""The same numbers again: in fresh processes, for any number of threads, on another CPU; or why
not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.command import run
from tests.conftest import need
from tests.experiments.conftest import METRICS, Make
from workbench.corpus.analysis import Analyser
from workbench.errors import CorpusNotFound, ExperimentError
from workbench.experiments.evaluating import Subject
from workbench.experiments.experiment import Experiment
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.page import page
from workbench.experiments.rerunning import rerun
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.ranking.retriever import Retriever
from workbench.records import Judgment, Query
from workbench.session import Workbench

Judged = tuple[list[Query], list[Judgment]]


def measured(bench: Workbench, judged: Judged, **options: Any) -> Experiment:
    report = bench.evaluate(*judged, METRICS, progress=False, **options)
    found: Experiment = bench.experiments()[report.experiment]
    return found


def command(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, **variables},
    )  # fmt: skip


@pytest.mark.parametrize("threads", ["1", "8"])
def test_fresh_processes_give_the_same_bits(bench: Workbench, judged: Judged, threads: str) -> None:
    """With late interaction too, in batches of another size."""
    profile = wb.Profile(reranker="late-interaction", n_rerank=5, batch_size=3)
    found = measured(bench, judged, profile=profile)
    variables = dict.fromkeys(("WORKBENCH_THREADS", "OMP_NUM_THREADS"), threads)
    done = command("rerun", f"{bench.folder}/{found.id}", "--json", **variables)
    again = json.loads(done.stdout)
    assert (done.returncode, again["identical"], again["reasons"]) == (0, True, []), done.stderr


def test_on_a_cpu_that_computes_otherwise_the_recorded_vectors_give_the_same(
    bench: Workbench, judged: Judged, embedder: OnnxEmbedder
) -> None:
    """The fp32 runtime stands for such a CPU: its query vectors are not the recorded ones."""
    found = measured(bench, judged)
    other = OnnxEmbedder(embedder.folder, precision="fp32")
    subject = Subject(bench.engine, Retriever(bench.engine, other, Analyser()), other, bench.folder)
    again = rerun(found, subject)
    assert again.replayed
    assert not again.identical
    assert again.drift.queries == len(judged[0])
    assert 0.9 < again.drift.cosine < 1
    assert set(again.drifted) == {"nDCG@10", "AP"}
    assert "the same weights computed otherwise" in " ".join(again.reasons)
    assert "with the recorded query vectors: identical" in str(again)


def test_a_changed_corpus_is_listed_with_the_numbers_that_differ(
    bench: Workbench, judged: Judged
) -> None:
    found = measured(bench, judged)
    relevant = [j.paper_id for j in judged[1] if j.grade > 1]
    bench.delete(relevant[0])
    bench.add({"id": relevant[-1], "title": "Untitled", "abstract": "Nothing."}, progress=False)
    bench.add({"id": "new", "title": "New"}, progress=False)
    again = found.rerun()
    assert not again.replayed
    said = " ".join(again.reasons)
    for what in (f"removed since: {relevant[0]}", f"edited since: {relevant[-1]}", "added since: "):
        assert what in said
    means = again.differences[again.differences["query"] == ""]
    now = bench.evaluate(*judged, METRICS, progress=False)
    assert dict(zip(means["metric"], means["now"], strict=True)) == pytest.approx(
        {name: v.mean for name, v in now.metrics.items()}
    )
    assert "not identical" in str(again)
    done = run("rerun", f"{bench.folder}/{found.id}")
    assert done.returncode == 1
    assert "removed since" in done.stdout


def test_an_export_opens_elsewhere_and_says_what_is_missing(
    make: Make, judged: Judged, tmp_path: Path
) -> None:
    here, there = make("here"), make("there")
    found = measured(here, judged).tag("sent").note("for you")
    folder = found.export(tmp_path / "out")
    assert wb.open_experiment(folder, there).rerun().identical
    moved = wb.open_experiment(folder, there)
    assert (moved.tags, moved.notes) == (("sent",), ("for you",))
    there.delete(judged[1][0].paper_id)
    assert any("removed since" in said for said in wb.open_experiment(folder, there).changes())
    here.close()
    (tmp_path / "here").rename(tmp_path / "gone")
    alone = wb.open_experiment(folder)
    assert alone.metrics == found.metrics
    with pytest.raises(ExperimentError, match="not open here; open the corpus"):
        alone.rerun()
    with pytest.raises(CorpusNotFound):
        wb.open_experiment(folder, tmp_path / "nowhere")
    with pytest.raises(ExperimentError, match="no exported experiment"):
        wb.open_experiment(tmp_path / "nothing")
    with pytest.raises(ExperimentError, match="holds something already"):
        found.export(tmp_path / "out")


def test_what_is_exported_is_what_other_tools_read(
    bench: Workbench, judged: Judged, tmp_path: Path
) -> None:
    import ir_measures
    import nbformat

    found = measured(bench, judged)
    folder = found.export(tmp_path / "out")
    nbformat.validate(nbformat.read(folder / "reproduce.ipynb", as_version=4))
    run = list(ir_measures.read_trec_run(str(folder / "run.trec")))
    qrels = list(ir_measures.read_trec_qrels(str(folder / "qrels.txt")))
    theirs = ir_measures.calc_aggregate([ir_measures.parse_measure("AP")], qrels, run)
    assert list(theirs.values()) == [pytest.approx(found.metrics["AP"].mean)]
    assert wb.Profile.from_toml(folder / "profile.toml") == found.profile
    shown = (folder / "report.html").read_text("utf-8")
    assert "<svg" in shown
    assert "http" not in shown.replace("http-equiv", "")


def test_other_tools_take_the_rankings(bench: Workbench, judged: Judged, tmp_path: Path) -> None:
    found = measured(bench, judged)
    frame = found.to_pyterrier()
    assert list(frame.columns) == ["qid", "query", "docno", "score", "rank"]
    for rankings in (frame, found.to_ranx()):
        report = wb.Report.from_run(rankings, judged[1], METRICS)
        assert report.metrics["nDCG@10"].mean == pytest.approx(found.metrics["nDCG@10"].mean)
    assert np.array_equal(frame[frame["rank"] == 0]["qid"], [q.id for q in judged[0]])


def test_a_page_escapes_what_people_wrote(bench: Workbench, judged: Judged, tmp_path: Path) -> None:
    title = "Ranking with <em onclick=alert(2)>care</em> & sense"
    bench.add({"id": "<p>", "title": title, "abstract": "Alert ranking script."}, progress=False)
    queries = [Query("<script>alert(1)</script> ranking", id="<b>"), *judged[0][1:]]
    judgments = [Judgment("<b>", judged[1][0].paper_id, 1), *judged[1]]
    with bench.experiment("<i>name</i>") as run:
        bench.evaluate(queries, judgments, METRICS, progress=False)
    run.last.note("<img src=x>")
    text = run.last.write_html(tmp_path / "page.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;i&gt;name&lt;/i&gt;" in text
    assert "Ranking with &lt;em onclick=alert(2)&gt;care&lt;/em&gt; &amp; sense" in text
    assert "&lt;p&gt;, not judged" in text
    gone = KeptExperiment(run.last.store, run.last.document)  # its corpus is not at hand
    assert "Ranking with" not in page(gone)
    assert "&lt;p&gt;, not judged" in page(gone)


def test_mlflow_gets_the_means_and_the_page(
    bench: Workbench, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(find_spec("mlflow") is not None, "MLflow", "pip install -e '.[test]'")
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    found = measured(bench, judged).tag("sent")
    kept = mlflow.get_run(found.log_to_mlflow("papers"))
    assert kept.data.metrics["nDCG_at_10"] == found.metrics["nDCG@10"].mean
    assert kept.data.params["weights.dense"] == "0.3"
    assert (kept.data.tags["workbench.id"], kept.data.tags["workbench.tags"]) == (found.id, "sent")
    assert list((tmp_path / "mlruns").rglob("report.html"))
