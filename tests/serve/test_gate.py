"""The queue, deadlines, limits and the key; one worker in this process, over real HTTP where it
matters that a client goes away."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from workbench.errors import DeadlineExceeded, ServiceError
from workbench.measurement.load import LoadReport, run_load
from workbench.searching import Searching
from workbench.serve.app import make_app
from workbench.serve.gate import Gate
from workbench.serve.options import ServeOptions
from workbench.serve.running import NICE, Runner
from workbench.serve.service import Service
from workbench.session import Workbench
from workbench.system.deadline import check_deadline

pytestmark = pytest.mark.usefixtures("one_model")
Result = TypeVar("Result")


def run_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine gives, in a thread: browser tests leave a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def made(bench: Workbench, own: Path | None = None, **options: Any) -> tuple[Gate, Service]:
    return make_app(ServeOptions(folder=str(bench.folder), log=False, **options), folder=own)


async def asked(gate: Gate, *paths: str, **headers: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return list(await asyncio.gather(*(client.get(path, headers=headers) for path in paths)))


def test_what_finds_no_room_is_refused_and_the_rest_answered(
    landmarks: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, service = made(landmarks, threads=1, queue=2)
    # pytest parses what it imports, as numpy does headers: not at once (CPython's gh-106905).
    run_loop(asked(gate, "/"))
    held, search = threading.Event(), Workbench.search

    def slow(self: Workbench, *args: Any, **kwargs: Any) -> Any:
        held.wait(30)
        return search(self, *args, **kwargs)

    monkeypatch.setattr(Workbench, "search", slow)

    async def run() -> list[httpx.Response]:
        paths = [f"/graph/v1/paper/search?query=word{n}" for n in range(8)]
        waiting = asyncio.create_task(asked(gate, *paths))
        while gate.active < 3:
            await asyncio.sleep(0)
        assert [a.status_code for a in await asked(gate, "/health/live", "/")] == [200, 200]
        held.set()
        return await waiting

    answers = run_loop(run())
    assert sorted(a.status_code for a in answers) == [200] * 3 + [429] * 5
    busy = next(a for a in answers if a.status_code == 429).json()
    assert set(busy) == {"message", "code"}
    assert gate.active == 0
    service.close()


def test_equal_requests_share_one_computation_and_work_stops_with_its_last_caller() -> None:
    runs: list[str] = []
    stopped = threading.Event()

    def work(name: str) -> Callable[[], str]:
        def run() -> str:
            runs.append(name)
            try:
                while not release.is_set():
                    check_deadline()
                    release.wait(0.005)
            except DeadlineExceeded:
                stopped.set()
                raise
            return name

        return run

    async def together() -> list[Any]:
        runner = Runner(2, 30)
        callers = [asyncio.create_task(runner.run("key", work("shared"))) for _ in range(5)]
        while not runs:
            await asyncio.sleep(0)
        callers[0].cancel()
        await asyncio.sleep(0)
        release.set()
        found = await asyncio.gather(*callers, return_exceptions=True)
        release.clear()
        alone = asyncio.create_task(runner.run("other", work("alone")))
        while len(runs) < 2:
            await asyncio.sleep(0)
        alone.cancel()
        await asyncio.get_running_loop().run_in_executor(None, stopped.wait, 30)
        with pytest.raises(DeadlineExceeded):
            await Runner(1, 0.05).run("late", work("late"))
        return found

    release = threading.Event()
    found = run_loop(together())
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["shared"] * 4
    assert runs == ["shared", "alone", "late"]
    assert stopped.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness")
def test_what_computes_gives_way_to_the_event_loop() -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def both() -> tuple[int, int]:
        return nice(), await Runner(1, 30).run("key", nice)

    loop, thread = run_loop(both())
    assert thread == min(19, loop + NICE)


def test_the_key_is_asked_for_where_papers_are(landmarks: Workbench) -> None:
    gate, service = made(landmarks, api_key="secret")
    closed = ("/graph/v1/paper/search?query=a", "/search?query=a", "/openapi.json", "/profiles",
              "/api/v1/semantic_scholar_api/paper/x")  # fmt: skip
    for headers in ({}, {"x-api-key": "wrong"}):
        for answer in run_loop(asked(gate, *closed, **headers)):
            assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    opened = run_loop(asked(gate, *closed[:2], **{"x-api-key": "secret"}))
    assert [answer.status_code for answer in opened] == [200, 200]
    free = run_loop(asked(gate, "/health/ready", "/metrics", "/"))
    assert [answer.status_code for answer in free] == [200] * 3
    assert not any("secret" in answer.text for answer in free)
    assert "secret" not in repr(service.options)
    service.close()


def test_faults_tell_nothing_of_their_cause(
    landmarks: Workbench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate, service = made(landmarks)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/private/place")

    monkeypatch.setattr(Searching, "search", broken)
    [answer] = run_loop(asked(gate, "/graph/v1/paper/search?query=a"))
    assert answer.status_code == 500
    assert list(answer.json()) == ["message"]
    assert "private" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    service.close()


def test_other_hosts_need_a_key() -> None:
    with pytest.raises(ServiceError, match="key"):
        ServeOptions(folder="x", host="0.0.0.0")
    ServeOptions(folder="x", host="0.0.0.0", api_key="k")
    ServeOptions(folder="x", host="0.0.0.0", insecure=True)
    ServeOptions(folder="x", host="::1")
    for wrong in ({"port": -1}, {"workers": 0}, {"seconds": 0}, {"cache": "http://x"}):
        with pytest.raises(ServiceError):
            ServeOptions(folder="x", **wrong)


def test_a_page_elsewhere_is_no_caller(landmarks: Workbench) -> None:
    """DNS rebinding: the browser sends its page's name as Host, though it leads here."""
    gate, service = made(landmarks, names=("Papers.example",))
    paths = "/health/live", "/openapi.json", "/", "/graph/v1/paper/none"
    for host in (
        "evil.example",
        "localhost.evil.example:8000",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ):
        answers = run_loop(asked(gate, *paths, host=host))
        assert [answer.status_code for answer in answers] == [403] * 4
        assert all("--name" in answer.json()["message"] for answer in answers)
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LocalHost:1", "papers.example:443"):
        [answer] = run_loop(asked(gate, "/health/live", host=host))
        assert answer.status_code == 200, host
    service.close()
    # A key keeps such pages out, and behind a proxy they are the proxy's to know.
    assert ServeOptions(folder="x", api_key="k").is_own("any.example")
    assert ServeOptions(folder="x", host="0.0.0.0", insecure=True).is_own("any.example")
    named = ServeOptions(folder="x", host="0.0.0.0", insecure=True, names=("a.example",))
    assert named.is_own("a.example")
    assert not ServeOptions.from_json(named.to_json()).is_own("b.example")


def test_too_long_and_too_large(landmarks: Workbench) -> None:
    gate, service = made(landmarks, max_url=2000)
    long = "/graph/v1/paper/search?query=" + "a" * 3000
    [answer] = run_loop(asked(gate, long))
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    service.close()


def test_a_load_counts_from_when_a_request_should_have_left() -> None:
    """A server that stands still shows in every request that was due meanwhile."""
    still = 0.6

    async def run() -> LoadReport:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await open_again.wait()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            writer.close()

        open_again = asyncio.Event()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        loop = asyncio.get_running_loop()
        loop.call_later(still, open_again.set)
        report = await loop.run_in_executor(None, run_load, url, ["/a"], 50, 1)
        server.close()
        return report

    report = run_loop(run())
    assert report.statuses.tolist() == [200] * 50
    # The first was due when the server stood still, the tenth a fifth of a second later.
    assert report.seconds[0] > report.seconds[10] > report.seconds[20] > 0
    assert report.percentile(99) > still / 2
    with pytest.raises(ServiceError, match="nobody listens"):
        run_load("http://127.0.0.1:9", ["/a"], 1, 1)
