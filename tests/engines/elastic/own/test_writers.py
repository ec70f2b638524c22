"""Several writers, failed builds, lost answers: no paper is lost, none is left over."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pandas as pd
import pytest

import workbench as wb
from tests.conftest import paper_record
from tests.corpus.fakes import FakeEmbedder
from workbench.corpus import preparing
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.indices import LiveIndex, Versions
from workbench.errors import RecordError
from workbench.records import Query

Make = Callable[..., ElasticCorpus]


@pytest.fixture
def writer(elasticsearch_url: str) -> Iterator[Make]:
    """`writer(url)`: another writer of one index."""
    name, made = f"w-{uuid4().hex[:8]}", []

    def make(url: str = elasticsearch_url) -> ElasticCorpus:
        made.append(ElasticCorpus(wb.Elasticsearch(url, index=name, replicas=0, timeout=60)))
        return made[-1]

    yield make
    make(elasticsearch_url).remove()
    for corpus in made:
        corpus.connection.close()


def frame(*numbers: int) -> pd.DataFrame:
    return pd.DataFrame([paper_record(n) for n in numbers])


QUERY = Query("results", {"result": 1.0})


def numbers_in(corpus: ElasticCorpus) -> set[int]:
    """The numbers of the papers that a search sees."""
    found = corpus.open().candidates(QUERY, 1000)
    return {int(name[1:]) for name in found.paper_ids.tolist()}


def before_publishing(corpus: ElasticCorpus, act: Callable[[], Any]) -> None:
    """Let `act` happen once, after this writer has written and before it publishes."""
    checked, waiting = corpus._checked, [act]

    def meanwhile(*arguments: Any) -> LiveIndex:
        there = checked(*arguments)
        while waiting:
            waiting.pop()()
        return there

    corpus._checked = meanwhile


@pytest.mark.parametrize("before", [(), (0, 1)], ids=["first build", "change"])
def test_a_writer_that_is_overtaken_writes_again(writer: Make, before: tuple[int, ...]) -> None:
    one, other = writer(), writer()
    if before:
        one.add(frame(*before), FakeEmbedder())
    before_publishing(one, lambda: other.add(frame(2, 3), FakeEmbedder()))
    report = one.add(frame(4, 5), FakeEmbedder())
    assert report.added == 2
    assert numbers_in(one) == {*before, 2, 3, 4, 5}
    assert len(Versions(one.connection).all()) <= 2


def test_a_deletion_that_is_overtaken_deletes_from_what_is_live(writer: Make) -> None:
    one, other = writer(), writer()
    one.add(frame(0, 1, 2), FakeEmbedder())
    before_publishing(one, lambda: other.delete(["p001"], FakeEmbedder()))
    assert one.delete(iter(["p000", "p001"]), FakeEmbedder()) == 1
    assert numbers_in(one) == {2}


def test_a_mirror_that_is_overtaken_holds_the_folder_in_the_end(writer: Make, folder: Path) -> None:
    one, other = writer(), writer()
    before_publishing(one, lambda: other.mirror(folder))
    there = one.mirror(folder)
    assert there.manifest.fingerprint == one.open().manifest.fingerprint
    assert sum(version.live for version in Versions(one.connection).all()) == 1


def test_many_writers_lose_nothing(writer: Make) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: writer().add(frame(2 * n, 2 * n + 1), FakeEmbedder()), range(4)))
    assert numbers_in(writer()) == set(range(8))


# Failed builds


def test_a_changed_frame_does_not_publish_what_a_failed_build_left(
    writer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "BATCH", 2)
    corpus, source = writer(), frame(0, 1, 2, 3, 4)
    source.loc[4, "title"] = None
    source.loc[4, "abstract"] = None
    with pytest.raises(RecordError):
        corpus.add(source, FakeEmbedder(), strict=True)
    source.loc[4, ["title", "abstract"]] = ["Mended", "The results are reported."]
    source.loc[0, "id"] = "p007"  # the same object, other papers
    corpus.add(source, FakeEmbedder(), strict=True)
    assert numbers_in(corpus) == {7, 1, 2, 3, 4}


def test_a_build_is_continued_and_what_its_source_lacks_now_goes(
    writer: Make, write_jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "BATCH", 2)
    corpus, embedder = writer(), FakeEmbedder()
    records = [paper_record(n) for n in range(5)]
    source = write_jsonl([*records[:4], {**records[4], "title": 7}])
    state = source.stat()
    with pytest.raises(RecordError):
        corpus.add(source, embedder, strict=True)
    once = len(embedder.encoded)
    # The same length and time: nothing tells that it is another file.
    write_jsonl([*records[:3], {**records[4], "title": "x" * (len(records[3]["title"]) - 1)}])
    content = source.read_bytes()
    source.write_bytes(content + b" " * (state.st_size - len(content) - 1) + b"\n")
    os.utime(source, ns=(state.st_atime_ns, state.st_mtime_ns))
    report = corpus.add(source, embedder, strict=True)
    assert (report.unchanged, report.added, report.deleted) == (3, 1, 0)
    assert len(embedder.encoded) == once + 1
    assert numbers_in(corpus) == {0, 1, 2, 4}
    assert corpus.open().deleted == 0


# Lost answers


@pytest.fixture
def lossy(elasticsearch_url: str) -> Iterator[Callable[[str], str]]:
    """`lossy(part)`: the URL of a proxy that cuts the first answer to a PUT or POST whose path
    has that part, after the server has done what was asked."""
    servers: list[ThreadingHTTPServer] = []

    def start(part: str) -> str:
        lost: list[str] = []
        host = urlsplit(elasticsearch_url).netloc

        class Proxy(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length", 0))
                there = http.client.HTTPConnection(host, timeout=120)
                there.request(self.command, self.path, self.rfile.read(length), dict(self.headers))
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if self.command in {"PUT", "POST"} and part in self.path and not lost:
                    lost.append(self.path)
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name in ("content-type", "x-elastic-product"):
                    if answer.getheader(name):
                        self.send_header(name, str(answer.getheader(name)))
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - as http.server calls them

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        server.lost = lost
        server.handle_error = lambda *_: None
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
        assert server.lost, "nothing was lost: this test tests nothing"


@pytest.mark.parametrize("part", ["-000001-x", "_clone", "_aliases", "_bulk"])
def test_an_answer_that_is_lost_changes_nothing(
    writer: Make, lossy: Callable[[str], str], part: str
) -> None:
    corpus = writer(lossy(part))
    corpus.add(frame(0, 1, 2), FakeEmbedder())
    report = corpus.add(frame(2, 3), FakeEmbedder())
    assert (report.added, report.unchanged) == (1, 1)
    assert numbers_in(corpus) == {0, 1, 2, 3}
    versions = Versions(corpus.connection).all()
    assert [version.live for version in versions] == [False, True]
    assert corpus.open().deleted == 0
