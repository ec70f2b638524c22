"""Faults, each really caused: nothing is lost, nothing twice, and it works when it is over."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.conftest import ROOT, server_archive
from tests.corpus.fakes import FakeEmbedder
from tests.engines.elastic.conftest import PASSWORD, USER
from tests.servers.elasticsearch import Server, cluster
from tests.waiting import wait_until
from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import read_manifest
from workbench.engines.elastic.keepers import MirrorKeeper
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.indices import Versions
from workbench.engines.elastic.own.layout import Layout
from workbench.engines.elastic.own.writing import IndexWriter
from workbench.engines.elastic.wire import bulk
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import (
    ClusterBusy,
    ClusterDenied,
    ClusterError,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterUnavailable,
    CorpusMismatch,
    CorpusNotFound,
    WorkbenchError,
)

CorpusOn = Callable[..., ElasticCorpus]
QUERY = "dense retrieval feedback"
CLIENT = """
import sys
from pathlib import Path
import workbench as wb
from workbench.engines.elastic.wire import bulk
from workbench.engines.elastic.own.corpus import ElasticCorpus
bulk.BYTES = 20_000
corpus = ElasticCorpus(wb.Elasticsearch(sys.argv[1], index=sys.argv[2], replicas=0))
print("started", flush=True)
corpus.mirror(Path(sys.argv[3]))
"""


def opened(corpus: ElasticCorpus, folder: Path) -> wb.Workbench:
    """The folder's mirror, opened as `wb.open` does, with the model that made it."""
    keeper = MirrorKeeper(folder, corpus.connection.spec)
    return wb.Workbench(folder, embedder=FakeEmbedder(), keeper=keeper)


def assert_whole(corpus: ElasticCorpus, folder: Path) -> None:
    """Every paper and passage of the folder is on the cluster, once."""
    manifest = read_manifest(folder)
    engine = corpus.open()
    assert engine.manifest.papers == manifest.papers
    assert engine.manifest.passages == manifest.passages
    with opened(corpus, folder) as there, wb.Workbench(folder, embedder=FakeEmbedder()) as here:
        expected = here.search(QUERY, 20)
        found = there.search(QUERY, 20)
        assert len(set(found.paper_ids) & set(expected.paper_ids)) >= 18
        assert found[0].paper in [hit.paper for hit in expected]


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many bulk requests instead of one."""
    monkeypatch.setattr(bulk, "BYTES", 20_000)


class Interrupted(threading.Thread):
    """Work in a thread, so that the test can break the server meanwhile."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._work = work
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def documents(corpus: ElasticCorpus) -> int:
    """Documents of all versions, refreshed or not."""
    name = corpus.connection.spec.index
    try:
        corpus.connection.call("POST", f"/{name}-*/_refresh")
        return int(corpus.connection.call("GET", f"/{name}-*/_count")["count"])
    except WorkbenchError:
        return 0


# The server dies


@pytest.mark.usefixtures("small_requests")
def test_a_server_is_killed_and_restarted(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    """During a bulk, which has everything once; queries fail typed meanwhile, and work when it is
    back."""
    with (
        opened(corpus_on(fragile.url), folder) as bench,
        opened(corpus_on(fragile.url), folder) as quiet,
    ):
        before = bench.search(QUERY).paper_ids
        assert quiet.search(QUERY).paper_ids == before
        corpus = corpus_on(fragile.url)
        work = Interrupted(lambda: corpus.mirror(folder))
        looking = corpus_on(fragile.url, index=corpus.connection.spec.index)
        wait_until(lambda: documents(looking) > 100)
        fragile.kill()
        assert work.is_alive()
        for _ in range(4):
            with pytest.raises(ClusterUnavailable, match=fragile.url):
                bench.search(QUERY)
        fragile.start()
        # Who asked nothing meanwhile has connections to a dead server, and notices nothing.
        assert quiet.search(QUERY).paper_ids == before
        wait_until(lambda: answered(bench))  # the breaker pauses
        assert bench.search(QUERY).paper_ids == before
        work.finish()
    assert_whole(corpus, folder)


@pytest.mark.usefixtures("small_requests")
def test_a_client_killed_during_bulk_continues_and_readers_see_no_half(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(fragile.url)
    name = corpus.connection.spec.index
    command = [sys.executable, "-c", CLIENT, fragile.url, name, str(folder)]
    for least in (100, 400):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda least=least: documents(corpus) > least)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with pytest.raises(CorpusNotFound):
            corpus.open()
    assert len(Versions(corpus.connection).all()) == 1
    corpus.mirror(folder)
    assert len(Versions(corpus.connection).all()) == 1
    assert_whole(corpus, folder)


def test_a_server_that_hangs_is_a_timeout_and_answers_afterwards(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    with opened(corpus_on(fragile.url, timeout=1.0), folder) as bench:
        before = bench.search(QUERY).paper_ids
        fragile.pause()
        try:
            with pytest.raises(ClusterTimeout, match=r"no answer within 1 s"):
                bench.search(QUERY)
        finally:
            fragile.resume()
        wait_until(lambda: answered(bench))
        assert bench.search(QUERY).paper_ids == before


def answered(bench: wb.Workbench) -> bool:
    try:
        return bool(bench.search(QUERY))
    except ClusterUnavailable:
        return False


# Blocks, rejections


def test_a_read_only_index_refuses_writes_and_goes_on_answering(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(fragile.url)
    live = corpus.mirror(folder)
    block = "index.blocks.read_only_allow_delete"
    path = f"/{live.name}/_settings"
    corpus.connection.call("PUT", path, {block: True})
    writer = bulk.BulkWriter(corpus.connection, live.name)
    action = bulk.Action("x", {"key": "0\tx", "paper_id": "x", "number": 0})
    with pytest.raises(ClusterReadOnly, match=r"(?s)blocked.*flood-stage.*run the same again"):
        writer.write([action])
    with opened(corpus, folder) as bench:
        assert bench.search(QUERY)
    corpus.connection.call("PUT", path, {block: None})
    writer.write([action])
    assert not writer.rejects


def test_a_read_only_cluster_says_so_and_continues_when_it_is_mended(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(fragile.url)
    block = "cluster.blocks.read_only_allow_delete"
    corpus.connection.call("PUT", "/_cluster/settings", {"persistent": {block: True}})
    try:
        with pytest.raises(ClusterReadOnly):
            corpus.mirror(folder)
    finally:
        corpus.connection.call("PUT", "/_cluster/settings", {"persistent": {block: None}})
    corpus.mirror(folder)
    assert_whole(corpus, folder)


@contextmanager
def others_write(url: str, until: Callable[[], bool]) -> Iterator[None]:
    """Another client takes most of what the server lets be written at once, until told."""
    line = b'{"index": {}}\n{"text": "' + b"word " * 800 + b'"}\n'
    done = threading.Event()

    def write() -> None:
        for _ in range(2_000):
            if done.is_set() or until():
                return
            request = urllib.request.Request(f"{url}/others/_bulk", data=line * 10)
            request.add_header("Content-Type", "application/x-ndjson")
            with contextlib.suppress(urllib.error.HTTPError):  # it is told to wait as well
                urllib.request.urlopen(request, timeout=30).close()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        done.set()
        for writer in writers:
            writer.join()


def test_rejected_documents_are_sent_again_until_all_are_there(
    crowded: Server, corpus_on: CorpusOn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BYTES", 25_000)
    retried: list[int] = []
    pause = bulk.BulkWriter._pause

    def counted(self: bulk.BulkWriter, attempt: int) -> None:
        retried.append(attempt)
        pause(self, attempt)

    monkeypatch.setattr(bulk.BulkWriter, "_pause", counted)
    corpus = corpus_on(crowded.url)
    with others_write(crowded.url, until=lambda: bool(retried)):
        corpus.mirror(folder)
    assert retried, "nothing was rejected: this test tests nothing"
    assert_whole(corpus, folder)


def test_a_cluster_that_stays_busy_ends_the_patience(
    crowded: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(crowded.url)
    corpus.connection.call("PUT", f"/{corpus.connection.spec.index}", {})
    writer = bulk.BulkWriter(corpus.connection, corpus.connection.spec.index, patience=1.0)
    with pytest.raises(ClusterBusy, match=r"(?s)rejects requests.*what was stored stays"):
        writer.write([bulk.Action("x", {"text": "long " * 50_000})])


def test_searches_rejected_inside_a_request_are_asked_again(
    crowded: Server, corpus_on: CorpusOn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BYTES", 25_000)
    live = corpus_on(crowded.url).mirror(folder)
    mine = corpus_on(crowded.url, timeout=60.0).connection
    others = corpus_on(crowded.url, timeout=60.0).connection
    rejected = threading.Event()
    searched = Connection._searched

    def seen(self: Connection, *given: Any, **options: Any) -> list[dict[str, Any]]:
        found = searched(self, *given, **options)
        if self is mine and any(response.get("status") == 429 for response in found):
            rejected.set()
        return found

    monkeypatch.setattr(Connection, "_searched", seen)
    heavy = {"size": 500, "query": {"match_all": {}}, "sort": ["paper_id"]}

    def search_until_rejected() -> None:
        for _ in range(500):
            if rejected.is_set():
                return
            others._searched([heavy] * 4, live.name, gently=False)

    crowd = [threading.Thread(target=search_until_rejected) for _ in range(8)]
    for thread in crowd:
        thread.start()
    try:
        for _ in range(500):
            answers = mine.searches([heavy] * 4, live.name)
            assert [len(answer["hits"]["hits"]) for answer in answers] == [500] * 4
            if rejected.is_set():
                break
    finally:
        rejected_in_time = rejected.is_set()
        rejected.set()
        for thread in crowd:
            thread.join()
    assert rejected_in_time, "nothing was rejected: this test tests nothing"


def test_refused_documents_are_reported_by_id(fragile: Server, corpus_on: CorpusOn) -> None:
    corpus = corpus_on(fragile.url)
    name = corpus.connection.spec.index
    mapping = {"mappings": {"dynamic": "strict", "properties": {"number": {"type": "integer"}}}}
    corpus.connection.call("PUT", f"/{name}", mapping)
    writer = bulk.BulkWriter(corpus.connection, name)
    writer.write(bulk.Action(str(n), {"number": "seven" if n == 7 else n}) for n in range(20))
    [reject] = writer.rejects
    assert reject.id == "7"
    assert "number" in reject.reason
    corpus.connection.call("POST", f"/{name}/_refresh")
    assert corpus.connection.call("GET", f"/{name}/_count")["count"] == 19


# Credentials


def test_wrong_credentials_are_refused_and_right_ones_are_never_shown(
    guarded: Server,
    corpus_on: CorpusOn,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with pytest.raises(ClusterDenied, match="WORKBENCH_ES_API_KEY"):
        corpus_on(guarded.url).mirror(folder)
    monkeypatch.setenv("WORKBENCH_ES_USER", USER)
    monkeypatch.setenv("WORKBENCH_ES_PASSWORD", "wrong-horse-7")
    with pytest.raises(ClusterDenied) as caught:
        corpus_on(guarded.url).mirror(folder)
    assert "wrong-horse-7" not in str(caught.value)
    monkeypatch.setenv("WORKBENCH_ES_PASSWORD", PASSWORD)
    corpus = corpus_on(guarded.url)
    corpus.mirror(folder)
    assert_whole(corpus, folder)
    for text in (repr(corpus.connection), repr(corpus.connection.spec), corpus.connection.where):
        assert PASSWORD not in text
    monkeypatch.delenv("WORKBENCH_ES_USER")
    monkeypatch.delenv("WORKBENCH_ES_PASSWORD")
    file = tmp_path / "elastic.toml"
    file.write_text(f'user = "{USER}"\npassword = "{PASSWORD}"\n')
    name = corpus.connection.spec.index
    assert corpus_on(guarded.url, index=name, credentials=str(file)).open().manifest.papers == 400


def test_an_api_key_is_sent_and_an_unknown_one_refused(
    corpus_on: CorpusOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The minimal distribution cannot make API keys, so a small server checks for one.
    with gate("ApiKey cmlnaHQ6a2V5") as url:
        monkeypatch.setenv("WORKBENCH_ES_API_KEY", "cmlnaHQ6a2V5")
        assert corpus_on(url).connection.version() == (8, 19, 4)
        monkeypatch.setenv("WORKBENCH_ES_API_KEY", "d3Jvbmc6a2V5")
        with pytest.raises(ClusterDenied) as caught:
            corpus_on(url).connection.version()
        assert "d3Jvbmc6a2V5" not in str(caught.value)


def test_a_version_that_is_too_old_is_named(corpus_on: CorpusOn) -> None:
    with gate(None, "7.17.0") as url, pytest.raises(ClusterError, match=r"7\.17\.0.*8\.18"):
        corpus_on(url).open()


@contextmanager
def gate(authorization: str | None, version: str = "8.19.4") -> Iterator[str]:
    """A server that lets through one Authorization header and answers 401 to others."""

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("authorization") == authorization
            self.send_response(200 if known else 401)
            self.send_header("content-type", "application/json")
            self.send_header("x-elastic-product", "Elasticsearch")
            self.end_headers()
            body = {"nodes": {"a": {"version": version}}} if known else {}
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# Indices that do not fit


def test_an_index_that_goes_missing_is_named(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(fragile.url)
    with opened(corpus, folder) as bench:
        corpus.remove()
        with pytest.raises(CorpusNotFound, match=corpus.connection.spec.index):
            bench.search(QUERY)
        corpus.mirror(folder)
    with opened(corpus, folder) as bench:
        assert bench.search(QUERY)


def test_papers_of_an_index_that_is_gone_are_not_taken_for_absent(
    fragile: Server, corpus_on: CorpusOn
) -> None:
    writer = IndexWriter(corpus_on(fragile.url).connection, "gone")
    with writer, pytest.raises(CorpusNotFound, match="no such index"):
        writer.digests(["p1"])


def test_two_writers_keep_their_own_rejects(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    first = corpus_on(fragile.url)
    first.mirror(folder)
    both = first, corpus_on(fragile.url, index=first.connection.spec.index)

    def add(number: int) -> IngestReport:
        records = [{"id": f"good{number}", "title": "Kelp"}, {"id": f"bad{number}", "year": "?"}]
        return both[number].add(records, FakeEmbedder())

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(add, range(2)))
    for number, report in enumerate(reports):
        assert report.rejects is not None
        assert len(report.rejects.read_text().splitlines()) == report.rejected == 1, number
    assert reports[0].rejects != reports[1].rejects


FORKS = """
import os, signal, sys, threading
from pathlib import Path
import workbench as wb
from tests.corpus.fakes import FakeEmbedder
from workbench.engines.elastic.own.corpus import ElasticCorpus
url, index = sys.argv[1:]
keeper = ElasticCorpus(wb.Elasticsearch(url, index=index, timeout=30))
bench = wb.Workbench(Path("x"), embedder=FakeEmbedder(), keeper=keeper)
expected = bench.search("dense retrieval feedback").paper_ids
stop = threading.Event()
def work(name):
    n = 0
    while not stop.is_set():
        n += 1
        bench.search(f"dense retrieval {name} {n}")
threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
for thread in threads: thread.start()
failed = []
for n in range(6):
    child = os.fork()
    if not child:
        signal.alarm(120)  # a child that hangs ends by it, and the exit status tells
        os._exit(0 if bench.search("dense retrieval feedback").paper_ids == expected else 3)
    failed += [status for status in [os.waitpid(child, 0)[1]] if status]
stop.set()
for thread in threads: thread.join()
print(failed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_connects_anew_while_threads_of_its_parent_search(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    corpus = corpus_on(fragile.url)
    corpus.mirror(folder)
    index = corpus.connection.spec.index
    command = [sys.executable, "-W", "ignore", "-c", FORKS, fragile.url, index]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr[-3000:]


def test_an_alias_to_two_indices_is_refused(
    fragile: Server, corpus_on: CorpusOn, folder: Path
) -> None:
    first, second = corpus_on(fragile.url), corpus_on(fragile.url)
    names = [corpus.mirror(folder).name for corpus in (first, second)]
    both = corpus_on(fragile.url)
    alias = both.connection.spec.index
    actions = [{"add": {"index": name, "alias": alias}} for name in names]
    both.connection.call("POST", "/_aliases", {"actions": actions})
    with pytest.raises(CorpusMismatch, match=r"alias over several indices.*name one of them"):
        both.open()
    spec = wb.Elasticsearch(fragile.url, index=alias, text_fields={"tokens": 1})
    with pytest.raises(CorpusMismatch, match="alias over several indices"):
        wb.open(engine=spec)


def test_a_mapping_of_another_dimension_names_both(fragile: Server, corpus_on: CorpusOn) -> None:
    corpus = corpus_on(fragile.url)
    layout = Layout("a", "c", "other", "", 8, 0.9, 0.4, "flat")
    versions = Versions(corpus.connection)
    version, _ = versions.building(layout, "x")
    assert versions.publish(version, over=None)
    with pytest.raises(CorpusMismatch, match=r"(?s)dimension 8.*dimension 32"):
        opened_alone(corpus)


def opened_alone(corpus: ElasticCorpus) -> wb.Workbench:
    from workbench.engines.elastic.own.corpus import ElasticCorpus

    keeper = ElasticCorpus(corpus.connection.spec)
    return wb.Workbench(Path("x"), embedder=FakeEmbedder(), keeper=keeper)


# A cluster of three


@pytest.fixture(scope="module")
def three() -> Iterator[list[Server]]:
    """Three nodes with small heaps."""
    servers = cluster(server_archive())
    yield servers
    for server in servers:
        server.close()


def test_one_of_three_nodes_may_die_at_any_time(
    three: list[Server], corpus_on: CorpusOn, folder: Path
) -> None:
    urls = ",".join(server.url for server in three)
    corpus = corpus_on(urls, replicas=1, timeout=20.0)
    with opened(corpus, folder) as bench:
        before = bench.search(QUERY).paper_ids
        health = f"/_cluster/health/{corpus.connection.spec.index}"
        query = {"wait_for_status": "green", "timeout": "30s"}
        corpus.connection.call("GET", health, params=query, timeout=40)
        three[2].kill()
        for _ in range(20):
            assert bench.search(QUERY).paper_ids == before
        # Without two of three there is no master and no quorum: typed, not stuck.
        three[1].kill()
        with contextlib.suppress(ClusterUnavailable):
            bench.search(QUERY)
        with pytest.raises(ClusterUnavailable):
            corpus_on(three[0].url, timeout=3.0).mirror(folder)
        three[1].start(wait=False)  # two of three are a quorum
        wait_until(lambda: answered(bench))
        assert bench.search(QUERY).paper_ids == before
