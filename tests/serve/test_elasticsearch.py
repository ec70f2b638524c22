"""A service over a cluster: the same answers, and its rejections as 429."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

import workbench as wb
from tests.servers.service import serving
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.errors import ClusterBusy, ClusterTimeout, ClusterUnavailable
from workbench.serve.faults import refusal
from workbench.session import Workbench


def test_a_cluster_is_served_without_a_folder(landmarks: Workbench, elasticsearch_url: str) -> None:
    index = f"s-{uuid4().hex[:8]}"
    spec = wb.Elasticsearch(elasticsearch_url, index=index, replicas=0, timeout=60)
    corpus = ElasticCorpus(spec)
    try:
        with wb.open(landmarks.folder, engine=spec, progress=False) as bench:
            expected = bench.search("late interaction", 20).paper_ids
        with (
            serving("--engine", elasticsearch_url, "--index", index, "--no-log") as service,
            httpx.Client(base_url=f"{service.url}/graph/v1", timeout=60) as client,
        ):
            asked = {"query": "late interaction", "limit": 20}
            found = client.get("/paper/search", params=asked).json()["data"]
            assert [paper["paperId"] for paper in found] == expected
            one = client.get("/paper/ARXIV:2205.09707", params={"fields": "corpusId"}).json()
            assert one["paperId"] == "santhanam2022plaid"
            bulk = client.get("/paper/search/bulk", params={"query": "+late +interaction"})
            assert "santhanam2022plaid" in {p["paperId"] for p in bulk.json()["data"]}
    finally:
        corpus.remove()
        corpus.connection.close()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClusterBusy("x"), 429), (ClusterUnavailable("x"), 429), (ClusterTimeout("x"), 504)],
)
def test_rejections_of_a_cluster(error: Exception, status: int) -> None:
    assert refusal(error).status == status
