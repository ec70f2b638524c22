"""A service over a cluster: the same answers, and its rejections as 429."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

import workbench as wb
from tests.servers.service import serving
from tests.waiting import wait_until
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

            def version() -> str:
                one = {"query": "late interaction", "limit": 1}
                answer = client.get("/snippet/search", params=one)
                assert answer.status_code == 200
                return str(answer.json()["retrievalVersion"])

            # Another process changes the corpus: it is taken up, and a search that began before
            # goes on with its list and its papers.
            before = version()
            with wb.open(engine=spec, progress=False) as bench:
                whole = bench.search("late interaction", 60).paper_ids
                bench.delete(whole[25])
            wait_until(lambda: version() != before)
            rest = client.get("/paper/search", params={**asked, "offset": 20}).json()["data"]
            assert expected + [paper["paperId"] for paper in rest] == whole[:40]
            again = client.get("/paper/search", params={**asked, "limit": 60}).json()["data"]
            assert whole[25] not in {paper["paperId"] for paper in again}
    finally:
        corpus.remove()
        corpus.connection.close()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClusterBusy("x"), 429), (ClusterUnavailable("x"), 429), (ClusterTimeout("x"), 504)],
)
def test_rejections_of_a_cluster(error: Exception, status: int) -> None:
    assert refusal(error).status == status
