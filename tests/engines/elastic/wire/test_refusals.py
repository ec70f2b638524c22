"""What a cluster refuses for good is said at once, with its reason and what to do; privileges are
those of the documentation; requests that are too large are split."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import workbench as wb
from tests.conftest import need
from tests.corpus.fakes import FakeEmbedder
from tests.engines.elastic.conftest import LIMIT, PASSWORD
from tests.servers.elasticsearch import Server
from workbench.engines.elastic.health import examine
from workbench.engines.elastic.keepers import AttachedKeeper
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.wire.bulk import Action, BulkWriter
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.failures import from_status
from workbench.engines.keeper import Keeper
from workbench.errors import (
    ClusterDenied,
    ClusterError,
    ClusterTooLarge,
    ClusterUnavailable,
    ProfileError,
    QueryError,
    WorkbenchError,
)

CorpusOn = Callable[..., ElasticCorpus]


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def become(name: str) -> None:
        monkeypatch.setenv("WORKBENCH_ES_USER", name)
        monkeypatch.setenv("WORKBENCH_ES_PASSWORD", PASSWORD)

    return become


def opened(keeper: Keeper) -> wb.Workbench:
    return wb.Workbench(Path("x"), embedder=FakeEmbedder(), keeper=keeper)


def test_the_documented_privileges_are_enough_and_needed(
    guarded: Server, corpus_on: CorpusOn, folder: Path, as_user: Callable[[str], None]
) -> None:
    name = f"r-{uuid4().hex[:8]}"
    as_user("loader")
    assert corpus_on(guarded.url, index=name).mirror(folder).manifest.papers == 400
    as_user("searcher")
    corpus = corpus_on(guarded.url, index=name)
    with wb.Workbench(
        Path("x"), embedder=FakeEmbedder(), keeper=ElasticCorpus(corpus.connection.spec)
    ) as bench:
        assert bench.search("dense retrieval feedback")
        assert bench.engine.deleted is None
        assert bench.info()["bytes_on_cluster"] is None
        with pytest.raises(ClusterDenied, match=r"(?s)unauthorized for user \[searcher\].*lists"):
            bench.delete("p1")
    fields = {"text_fields": {"tokens": 1.0}, "vector_field": "vector", "paper_field": "paper_id"}
    theirs = wb.Elasticsearch(guarded.url, index=name, timeout=30, **fields)
    with opened(AttachedKeeper(theirs)) as bench:
        assert bench.search("dense retrieval feedback")
    as_user("examiner")
    lines = {line.name: line for line in examine(corpus.connection.spec)}
    assert all(line.ok for line in lines.values()), lines
    assert "not known" not in lines["deleted documents"].found


def test_a_request_that_is_too_large_is_split_and_the_next_are_smaller(
    guarded: Server, corpus_on: CorpusOn, as_user: Callable[[str], None]
) -> None:
    as_user("loader")
    corpus = corpus_on(guarded.url, index=f"r-{uuid4().hex[:8]}")
    name = corpus.connection.spec.index
    corpus.connection.call("PUT", f"/{name}", {"mappings": {"dynamic": False}})
    writer = BulkWriter(corpus.connection, name)
    text = "x" * 9_000
    bodies = [{"text": text} for _ in range(40)]
    bodies[7] = {"text": text * 20}  # one that fits in no request
    writer.write(Action(str(n), body) for n, body in enumerate(bodies))
    [reject] = writer.rejects
    assert reject.id == "7"
    assert "180,0" in reject.reason
    assert "413" in reject.reason
    assert writer._most <= LIMIT
    corpus.connection.call("POST", f"/{name}/_refresh")
    assert corpus.connection.call("GET", f"/{name}/_count")["count"] == 39
    with pytest.raises(ClusterTooLarge, match=r"bulk_bytes=.*client_max_body_size"):
        corpus.connection.searches([{"query": {"ids": {"values": ["x" * 2 * LIMIT]}}}], name)


def test_the_size_of_a_request_is_a_setting(
    elasticsearch_url: str, corpus_on: CorpusOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_on(elasticsearch_url, bulk_bytes=20_000)
    name = corpus.connection.spec.index
    corpus.connection.call("PUT", f"/{name}", {"mappings": {"dynamic": False}})
    sent: list[int] = []
    bulk = Connection.bulk

    def counted(self: Connection, parts: Any, index: str, **given: Any) -> Any:
        content = list(parts)
        sent.append(sum(map(len, content)))
        return bulk(self, content, index, **given)

    monkeypatch.setattr(Connection, "bulk", counted)
    BulkWriter(corpus.connection, name).write(
        Action(str(n), {"text": "x" * 3_000}) for n in range(40)
    )
    corpus.connection.call("DELETE", f"/{name}")
    assert len(sent) == 7
    assert max(sent) <= 20_000


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"size": 10_001}, "max_result_window"),
        ({"query": {"terms": {"k": ["x"] * 30}}}, "max_terms_count"),
        ({"query": {"knn": {"field": "k", "query_vector": [1.0]}}}, "dense_vector"),
        ({"query": {"term": {"n": "word"}}}, 'For input string: "word"'),
        ({"query": {"no_such": {}}}, "no_such"),
    ],
)
def test_what_is_refused_for_good_is_said_at_once(
    elasticsearch_url: str, corpus_on: CorpusOn, body: dict[str, Any], named: str
) -> None:
    corpus = corpus_on(elasticsearch_url)
    name = corpus.connection.spec.index
    properties = {"k": {"type": "keyword"}, "n": {"type": "integer"}}
    settings = {"max_terms_count": 20}
    made = {"settings": settings, "mappings": {"properties": properties}}
    corpus.connection.call("PUT", f"/{name}", made)
    corpus.connection.call("PUT", f"/{name}/_doc/1", {"k": "x"}, params={"refresh": "true"})
    with pytest.raises(WorkbenchError, match=re.escape(named)) as caught:
        corpus.connection.searches([body], name)
    corpus.connection.call("DELETE", f"/{name}")
    assert isinstance(caught.value, QueryError | ClusterError)
    assert not isinstance(caught.value, ClusterUnavailable)
    assert "wait" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "causes", "kind"),
    [
        (503, [], ClusterUnavailable),
        (503, ["no_shard_available_action_exception"], ClusterUnavailable),
        (500, ["node_disconnected_exception"], ClusterUnavailable),
        (500, ["null_pointer_exception"], ClusterError),
        (400, ["illegal_argument_exception"], QueryError),
        (400, ["query_shard_exception"], QueryError),
        (502, None, ClusterUnavailable),
        (500, None, ClusterUnavailable),
        (404, None, ClusterError),
    ],
)
def test_only_what_passes_is_worth_waiting_for(
    status: int, causes: list[str] | None, kind: type[WorkbenchError]
) -> None:
    # Shapes of Elasticsearch's answers; most of these states last too short to be caused.
    error = {
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "root_cause": [{"type": cause, "reason": "why"} for cause in causes or []],
    }
    body = "<html>Bad gateway</html>" if causes is None else {"error": error}
    assert type(from_status(status, body, "here")) is kind


# Addresses


def refused(url: str, **given: Any) -> WorkbenchError:
    connection = Connection(wb.Elasticsearch(url, timeout=10, **given))
    try:
        with pytest.raises(WorkbenchError) as caught:
            connection.version()
    finally:
        connection.close()
    return caught.value


@contextmanager
def http_server(context: ssl.SSLContext | None = None, location: str = "") -> Iterator[int]:
    """A server that is no Elasticsearch: it redirects, or answers nothing of use."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301 if location else 200)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody signed, with its key."""
    need(shutil.which("openssl") is not None, "openssl", "install the package openssl")
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command = ["openssl", *made.split(), "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", f"{file}.key", "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.key").read_text())
    return file


def test_a_redirect_names_the_place_and_no_secret() -> None:
    with http_server(location="https://ann:s3cret@search.example:9243/x?key=s3cret") as port:
        error = refused(f"http://127.0.0.1:{port}")
    assert isinstance(error, ProfileError)
    assert "redirects to https://search.example:9243 (status 301)" in str(error)
    assert "s3cret" not in str(error)


def test_the_wrong_scheme_is_named_both_ways(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server() as port:
        error = refused(f"https://127.0.0.1:{port}")
    assert isinstance(error, ProfileError)
    assert "answers without TLS; give its URL with http://" in str(error)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http_server(context) as port:
        error = refused(f"http://localhost:{port}")
        assert isinstance(error, ClusterUnavailable)
        assert "wants https:// in its URL" in str(error)
        error = refused(f"https://localhost:{port}")
        assert isinstance(error, ClusterDenied)
        assert "self-signed certificate" in str(error)
        monkeypatch.setenv("WORKBENCH_ES_CA_CERTS", str(certificate))
        error = refused(f"https://localhost:{port}")
        assert "certificate" not in str(error)  # trusted now; it is no Elasticsearch
        error = refused(f"https://127.0.0.1:{port}")
        assert "doesn't match 'localhost'" in str(error)
        assert "the host's name" in str(error)


def test_a_file_of_certificates_is_checked_when_it_is_named(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = wb.Elasticsearch("https://localhost:1")
    (tmp_path / "empty.pem").write_text("nothing")
    for file in (tmp_path / "absent.pem", tmp_path / "empty.pem", tmp_path):
        monkeypatch.setenv("WORKBENCH_ES_CA_CERTS", str(file))
        with pytest.raises(ProfileError, match=rf"names {file}, which cannot be read as"):
            Connection(spec)
    monkeypatch.setenv("WORKBENCH_ES_CA_CERTS", str(certificate))
    Connection(spec).close()
    with pytest.raises(ProfileError, match="http://localhost:1 does not use certificates"):
        Connection(wb.Elasticsearch("https://localhost:1,http://localhost:1"))


@pytest.mark.parametrize("name", ["Papers", "Ärzte", ".hidden", "a.B_c-D"])
def test_names_of_others_may_have_capitals(name: str) -> None:
    assert wb.Elasticsearch(index=name, text_fields={"title": 1}).index == name
    with pytest.raises(ProfileError, match=r"attached to by naming its fields"):
        wb.Elasticsearch(index=name)


@pytest.mark.parametrize("name", ["", "a b", "a*", "<now>", "-a", "+a", "..", "x" * 256, "a,b"])
def test_names_that_cannot_be_are_refused_for_others_too(name: str) -> None:
    with pytest.raises(ProfileError, match="index is"):
        wb.Elasticsearch(index=name, text_fields={"title": 1})
