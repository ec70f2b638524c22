"""A warm hybrid query, 1,000 candidates an arm, to ten papers with their texts.

With the query's embedding (queries never seen before), and without it (vectors known ahead).
Beside it: the glue and LanceDB, over the same passages and vectors, in the same run. Then the
default profile with its feedback, stage by stage, and what eight threads do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from common import (
    PAUSE,
    Figure,
    Timing,
    arguments,
    heading,
    index_of,
    interleave,
    need,
    note,
    queries_of,
    ratios,
    table,
    targets,
)
from contenders import (
    DEPTH,
    Found,
    Glue,
    Lance,
    Texts,
    Vectors,
    embed_query,
    passages_of,
    sentence_transformer,
)

import workbench as wb
from workbench.corpus.readers import read_lines
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

OURS, GLUE, LANCE = "workbench", "bm25s + faiss glue", "LanceDB"
WITH, WITHOUT = "with the query's embedding", "vectors known ahead"
TARGETS_MS = {"scifact": 4.0, "arxiv": 10.0}
DEFAULT_TARGETS_MS = {"scifact": 6.0, "arxiv": 10.0}
THREADS, LEAST_GAIN = 8, 1.8
WARM_UP = 10

PROFILE = wb.Profile(n_retrieval=DEPTH, n_keyword=DEPTH, feedback=False)
"""One retrieval at the contenders' depth; `rerank.py` measures the stages after it."""

Search = Callable[[str], Found]


@dataclass(frozen=True, slots=True)
class Side:
    """The contenders over one collection, and how each embeds a query."""

    index: Path
    texts: Texts
    glue: Glue
    lance: Lance | None
    embed: Callable[[str], Vectors]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--corpora", nargs="+", choices=TARGETS_MS, default=list(TARGETS_MS))
    parser.add_argument("--queries", type=int, default=300, help="at most, of each collection")
    parser.add_argument("--no-lancedb", action="store_true", help="leave LanceDB out")
    parser.add_argument("--alone", action="store_true", help="the default profile only")
    given = parser.parse_args()
    indexes = {name: index_of(name, given.data) for name in given.corpora}
    heading("Search latency")
    embed = None if given.alone else embed_query(sentence_transformer())
    figures = []
    for name, index in indexes.items():
        warm, queries = _queries(name, given.data, given.queries)
        figures += _default(name, index, warm, queries)
        if embed is None:
            continue
        texts = passages_of(index)
        glue = Glue(texts, dense=PROFILE.weights["dense"])
        side = Side(index, texts, glue, None if given.no_lancedb else Lance(texts), embed)
        note(f"{name}: {len(texts.texts):,} passages, {len(queries)} queries")
        for way, p50 in _measure(name, side, warm, queries).items():
            figures.append(Figure(f"{name}, p50, {way}", p50 * 1e3, TARGETS_MS[name], "ms"))
    targets(figures)


def _measure(name: str, side: Side, warm: list[str], queries: list[str]) -> dict[str, float]:
    """Print both tables of one collection; our medians, in seconds."""
    embedder = OnnxEmbedder()
    with _open(side.index, embedder) as bench:
        contenders = _contenders(bench, side, side.embed)
        interleave(contenders, warm)
        fresh = interleave(contenders, queries)
    vectors = {query: embedder.encode_query(query) for query in [*warm, *queries]}
    # A new session: the embedder remembers the queries, but no paper is remembered.
    with _open(side.index, embedder) as bench:
        contenders = _contenders(bench, side, vectors.__getitem__)
        interleave(contenders, warm)
        known = interleave(contenders, queries)
    ways = {WITH: fresh, WITHOUT: known}
    for way, timings in ways.items():
        _print(f"{name}, {way}", timings)
    return {way: timings[OURS].p50 for way, timings in ways.items()}


def _default(name: str, index: Path, warm: list[str], queries: list[str]) -> list[Figure]:
    """The default profile: each stage's median, the whole, and the gain of eight threads."""
    embedder = OnnxEmbedder()
    with wb.Workbench(index, embedder=embedder) as bench:
        for query in warm:
            bench.search(query)
        stages: dict[str, list[float]] = {}
        for query in queries:
            time.sleep(PAUSE)
            for stage, spent in bench.search(query).timings_ms.items():
                stages.setdefault(stage, []).append(spent)
    medians = {stage: float(np.median(spent)) for stage, spent in stages.items()}
    gain = _gain(index, embedder, queries)
    table(
        f"{name}, the default profile, p50 ms by stage (query: mostly its embedding)",
        (*medians, f"{THREADS} threads / 1"),
        [(*(f"{spent:.2f}" for spent in medians.values()), f"{gain:.2f}")],
    )
    ours = medians["total"] - medians["query"]
    return [
        Figure(f"{name}, default profile, p50", medians["total"], DEFAULT_TARGETS_MS[name], "ms"),
        Figure(f"{name}, without the embedding", ours, DEFAULT_TARGETS_MS[name], "ms"),
        Figure(f"{name}, {THREADS} threads to one", gain, LEAST_GAIN, least=True),
    ]


def _gain(index: Path, embedder: OnnxEmbedder, queries: list[str]) -> float:
    """How many times the queries of one thread eight do, each with an embedding to make."""
    seconds = []
    for threads in (1, THREADS):
        with wb.Workbench(index, embedder=embedder) as bench, ThreadPoolExecutor(threads) as pool:
            texts = [f"{query} {threads}" for query in queries]  # new to the embedder each time
            started = time.perf_counter()
            list(pool.map(bench.search, texts))
            seconds.append(time.perf_counter() - started)
    return seconds[0] / seconds[1]


def _open(index: Path, embedder: OnnxEmbedder) -> wb.Workbench:
    return wb.Workbench(index, profile=PROFILE, embedder=embedder)


def _contenders(
    bench: wb.Workbench, side: Side, embed: Callable[[str], Vectors]
) -> dict[str, Search]:
    glue, lance = side.glue, side.lance
    searches: dict[str, Search] = {
        OURS: lambda query: [(hit.paper.id, hit.passage.text) for hit in bench.search(query, 10)],
        GLUE: lambda query: glue.search(query, embed(query)),
    }
    if lance is not None:
        searches[LANCE] = lambda query: lance.search(query, embed(query))
    return searches


def _print(title: str, timings: Mapping[str, Timing]) -> None:
    against = ratios(timings)
    ours = timings[OURS].answers
    rows = [
        (
            name,
            f"{timing.p50 * 1e3:.2f}",
            f"{timing.p95 * 1e3:.2f}",
            against[name],
            f"{_overlap(ours, timing.answers):.2f}",
            str(len(timing.seconds)),
        )
        for name, timing in timings.items()
    ]
    columns = ("contender", "p50 ms", "p95 ms", "p50 / ours", "papers of our ten", "n")
    table(title, columns, rows)


def _overlap(ours: list[Found], others: list[Found]) -> float:
    """Mean share of our papers that another's ten hold: a check that all do the same work."""
    shares = [
        len({name for name, _ in one} & {name for name, _ in other}) / max(len(one), 1)
        for one, other in zip(ours, others, strict=True)
    ]
    return sum(shares) / len(shares)


def _queries(name: str, data: Path, count: int) -> tuple[list[str], list[str]]:
    """Queries to warm up with, and others to measure with."""
    if name == "scifact":
        warm = [query.text for query in queries_of(data, "train")[0][:WARM_UP]]
        return warm, [query.text for query in queries_of(data, "test")[0][:count]]
    titles = list(islice(_acl_titles(data), WARM_UP + min(count, 200)))
    return titles[:WARM_UP], titles[WARM_UP:]


def _acl_titles(data: Path) -> Iterator[str]:
    """Titles of ACL papers, each once."""
    seen: set[str] = set()
    for _, line in read_lines(need(data / "acl_papers.jsonl.xz")):
        title = json.loads(line or b"{}").get("title", "")
        if title and title not in seen:
            seen.add(title)
            yield title


if __name__ == "__main__":
    main()
