"""An engine that no module of the package knows does all that a session does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.conftest import paper_record
from tests.engines.memory import Memory, MemoryEngine
from workbench.errors import CorpusNotFound, ProfileError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

QUERIES = {"q1": "ranking functions", "q2": "dense vectors"}
GRADES = {"q1": {"p000": 1, "p004": 2}, "q2": {"p001": 2}}


@pytest.fixture
def bench(embedder: OnnxEmbedder, tmp_path: Path) -> Iterator[wb.Workbench]:
    with wb.open(engine=Memory(embedder, tmp_path)) as session:
        session.add([paper_record(number) for number in range(12)], progress=False)
        yield session


def test_a_session_on_it_searches_and_changes(bench: wb.Workbench) -> None:
    assert isinstance(bench.engine, MemoryEngine)
    ranking = bench.search("ranking functions", k=3)
    assert set(ranking.paper_ids) == {"p000", "p004", "p008"}
    assert ranking.explain(1).hit is ranking[0]
    assert bench.search("ranking", year=2001).paper_ids == ["p001"]
    assert bench.delete(["p000", "nobody"]) == 1
    assert "p000" not in bench.search("ranking functions").paper_ids
    assert bench.info()["place"] == "memory"
    assert repr(bench) == "Workbench('memory', 11 papers)"


def test_a_session_on_it_measures(bench: wb.Workbench) -> None:
    report = bench.evaluate(QUERIES, GRADES, "nDCG@10", progress=False)
    assert report.metrics["nDCG@10"].mean > 0
    curve = bench.tune(QUERIES, GRADES, progress=False)
    assert curve.best.value >= report.metrics["nDCG@10"].mean - 1e-9
    assert len(bench.judge_next(QUERIES, GRADES, n=2, progress=False)) <= 2
    assert bench.cache_token_vectors(progress=False).passages == 12


def test_it_is_like_the_embedded_engine(bench: wb.Workbench, tmp_path: Path) -> None:
    records = [paper_record(number) for number in range(12)]
    wb.index(records, tmp_path / "folder", progress=False)
    with wb.open(tmp_path / "folder", progress=False) as folder:
        report = wb.parity(folder, bench, QUERIES, progress=False)
    assert report.mean_overlap == 1.0


def test_records_are_indexed_into_it(embedder: OnnxEmbedder, tmp_path: Path) -> None:
    report = wb.index(paper_record(1), Memory(embedder, tmp_path), progress=False)
    assert report.added == 1


@pytest.mark.parametrize("engine", [3, Memory, "memory", "localhost:9200"], ids=str)
def test_what_is_no_engine_is_refused(engine: object) -> None:
    with pytest.raises(ProfileError, match=r"give wb\.Elasticsearch"):
        wb.open(engine=engine)


def test_nothing_to_open_is_refused() -> None:
    with pytest.raises(CorpusNotFound, match="nothing to open"):
        wb.open()
