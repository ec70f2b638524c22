"""Servers that tests may break, and a corpus that indexes without a model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import workbench as wb
from tests.conftest import ROOT, server_archive
from tests.corpus.fakes import build, long_record
from tests.servers.elasticsearch import Server
from workbench.engines.elastic.own.corpus import ElasticCorpus

PAPERS = 400
USER, PASSWORD = "reader", "correct-horse-7"
TABLE = (ROOT / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
LIMIT = 100_000
"""Bytes of a request that the guarded server takes."""


def documented(purpose: str) -> dict[str, Any]:
    """The role that the page's table of privileges means, for indices whose names begin "r-"."""
    [(on_cluster, on_index)] = re.findall(rf"^\| {purpose}[^|]*\|([^|]*)\|([^|]*)\|", TABLE, re.M)
    names = re.findall(r"`(\w+)`", on_index)
    assert names
    indices = [{"names": ["r-*"], "privileges": names}]
    return {"cluster": re.findall(r"`(\w+)`", on_cluster), "indices": indices}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus folder of several passages a paper. Tests must not change it."""
    work = tmp_path_factory.mktemp("fake-corpus")
    source = work / "papers.jsonl"
    source.write_text("".join(json.dumps(long_record(n)) + "\n" for n in range(PAPERS)))
    build(work / "index", source)
    return work / "index"


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server of its own, running; a test that breaks it mends it."""
    server = Server(server_archive(), heap="384m")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def guarded() -> Iterator[Server]:
    """A server that asks for a password: one user may do everything, the others what the
    documentation lists for them. It takes small requests alone."""
    server = Server(
        server_archive(),
        heap="384m",
        settings={"http.max_content_length": f"{LIMIT}b"},
        users=dict.fromkeys((USER, "searcher", "loader", "examiner"), PASSWORD),
        roles={
            "searcher": documented("search"),
            "loader": documented("load"),
            "examiner": documented("`workbench doctor`"),
        },
    )
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def crowded() -> Iterator[Server]:
    """A server that lets only little be written or searched at once; 429 is for the rest."""
    settings = {
        "indexing_pressure.memory.limit": "60kb",
        "thread_pool.search.size": 1,
        "thread_pool.search.queue_size": 1,
    }
    server = Server(server_archive(), heap="384m", settings=settings)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def corpus_on() -> Iterator[Callable[..., ElasticCorpus]]:
    """`corpus_on(url, **spec)`: a corpus under a new name; closed, but left to its server."""
    made: list[ElasticCorpus] = []

    def make(url: str, **values: object) -> ElasticCorpus:
        given = {"index": f"f-{uuid4().hex[:8]}", "replicas": 0, "timeout": 30.0, **values}
        made.append(ElasticCorpus(wb.Elasticsearch(url, **given)))
        return made[-1]

    yield make
    for corpus in made:
        corpus.connection.close()
