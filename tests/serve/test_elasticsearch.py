"""A service over a cluster: the same answers, and its rejections as 429."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner

import workbench as wb
from tests.servers.service import Service, serving
from tests.waiting import HANG, wait_until
from workbench.cli.app import app
from workbench.cli.elastic import read_engine
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import ClusterBusy, ClusterTimeout, ClusterUnavailable
from workbench.serve.faults import refusal
from workbench.serve.options import on_cluster, served
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
            httpx.Client(base_url=f"{service.url}/graph/v1", timeout=HANG) as client,
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

            # The index is deleted, and made again.
            def ready() -> int:
                return httpx.get(f"{service.url}/health/ready", timeout=HANG).status_code

            corpus.remove()
            wait_until(lambda: ready() == 503)
            own = f"{service.url}/search?query=late"
            assert httpx.get(own, timeout=HANG).status_code == 503
            assert client.get("/paper/search", params={"query": "late"}).status_code == 429
            wb.open(landmarks.folder, engine=spec, progress=False).close()
            wait_until(lambda: ready() == 200)
            found = client.get("/paper/search", params=asked).json()["data"]
            assert [paper["paperId"] for paper in found] == expected
            assert not any("Traceback" in line for line in service.lines)
    finally:
        corpus.remove()
        corpus.connection.close()


FIELDS = (
    "--text-field", "title=2", "--text-field", "body", "--id-field", "key",
)  # fmt: skip


def make(spec: wb.Elasticsearch, connection: Connection, **papers: str) -> None:
    """Somebody else's index of papers without vectors, by key their titles."""
    properties = {"key": {"type": "keyword"}, "title": {"type": "text"}, "body": {"type": "text"}}
    connection.call("PUT", f"/{spec.index}", {"mappings": {"properties": properties}})
    write(spec, connection, **papers)


def write(spec: wb.Elasticsearch, connection: Connection, **papers: str) -> None:
    """Papers into it, by key their titles; searches find them."""
    for key, title in papers.items():
        body = {"key": key, "title": title, "body": f"{title} answer queries."}
        connection.call("PUT", f"/{spec.index}/_doc/{key}?refresh=true", body)


@pytest.fixture
def theirs(elasticsearch_url: str) -> Iterator[tuple[wb.Elasticsearch, Connection]]:
    """Somebody else's index of two papers."""
    spec = wb.Elasticsearch(
        elasticsearch_url, index=f"theirs-{uuid4().hex[:8]}", timeout=60,
        text_fields={"title": 2.0, "body": 1.0}, id_field="key",
    )  # fmt: skip
    connection = Connection(spec)
    make(spec, connection, a="Inverted files", b="Ranking functions")
    try:
        yield spec, connection
    finally:
        connection.call("DELETE", f"/{spec.index}", missing_ok=True)
        connection.close()


def test_an_index_of_others_is_served(
    theirs: tuple[wb.Elasticsearch, Connection], tmp_path: Path
) -> None:
    spec, connection = theirs
    profile = wb.Profile(weights={"bm25": 1.0})
    file = tmp_path / "words.toml"
    file.write_text(profile.to_toml())
    place = ("--engine", spec.url, "--index", spec.index, *FIELDS, "--profile", str(file))
    with (
        wb.open(engine=spec, profile=profile) as bench,
        serving(*place, "--no-log") as service,
        httpx.Client(base_url=service.url, timeout=HANG) as client,
    ):

        def ids(query: str) -> list[str]:
            answer = client.get("/search", params={"query": query})
            return [hit["paper_id"] for hit in answer.json().get("hits", ())]

        expected = bench.search("inverted").paper_ids
        assert ids("inverted") == expected
        assert expected[0] == "a"
        graph = "/graph/v1/paper"
        ranked = client.get(f"{graph}/search", params={"query": "ranking"}).json()["data"]
        assert ranked[0]["paperId"] == "b"
        assert client.get(f"{graph}/b").json()["title"] == "Ranking functions"
        matched = client.get(f"{graph}/search/match", params={"query": "Inverted files"})
        assert matched.json()["data"][0]["paperId"] == "a"
        for path in (f"{graph}/search/bulk", f"{graph}/autocomplete?query=inv"):
            answer = client.get(path)
            assert answer.status_code == 400
            assert "cannot list its papers" in answer.json()["error"]
        found = CliRunner().invoke(app, ["search", *place, "inverted", "--json"])
        assert [hit["paper_id"] for hit in json.loads(found.stdout)["hits"]] == expected
        asked = CliRunner().invoke(app, ["ask", *place, "What do files answer?", "--json"])
        assert json.loads(asked.stdout)["question"] == "What do files answer?"
        # What a session serves is what these options name.
        options = served(bench, bench._keeper, {})
        named = read_engine(spec.url, spec.index, text_fields=["title=2", "body"], id_field="key")
        assert named is not None
        assert replace(named, timeout=60) == spec
        assert on_cluster(spec) == {
            "engine": options.engine, "index": options.index, "cluster": options.cluster,
        }  # fmt: skip
        # What its owner writes is found, also by a query that was answered before.
        assert ids("inverted") == expected
        before = client.get("/search", params={"query": "inverted"}).json()["corpus"]
        write(spec, connection, z="Inverted inverted")
        wait_until(lambda: ids("inverted")[0] == "z")
        assert client.get("/search", params={"query": "inverted"}).json()["corpus"] != before
        connection.call("DELETE", f"/{spec.index}/_doc/z?refresh=true")
        wait_until(lambda: ids("inverted") == expected)
        # Another index takes its name: nothing that was found in the first is told of it.
        connection.call("DELETE", f"/{spec.index}")
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        assert client.get("/search", params={"query": "anew"}).status_code == 503
        make(spec, connection, c="Inverted again")
        wait_until(lambda: ids("inverted") == ["c"])


def test_options_of_a_cluster_that_cannot_be_meant() -> None:
    def told(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code != 0
        return f"{done.output} {done.exception}"

    engine = ("--engine", "http://127.0.0.1:9")
    assert "NAME=BOOST" in told("search", *engine, "--text-field", "title=two", "a query")
    assert "boost of title" in told("search", *engine, "--text-field", "title=-1", "a query")
    assert "folder" in told("search", "a query")
    assert "text" in told("ask", *engine)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--index", "nothing-here"), "nothing-here"),
        (("--index", "THEIRS"), "lower case"),
    ],
)
def test_a_wrong_index_is_refused_at_the_start(
    options: tuple[str, ...], told: str, elasticsearch_url: str
) -> None:
    with pytest.raises(RuntimeError, match=rf"Error: .*{told}"):
        Service("--engine", elasticsearch_url, *options)


def test_a_cluster_that_is_away_makes_a_service_that_is_not_ready() -> None:
    with serving("--engine", "http://127.0.0.1:9", "--no-log") as service:
        assert httpx.get(f"{service.url}/health/live", timeout=HANG).status_code == 200
        ready = httpx.get(f"{service.url}/health/ready", timeout=HANG)
        assert ready.status_code == 503
        assert "cluster" in ready.json()["status"]
        asked = f"{service.url}/graph/v1/paper/search?query=files"
        assert httpx.get(asked, timeout=HANG).status_code == 429


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClusterBusy("x"), 429), (ClusterUnavailable("x"), 429), (ClusterTimeout("x"), 504)],
)
def test_rejections_of_a_cluster(error: Exception, status: int) -> None:
    assert refusal(error).status == status
