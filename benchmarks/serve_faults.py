"""What a service must survive, measured: workers, Redis and the writer killed under load, fuzzed
requests. No answer is wrong, and none is lost but those of a worker that is killed.

python benchmarks/serve_faults.py [PART ...] [--short] [--data DIR]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from benchmarks.common import Figure, arguments, heading, index_of, note, queries_of, targets
from tests.serve.fuzzing import fuzz
from tests.servers.redis import redis_server
from tests.servers.service import Service, serving
from tests.waiting import wait_until
from workbench.measurement.load import search_paths

KILLS = 100
REQUESTS = 10_000


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
