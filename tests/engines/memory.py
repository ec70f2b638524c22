"""An engine that somebody could add: papers in memory, every value computed when it is asked for.

It is what ARCHITECTURE.md promises: a class that inherits `Engine`, one with the `Keeper` protocol,
and an object with `keeper(folder)` for `wb.open(engine=...)`. Nothing else of the package knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from workbench.corpus.analysis import Analyser, fold_name
from workbench.corpus.chunking import cut_papers, embedding_text
from workbench.corpus.formats.reading import read_source
from workbench.corpus.ingest import IngestReport
from workbench.corpus.inspecting import paper_of
from workbench.corpus.manifest import Manifest
from workbench.engines.base import FEEDBACK, LOWER, SIGNALS, Ahead, Engine
from workbench.engines.bm25 import K1, B, idf, saturation
from workbench.engines.filters import check_filters
from workbench.errors import CorpusError, CorpusMismatch
from workbench.models.embedders.base import Embedder
from workbench.records import Candidates, Filters, Paper, Passage, Query

Key = tuple[str, int]
Parts = dict[str, float]


class MemoryEngine(Engine):
    """Brute force over a few papers."""

    signals = SIGNALS

    def __init__(self, papers: Iterable[Paper], embedder: Embedder) -> None:
        self._papers = {paper.id: paper for paper in sorted(papers, key=lambda paper: paper.id)}
        made = list(self._papers.values())
        terms = Analyser().counts
        cuts = cut_papers([(paper.title, paper.text) for paper in made], embedder)
        self._titles = {paper.id: terms(paper.title) for paper in made}
        self._passages: dict[Key, Passage] = {}
        self._bodies: dict[Key, Counter[str]] = {}
        for paper, spans in zip(made, cuts, strict=True):
            for number, (start, end) in enumerate(spans):
                key, text = (paper.id, number), paper.text[start:end]
                self._passages[key] = Passage(paper.id, number, start, end, text)
                body = terms("" if paper.text == paper.title else text)
                self._bodies[key] = self._titles[paper.id] + body
        texts = [embedding_text(self._papers[i].title, p.text) for (i, _), p in self._items()]
        vectors = embedder.encode(texts) if texts else np.zeros((0, embedder.dimension), np.float32)
        self._vectors = dict(zip(self._passages, vectors, strict=True))
        self._manifest = Manifest(
            analyser="the workbench's", chunking="", model=embedder.name,
            model_fingerprint=embedder.fingerprint, dimension=embedder.dimension, k1=K1, b=B,
            papers=len(made), passages=len(self._passages),
            fingerprint=sha256(repr([vars_of(paper) for paper in made]).encode()).hexdigest(),
        )  # fmt: skip

    def _items(self) -> Iterable[tuple[Key, Passage]]:
        return self._passages.items()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def fingerprint(self) -> str:
        return f"memory-{self.manifest.fingerprint}"

    def candidates(
        self,
        query: Query,
        n: int,
        filters: Filters = Filters(),
        *,
        n_keyword: int | None = None,
        expanded: Query | None = None,
        ahead: Ahead | None = None,
    ) -> Candidates:
        check_filters(filters)
        allowed = [key for key in self._passages if self._passes(filters, key)]
        asked = [query] if expanded is None else [query, expanded]
        signals = SIGNALS if expanded is None else SIGNALS + FEEDBACK
        values = {key: self._values(asked, key) for key in allowed}
        chosen: set[Key] = set()
        for column, signal in enumerate(signals):
            dense = signal.startswith("dense")
            if dense and asked[column > 2].vector is None:
                continue
            arm = [key for key in allowed if dense or values[key][column] > 0]
            if signal == "title":
                arm = [key for key in arm if key[1] == 0]
            arm.sort(key=lambda key: (-values[key][column], key))
            chosen.update(arm[: n_keyword if signal == "title" and n_keyword is not None else n])
        rows = sorted(chosen)
        return Candidates(
            query=query,
            signals=signals,
            paper_ids=np.array([paper for paper, _ in rows], dtype=np.str_),
            numbers=np.array([number for _, number in rows], dtype=np.int32),
            values=np.array([values[key] for key in rows]).reshape(len(rows), len(signals)),
            lower=np.array([LOWER[signal] for signal in signals]),
            fingerprint=self.fingerprint,
        )

    def vectors(self, keys: Sequence[Key]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.passages(keys)
        rows = [self._vectors[key] for key in keys]
        return np.array(rows, np.float32).reshape(-1, self.manifest.dimension)

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        counts = {term: sum(term in body for body in self._bodies.values()) for term in terms}
        return {term: count for term, count in counts.items() if count}, len(self._bodies)

    def known(self, ids: Collection[str]) -> set[str]:
        return set(ids) & set(self._papers)

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        for name in ids:
            if name not in self._papers:
                raise CorpusError(f"no paper with id {name!r}; check the id")
        return [self._papers[name] for name in ids]

    def passages(self, keys: Sequence[Key]) -> list[Passage]:
        for key in keys:
            if key not in self._passages:
                raise CorpusError(f"paper {key[0]!r} has no passage {key[1]}; check the id")
        return [self._passages[key] for key in keys]

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        self.passages([(paper_id, number)])
        return {
            "bm25": _parts(query, self._bodies[paper_id, number], list(self._bodies.values())),
            "title": _parts(query, self._titles[paper_id], list(self._titles.values())),
        }

    def passage_keys(self) -> list[Key]:
        return list(self._passages)

    def _values(self, asked: list[Query], key: Key) -> list[float]:
        """The values of one passage in the order of the signals."""
        values: list[float] = []
        for query in asked:
            parts = self.term_scores(query, *key)
            values.append(_sum(parts["bm25"]))
            if not len(values) > 1:
                values.append(_sum(parts["title"]))
            values.append(self._cosine(query, key))
        return values

    def _cosine(self, query: Query, key: Key) -> float:
        if query.vector is None:
            return 0.0
        if query.vector.shape != (self.manifest.dimension,):
            raise CorpusMismatch(
                f"the query vector has {len(query.vector)} dimensions, the index "
                f"{self.manifest.dimension}; use the model {self.manifest.model!r}"
            )
        return float(self._vectors[key] @ query.vector)

    def _passes(self, filters: Filters, key: Key) -> bool:
        paper = self._papers[key[0]]
        first, last = filters.year or (None, None)
        year = paper.year if filters.year is None else paper.year or -1
        return (
            (first is None or (year or 0) >= first)
            and (last is None or 0 < (year or -1) <= last)
            and (not filters.ids or paper.id in filters.ids)
            and all(term in self._bodies[key] for term in filters.terms)
            and _named(filters.venue, [paper.venue])
            and _named(filters.author, paper.authors)
            and _named(filters.field, paper.fields)
        )


class MemoryKeeper:
    """Papers that go when the process ends."""

    name = "memory"

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder = folder
        self._embedder = embedder
        self._papers: dict[str, Paper] = {}

    def open(self, *, progress: bool = False) -> MemoryEngine:
        return MemoryEngine(self._papers.values(), self._embedder)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        new = {paper.id: paper for paper in _read(source)}
        replaced = len(new.keys() & self._papers.keys())
        self._papers |= new
        return IngestReport(added=len(new) - replaced, replaced=replaced)

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        return sum(self._papers.pop(name, None) is not None for name in list(ids))

    def facts(self) -> dict[str, Any]:
        return {"place": "memory"}


class Memory:
    """What `wb.open(engine=...)` is given."""

    def __init__(self, embedder: Embedder, beside: Path) -> None:
        self._embedder = embedder
        self._beside = beside

    def keeper(self, folder: Path | None) -> MemoryKeeper:
        return MemoryKeeper(folder or self._beside, self._embedder)


def vars_of(paper: Paper) -> list[Any]:
    """Every field of a paper."""
    return [getattr(paper, name) for name in paper.__slots__]


def _read(source: Any) -> Iterator[Paper]:
    for entry in read_source(source):
        yield paper_of(entry)


def _parts(query: Query, document: Counter[str], documents: Sequence[Counter[str]]) -> Parts:
    """Each known term's part of BM25, rounded to float32."""
    average = sum(each.total() for each in documents) / len(documents)
    parts = {}
    for term, weight in query.terms.items():
        if df := sum(term in other for other in documents):
            worth = saturation(document[term], document.total(), average)
            parts[term] = float(np.float32(weight * idf(len(documents), df) * worth))
    return parts


def _sum(parts: Mapping[str, float]) -> float:
    return float(sum((np.float32(part) for part in parts.values()), start=np.float32(0)))


def _named(wanted: Sequence[str], names: Sequence[str]) -> bool:
    """Whether one of the wanted names stands in one of the names as whole words."""
    folded = [f" {fold_name(name)} " for name in names]
    return not wanted or any(f" {fold_name(one)} " in name for one in wanted for name in folded)
