"""How often a search goes to the cluster, and that what it brings along changes nothing."""

from __future__ import annotations

import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.corpus.collection import read_queries
from workbench.engines.elastic.wire.connection import Connection

QUERIES = [q.text for q in read_queries(ROOT / "data" / "landmarks" / "queries.jsonl")][:15]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all requests that are sent."""
    sent: list[str] = []
    once = Connection._once

    def counted(self: Connection, method: str, path: str, *rest: object) -> object:
        sent.append(path)
        return once(self, method, path, *rest)

    monkeypatch.setattr(Connection, "_once", counted)
    return sent


@pytest.mark.parametrize(("profile", "most"), [("default", 4), ("fast", 2)])
def test_a_search_takes_few_requests(
    spec: wb.Elasticsearch, requests: list[str], profile: str, most: int
) -> None:
    counts = []
    for text in QUERIES:
        with wb.open(engine=spec) as bench:  # nothing is remembered from the query before
            requests.clear()
            assert len(bench.search(text, profile=profile)) == 10
            counts.append(len(requests))
    assert max(counts) <= most, counts


def test_what_is_not_brought_along_is_asked_for(
    spec: wb.Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wb.open(engine=spec) as bench:
        expected = [bench.search(text).fingerprint for text in QUERIES]
    monkeypatch.setattr("workbench.engines.elastic.own.engine.likely", lambda *_: [])
    with wb.open(engine=spec) as bench:
        assert [bench.search(text).fingerprint for text in QUERIES] == expected
