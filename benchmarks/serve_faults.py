"""What a service must survive, measured: each fault alone under an open load (workers, Redis and
the writer killed, SIGHUP, an index that is gone for a while), a hundred workers killed one after
another, fuzzed requests. No answer is wrong, and none is lost but those of a worker that is killed.

python benchmarks/serve_faults.py [PART ...] [--short] [--data DIR]
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from benchmarks.common import (
    Figure,
    arguments,
    heading,
    index_of,
    note,
    queries_of,
    table,
    targets,
)
from tests.serve.fuzzing import fuzz
from tests.servers.redis import redis_server
from tests.servers.service import Service, serving
from tests.waiting import wait_until
from workbench.measurement.load import Connections, search_paths

KILLS = 100
REQUESTS = 10_000
RATE = 30.0
SECONDS = 20.0
BEFORE = 5.0
"""Seconds of load before a fault."""

ASKED = 120
"""Different queries, so that caches do not hide what is asked of the index."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it should have left, after the load's start; how long it took from then;
    its status, 0 where the connection broke; and whether the answer was the right one."""

    at: float
    seconds: float
    status: int
    right: bool


def faults(corpus: Path, texts: list[str], share: float) -> list[Figure]:
    """Each fault once, under 30 requests a second; the answers are compared with those before."""
    seconds = max(BEFORE + 5, SECONDS * share)
    wrong = lost = 0
    rows = []
    with tempfile.TemporaryDirectory() as place, redis_server() as (url, redis):
        own = Path(shutil.copytree(corpus, Path(place) / "corpus", symlinks=True))
        with serving(str(own), "--workers", "2", "--no-log", "--cache", url) as service:
            right = _right(service, search_paths(texts[:ASKED]))
            for name, fault in FAULTS.items():
                with ThreadPoolExecutor(1) as thread:
                    asked = thread.submit(asyncio.run, _load(service.url, right, seconds))
                    time.sleep(BEFORE)
                    began = time.perf_counter()
                    fault(service, redis, own)
                    lasted = time.perf_counter() - began
                    seen = asked.result()
                rows.append(_row(name, seen, lasted))
                wrong += sum(one.status == 200 and not one.right for one in seen)
                if name not in ("a worker killed", "the index gone for 4 s"):
                    lost += sum(one.status != 200 for one in seen)
    table(f"{RATE:g} requests a second for {seconds:g} s, the fault after {BEFORE:g} s", COLUMNS,
          rows)  # fmt: skip
    return [
        Figure("faults: wrong answers", wrong, 1),
        Figure("faults: requests not answered, no worker being killed", lost, 1),
    ]


COLUMNS = ("fault", "requests", "wrong", "429", "broken off", "other", "p99 ms", "recovered after")


def _row(name: str, seen: list[Seen], lasted: float) -> tuple[str, ...]:
    good = [one for one in seen if one.status == 200]
    bad = [one.at + one.seconds for one in seen if not one.right]
    after = max(bad, default=BEFORE) - BEFORE
    slow = sorted(one.seconds for one in good)[int(len(good) * 0.99)]
    recovered = f"{max(after, 0):.1f} s" + (f" ({lasted:.1f} s of it the fault)" if bad else "")
    counts = (
        len(seen),
        sum(not one.right for one in good),
        sum(one.status == 429 for one in seen),
        sum(one.status == 0 for one in seen),
        sum(one.status not in (0, 200, 429) for one in seen),
    )
    return (name, *map(str, counts), f"{slow * 1e3:.0f}", recovered)


def _right(service: Service, paths: list[str]) -> dict[str, bytes]:
    """The answers as they are without a fault."""
    with httpx.Client(timeout=60) as http:
        return {path: http.get(service.url + path).content for path in paths}


async def _load(url: str, right: dict[str, bytes], seconds: float) -> list[Seen]:
    """An open loop over the paths, each answer compared."""
    host, port = url.removeprefix("http://").split(":")
    connections, paths = Connections(host, int(port)), list(right)
    start = time.perf_counter()

    async def one(number: int) -> Seen:
        due, path = number / RATE, paths[number % len(paths)]
        await asyncio.sleep(start + due - time.perf_counter())
        try:
            async with asyncio.timeout(60):
                status, content = await connections.get(path)
        except (OSError, EOFError, TimeoutError):
            status, content = 0, b""
        took = time.perf_counter() - start - due
        return Seen(due, took, status, status == 200 and content == right[path])

    found = await asyncio.gather(*(one(number) for number in range(int(RATE * seconds))))
    connections.close()
    return list(found)


def _nothing(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    """What is measured without a fault."""


def _kill_worker(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    _kill(service, service.workers[0])


def _replace(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    workers = service.workers
    service.signal(signal.SIGHUP)
    wait_until(lambda: len(service.workers) == 2 and not set(workers) & set(service.workers))


def _hang_redis(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    redis.send_signal(signal.SIGSTOP)
    time.sleep(3)
    redis.send_signal(signal.SIGCONT)


def _kill_writer(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    """In the middle of adding papers."""
    papers = "[{'id': f'n{n}', 'title': f'Compression {n}'} for n in range(300)]"
    code = f"import workbench as wb; wb.open({str(own)!r}, progress=False).add({papers})"
    log = own / "corpus.sqlite-wal"
    size = log.stat().st_size if log.exists() else 0
    writer = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_until(lambda: (log.exists() and log.stat().st_size > size) or writer.poll() is not None)
    if writer.poll() is not None:
        raise RuntimeError("the writer ended before it could be killed")
    writer.kill()
    writer.wait()


def _lose_index(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    """The folder goes, and a worker dies, so that one has nothing open; then it comes back."""
    aside = own.with_name("aside")
    own.rename(aside)
    _kill(service, service.workers[0])
    time.sleep(4)
    aside.rename(own)


def _kill_redis(service: Service, redis: subprocess.Popen[bytes], own: Path) -> None:
    redis.kill()
    redis.wait()


FAULTS: dict[str, Callable[[Service, subprocess.Popen[bytes], Path], None]] = {
    "none": _nothing,
    "a worker killed": _kill_worker,
    "SIGHUP": _replace,
    "Redis hangs for 3 s": _hang_redis,
    "the writer killed": _kill_writer,
    "the index gone for 4 s": _lose_index,
    "Redis killed": _kill_redis,
}


def kills(corpus: Path, texts: list[str], share: float) -> list[Figure]:
    """Workers killed one after another under load; Redis at the half; workers replaced at last."""
    count, fell, last = max(2, round(KILLS * share)), 0, 0.0
    with (
        redis_server() as (url, redis),
        serving(str(corpus), "--workers", "2", "--no-log", "--cache", url) as service,
        ThreadPoolExecutor(1) as thread,
    ):
        paths = search_paths(texts[:20])
        right = {path: httpx.get(service.url + path).json() for path in paths}
        _counted(service)
        before = files = _files(service)
        stop = threading.Event()
        asked = thread.submit(compare, service.url, right, stop)
        for number in range(count):
            _kill(service, service.workers[number % 2])
            total = _counted(service)
            fell += total < last
            last = total
            files = max(files, _files(service))
            if number == count // 2:
                redis.kill()
        workers = service.workers
        service.signal(signal.SIGHUP)
        wait_until(lambda: len(service.workers) == 2 and not set(workers) & set(service.workers))
        stop.set()
        good, wrong, broken = asked.result()
        after = _files(service)
    note(
        f"{count} workers killed, Redis killed, SIGHUP: {good:,} right answers, {broken} broken "
        f"off with a killed worker; files of the service: {before} before, at most {files}, "
        f"{after} after."
    )
    return [
        Figure("kills: counters fell", fell, 1, "times"),
        Figure("kills: wrong answers", wrong, 1),
        Figure("kills: requests broken off, of each kill", broken / count, 1.01),
        Figure("kills: files more than before", after - before, 1),
    ]


def _kill(service: Service, victim: int) -> None:
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in service.workers and len(service.workers) == 2)


def compare(url: str, right: dict[str, Any], stop: threading.Event) -> tuple[int, int, int]:
    """(right, wrong, broken off) answers until told to stop."""
    good = wrong = broken = 0
    while not stop.is_set():
        try:
            with httpx.Client(timeout=60) as http:
                for path, expected in right.items():
                    answer = http.get(url + path)
                    same = answer.status_code == 200 and answer.json() == expected
                    good, wrong = good + same, wrong + (not same)
        except httpx.HTTPError:
            broken += 1
    return good, wrong, broken


def _counted(service: Service) -> float:
    """Requests that the service has answered, by its own numbers."""
    while True:
        try:
            lines = httpx.get(f"{service.url}/metrics", timeout=60).text.splitlines()
        except httpx.HTTPError:  # a worker that is killed takes its connections along
            continue
        counts = [line.rsplit(" ", 1) for line in lines]
        return sum(float(n) for name, n in counts if name.startswith("workbench_requests_total"))


def _files(service: Service) -> int:
    """Files that the supervisor holds open, and those in the folder that its workers share."""
    handles = list(Path(f"/proc/{service.process.pid}/fd").iterdir())
    opened = {
        _link(entry) for pid in service.workers for entry in Path(f"/proc/{pid}/fd").iterdir()
    }
    folders = {Path(name).parent for name in opened if "workbench-serve-" in name}
    return len(handles) + sum(len(list(folder.iterdir())) for folder in folders)


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:  # closed meanwhile
        return ""


def fuzzed(corpus: Path, texts: list[str], share: float) -> list[Figure]:
    """Requests of random parts: documented codes, JSON, nothing of the program."""
    count = round(REQUESTS * share)
    with serving(str(corpus), "--workers", "2", "--no-log") as service:
        statuses, faults = fuzz(service.url, count, seed=7)
    note(f"{count:,} fuzzed requests: {dict(sorted(statuses.items()))}")
    for fault in faults[:20]:
        note(fault)
    return [Figure("fuzzed requests answered wrongly", len(faults), 1)]


PARTS: dict[str, Callable[[Path, list[str], float], list[Figure]]] = {
    "faults": faults,
    "kills": kills,
    "fuzzed": fuzzed,
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="a tenth of it")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    heading("What a service survives")
    corpus = index_of("scifact", given.data)
    texts = [query.text for query in queries_of(given.data, "test")[0]]
    share = 0.1 if given.short else 1.0
    targets(
        [figure for name in given.parts or PARTS for figure in PARTS[name](corpus, texts, share)]
    )


if __name__ == "__main__":
    main()
