"""Workers: killed, replaced, a corpus that changes under load; no request fails for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.service import Service, serving
from tests.waiting import HANG, wait_until
from workbench.opening import open_corpus
from workbench.session import Workbench
from workbench.widgets.service import ServiceControls


@pytest.fixture(scope="module")
def corpus(landmarks: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the index that tests change, one after the other."""
    place = tmp_path_factory.mktemp("changing") / "corpus"
    return Path(shutil.copytree(landmarks.folder, place))


@pytest.fixture(scope="module")
def changing(corpus: Path) -> Iterator[Service]:
    """A service over it."""
    with serving(str(corpus), "--workers", "2", "--no-log") as service:
        yield service


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
                with httpx.Client(timeout=HANG) as client:  # some requests over one connection
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


def test_a_changed_corpus_is_served_without_a_failure(corpus: Path, changing: Service) -> None:
    search = f"{changing.url}/graph/v1/paper/search?query=index+compression&limit=20"
    first = httpx.get(search, timeout=HANG).json()
    old_ids = [paper["paperId"] for paper in first["data"]]
    with Load(changing.url).running() as load:
        wait_until(lambda: len(load.answers) > 20)
        with open_corpus(corpus, progress=False) as bench:
            whole = bench.search("index compression", 100).paper_ids
            bench.delete(whole[25])
            title = "Index compression of new corpora"
            bench.add([{"id": "new", "title": title}], progress=False)
            new = bench.engine.fingerprint
        wait_until(lambda: bool(load.answers) and versions(load)[-1] == new)
        workers = changing.workers
        changing.signal(signal.SIGHUP)
        wait_until(lambda: replaced(changing, workers))
    assert load.failures == []
    assert {answer.status_code for answer in load.answers} == {200}
    # Pages go on with the list that the first one is of, the deleted paper included.
    rest = httpx.get(f"{search}&offset=20", timeout=HANG).json()
    assert old_ids + [p["paperId"] for p in rest["data"]] == whole[:40]
    again = httpx.get(search, timeout=HANG).json()
    assert "new" in {paper["paperId"] for paper in again["data"]}


def replaced(service: Service, workers: list[int]) -> bool:
    """Whether others answer now than these."""
    return len(service.workers) == 2 and not set(service.workers) & set(workers)


def test_an_index_that_is_gone_is_said_and_taken_up_again(corpus: Path, changing: Service) -> None:
    def status(path: str) -> int:
        """Of any worker: each question comes over a connection of its own."""
        return httpx.get(f"{changing.url}{path}", timeout=HANG).status_code

    own, graph = "/search?query=compression&k=3", "/graph/v1/paper/search?query=compression"
    right = httpx.get(f"{changing.url}{own}", timeout=HANG).json()["hits"]
    workers = changing.workers
    aside = corpus.rename(corpus.with_name("aside"))
    changing.signal(signal.SIGHUP)  # nobody is replaced by who could not open it
    wait_until(lambda: status("/health/ready") == 503)
    assert changing.workers == workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: replaced(changing, workers) and _answers(changing.url))
    assert [status(own), status(graph), status("/health/live")] == [503, 429, 200]
    refused = httpx.get(f"{changing.url}{own}", timeout=HANG).json()
    assert set(refused) == {"message"}
    assert str(corpus) not in refused["message"]
    assert any(str(corpus) in line for line in changing.lines)
    aside.rename(corpus)
    wait_until(lambda: [status("/health/ready") for _ in range(8)] == [200] * 8)
    assert httpx.get(f"{changing.url}{own}", timeout=HANG).json()["hits"] == right
    assert not any("Traceback" in line for line in changing.lines)


def test_a_writer_that_is_killed_changes_no_answer(corpus: Path, changing: Service) -> None:
    [vectors] = corpus.rglob("vectors.f32")
    log = vectors.with_name("corpus.sqlite-wal")
    before = log.stat().st_size if log.exists() else 0
    many = "[{'id': f'n{n}', 'title': f'Compression {n}'} for n in range(100)]"
    code = f"import workbench as wb; wb.open({str(corpus)!r}, progress=False).add({many})"
    with Load(changing.url).running() as load:
        wait_until(lambda: len(load.answers) > 5)
        writer = subprocess.Popen([sys.executable, "-c", code])
        try:
            wait_until(lambda: log.exists() and log.stat().st_size > before)  # it is in the middle
        finally:
            writer.kill()
            writer.wait()
        seen = len(load.answers)
        wait_until(lambda: len(load.answers) > seen + 5)
    assert load.failures == []
    assert {answer.status_code for answer in load.answers} == {200}
    assert len(set(versions(load))) == 1
    with open_corpus(corpus, progress=False) as bench:  # and goes on from there
        assert bench.engine.fingerprint == versions(load)[0]
        bench.add([{"id": "newer", "title": "Index compression"}], progress=False)
        assert bench.engine.known(["newer"])


def test_killed_workers_come_again_and_counters_never_fall(service: Service) -> None:
    def counted() -> dict[str, float]:
        lines = httpx.get(f"{service.url}/metrics", timeout=HANG).text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines]
        total = [(n, v) for n, v in pairs if n.partition("{")[0].endswith("_total")]
        return {name: float(value) for name, value in total if not name.startswith("#")}

    before = counted()
    for _ in range(4):
        victim = service.workers[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda gone=victim: gone not in service.workers and len(service.workers) == 2)
        wait_until(lambda: _answers(service.url))
        now = counted()
        assert all(now[name] >= value for name, value in before.items())
        before = now
    assert before["workbench_workers_started_total"] >= 6


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=HANG).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_session_serves_itself(landmarks: Workbench) -> None:
    with landmarks.serve() as service:
        assert service.health()["corpus"] == {"open": False}  # nothing before the first query
        found = httpx.get(f"{service.url}/search?query=bm25&k=3", timeout=HANG).json()
        assert [hit["paper_id"] for hit in found["hits"]] == landmarks.search("bm25", 3).paper_ids
        assert service.url in repr(service)
        controls = ServiceControls(service)
        assert service.url in controls.address.value
        controls.stop.click()
        assert "Stopped" in controls.address.value
        assert controls.stop.disabled
    assert not service.running
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/health/live", timeout=HANG)
