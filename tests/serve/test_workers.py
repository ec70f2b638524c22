"""Workers: killed, replaced, a corpus that changes under load; no request fails for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.service import Service, serving
from workbench.opening import open_corpus
from workbench.session import Workbench
from workbench.widgets.service import ServiceControls


@pytest.fixture
def corpus(landmarks: Workbench, tmp_path: Path) -> Path:
    """A copy of the index that a test may change."""
    return Path(shutil.copytree(landmarks.folder, tmp_path / "corpus"))


def until(found: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for what happens in other processes, which tell nobody."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


class Load:
    """Requests one after another in threads until stopped; what failed is kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[httpx.Response] = []
        self.failures: list[Exception] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                with httpx.Client(timeout=60) as client:  # some requests over one connection
                    for _ in range(5):
                        path = "/graph/v1/snippet/search?query=index+compression&limit=3"
                        self.answers.append(client.get(self.url + path))
            except httpx.HTTPError as error:
                self.failures.append(error)

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def versions(load: Load) -> list[str]:
    return [answer.json()["retrievalVersion"] for answer in load.answers]


def test_a_changed_corpus_is_served_without_a_failure(corpus: Path) -> None:
    with serving(str(corpus), "--workers", "2", "--no-log") as service:
        search = f"{service.url}/graph/v1/paper/search?query=index+compression&limit=20"
        first = httpx.get(search).json()
        old_ids = [paper["paperId"] for paper in first["data"]]
        with Load(service.url).running() as load:
            until(lambda: len(load.answers) > 20)
            with open_corpus(corpus, progress=False) as bench:
                whole = bench.search("index compression", 100).paper_ids
                bench.delete(whole[25])
                title = "Index compression of new corpora"
                bench.add([{"id": "new", "title": title}], progress=False)
                new = bench.engine.fingerprint
            until(lambda: bool(load.answers) and versions(load)[-1] == new)
            workers = service.workers
            service.signal(signal.SIGHUP)
            until(lambda: len(service.workers) == 2 and not set(service.workers) & set(workers))
        assert load.failures == []
        assert {answer.status_code for answer in load.answers} == {200}
        # Pages go on with the list that the first one is of, the deleted paper included.
        rest = httpx.get(f"{search}&offset=20").json()
        assert old_ids + [p["paperId"] for p in rest["data"]] == whole[:40]
        again = httpx.get(search).json()
        assert "new" in {paper["paperId"] for paper in again["data"]}


def test_a_writer_that_is_killed_changes_no_answer(corpus: Path) -> None:
    [vectors] = corpus.rglob("vectors.f32")
    log = vectors.with_name("corpus.sqlite-wal")
    many = "[{'id': f'n{n}', 'title': f'Compression {n}'} for n in range(100)]"
    code = f"import workbench as wb; wb.open({str(corpus)!r}, progress=False).add({many})"
    with serving(str(corpus), "--no-log") as service, Load(service.url).running() as load:
        until(lambda: len(load.answers) > 5)
        writer = subprocess.Popen([sys.executable, "-c", code])
        try:
            until(lambda: log.exists() and log.stat().st_size > 0)  # it is in the middle
        finally:
            writer.kill()
            writer.wait()
        seen = len(load.answers)
        until(lambda: len(load.answers) > seen + 5)
    assert load.failures == []
    assert {answer.status_code for answer in load.answers} == {200}
    assert len(set(versions(load))) == 1
    with open_corpus(corpus, progress=False) as bench:  # and goes on from there
        assert bench.engine.fingerprint == versions(load)[0]
        bench.add([{"id": "new", "title": "Index compression"}], progress=False)
        assert bench.engine.known(["new"])


def test_killed_workers_come_again_and_counters_never_fall(service: Service) -> None:
    def counted() -> dict[str, float]:
        lines = httpx.get(f"{service.url}/metrics", timeout=60).text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines]
        total = [(n, v) for n, v in pairs if n.partition("{")[0].endswith("_total")]
        return {name: float(value) for name, value in total if not name.startswith("#")}

    before = counted()
    for _ in range(6):
        victim = service.workers[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda gone=victim: gone not in service.workers and len(service.workers) == 2)
        until(lambda: _answers(service.url))
        now = counted()
        assert all(now[name] >= value for name, value in before.items())
        before = now
    assert before["workbench_workers_started_total"] >= 8


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=60).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_session_serves_itself(landmarks: Workbench) -> None:
    with landmarks.serve() as service:
        assert service.health()["corpus"] == {"open": False}  # nothing before the first query
        found = httpx.get(f"{service.url}/search?query=bm25&k=3").json()
        assert [hit["paper_id"] for hit in found["hits"]] == landmarks.search("bm25", 3).paper_ids
        assert service.url in repr(service)
        controls = ServiceControls(service)
        assert service.url in controls.address.value
        controls.stop.click()
        assert "Stopped" in controls.address.value
        assert controls.stop.disabled
    assert not service.running
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/health/live")
