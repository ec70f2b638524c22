"""A small real corpus with judged queries, and copies of it that may be changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Judgment, Query
from workbench.session import Workbench

LANDMARKS = ROOT / "data" / "landmarks"
PAPERS, QUERIES = 60, 12
METRICS = "nDCG@10,AP"

Make = Callable[..., Workbench]


@pytest.fixture(scope="session")
def papers() -> list[dict[str, object]]:
    """The papers judged for the first queries, and some others."""
    lines = (LANDMARKS / "papers.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines][:PAPERS]


@pytest.fixture(scope="session")
def judged(papers: list[dict[str, object]]) -> tuple[list[Query], list[Judgment]]:
    """Queries with a relevant paper here, and their judgments of papers that are here."""
    here = {str(paper["id"]) for paper in papers}
    found = [j for j in wb.read_qrels(LANDMARKS / "qrels.tsv") if j.paper_id in here]
    grades = grades_by_query(found)
    queries = wb.read_queries(LANDMARKS / "queries.jsonl")
    chosen = [q for q in queries if max(grades.get(q.id, {"": 0}).values()) > 0][:QUERIES]
    ids = {query.id for query in chosen}
    return chosen, [j for j in found if j.query_id in ids]


@pytest.fixture(scope="session")
def base(
    papers: list[dict[str, object]],
    embedder: OnnxEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The index, made once; tests take copies."""
    folder = tmp_path_factory.mktemp("base") / "corpus"
    wb.index(papers, into=folder, progress=False)
    return folder


@pytest.fixture
def make(base: Path, embedder: OnnxEmbedder, tmp_path: Path) -> Iterator[Make]:
    """`make("name")`: a session over a copy of the index with no experiments."""
    opened: list[Workbench] = []

    def copy(name: str = "corpus") -> Workbench:
        folder = tmp_path / name
        shutil.copytree(base, folder)
        bench = Workbench(folder, embedder=embedder)
        opened.append(bench)
        return bench

    yield copy
    for bench in opened:
        bench.close()


@pytest.fixture
def retrieved(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries for which the engine was asked, as they come."""
    asked: list[str] = []
    usual = type(bench.engine).candidates

    def counted(self: Any, query: Query, *given: Any, **options: Any) -> Any:
        asked.append(query.id)
        return usual(self, query, *given, **options)

    monkeypatch.setattr(type(bench.engine), "candidates", counted)
    return asked


@pytest.fixture
def bench(make: Make) -> Workbench:
    """A session of its own."""
    return make()
