"""A tiny deterministic embedder, papers to index with it, and processes that do.

`python fakes.py` reads a list a line: FOLDER, SOURCE, LOG, SIGNAL, AT. It indexes in a child, which
sends itself the signal at its AT-th call of a function (0: never), and prints a list a line: the
child's exit status and how many calls it made. Children are forked: imports are made once.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import threading
import traceback
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.ingest import IngestReport
from workbench.corpus.writer import AnalysedPaper, StoredForm
from workbench.engines.embedded import projection
from workbench.engines.embedded.indexing import Indexer
from workbench.records import Paper
from workbench.session import Workbench

WORD = re.compile(r"\S+")
VOCABULARY = WORD.findall(
    "retrieval ranking query document passage dense sparse vector index encoder training negative "
    "sampling relevance feedback expansion term weighting posting list compression latency recall "
    "precision judgment collection distillation transformer attention summary citation graph "
    "entity table question answer reading evidence claim verification translation speech"
)


class WordCounter:
    """Each word between white space is a token."""

    def __init__(self, window: int = 64) -> None:
        self.window = window

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [np.array([m.start() for m in WORD.finditer(text)], np.int64) for text in texts]


class FakeEmbedder(WordCounter):
    """Sums of one pseudo-random vector a word; counts and logs what it encodes."""

    name = "fake"

    def __init__(
        self,
        *,
        fingerprint: str = "fake-1",
        window: int = 64,
        dimension: int = 32,
        log: Path | None = None,
    ) -> None:
        super().__init__(window)
        self.fingerprint = fingerprint
        self.dimension = dimension
        self.encoded: list[str] = []
        self._log = log

    def encode(
        self, texts: Sequence[str], *, progress: bool = False, **_: Any
    ) -> NDArray[np.float32]:
        self.encoded.extend(texts)
        if self._log is not None:
            lines = (blake2b(text.encode(), digest_size=8).hexdigest() + "\n" for text in texts)
            with open(self._log, "a") as stream:
                stream.write("".join(lines))
        rows = [self._vector(text) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), self.dimension)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return self._vector(text)

    def _vector(self, text: str) -> NDArray[np.float32]:
        words = WORD.findall(text.lower()) or [""]
        digests = b"".join(blake2b(w.encode(), digest_size=self.dimension).digest() for w in words)
        total = np.frombuffer(digests, np.uint8).reshape(len(words), -1).sum(axis=0) - 127.5
        return (total / np.linalg.norm(total)).astype(np.float32)


def long_record(number: int, sentences: int = 15) -> dict[str, Any]:
    """A paper of several passages, always the same for the same number."""
    words = random.Random(number)
    body = [" ".join(words.choices(VOCABULARY, k=12)).capitalize() + "." for _ in range(sentences)]
    return {
        "id": f"long{number:04d}",
        "title": " ".join(words.sample(VOCABULARY, 4)),
        "abstract": " ".join(body[:3]),
        "body": " ".join(body[3:]),
        "year": 1990 + number % 30,
    }


def build(
    folder: Path, source: Any, embedder: FakeEmbedder | None = None, **options: Any
) -> IngestReport:
    """Index a source with the fake embedder."""
    return Indexer(folder, embedder or FakeEmbedder()).add(source, **options)


def follow(folder: Path, source: Path, **options: Any) -> IngestReport:
    """Bring an index up to date with its own source."""
    return Indexer(folder, FakeEmbedder()).follow(source, {"name": source.name}, **options)


def found(folder: Path, query: str = "dense retrieval feedback", k: int = 20) -> list[Any]:
    """What a search gives, comparable: paper, score, passage."""
    with Workbench(folder, embedder=FakeEmbedder()) as bench:
        hits = bench.search(query, k).hits
    return [(hit.paper.id, hit.score, hit.passage.text) for hit in hits]


class Signalled:
    """Counts every call of a function, Python's and native ones, and sends this process a signal at
    one of them: a moment of the work that no clock has a part in. Use `with`."""

    def __init__(self, number: int, at: int) -> None:
        self.calls = 0
        self._number = number
        self._at = at

    def __enter__(self) -> Signalled:
        threading.setprofile(self._count)  # the thread that encodes has its moments too
        sys.setprofile(self._count)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _count(self, frame: object, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1
            if self.calls == self._at:
                os.kill(os.getpid(), self._number)


def _index(folder: str, source: str, log: str, number: int, at: int, calls: int) -> None:
    """In a child: index, tell how many calls that took, and end without a way back."""
    status = 1
    try:
        with Signalled(number, at) as counted:
            build(Path(folder), source, FakeEmbedder(log=Path(log)))
        os.write(calls, str(counted.calls).encode())
        status = 0
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve() -> None:
    # Kills meet the projection of a large corpus too.
    projection.FROM, projection.LEAST = 1, 0.0
    projection.SHALLOWEST = projection.DEEPEST = 1
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _index(*json.loads(line), writing)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reading) as stream:
            calls = int(stream.read() or 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), calls]), flush=True)


if __name__ == "__main__":
    _serve()


def analysed_paper(
    paper: Paper, passages: tuple[tuple[int, int, dict[str, int]], ...], title: dict[str, int]
) -> AnalysedPaper:
    """A paper with passages and terms that nobody cut or analysed."""
    return AnalysedPaper(paper, passages, title, StoredForm.of(paper))
