"""10,000, 100,000 and 1,000,000 passages: building, memory, latency, recall, and how they grow.

The arXiv index's papers again and again, with varied words and vectors (`scale_corpus`); queries by
stage, of one client and of eight, and an update of 1,000 papers. Beside it, over the same vectors
and the same postings, at a recall that is at least ours: FAISS (IVF over int8) with bm25s, and the
vector indexes of LanceDB and usearch. What larger corpora would need is computed, not measured; so
are the figures of Elasticsearch, by the formulas of its documentation.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import (
    Figure,
    arguments,
    heading,
    index_of,
    interleave,
    note,
    run_process,
    table,
    targets,
)
from elastic import server
from numpy.typing import NDArray
from scale_corpus import ADDED, scale_corpus, updated
from scale_rivals import ElasticsearchHybrid, FaissAndBm25s, LanceVectors, UsearchVectors
from search_latency import _acl_titles

import workbench as wb
from tests.servers.elasticsearch import ARCHIVE
from workbench.corpus.analysis import Analyser
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.ranking.ranking import Ranking
from workbench.ranking.retriever import Retriever
from workbench.records import Query

SIZES = (10_000, 100_000, 1_000_000)
BEST = 100
THREADS = 8
AHEAD = (10_000_000, 100_000_000)
DIMENSION = 384

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured of one corpus; times in ms, memory in MB. `cpu` is what a query takes of
    all cores together: it hardly depends on what else the machine does."""

    passages: int
    disk: float
    made: float
    p50: float
    p95: float
    cpu: float
    exact: float
    recall: float
    resident: float
    private: float
    stages: dict[str, float]
    one_client: float
    eight_clients: float


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="PASSAGES")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--no-rivals", action="store_true", help="leave the contenders out")
    parser.add_argument("--no-update", action="store_true", help="add no papers to the largest")
    parser.add_argument("--one", type=Path, help=argparse_hidden())
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_one(given.one, given.data, given.queries)))
        return
    arxiv = index_of("arxiv", given.data)
    heading("Scale")
    sizes = []
    for passages in given.sizes:
        built = scale_corpus(arxiv, passages)
        here = ("benchmarks/scale.py", "--data", str(given.data), "--queries", str(given.queries))
        done = run_process(*here, "--one", str(built.folder))
        sizes.append(Size(made=built.seconds, **json.loads(done.output.splitlines()[-1])))
        if not given.no_rivals:
            with _elasticsearch(given.data) as url:
                _rivals(built.folder, given.data, given.queries, url)
    _print(sizes)
    if len(sizes) > 1:
        _ahead(sizes)
    last = sizes[-1]
    figures = [
        Figure(f"{last.passages:,} passages, query, p50", last.p50, 50, "ms"),
        Figure("recall@100 of exact", last.recall, 0.99, least=True),
        Figure("resident after the queries", last.resident / 1000, 2.5, "GB"),
    ]
    if not given.no_update:
        wall, cpu = updated(built.folder)
        note(f"{ADDED:,} papers more: {wall:.1f} s, {cpu:.1f} s of the CPU, without the encoder.")
        figures.append(Figure(f"update of {ADDED:,} papers", wall, 20, "s"))
    targets(figures)


@contextmanager
def _elasticsearch(data: Path) -> Iterator[str | None]:
    """The URL of a server for the contenders; None, with the reason, where none can be started."""
    archive = data.parent / ARCHIVE
    if not os.environ.get("WORKBENCH_ES_URL") and not (archive.exists() and shutil.which("java")):
        note(f"Elasticsearch is left out: Java and {archive} are needed, or WORKBENCH_ES_URL.")
        yield None
        return
    with server(data) as url:
        yield url


def argparse_hidden() -> str:
    """For an option that only this script gives itself."""
    import argparse

    return argparse.SUPPRESS


def _queries(data: Path, count: int) -> list[Query]:
    """Titles of ACL papers, analysed and embedded ahead: what is measured is the search."""
    embedder, analyser = OnnxEmbedder(), Analyser()
    found = []
    for text in islice(_acl_titles(data), count):
        terms = {term: float(n) for term, n in analyser.counts(text).items()}
        found.append(Query(text, terms, embedder.encode_query(text)))
    return found


def _one(folder: Path, data: Path, count: int) -> dict[str, Any]:
    """Latency, recall and memory of one corpus, in a process of its own."""
    warm, queries = (found := _queries(data, count + 10))[:10], found[10:]
    with wb.Workbench(folder, embedder=OnnxEmbedder()) as bench:
        retriever = Retriever(bench.engine, OnnxEmbedder(), Analyser())
        auto, exact = wb.Profile(), wb.Profile(dense="exact")
        for query in warm:
            _search(bench, retriever, query, auto)
        stages: dict[str, list[float]] = {}
        times = []
        for query in queries:
            started = time.perf_counter()
            found = _search(bench, retriever, query, auto)
            times.append(time.perf_counter() - started)
            for stage, spent in found.timings_ms.items():
                stages.setdefault(stage, []).append(spent)
        cpu = [_cpu(lambda q=q: _search(bench, retriever, q, auto)) for q in queries]
        memory = psutil.Process().memory_full_info()
        shares = [_recall(bench, query) for query in queries[:50]]
        slow = [_timed(lambda q=q: _search(bench, retriever, q, exact)) for q in queries[:30]]
        clients = _clients(bench, retriever, queries, auto)
        passages = bench.manifest.passages
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "passages": passages,
        "disk": files / 1e6,
        "p50": float(np.percentile(times, 50)) * 1e3,
        "p95": float(np.percentile(times, 95)) * 1e3,
        "cpu": float(np.percentile(cpu, 50)) * 1e3,
        "exact": float(np.percentile(slow, 50)) * 1e3,
        "recall": float(np.mean(shares)),
        "resident": memory.rss / 1e6,
        "private": memory.uss / 1e6,
        "stages": {stage: float(np.median(spent)) for stage, spent in stages.items()},
        "one_client": clients[0],
        "eight_clients": clients[1],
    }


def _search(bench: wb.Workbench, retriever: Retriever, query: Query, profile: wb.Profile) -> Any:
    return Ranking(retriever.retrieve(query, profile, read=10), profile, bench.engine, 10)


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _cpu(call: Callable[[], Any]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _clients(
    bench: wb.Workbench, retriever: Retriever, queries: Sequence[Query], profile: wb.Profile
) -> tuple[float, float]:
    """Queries a second of one thread, and of eight."""
    bench.reopen()
    retriever = retriever.over(bench.engine)
    once = _timed(lambda: [_search(bench, retriever, q, profile) for q in queries])
    with ThreadPoolExecutor(THREADS) as pool:
        many = _timed(
            lambda: list(pool.map(lambda q: _search(bench, retriever, q, profile), queries))
        )
    return len(queries) / once, len(queries) / many


def _recall(bench: wb.Workbench, query: Query) -> float:
    """Share of the exact best 100 passages that the session's engine finds."""
    alone = Query(query.text, {}, query.vector)
    best = []
    for engine in (bench.engine.exactly(), bench.engine):
        found = engine.candidates(alone, BEST)
        names = zip(found.paper_ids.tolist(), found.numbers.tolist(), strict=True)
        best.append(set(names))
    return len(best[0] & best[1]) / len(best[0])


def _rivals(folder: Path, data: Path, count: int, url: str | None) -> None:
    """One retrieval without feedback beside FAISS with bm25s and an Elasticsearch, where one is
    here, and the dense arm beside LanceDB and usearch."""
    queries = _queries(data, count)
    profile = wb.Profile(feedback=False)
    with wb.Workbench(folder, embedder=OnnxEmbedder()) as bench:
        retriever = Retriever(bench.engine, OnnxEmbedder(), Analyser())
        exact = [_best(bench.engine.exactly(), q) for q in queries[:50]]
        ours = _overlap(exact, [_best(bench.engine, q) for q in queries[:50]])
        rivals: dict[str, Any] = {
            "FAISS IVF int8 + bm25s": FaissAndBm25s(folder),
            "LanceDB, vectors alone": LanceVectors(folder),
        }
        if bench.manifest.passages <= UsearchVectors.MOST:
            rivals["usearch HNSW int8, vectors alone"] = UsearchVectors(folder)
        if url is not None and bench.manifest.passages <= ElasticsearchHybrid.MOST:
            rivals["Elasticsearch, HNSW int8 + BM25"] = ElasticsearchHybrid(folder, url)
        recalls = {"workbench": ours}
        for name, rival in rivals.items():
            recalls[name] = rival.reach(queries[:50], exact, ours)
        found = interleave(
            {
                "workbench": lambda q: _search(bench, retriever, q, profile),
                **{name: rival.search for name, rival in rivals.items()},
            },
            queries,
        )
    said = {"workbench": ("with the index", "-", "by its measured depth")}
    said |= {n: (f"{r.seconds:.0f}", f"{r.megabytes:,.0f}", r.about) for n, r in rivals.items()}
    rows = [
        (name, f"{t.p50 * 1e3:.1f}", f"{t.p95 * 1e3:.1f}", f"{recalls[name]:.4f}", *said[name])
        for name, t in found.items()
    ]
    columns = (
        "contender", "p50 ms", "p95 ms", f"recall@{BEST}", "built, s", "grew by MB", "settings",
    )  # fmt: skip
    table(f"{folder.name}, one retrieval, vectors known ahead", columns, rows)


def _best(engine: Any, query: Query) -> set[int]:
    """Rows of the vectors file of the best 100 passages."""
    rows = engine._dense(query.vector).best(BEST, None)
    return set(rows.tolist())


def _overlap(exact: Sequence[set[int]], found: Sequence[set[int]]) -> float:
    return float(np.mean([len(a & b) / len(a) for a, b in zip(exact, found, strict=True)]))


def _print(sizes: Sequence[Size]) -> None:
    rows = [
        (
            f"{s.passages:,}",
            f"{s.made:.0f}" if s.made else "kept",
            f"{s.disk:,.0f}",
            f"{s.p50:.1f}",
            f"{s.p95:.1f}",
            f"{s.cpu:.1f}",
            f"{s.exact:.1f}",
            f"{s.recall:.4f}",
            f"{s.resident:,.0f}",
            f"{s.private:,.0f}",
        )
        for s in sizes
    ]
    columns = (
        "passages", "arrays made, s", "disk MB", "p50 ms", "p95 ms", "CPU ms", "p50 exact ms",
        f"recall@{BEST}", "resident MB", "private MB",
    )  # fmt: skip
    table("The default profile with feedback, vectors known ahead, ten papers", columns, rows)
    names = [*sizes[0].stages, "one client, queries/s", f"{THREADS} clients", "ratio"]
    rows = [
        (
            f"{s.passages:,}",
            *(f"{s.stages[stage]:.2f}" for stage in sizes[0].stages),
            f"{s.one_client:.1f}",
            f"{s.eight_clients:.1f}",
            f"{s.eight_clients / s.one_client:.2f}",
        )
        for s in sizes
    ]
    table("The same by stage, p50 ms, and queries a second", ("passages", *names), rows)


def _ahead(sizes: Sequence[Size]) -> None:
    """Straight lines through what was measured, and what they give for larger corpora."""
    counts = np.array([s.passages for s in sizes], dtype=float)

    def at(values: Sequence[float], n: float) -> float:
        slope, start = np.polyfit(counts, values, 1)
        return float(start + slope * n)

    power = np.polyfit(np.log(counts), np.log([s.p50 for s in sizes]), 1)[0]
    note(f"Fitted: p50 grows as passages to the power of {power:.2f} over these sizes.")
    rows = []
    for n in AHEAD:
        rows.append(
            (
                f"{n:,}",
                f"{at([s.p50 for s in sizes], n):,.0f}",
                f"{at([s.disk for s in sizes], n) / 1000:,.0f}",
                f"{at([s.resident for s in sizes], n) / 1000:,.1f}",
                f"{n * (DIMENSION + 4 + 4 * 16) / 1e9:,.1f}",
                f"{n * (DIMENSION / 8 + 14 + 4 * 16) / 1e9:,.1f}",
            )
        )
    columns = (
        "passages, on paper", "p50 ms", "disk GB", "resident GB", "ES int8_hnsw RAM GB",
        "ES bbq_hnsw RAM GB",
    )  # fmt: skip
    table("On paper, by straight lines; Elasticsearch's formulas for vectors alone", columns, rows)


if __name__ == "__main__":
    os.environ.setdefault("LANCEDB_LOG", "error")
    main()
