"""Papers a second of `wb.index` on a GPU beside its encoder alone, and a query's time there."""

from __future__ import annotations

import argparse
import lzma
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from common import SOURCES, Figure, arguments, heading, need, note, table, targets
from gpu_models import random_model

import workbench as wb
from workbench.corpus import chunking
from workbench.corpus.manifest import STORE, read_manifest
from workbench.corpus.store import Store
from workbench.models.embedders.make import make_embedder
from workbench.models.weights.find import find_model

WARM = 10


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--papers", type=int, default=12_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--minilm", default="all-MiniLM-L6-v2", help="name or folder of MiniLM")
    parser.add_argument("--texts", type=Path, help="papers (.jsonl.xz) instead of --data's arXiv")
    given = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no GPU is here: this benchmark needs one")
        sys.exit(0)
    heading("Indexing and searching on a GPU")
    note(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}")
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        source = work / "papers.jsonl"
        with lzma.open(given.texts or need(given.data / SOURCES["arxiv"].file), "rt") as lines:
            source.write_text("".join(islice(lines, given.papers)), "utf-8")
        minilm = find_model(given.minilm).path
        large = random_model("bge-large", minilm, work)
        figures += indexing("MiniLM", minilm, source, work, given)
        figures += queries(work / "MiniLM", minilm, given)
        figures += indexing("bge-large, random", large, source, work, given)
    targets(figures)


def indexing(
    name: str, model: Path, source: Path, work: Path, given: argparse.Namespace
) -> list[Figure]:
    """From a file to an index, with a loaded model."""
    embedder = make_embedder(str(model), runtime="torch")
    embedder.encode(["warm up"] * 2048)
    into = work / name
    started = time.perf_counter()
    report = wb.index(source, into, model=str(model), runtime="torch", progress=False)
    whole = time.perf_counter() - started
    texts = list(_texts(into, embedder))
    started = time.perf_counter()
    embedder.encode(texts)
    alone = time.perf_counter() - started
    embedder.release()
    rows = [(stage, f"{seconds:.2f}", f"{seconds / whole:.0%}")
            for stage, seconds in report.seconds.items()]  # fmt: skip
    rows += [("the whole", f"{whole:.2f}", ""), ("the encoder alone", f"{alone:.2f}", "")]
    title = f"{name}: {given.papers:,} papers, {len(texts):,} passages"
    table(title, ("stage", "seconds", "share"), rows)
    note(f"{given.papers / whole:,.0f} papers/s; the encoder alone {len(texts) / alone:,.0f} "
         "texts/s")  # fmt: skip
    if name == "MiniLM":
        return [
            Figure(f"{name}, papers/s", given.papers / whole, 5000, least=True),
            Figure(f"{name}, texts/s of the encoder", len(texts) / alone, 25_000, least=True),
        ]
    return [Figure(f"{name}, the whole / the encoder alone", whole / alone, 1.5, "x")]


def _texts(index: Path, embedder: chunking.TokenCounter) -> list[str]:
    """What was embedded, in order."""
    store = Store(index / STORE)
    rows = list(store.passage_texts(0, read_manifest(index).passage_rows))
    store.close()
    titles = chunking.short_titles([title for title, _ in rows], embedder)
    return [chunking.embedding_text(t, p) for t, (_, p) in zip(titles, rows, strict=True)]


def queries(index: Path, model: Path, given: argparse.Namespace) -> list[Figure]:
    """Single queries of the default profile, one after another, none asked before."""
    with wb.open(index, model=str(model), runtime="torch", progress=False) as bench:
        titles = [hit.paper.title for hit in bench.search("neural networks", 400).hits]
        asked = [f"{title} methods"[-120:] for title in titles][: given.queries + WARM]
        spent = _milliseconds(bench.search, asked)
        embedder = make_embedder(str(model), runtime="torch")
        encoding = _milliseconds(embedder.encode_query, [f"{text} again" for text in asked])
    embedder.release()
    rows = [(who, *(f"{np.percentile(ms, q):.2f}" for q in (50, 95)))
            for who, ms in (("query", spent), ("its vector", encoding))]  # fmt: skip
    table("One query, ms", ("what", "p50", "p95"), rows)
    return [Figure("query, p50", float(np.median(spent)), 4, "ms")]


def _milliseconds(ask: Callable[[str], object], texts: list[str]) -> list[float]:
    spent = []
    for text in texts:
        started = time.perf_counter()
        ask(text)
        spent.append(1e3 * (time.perf_counter() - started))
    return spent[WARM:]


if __name__ == "__main__":
    main()
