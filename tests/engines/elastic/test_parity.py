"""The parity report with each of its causes really there; the verbs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner

import workbench as wb
from tests.conftest import ROOT
from workbench.cli.app import app
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.mapping import key
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import EvaluationError

DATA = ROOT / "data" / "landmarks"
PLAIN = wb.Profile(
    weights={"bm25": 0.4, "title": 0.1, "dense": 0.5}, feedback=False, n_retrieval=40
)


@pytest.fixture(scope="module")
def spec(elasticsearch_url: str) -> Iterator[wb.Elasticsearch]:
    made = wb.Elasticsearch(elasticsearch_url, index=f"p-{uuid4().hex[:8]}", timeout=60)
    yield made
    corpus = ElasticCorpus(made)
    corpus.remove()
    corpus.connection.close()


@pytest.fixture(scope="module")
def there(spec: wb.Elasticsearch, landmarks: wb.Workbench) -> Iterator[wb.Workbench]:
    with wb.open(landmarks.folder, engine=spec, progress=False) as bench:
        yield bench


@pytest.fixture(scope="module")
def queries() -> list[wb.Query]:
    return wb.read_queries(DATA)[:20]


def test_the_same_corpus_is_alike_and_every_difference_explained(
    landmarks: wb.Workbench, there: wb.Workbench, queries: list[wb.Query]
) -> None:
    report = wb.parity(landmarks, there, queries, wb.read_qrels(DATA), profile=PLAIN)
    assert report.mean_overlap >= 0.97
    assert report.mean_rbo >= 0.97
    assert report.explained
    bm25, _, dense = report.signals
    assert set(bm25.causes) <= {"length rounding", "statistics"}
    assert bm25.causes["length rounding"] > 0
    assert dense.equal == 1.0
    assert not dense.causes
    assert report.recall["dense"] == 1.0
    assert report.weights is not None
    assert report.weights.holds
    for name in ("length rounding", "embedded", "weights hold"):
        assert name in str(report)
        assert name in report._repr_html_()
    assert report.to_dict()["weights"]["holds"] is True
    assert len(report.to_frame()) == 20


def test_a_corpus_is_the_same_as_itself(landmarks: wb.Workbench, queries: list[wb.Query]) -> None:
    report = wb.parity(landmarks, landmarks, queries[:5], profile=PLAIN)
    assert report.mean_overlap == report.mean_rbo == 1.0
    assert not report.causes
    assert report.weights is None


def test_deleted_documents_are_told_apart(
    landmarks: wb.Workbench, queries: list[wb.Query], elasticsearch_url: str
) -> None:
    spec = wb.Elasticsearch(elasticsearch_url, index=f"d-{uuid4().hex[:8]}", timeout=60)
    corpus = ElasticCorpus(spec)
    live = corpus.mirror(landmarks.folder)
    call = corpus.connection.call
    # Written behind the workbench's back: documents that are replaced stay in the statistics.
    for paper_id in [hit.paper.id for hit in landmarks.search("retrieval", 60)]:
        path = f"/{live.name}/_doc/{key(paper_id, 0)}".replace("\t", "%09")
        source = call("GET", path)["_source"]
        call("PUT", path, source)
    call("POST", f"/{live.name}/_refresh")
    with wb.open(engine=spec) as bench:
        report = wb.parity(landmarks, bench, queries[:8], profile=PLAIN)
    corpus.remove()
    corpus.connection.close()
    assert report.signals[0].causes["deleted documents"] > 0
    assert report.explained


def test_what_was_replaced_in_the_index_is_not_explained_away(
    landmarks: wb.Workbench, queries: list[wb.Query], elasticsearch_url: str
) -> None:
    spec = wb.Elasticsearch(elasticsearch_url, index=f"r-{uuid4().hex[:8]}", timeout=60)
    corpus = ElasticCorpus(spec)
    live = corpus.mirror(landmarks.folder)
    call = corpus.connection.call
    hits = [hit for query in queries[:4] for hit in landmarks.search(query.text, 8)]
    passages = {(hit.paper.id, hit.passage.number) for hit in hits}
    for paper_id, number in passages:
        path = f"/{live.name}/_doc/{key(paper_id, number)}".replace("\t", "%09")
        source = call("GET", path)["_source"]
        source["vector"] = source["vector"][::-1]
        call("PUT", path, source)
    call("POST", f"/{live.name}/_forcemerge", params={"max_num_segments": 1}, timeout=60)
    call("POST", f"/{live.name}/_refresh")
    with wb.open(engine=spec) as bench:
        report = wb.parity(landmarks, bench, queries[:4], profile=PLAIN)
        expanded = wb.parity(landmarks, bench, queries[:4], profile=wb.Profile(n_retrieval=40))
    # The vectors that are there now give the values that are there: that is the cause.
    assert set(report.signals[2].causes) == {"other vectors"}
    # Feedback reads other passages first, so it changes values of passages that nobody touched.
    causes = {signal.name: signal.causes for signal in expanded.signals}
    assert causes["bm25_feedback"]["own feedback"] > 0
    assert causes["dense_feedback"]["own feedback"] > 0
    assert set(causes["dense_feedback"]) == {"own feedback", "other vectors"}
    assert expanded.lost["own feedback"] > 0
    assert expanded.explained
    for paper_id, number in passages:
        path = f"/{live.name}/_doc/{key(paper_id, number)}".replace("\t", "%09")
        source = call("GET", path)["_source"]
        source["tokens"] = " ".join(sorted(source["tokens"].split())[::2])
        call("PUT", path, source)
    call("POST", f"/{live.name}/_refresh")
    with wb.open(engine=spec) as bench:
        report = wb.parity(landmarks, bench, queries[:4], profile=PLAIN)
    corpus.remove()
    corpus.connection.close()
    # Nothing that the engines hold explains terms that are not those of the text.
    assert report.signals[0].causes["unexplained"] > 0
    assert not report.explained
    assert "none of the causes" in str(report)


def test_differences_after_feedback_are_explained(
    landmarks: wb.Workbench, there: wb.Workbench, queries: list[wb.Query]
) -> None:
    report = wb.parity(landmarks, there, queries, profile=wb.Profile(n_retrieval=40))
    causes = {signal.name: signal.causes for signal in report.signals}
    assert set(causes["bm25_feedback"]) <= {"own feedback", "length rounding", "statistics"}
    assert set(causes["dense_feedback"]) <= {"own feedback"}
    assert report.explained


def test_approximate_neighbours_are_told_apart(
    landmarks: wb.Workbench, elasticsearch_url: str
) -> None:
    # One bit a dimension, and nothing more than asked for is rescored: some neighbours are missed.
    index = f"q-{uuid4().hex[:8]}"
    spec = wb.Elasticsearch(
        elasticsearch_url, index=index, vectors="bbq_hnsw", oversample=1, timeout=60
    )
    profile = PLAIN.replace(weights={"dense": 1.0})
    with wb.open(landmarks.folder, engine=spec, progress=False) as bench:
        report = wb.parity(landmarks, bench, wb.read_queries(DATA), profile=profile, k=40)
    corpus = ElasticCorpus(spec)
    corpus.remove()
    corpus.connection.close()
    assert report.recall["dense"] < 1
    assert report.lost["approximate kNN"] > 0
    assert report.signals[2].equal == 1.0  # what is found has its true value all the same


def test_another_analyser_is_told_apart(
    landmarks: wb.Workbench, queries: list[wb.Query], elasticsearch_url: str
) -> None:
    name = f"a-{uuid4().hex[:8]}"
    spec = wb.Elasticsearch(
        elasticsearch_url, index=name, text_fields={"title": 1, "abstract": 1}, timeout=60
    )
    connection = Connection(spec)
    fields = {"title": {"type": "text"}, "abstract": {"type": "text"}}
    changed = set(landmarks.search(queries[0].text, 5).paper_ids)
    connection.call("PUT", f"/{name}", {"mappings": {"properties": fields}})
    for line in (DATA / "papers.jsonl").read_text(encoding="utf-8").splitlines():
        paper = json.loads(line)
        text = paper.get("abstract", "")
        if paper["id"] in changed:
            text = f"Volcanoes and lava. {text[:200]}"
        body = {"title": paper["title"], "abstract": text}
        connection.call("PUT", f"/{name}/_doc/{paper['id']}", body)
    connection.call("POST", f"/{name}/_refresh")
    with wb.open(engine=spec) as bench:
        assert not changed.isdisjoint(bench.search(queries[0].text).paper_ids)
        profile = PLAIN.replace(weights={"bm25": 1.0})
        report = wb.parity(landmarks, bench, queries[:4], profile=profile)
    connection.call("DELETE", f"/{name}")
    connection.close()
    causes = report.signals[0].causes
    assert causes["analyser"] > 0
    assert causes["other text"] > 0
    assert report.mean_overlap < 1


def test_other_papers_and_no_queries_are_refused(
    landmarks: wb.Workbench, there: wb.Workbench, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match="no queries"):
        wb.parity(landmarks, there, [])
    (tmp_path / "papers.jsonl").write_text('{"id": "a", "title": "One"}\n')
    with (
        wb.open(tmp_path, progress=False) as other,
        pytest.raises(EvaluationError, match="174 and 1 papers"),
    ):
        wb.parity(landmarks, other, [wb.Query("x", id="1")])


# Verbs


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_the_verbs_of_a_cluster(
    landmarks: wb.Workbench, there: wb.Workbench, spec: wb.Elasticsearch, tmp_path: Path
) -> None:
    place = ["--engine", spec.url, "--index", spec.index]
    folder = str(landmarks.folder)
    lines = {line["name"]: line for line in json.loads(run("doctor", *place, "--json"))}
    assert all(line["ok"] for line in lines.values())
    assert {"cluster", "version", "bulk format", "index", "vectors", "writes"} <= set(lines)
    assert "174 papers" in lines["index"]["found"]
    found = json.loads(run("search", folder, "late interaction", *place, "-k", "3", "--json"))
    assert len(found["hits"]) == 3
    few = (DATA / "queries.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:6]
    (tmp_path / "queries.jsonl").write_text("".join(few), encoding="utf-8")
    queries, qrels = str(tmp_path / "queries.jsonl"), str(DATA / "qrels.tsv")
    report = json.loads(
        run("parity", folder, *place, "--queries", queries, "--qrels", qrels, "--json")
    )
    assert report["overlap"]["mean"] >= 0.9
    assert report["explained"]
    assert report["weights"]["holds"] is not None
    judged = ["--queries", queries, "--qrels", qrels, "--metrics", "nDCG@10"]
    measured = json.loads(run("evaluate", folder, *place, *judged, "--json"))
    assert np.isfinite(measured["metrics"]["nDCG@10"]["mean"])


def test_doctor_says_what_to_do_about_what_is_wrong(
    elasticsearch_url: str, spec: wb.Elasticsearch
) -> None:
    done = CliRunner().invoke(app, ["doctor", "--engine", "http://127.0.0.1:9", "--json"])
    [line] = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (line["name"], line["ok"]) == ("cluster", False)
    assert "check that the cluster runs" in line["remedy"]
    name = f"x-{uuid4().hex[:8]}"
    connection = Connection(wb.Elasticsearch(elasticsearch_url, index=name, timeout=60))
    connection.call("PUT", f"/{name}", {})
    done = CliRunner().invoke(app, ["doctor", "--engine", spec.url, "--index", name])
    connection.call("DELETE", f"/{name}")
    connection.close()
    assert done.exit_code == 1
    assert "not made by the" in " ".join(done.stdout.split())
