"""Passages a second of our encoder against sentence-transformers with the same weights; the rest
of indexing with an encoder that takes no time; the encoder's share of the whole."""

from __future__ import annotations

import lzma
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    SOURCES,
    Figure,
    Timing,
    arguments,
    cores,
    heading,
    interleave,
    need,
    note,
    table,
    targets,
)
from contenders import Vectors, sentence_transformer

from workbench.corpus.chunking import cut_papers, embedding_text
from workbench.corpus.ingest import IngestReport
from workbench.corpus.parsing import parse_paper
from workbench.corpus.readers import read_entries
from workbench.engines.embedded.indexing import Indexer
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

OURS = "workbench"
BATCHES = (8, 32, 64)
DEFAULT = 32
"""Batch size of sentence-transformers' encode where nobody sets one."""

SLICE = 200
"""Passages that one contender encodes before the next one's turn."""

Encode = Callable[[list[str]], Vectors]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--passages", type=int, default=600)
    parser.add_argument("--papers", type=int, default=12_000, help="for the null encoder")
    parser.add_argument("--rounds", type=int, default=2, help="how often all passages are encoded")
    given = parser.parse_args()
    sources = {name: need(given.data / SOURCES[name].file) for name in ("arxiv", "scifact")}
    embedder, model = OnnxEmbedder(), sentence_transformer()
    heading("Indexing")
    note(f"{cores()} threads each; slices of {SLICE} passages in turn, {given.rounds} rounds")
    contenders: dict[str, Encode] = {OURS: embedder.encode}
    contenders |= {_name(size): _encode_with(model, size) for size in BATCHES}
    figures = []
    for name, source in sources.items():
        texts = list(islice(_passages(source, embedder), given.passages))
        slices = [texts[start : start + SLICE] for start in range(0, len(texts), SLICE)]
        interleave(contenders, [texts[:8]])
        timings = interleave(contenders, slices * given.rounds)
        speeds = {who: _speed(timing) for who, timing in timings.items()}
        own, best = speeds[_name(DEFAULT)], max(speeds[_name(size)] for size in BATCHES)
        cosines = _cosines(timings[OURS], timings[_name(32)])
        rows = [
            (who, f"{speed:.1f}", f"{speeds[OURS] / speed:.2f}") for who, speed in speeds.items()
        ]
        title = f"{len(texts)} passages of {name}, {np.mean([len(t) for t in texts]):.0f} letters"
        table(title, ("encoder", "passages/s", "ours / this"), rows)
        note(f"Cosine of ours to sentence-transformers': lowest {cosines.min():.4f}, "
             f"mean {cosines.mean():.4f}")  # fmt: skip
        figures += [
            Figure(f"{name}, ours / its own encode", speeds[OURS] / own, 4, "x", least=True),
            Figure(f"{name}, ours / its best batch", speeds[OURS] / best, 4, "x", least=True),
            Figure(f"{name}, lowest cosine", float(cosines.min()), 0.99, least=True),
        ]
    figures += [pipeline(sources["arxiv"], given.papers), end_to_end(sources["arxiv"])]
    targets(figures)


class NullEmbedder(OnnxEmbedder):
    """Cuts as the default does, and its vectors cost nothing."""

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """The same unit vector for each text."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        vectors[:, 0] = 1
        return vectors


def pipeline(source: Path, papers: int) -> Figure:
    """All of `wb.index` but the encoder."""
    embedder = NullEmbedder()
    embedder.token_starts(["warm up"])
    seconds, report = _indexed(source, papers, embedder)
    rows = [(name, f"{spent:.2f}", f"{spent / seconds:.0%}")
            for name, spent in report.seconds.items()]  # fmt: skip
    table(f"Null encoder, {papers:,} papers in {seconds:.2f} s", ("stage", "s", "share"), rows)
    return Figure("null encoder, papers/s", papers / seconds, 3000, least=True)


def end_to_end(source: Path, papers: int = 200) -> Figure:
    """The encoder's own share of an index that is made with the default."""
    embedder = OnnxEmbedder()
    embedder.encode(["warm up"])
    seconds, report = _indexed(source, papers, embedder)
    return Figure("the encoder's share", 100 * report.seconds["encode"] / seconds, 90, "%",
                  least=True)  # fmt: skip


def _indexed(source: Path, papers: int, embedder: OnnxEmbedder) -> tuple[float, IngestReport]:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "papers.jsonl"
        with lzma.open(source, "rt") as lines:
            file.write_text("".join(islice(lines, papers)), "utf-8")
        started = time.perf_counter()
        report = Indexer(Path(scratch) / "index", embedder).add(file)
        return time.perf_counter() - started, report


def _name(size: int) -> str:
    return f"sentence-transformers, batch {size}"


def _encode_with(model: Any, size: int) -> Encode:
    def encode(texts: list[str]) -> Vectors:
        vectors: Vectors = model.encode(
            texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    return encode


def _speed(timing: Timing) -> float:
    return sum(map(len, timing.answers)) / sum(timing.seconds)


def _cosines(ours: Timing, theirs: Timing) -> Vectors:
    pairs = zip(ours.answers, theirs.answers, strict=True)
    return np.concatenate([(one * other).sum(axis=1) for one, other in pairs])


def _passages(source: Path, embedder: OnnxEmbedder) -> Iterator[str]:
    """The first passages of a source, as the index embeds them."""
    papers = (parse_paper(entry.record) for entry in read_entries(source) if entry.record)
    while batch := list(islice(papers, 64)):
        spans = cut_papers([(paper.title, paper.text) for paper in batch], embedder)
        for paper, cuts in zip(batch, spans, strict=True):
            yield from (embedding_text(paper.title, paper.text[a:b]) for a, b in cuts)


if __name__ == "__main__":
    main()
