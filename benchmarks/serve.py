"""Serving: what the README and docs/serving.md state, measured. Real HTTP; loads are open, in one
event loop of their own process; clients that ask again at once are another.

python benchmarks/serve.py [PART ...] [--short] [--data DIR]
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson

from benchmarks.common import (
    INDEXES,
    Figure,
    arguments,
    heading,
    index_of,
    note,
    queries_of,
    table,
    targets,
)
from tests.servers.service import Service, serving
from tests.waiting import wait_until
from workbench.measurement.load import Connections, LoadReport, run_load, search_paths
from workbench.measurement.resources import memory_of, watch
from workbench.opening import open_corpus
from workbench.ranking.bibtex import to_bibtex
from workbench.records import Paper
from workbench.serve.graph.fields import FLAT_PAPER, read_fields
from workbench.serve.graph.formatting import papers_as

FIELDS = (
    "paperId,corpusId,externalIds,url,title,abstract,venue,year,authors,fieldsOfStudy,"
    "s2FieldsOfStudy,isOpenAccess"
)
RATE = 50.0
CLIENTS = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given: the corpus, its queries, and how long to measure."""

    corpus: Path
    texts: list[str]
    new: list[str]
    seconds: float
    short: bool


@contextmanager
def opened(corpus: Path, workers: int = 2) -> Iterator[Service]:
    """A service whose workers all have the corpus open."""
    with serving(str(corpus), "--workers", str(workers), "--no-log", "--preload") as service:
        wait_until(lambda: _open(service) == workers)
        yield service


def idle(setting: Setting) -> list[Figure]:
    """Start and memory: SciFact, and the largest corpus that is there."""
    ready, private = [], []
    for _ in range(3):
        started = time.perf_counter()
        with serving(str(setting.corpus), "--workers", "2", "--no-log") as service:
            ready.append(time.perf_counter() - started)
            private += [memory_of(pid)[0] / 1e6 for pid in service.workers]
    figures = [
        Figure("ready after a start", statistics.median(ready), 1.5, "s"),
        Figure("private memory of an idle worker", max(private), 150, "MB"),
    ]
    large = INDEXES / "arxiv"
    if not (large / "manifest.json").is_file():
        note("No .data/arxiv: the second worker's memory there is not measured.")
        return figures
    with opened(large) as service:
        first, second = (memory_of(pid) for pid in service.workers)
        note(f"arXiv, preloaded: private {first[0] / 1e6:.0f} and {second[0] / 1e6:.0f} MB, "
             f"proportional {first[1] / 1e6:.0f} and {second[1] / 1e6:.0f} MB.")  # fmt: skip
        figures.append(
            Figure("private memory of the second, arXiv, in use", second[0] / 1e6, 60, "MB")
        )
    with serving(str(large), "--workers", "2", "--no-log") as service:
        second = memory_of(service.workers[1])
        figures.append(
            Figure("private memory of the second, arXiv, idle", second[0] / 1e6, 60, "MB")
        )
    return figures


def load(setting: Setting) -> list[Figure]:
    """50 requests a second, open loop: the judged queries in turn, which the workers have seen;
    then queries that they have not, which a model reads first."""
    figures, rows = [], []
    with opened(setting.corpus) as service:
        for kind in ("search", "snippet"):
            paths = search_paths(setting.texts, kind)
            _elsewhere(_ask_all, service.url, paths)
            report = run_load(service.url, paths, RATE, setting.seconds)
            rows.append(_row(f"{kind}, {len(paths)} queries in turn", report))
            figures += [
                Figure(f"{kind}, queries in turn, p50", report.percentile(50) * 1e3, 10, "ms"),
                Figure(f"{kind}, queries in turn, p99", report.percentile(99) * 1e3, 60, "ms"),
            ]
        paths = search_paths(setting.new)
        for rate in (10.0, RATE):
            part, paths = paths[: int(rate * 8)], paths[int(rate * 8) :]
            report = run_load(service.url, part, rate, len(part) / rate)
            rows.append(_row("search, each query new", report))
        used = [memory_of(pid)[0] / 1e6 for pid in service.workers]
        note(f"Private memory of workers in use: {used[0]:.0f} and {used[1]:.0f} MB.")
    table("Open loop", LOAD_COLUMNS, rows)
    return figures


LOAD_COLUMNS = ("load", "offered/s", "200/s", "late", "p50 ms", "p90 ms", "p99 ms", "answers")


def _row(name: str, report: LoadReport) -> tuple[str, ...]:
    ms = [f"{report.percentile(p) * 1e3:.1f}" for p in (50, 90, 99)]
    answers = ", ".join(f"{k}: {v}" for k, v in report.to_dict()["statuses"].items())
    rates = (f"{report.offered:g}", f"{report.achieved:.1f}", f"{report.late:.1%}")
    return (name, *rates, *ms, answers)


def workers(setting: Setting) -> list[Figure]:
    """How many workers: what each number computes of queries that nobody asked before."""
    rows = []
    for count in (1, 2, 3):
        with opened(setting.corpus, count) as service:
            report = run_load(service.url, search_paths(setting.new[:500]), 100, 5)
            private = sum(memory_of(pid)[0] for pid in service.workers) / 1e6
        ms = f"{report.percentile(50) * 1e3:.0f}"
        rows.append((str(count), f"{report.achieved:.1f}", ms, f"{private:.0f}"))
    table("Workers", ("workers", "200/s of 100/s", "p50 ms", "private MB"), rows)
    return []


def clients(setting: Setting) -> list[Figure]:
    """200 clients, each asking again at once; then three times what can be computed, open loop."""
    paths = search_paths(setting.new[:100] if setting.short else setting.new)
    with opened(setting.corpus) as service:
        _elsewhere(_ask_all, service.url, paths)  # caches fill: some 50 kB a search, 1,000 at most
        found: list[Any] = []
        watching = threading.Thread(
            target=lambda: found.append(
                watch(service.process.pid, setting.seconds, setting.seconds / 40)
            )
        )
        watching.start()
        counts = _elsewhere(_ask_again, service.url, paths, setting.seconds)
        watching.join()
        growth = found[0].growth / 1e6
        ends = [round(reading.private / 1e6) for reading in found[0].readings]
    note(f"{CLIENTS} clients for {setting.seconds:.0f} s: {counts}; MB over time: {ends}")
    return [
        Figure("200 clients: other answers than 200 and 429",
               sum(n for status, n in counts.items() if status not in (200, 429)), 1, ""),
        Figure("200 clients: growth of memory", growth, 10, "MB"),
    ]  # fmt: skip


def beyond(setting: Setting) -> list[Figure]:
    """What can be computed, offered three times: who is refused knows at once."""
    with opened(setting.corpus) as service:
        paths = search_paths(setting.new)
        most = run_load(service.url, paths[:400], 100, 4)
        capacity = most.achieved
        rest = paths[400:]
        report = run_load(service.url, rest, 3 * capacity, len(rest) / (3 * capacity))
    table("Three times the capacity", LOAD_COLUMNS, [_row("search, each new", report)])
    bound = (32 + 2) / (capacity / 2) * 1e3  # a full queue, at a worker's share
    return [
        Figure("refused (429), p50", report.percentile(50, 429) * 1e3, 20, "ms"),
        Figure("refused (429), p99", report.percentile(99, 429) * 1e3, 20, "ms"),
        Figure("accepted, p99, against a full queue", report.percentile(99) * 1e3, 2 * bound, "ms"),
    ]


def _elsewhere(work: Callable[..., Any], *values: Any) -> Any:
    """Run in a process of its own, so that neither waits for the other's lock."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, values)


def _ask_all(url: str, paths: list[str]) -> None:
    """Ask everything over each of a few connections, so that each worker has seen each."""
    host, port = url.removeprefix("http://").split(":")

    async def client() -> None:
        connections = Connections(host, int(port))
        for path in paths:
            await connections.get(path)
        connections.close()

    async def several() -> None:
        await asyncio.gather(*(client() for _ in range(8)))

    asyncio.run(several())


def _ask_again(url: str, paths: list[str], seconds: float) -> dict[int, int]:
    """Answers by status that 200 clients got, each asking again as soon as it has one."""
    host, port = url.removeprefix("http://").split(":")
    statuses: Counter[int] = Counter()

    async def client(number: int, end: float) -> None:
        connections, chosen = Connections(host, int(port)), random.Random(number)
        while time.monotonic() < end:
            try:
                status, _ = await connections.get(chosen.choice(paths))
                statuses[status] += 1
            except (OSError, EOFError):
                statuses[0] += 1
        connections.close()

    async def all_clients() -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(client(number, end) for number in range(CLIENTS)))

    asyncio.run(all_clients())
    return dict(sorted(statuses.items()))


def frozen(setting: Setting) -> list[Figure]:
    """The generator proves itself: all workers stand still for five seconds."""
    with opened(setting.corpus) as service:

        def freeze() -> None:
            time.sleep(1)
            pids = service.workers
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(5)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

        thread = threading.Thread(target=freeze)
        thread.start()
        report = run_load(service.url, search_paths(setting.texts), 5, 8)
        thread.join()
    table("A server that stood still for 5 s", LOAD_COLUMNS, [_row("search", report)])
    return [Figure("frozen for 5 s: p99", report.percentile(99) * 1e3, 4500, "ms", least=True)]


def _open(service: Service) -> float:
    """Workers that have the corpus open, by the service's own numbers."""
    with urlopen(f"{service.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("workbench_open "))


def formatting(setting: Setting) -> list[Figure]:
    """1,000 papers x 12 fields by columns, beside threads with batches of 50."""
    large = INDEXES / "arxiv"
    corpus = large if (large / "manifest.json").is_file() else setting.corpus
    with open_corpus(corpus, progress=False) as bench:
        ids = list(islice(bench.engine.paper_ids(), 1000))
        start = time.perf_counter()
        papers = bench.engine.papers(ids)
        reading = (time.perf_counter() - start) * 1e3
    tree = read_fields(FIELDS, FLAT_PAPER, "")
    pool = ThreadPoolExecutor(10)
    gc.collect()
    gc.freeze()  # as a worker does

    def ours() -> bytes:
        return orjson.dumps(papers_as(papers, tree))

    def theirs() -> bytes:
        out: list[Any] = []
        for start in range(0, len(papers), 50):
            futures = [pool.submit(_one, paper) for paper in papers[start : start + 50]]
            out += [future.result() for future in futures]
        return json.dumps(out).encode()

    start = time.perf_counter()
    ours()
    first = (time.perf_counter() - start) * 1e3
    mine, other = _median(ours), _median(theirs)
    note(f"1,000 papers of {corpus.name}: read in {reading:.1f} ms; formatted for the first time, "
         f"when authors' ids are made, in {first:.1f} ms.")  # fmt: skip
    return [
        Figure("formatting 1,000 papers x 12 fields", mine, 3, "ms"),
        Figure("threads, batches of 50, against it", other / mine, 10, "x", least=True),
    ]


def _one(paper: Paper) -> dict[str, Any]:
    """One paper, as a service with a task a paper formats it: field by field, by name."""
    result: dict[str, Any] = {}
    for name in (part.strip().lower() for part in FIELDS.split(",")):
        if name == "authors":
            result["authors"] = [{"authorId": None, "name": author} for author in paper.authors]
        elif name == "externalids":
            result["externalIds"] = {"ArXiv": paper.arxiv_id, "DOI": paper.doi}
        elif name == "s2fieldsofstudy":
            result["s2FieldsOfStudy"] = [{"category": f} for f in paper.fields]
        elif name == "citationstyles":
            result["citationStyles"] = {"bibtex": to_bibtex(paper)}
        else:
            result[name] = getattr(paper, name, None)
    return result


def _median(work: Any) -> float:
    times = []
    for _ in range(15):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


PARTS: dict[str, Callable[[Setting], list[Figure]]] = {
    part.__name__: part for part in (idle, load, beyond, workers, clients, frozen, formatting)
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    heading("Serving SciFact, two workers")
    judged = [query.text for query in queries_of(given.data, "test")[0]]
    other = [query.text for query in queries_of(given.data, "train")[0]]
    seconds = 5.0 if given.short else 60.0
    setting = Setting(index_of("scifact", given.data), judged, other, seconds, given.short)
    targets([figure for name in given.parts or PARTS for figure in PARTS[name](setting)])


if __name__ == "__main__":
    main()
