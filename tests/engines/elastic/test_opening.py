"""`wb.open` and `wb.index` with a cluster: a folder's mirror, a corpus of its own, changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import workbench as wb
from tests.conftest import ROOT, paper_record
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.indices import Versions
from workbench.errors import CorpusMismatch, CorpusNotFound, ProfileError

QUERIES = ("late interaction retrieval", "making search fast", "question answering over text")


@pytest.fixture
def spec(elasticsearch_url: str) -> Iterator[wb.Elasticsearch]:
    """An index name that is free, removed afterwards."""
    made = wb.Elasticsearch(elasticsearch_url, index=f"o-{uuid4().hex[:8]}", replicas=0, timeout=60)
    yield made
    corpus = ElasticCorpus(made)
    corpus.remove()
    corpus.connection.close()


def versions(spec: wb.Elasticsearch) -> list[tuple[str, bool]]:
    corpus = ElasticCorpus(spec)
    found = [(v.name, v.live) for v in Versions(corpus.connection).all()]
    corpus.connection.close()
    return found


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_folder_is_brought_to_the_cluster_once_and_answers_alike(
    spec: wb.Elasticsearch, landmarks: wb.Workbench
) -> None:
    with wb.open(landmarks.folder, engine=spec, progress=False) as bench:
        assert bench.manifest.papers == landmarks.manifest.papers
        assert bench.manifest.passages == landmarks.manifest.passages
        for text in QUERIES:
            here, there = landmarks.search(text), bench.search(text)
            assert len(set(here.paper_ids) & set(there.paper_ids)) >= 9
            assert there[0].paper == here[0].paper
            assert there[0].passage == here[0].passage
        assert spec.index in bench.info()["index"]
        assert spec.index in repr(bench)
        fingerprint = bench.engine.fingerprint
    before = versions(spec)
    with wb.open(landmarks.folder, engine=spec, progress=False) as again:
        assert again.engine.fingerprint == fingerprint
    assert versions(spec) == before
    [(name, live)] = before
    assert live
    assert name.startswith(f"{spec.index}-000001-x")
    with wb.open(engine=spec) as alone:
        assert alone.search(QUERIES[0]).paper_ids == landmarks.search(QUERIES[0]).paper_ids


def test_several_shards_score_as_one(spec: wb.Elasticsearch, landmarks: wb.Workbench) -> None:
    spread = wb.Elasticsearch(
        spec.url, index=f"{spec.index}-spread", shards=3, replicas=0, timeout=60
    )
    folder = landmarks.folder
    profile = wb.Profile(weights={"bm25": 0.5, "dense": 0.5}, feedback=False)
    with wb.open(folder, engine=spec, progress=False) as one:
        expected = one.search(QUERIES[0], profile=profile).candidates
    with wb.open(folder, engine=spread, progress=False) as three:
        first = three.search(QUERIES[0], profile=profile).candidates
    # Opened by its name alone, it finds out that it has several shards.
    with wb.open(engine=wb.Elasticsearch(spec.url, index=spread.index, timeout=60)) as again:
        found = again.search(QUERIES[0], profile=profile).candidates
    corpus = ElasticCorpus(spread)
    corpus.remove()
    corpus.connection.close()
    assert found.paper_ids.tolist() == first.paper_ids.tolist() == expected.paper_ids.tolist()
    assert found.values == pytest.approx(expected.values, rel=1e-5, abs=1e-5)


def test_changes_of_the_folder_reach_the_cluster(spec: wb.Elasticsearch, tmp_path: Path) -> None:
    source = write(tmp_path / "papers.jsonl", [paper_record(i) for i in range(40)])
    with wb.open(tmp_path, engine=spec, progress=False) as bench:
        report = bench.add(write(tmp_path / "more.jsonl", [paper_record(90, title="Lava")]))
        assert report.added == 1
        assert bench.search("lava", weights={"bm25": 1}).paper_ids[0] == "p090"
        assert bench.delete(["p090", "p001", "nobody"]) == 2
        assert "p001" not in bench.search("study", k=100).paper_ids
        assert bench.manifest.papers == 39
    assert source.exists()
    assert len(versions(spec)) <= 2
    assert sum(live for _, live in versions(spec)) == 1


def test_papers_go_to_the_cluster_alone(spec: wb.Elasticsearch, tmp_path: Path) -> None:
    records = [paper_record(i) for i in range(20)]
    bad = {"id": "bad", "title": 7}
    source = write(tmp_path / "s.jsonl", [*records, bad])
    report = wb.index(source, into=spec, progress=False)
    assert (report.added, report.rejected) == (20, 1)
    assert report.rejects is not None
    assert "title" in report.rejects.read_text()
    with wb.open(engine=spec) as bench:
        assert bench.manifest.papers == 20
        changed = [paper_record(3, title="Volcanoes"), paper_record(4)]
        again = bench.add(write(tmp_path / "t.jsonl", changed), progress=False)
        assert (again.replaced, again.unchanged) == (1, 1)
        assert bench.search("volcanoes", weights={"bm25": 1}).paper_ids[0] == "p003"
        assert bench.delete("p003") == 1
        assert bench.manifest.papers == 19


def test_another_index_type_is_a_new_version(spec: wb.Elasticsearch, tmp_path: Path) -> None:
    write(tmp_path / "papers.jsonl", [paper_record(i) for i in range(12)])
    with wb.open(tmp_path, engine=spec, progress=False) as bench:
        assert bench.engine.exact
        before = bench.search("dense vectors").paper_ids
        other = wb.Elasticsearch(
            spec.url, index=spec.index, vectors="bbq_hnsw", replicas=0, timeout=60
        )
        with wb.open(tmp_path, engine=other, progress=False) as quantised:
            assert not quantised.engine.exact
            assert quantised.search("dense vectors").paper_ids == before
        # The session that has the older version open goes on.
        assert bench.search("dense vectors", k=5).paper_ids == before[:5]


def test_the_feedback_stage_and_query_edits_work_on_the_cluster(
    spec: wb.Elasticsearch, landmarks: wb.Workbench
) -> None:
    weights = {"bm25": 0.3, "dense": 0.4, "bm25_feedback": 0.3}
    profile = wb.Profile(weights=weights, feedback=True)
    with wb.open(landmarks.folder, engine=spec, progress=False) as bench:
        here = landmarks.search(QUERIES[0], profile=profile)
        there = bench.search(QUERIES[0], profile=profile)
    assert "bm25_feedback" in there.candidates.signals
    assert len(set(here.paper_ids) & set(there.paper_ids)) >= 8


def test_an_index_that_is_somebody_elses_is_not_touched(
    spec: wb.Elasticsearch, tmp_path: Path
) -> None:
    write(tmp_path / "papers.jsonl", [paper_record(1)])
    corpus = ElasticCorpus(spec)
    corpus.connection.call("PUT", f"/{spec.index}", {"settings": {"number_of_replicas": 0}})
    with pytest.raises(CorpusMismatch, match="taken by the index"):
        wb.open(tmp_path, engine=spec, progress=False)
    with pytest.raises(CorpusMismatch, match="not made by the workbench"):
        wb.open(engine=spec)
    assert corpus.connection.call("GET", f"/{spec.index}/_count")["count"] == 0
    corpus.connection.call("DELETE", f"/{spec.index}")
    corpus.connection.close()


def test_opening_nothing_or_both_is_refused(spec: wb.Elasticsearch, tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match="nothing to open"):
        wb.open()
    with pytest.raises(CorpusNotFound, match=spec.index):
        wb.open(engine=spec)
    attached = wb.Elasticsearch(spec.url, index=spec.index, text_fields={"title": 1})
    with pytest.raises(CorpusMismatch, match="leave out the one or the other"):
        wb.open(tmp_path, engine=attached)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"url": "localhost:9200"}, "give one like http"),
        ({"url": "http://me:secret@host:9200"}, "holds credentials"),
        ({"index": "Papers"}, "lower case"),
        ({"index": "a b"}, "without spaces"),
        ({"vectors": "hnsw9"}, "choose one of flat"),
        ({"shards": 0}, "limits are 1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"oversample": 11}, "oversample is 11"),
        ({"text_fields": {"t": -1}}, "boost of t"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ProfileError, match=named) as caught:
        wb.Elasticsearch(**values)
    assert "secret" not in str(caught.value)


def test_the_readme_corpus_is_complete_on_the_cluster(
    spec: wb.Elasticsearch, landmarks: wb.Workbench
) -> None:
    queries = ROOT / "data" / "landmarks" / "queries.jsonl"
    qrels = ROOT / "data" / "landmarks" / "qrels.tsv"
    expected = landmarks.evaluate(queries, qrels, "nDCG@10", progress=False)
    with wb.open(landmarks.folder, engine=spec, progress=False) as there:
        found = there.evaluate(queries, qrels, "nDCG@10", progress=False)
    value = expected.metrics["nDCG@10"].mean
    assert found.metrics["nDCG@10"].mean == pytest.approx(value, abs=0.005)
