"""Elasticsearch: a hybrid query, threads, bulk indexing, and parity with the embedded engine.

Against a real server: that of WORKBENCH_ES_URL, or one that is started here (Java is needed).
Beside it, in the same run: the single-request query, and the client's streaming_bulk.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import (
    ROOT,
    Figure,
    arguments,
    heading,
    index_of,
    interleave,
    need,
    note,
    queries_of,
    run_process,
    table,
    targets,
)
from single_request import single_request

sys.path.insert(0, str(ROOT))

import workbench as wb
from tests.servers.elasticsearch import ARCHIVE, Server
from workbench.corpus.analysis import Analyser
from workbench.corpus.manifest import VECTORS, read_manifest
from workbench.corpus.vectors import read_blocks
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.own.layout import layout_of
from workbench.engines.elastic.own.mapping import index_body
from workbench.engines.elastic.own.sources import folder_documents
from workbench.evaluation.likeness.parity import parity
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

CANDIDATES = 200
WARM_UP = 60
OURS, SINGLE = "two round trips, complete", "single-request query"

MEMORY = """
import sys
from pathlib import Path
import workbench as wb
from workbench.engines.elastic.own.corpus import ElasticCorpus
corpus = ElasticCorpus(wb.Elasticsearch(sys.argv[1], index=sys.argv[2], replicas=0, timeout=60))
corpus.mirror(Path(sys.argv[3]))
corpus.remove()
"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=300, help="at most")
    parser.add_argument("--vectors", default="flat", help="index type of the latency figures")
    parser.add_argument("--skip-parity", action="store_true", help="leave the parity figures out")
    given = parser.parse_args()
    folder = index_of("scifact", given.data)
    heading("Elasticsearch")
    queries, judgments = queries_of(given.data, "test")
    queries = queries[: given.queries]
    with server(given.data) as url:
        figures = [*_bulk(url, folder)]
        spec = wb.Elasticsearch(url, index="bench", vectors=given.vectors, replicas=0, timeout=60)
        corpus = ElasticCorpus(spec)
        corpus.mirror(folder)
        with_engine = corpus.open()
        figures += _latency(with_engine, [query.text for query in queries])
        with_engine.close()
        if not given.skip_parity:
            figures += _parity(folder, spec, queries, judgments)
        corpus.remove()
        corpus.connection.close()
    targets(figures)


@contextmanager
def server(data: Path) -> Iterator[str]:
    """The URL of a server for this run."""
    given = os.environ.get("WORKBENCH_ES_URL")
    if given:
        yield given
        return
    if shutil.which("java") is None:
        print("Java is not here: install openjdk-17-jre-headless, or set WORKBENCH_ES_URL")
        sys.exit(2)
    started = Server(need(data.parent / ARCHIVE), heap="1g", quick=False)
    try:
        yield started.start().url
    finally:
        started.close()


# A query


def _latency(engine: ElasticEngine, texts: Sequence[str]) -> list[Figure]:
    embedder, analyser = OnnxEmbedder(), Analyser()
    asked = [
        wb.Query(
            text,
            {term: float(n) for term, n in analyser.counts(text).items()},
            embedder.encode_query(text),
        )
        for text in texts
    ]
    contenders: dict[str, Callable[[wb.Query], Any]] = {
        OURS: lambda query: engine.candidates(query, CANDIDATES),
        SINGLE: lambda query: single_request(engine, query, n=CANDIDATES),
    }
    interleave(contenders, [asked[i % len(asked)] for i in range(WARM_UP)])
    timings = interleave(contenders, asked)
    rows = [
        (name, f"{t.p50 * 1e3:.1f}", f"{t.p95 * 1e3:.1f}", str(len(t.seconds)))
        for name, t in timings.items()
    ]
    title = f"Hybrid query, {CANDIDATES} candidates an arm, the query's vector known"
    table(title, ("way", "p50 ms", "p95 ms", "n"), rows)
    rate = {threads: _throughput(engine, asked, threads) for threads in (1, 8)}
    rows = [(str(t), f"{value:.0f}", f"{cpu:.0f} %") for t, (value, cpu) in rate.items()]
    table("Throughput", ("threads", "queries/s", "CPU of the machine"), rows)
    gain = rate[8][0] / rate[1][0]
    note(
        "The server runs on the same cores: with all of them busy at one thread already, more "
        "threads cannot help."
    )
    return [
        Figure("hybrid query, p50", timings[OURS].p50 * 1e3, 25, "ms"),
        Figure("8 threads over 1 (until the CPU is full)", gain, 3, "x", least=True),
    ]


def _throughput(
    engine: ElasticEngine, asked: Sequence[wb.Query], threads: int
) -> tuple[float, float]:
    """(queries a second, per cent of the CPUs busy)."""
    psutil.cpu_percent()
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda query: engine.candidates(query, CANDIDATES), asked))
    return len(asked) / (time.perf_counter() - started), psutil.cpu_percent()


# Bulk


def _bulk(url: str, folder: Path) -> list[Figure]:
    """Passages a second with ready vectors, beside the client's helper with lists of floats."""
    manifest = read_manifest(folder)
    ours, theirs = [], []
    for _ in range(3):  # in turn, so that drift falls on both
        theirs.append(_streaming_bulk(url, folder))
        ours.append(manifest.passages / _mirror(url, folder))
    rates = {"workbench": float(np.median(ours)), "streaming_bulk": float(np.median(theirs))}
    rows = [(name, f"{rate:.0f}") for name, rate in rates.items()]
    table(f"Bulk, {manifest.dimension} dimensions, flat", ("way", "passages/s"), rows)
    peaks = [run_process("-c", MEMORY, url, "bench-memory", str(folder)).peak_mb for _ in range(1)]
    note(f"Peak memory of a process that indexes {manifest.passages:,} passages: {peaks[0]:.0f} MB")
    ratio = rates["workbench"] / rates["streaming_bulk"]
    return [
        Figure("bulk over streaming_bulk", ratio, 3, "x", least=True),
        Figure("peak memory of the client", peaks[0], 250, "MB"),
    ]


def _mirror(url: str, folder: Path) -> float:
    """Seconds from nothing to a live, complete, searchable index."""
    corpus = ElasticCorpus(wb.Elasticsearch(url, index="bench-bulk", replicas=0, timeout=60))
    corpus.remove()
    started = time.perf_counter()
    corpus.mirror(folder)
    seconds = time.perf_counter() - started
    corpus.remove()
    corpus.connection.close()
    return seconds


def _streaming_bulk(url: str, folder: Path, most: int = 4_000) -> float:
    """Passages a second of the client's helper: the same documents from the same folder into the
    same mapping, each vector as a list of floats."""
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import streaming_bulk

    client = Elasticsearch(url, request_timeout=60)
    name = "bench-streaming"
    client.options(ignore_status=404).indices.delete(index=name)
    started = time.perf_counter()
    layout = layout_of(read_manifest(folder), "flat")
    body = index_body(wb.Elasticsearch(url, index=name), layout, "x")
    client.indices.create(index=name, settings=body["settings"], mappings=body["mappings"])
    documents = islice(_plain_documents(folder), most)
    done = sum(ok for ok, _ in streaming_bulk(client, documents, index=name))
    client.indices.refresh(index=name)
    seconds = time.perf_counter() - started
    client.indices.delete(index=name)
    client.close()
    return done / seconds


class _Empty:
    """An index that holds nothing yet."""

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        return {}


def _plain_documents(folder: Path) -> Iterator[dict[str, Any]]:
    manifest = read_manifest(folder)
    blocks = read_blocks(folder / VECTORS, manifest.passage_rows, manifest.dimension)
    rows = (row for block in blocks for row in block)
    for _, papers in folder_documents(folder, manifest, _Empty()):  # type: ignore[arg-type]  # stands for a writer
        for paper in papers:
            for number in range(len(paper.spans)):
                name, body = paper.document(number)
                yield {"_id": name, **body, "vector": next(rows).tolist()}


# Parity


def _parity(
    folder: Path, spec: wb.Elasticsearch, queries: list[wb.Query], judgments: list[wb.Judgment]
) -> list[Figure]:
    with (
        wb.open(folder, progress=False) as here,
        wb.open(folder, engine=spec, progress=False) as there,
    ):
        report = parity(here, there, queries, judgments, progress=False)
    note(f"```\n{report}\n```")
    assert report.weights is not None
    difference = abs(report.weights.first - report.weights.second)
    unexplained = sum(signal.causes.get("unexplained", 0) for signal in report.signals)
    return [
        Figure("SciFact overlap@10, mean", report.mean_overlap, 0.97, least=True),
        Figure("SciFact nDCG@10, difference", difference, 0.005),
        Figure("differences without a cause", unexplained, 1),
    ]


if __name__ == "__main__":
    main()
