"""Serving: what the README and docs/serving.md state, measured. Real HTTP, the generator in its own
process, real Redis; `--short` takes seconds instead of minutes.

python benchmarks/serve.py [--short] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from benchmarks.common import DATA, index_of, need
from tests.servers.service import Service, serving
from workbench.measurement.load import run_load, search_paths
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


def queries(data: Path) -> list[str]:
    lines = (data / "queries.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def say(name: str, value: Any, target: str = "") -> None:
    print(f"{name:58} {value}" + (f"   (to reach: {target})" if target else ""), flush=True)


def loads(corpus: Path, texts: list[str], seconds: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    started = time.perf_counter()
    with serving(str(corpus), "--workers", "2", "--no-log") as service:
        found["ready_s"] = round(time.perf_counter() - started, 2)
        say("ready after", f"{found['ready_s']} s", "1.5 s")
        idle = [memory_of(pid)[0] / 1e6 for pid in service.workers]
        found["idle_private_mb"] = [round(mb, 1) for mb in idle]
        say("private memory, idle workers", found["idle_private_mb"], "150 MB")
        for kind in ("search", "snippet"):
            paths = search_paths(texts, kind)
            run_load(service.url, paths[:60], 20, 3)  # both workers open the corpus
            report = run_load(service.url, paths, 50, seconds)
            told = report.to_dict()
            found[kind] = told
            ms = told["latency_ms"].get("200", {})
            say(f"{kind}, 50/s: p50, p99 ms", f"{ms.get('p50')}, {ms.get('p99')}", "10, 60")
            say("  late, answers", f"{told['late']:.1%}, {told['statuses']}")
        found["used_private_mb"] = [round(memory_of(pid)[0] / 1e6, 1) for pid in service.workers]
        say("private memory, workers in use", found["used_private_mb"], "60 MB for the second")
        found["overload"] = overload(service, texts, seconds)
        found["kills"] = kills(service, 3 if seconds < 10 else 100)
        found["frozen"] = frozen(service, texts)
    return found


def overload(service: Service, texts: list[str], seconds: float) -> dict[str, Any]:
    """200 clients, each asking again at once; then three times what was answered, open loop."""
    end = time.monotonic() + seconds
    statuses: list[int] = []

    def client(number: int) -> None:
        with httpx.Client(timeout=60) as http:
            turn = number
            while time.monotonic() < end:
                turn += 7
                path = search_paths([texts[turn % len(texts)]])[0]
                statuses.append(http.get(service.url + path).status_code)

    readings: list[Any] = []
    watcher = threading.Thread(
        target=lambda: readings.append(watch(service.process.pid, seconds, seconds / 20))
    )
    watcher.start()
    started = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(client, range(200)))
    took = time.monotonic() - started
    watcher.join()
    good = statuses.count(200)
    counts = {str(s): statuses.count(s) for s in sorted(set(statuses))}
    say("200 clients: answers", counts, "only 200 and 429")
    say("  memory growth, MB", round(readings[0].growth / 1e6, 1), "flat")
    report = run_load(service.url, search_paths(texts), 3 * good / took, min(seconds, 10))
    told = report.to_dict()
    accepted, refused = (told["latency_ms"].get(s, {}) for s in ("200", "429"))
    say("3 x capacity: accepted p99 ms", accepted.get("p99"), "bounded")
    say("  refused p50, p99 ms", f"{refused.get('p50')}, {refused.get('p99')}", "20")
    return {"clients": counts, "growth_mb": readings[0].growth / 1e6, "capacity": good / took,
            "beyond": told}  # fmt: skip


def kills(service: Service, count: int) -> dict[str, Any]:
    """Workers killed one after another: counters never fall, another begins."""
    fell, last = 0, 0.0
    for _ in range(count):
        os.kill(service.workers[-1], signal.SIGKILL)
        while True:
            try:
                text = httpx.get(f"{service.url}/metrics", timeout=10).text
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        total = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                    if line.startswith("workbench_requests_total"))  # fmt: skip
        fell += total < last
        last = total
        while len(service.workers) < 2:
            time.sleep(0.05)
    say(f"{count} workers killed: counters fell", fell, "0")
    return {"killed": count, "fell": fell}


def frozen(service: Service, texts: list[str]) -> dict[str, Any]:
    """The generator proves itself: all workers stand still for five seconds."""

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
    report = run_load(service.url, search_paths(texts), 5, 8)
    thread.join()
    say("frozen for 5 s: p99 ms", round(report.percentile(99) * 1e3), "about 5,000")
    return report.to_dict()


def formatting(corpus: Path) -> dict[str, Any]:
    """1,000 papers x 12 fields by columns, beside threads with batches of 50."""
    import orjson

    with open_corpus(corpus, progress=False) as bench:
        ids = [name for name, _ in zip(bench.engine.paper_ids(), range(1000), strict=False)]
        papers = bench.engine.papers(ids)
    tree = read_fields(FIELDS, FLAT_PAPER, "")

    def ours() -> bytes:
        return orjson.dumps(papers_as(papers, tree))

    pool = ThreadPoolExecutor(10)

    def theirs() -> bytes:
        out: list[Any] = []
        for start in range(0, len(papers), 50):
            futures = [pool.submit(_one, paper) for paper in papers[start : start + 50]]
            out += [future.result() for future in futures]
        return json.dumps(out).encode()

    ours()
    mine, other = _median(ours), _median(theirs)
    say("formatting 1,000 papers x 12 fields, ms", f"{mine:.2f}", "3")
    say("  threads and batches of 50, ms", f"{other:.2f}", "10 x ours")
    return {"ours_ms": mine, "threads_ms": other, "ratio": other / mine}


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    corpus = index_of("scifact", given.data)
    found = {"formatting": formatting(corpus)}
    texts = queries(need(given.data / "scifact"))
    found |= loads(corpus, texts, 5 if given.short else 60)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
