"""One home per engine, behind one fixture: every contract test runs over each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
import pytest

from tests.engines.embedded.projected import small_is_large
from tests.engines.memory import Memory, MemoryKeeper
from workbench.corpus.analysis import Analyser
from workbench.corpus.chunking import cut_papers
from workbench.engines.base import Engine
from workbench.engines.elastic.keepers import Elasticsearch
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.indexing import Indexer
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Paper, Query

Values = dict[tuple[str, int], tuple[float, float, float]]


def whole_length(length: int) -> int:
    """How long a document counts: as long as it is."""
    return length


def lucene_length(length: int) -> int:
    """How long a document counts in Lucene, which keeps a length in one byte: exact below 24,
    then 24 and four significant bits of the rest (org.apache.lucene.util.SmallFloat)."""
    rest = max(0, length - 24)
    lost = max(0, rest.bit_length() - 4)
    return length if length < 24 else 24 + (rest >> lost << lost)


class Home(Protocol):
    """Where engines of one kind are made, and what its BM25 counts as a document's length and as
    a document: Lucene leaves out those without a term."""

    length: Callable[[int], int]
    counts_empty: bool

    def make(self, papers: Sequence[Paper]) -> Engine: ...

    def change(
        self, engine: Engine, papers: Sequence[Paper] = (), delete: Sequence[str] = ()
    ) -> Engine: ...

    def close(self) -> None: ...


class EmbeddedHome:
    """Folders on disk, written by the real indexer."""

    length = staticmethod(whole_length)
    counts_empty = True

    def __init__(self, new_folder: Callable[[], Path], embedder: OnnxEmbedder) -> None:
        self._new_folder = new_folder
        self._embedder = embedder
        self._opened: list[EmbeddedEngine] = []

    def make(self, papers: Sequence[Paper]) -> Engine:
        return self._add(self._new_folder(), papers)

    def change(
        self, engine: Engine, papers: Sequence[Paper] = (), delete: Sequence[str] = ()
    ) -> Engine:
        assert isinstance(engine, EmbeddedEngine)
        if delete:
            Indexer(engine.folder, self._embedder).delete(delete)
        return self._add(engine.folder, papers)

    def close(self) -> None:
        for engine in self._opened:
            engine.close()

    def _add(self, folder: Path, papers: Sequence[Paper]) -> Engine:
        source = folder / "source.jsonl"
        lines = (json.dumps(asdict(paper)) + "\n" for paper in papers)
        source.write_text("".join(lines), encoding="utf-8")
        Indexer(folder, self._embedder).add(source, strict=bool(papers))
        self._opened.append(EmbeddedEngine(folder))
        return self._opened[-1]


class MemoryHome:
    """The engine of `memory.py`, which no module of the package knows."""

    length = staticmethod(whole_length)
    counts_empty = True

    def __init__(self, new_folder: Callable[[], Path], embedder: OnnxEmbedder) -> None:
        self._spec = Memory(embedder, new_folder())
        self._embedder = embedder
        self._kept: dict[int, MemoryKeeper] = {}
        self._opened: list[Engine] = []  # so that no two have the same id

    def make(self, papers: Sequence[Paper]) -> Engine:
        return self._add(self._spec.keeper(None), papers)

    def change(
        self, engine: Engine, papers: Sequence[Paper] = (), delete: Sequence[str] = ()
    ) -> Engine:
        keeper = self._kept[id(engine)]
        keeper.delete(delete, self._embedder)
        return self._add(keeper, papers)

    def close(self) -> None:
        self._kept.clear()

    def _add(self, keeper: MemoryKeeper, papers: Sequence[Paper]) -> Engine:
        keeper.add(papers, self._embedder)
        engine = keeper.open()
        self._kept[id(engine)] = keeper
        self._opened.append(engine)
        return engine


class ElasticHome:
    """Indices on a real server, written by the real bulk writer."""

    length = staticmethod(lucene_length)
    counts_empty = False

    def __init__(
        self, url: str, vectors: str, new_folder: Callable[[], Path], embedder: OnnxEmbedder
    ) -> None:
        self._url = url
        self._vectors = vectors
        self._folder = new_folder()
        self._embedder = embedder
        self._made: list[ElasticCorpus] = []
        self._engines: list[Engine] = []

    def make(self, papers: Sequence[Paper]) -> Engine:
        name = f"contract-{self._vectors}-{uuid4().hex[:8]}"
        spec = Elasticsearch(self._url, index=name, vectors=self._vectors, replicas=0, timeout=60)
        self._made.append(ElasticCorpus(spec))
        return self._add(self._made[-1], papers)

    def change(
        self, engine: Engine, papers: Sequence[Paper] = (), delete: Sequence[str] = ()
    ) -> Engine:
        assert isinstance(engine, ElasticEngine)
        [corpus] = [c for c in self._made if engine.live.name.startswith(c.connection.spec.index)]
        if delete:
            corpus.delete(delete, self._embedder)
        return self._add(corpus, papers)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
        for corpus in self._made:
            corpus.remove()
            corpus.connection.close()

    def _add(self, corpus: ElasticCorpus, papers: Sequence[Paper]) -> Engine:
        source = self._folder / "source.jsonl"
        lines = (json.dumps(asdict(paper)) + "\n" for paper in papers)
        source.write_text("".join(lines), encoding="utf-8")
        corpus.add(source, self._embedder, strict=bool(papers))
        self._engines.append(corpus.open())
        return self._engines[-1]


HOMES = ["embedded", "embedded-projected", "memory", "elastic-flat", "elastic-int8_hnsw"]


@pytest.fixture(scope="session", params=HOMES)
def home(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    embedder: OnnxEmbedder,
) -> Iterator[Home]:
    """One kind of engine; a new one is one more parameter here."""
    kind, _, vectors = request.param.partition("-")
    patched = small_is_large() if vectors == "projected" else nullcontext()

    def new_folder() -> Path:
        return tmp_path_factory.mktemp("c")

    made: Home
    if kind == "embedded":
        made = EmbeddedHome(new_folder, embedder)
    elif kind == "memory":
        made = MemoryHome(new_folder, embedder)
    else:
        url = request.getfixturevalue("elasticsearch_url")
        made = ElasticHome(url, vectors, new_folder, embedder)
    with patched:
        yield made
    made.close()


@pytest.fixture(scope="session")
def make(home: Home) -> Callable[[Sequence[Paper]], Engine]:
    """`make(papers)`: an engine over these papers."""
    return home.make


@pytest.fixture(scope="session")
def change(home: Home) -> Callable[..., Engine]:
    """`change(engine, papers, delete=ids)`: the engine as it is after writing to its corpus."""
    return home.change


@pytest.fixture(scope="session")
def ask(embedder: OnnxEmbedder) -> Callable[..., Query]:
    """`ask(text)`: the text as a query; `arms` may be "both", "lexical" or "dense"."""

    def make_query(text: str, arms: str = "both") -> Query:
        counts = Analyser().counts(text) if arms != "dense" else {}
        vector = embedder.encode_query(text) if arms != "lexical" else None
        return Query(text, {term: float(count) for term, count in counts.items()}, vector)

    return make_query


@pytest.fixture(scope="session")
def papers() -> tuple[Paper, ...]:
    """A small corpus with every oddity that an engine must bear; ids are not in order."""
    return (
        Paper(
            "zobel",
            "Inverted files for ranking",
            "Inverted files answer ranked queries quickly. Compression makes them smaller.",
            authors=("Justin Zobel", "Alistair Moffat"),
            year=2006,
            venue="ACM Computing Surveys",
            fields=("indexing",),
        ),
        Paper(
            "Robertson",
            "The probabilistic relevance framework",
            "Ranking functions such as BM25 weight terms by saturation and length.",
            authors=("Stephen Robertson", "Hugo Zaragoza"),
            year=2009,
            venue="Foundations and Trends",
            fields=("ranking", "probability"),
        ),
        Paper(
            "karpukhin",
            "Dense passage retrieval",
            "Two encoders map questions and passages to vectors for open question answering.",
            authors=("Vladimir Karpukhin",),
            year=2020,
            venue="EMNLP",
            fields=("dense retrieval", "question answering"),
        ),
        Paper(
            "élan",
            "Query expansion by pseudo relevance feedback",
            "Terms of the first documents expand the query. Feedback helps on average.",
            authors=("José García-Müller",),
            year=2001,
            venue="Revue Française d'Informatique",
            fields=("feedback",),
        ),
        Paper(
            "10",
            "Learning sparse vectors for retrieval",
            "Sparse vectors expand documents and queries with learned term weights.",
            authors=("Christopher D. Manning",),
            year=2021,
            venue="SIGIR",
            fields=("sparse retrieval",),
        ),
        Paper(
            "9",
            "Cats",
            "A cat sleeps for most of the day and hunts small birds at night.",
            authors=("Ann O'Manning-Smith",),
            venue="SIGIR Forum",
        ),
        Paper("untitled", "", "Evaluation by nDCG needs graded judgments of relevance.", year=2002),
        Paper("title-only", "Ranking with ranking functions", year=1998, venue="TREC"),
        _long_paper(),
    )


def _long_paper() -> Paper:
    """Its parts are about different things; only the last one mentions volcanoes."""
    topics = ("index compression", "query logs", "user studies", "question answering", "volcanoes")
    parts = (
        " ".join(f"Sentence {i} of part {topic} reports on {topic} at length." for i in range(25))
        for topic in topics
    )
    return Paper("long", "A long survey", body="\n\n".join(parts), year=2015, venue="Thesis")


class Reference:
    """Every signal of every passage, computed the plain way from the papers' texts alone."""

    def __init__(self, papers: Sequence[Paper], embedder: OnnxEmbedder, home: Home) -> None:
        self._home = home
        terms = Analyser().terms
        cuts = cut_papers([(paper.title, paper.text) for paper in papers], embedder)
        self.keys: list[tuple[str, int]] = []
        self.bodies: list[list[str]] = []
        self.titles = {paper.id: terms(paper.title) for paper in papers}
        texts = []
        for paper, spans in zip(papers, cuts, strict=True):
            for number, (start, end) in enumerate(spans):
                text = "" if paper.text == paper.title else paper.text[start:end]
                self.keys.append((paper.id, number))
                self.bodies.append(terms(paper.title) + terms(text))
                texts.append(". ".join(part for part in (paper.title, text) if part))
        self.vectors = embedder.encode(texts)

    def values(self, query: Query) -> Values:
        """(bm25, title, dense) of each passage."""
        body = bm25(self.bodies, query, self._home)
        title = bm25(list(self.titles.values()), query, self._home)
        title_of = dict(zip(self.titles, title, strict=True))
        dense = np.zeros(len(body)) if query.vector is None else self.vectors @ query.vector
        return {
            key: (body[i], title_of[key[0]], float(dense[i])) for i, key in enumerate(self.keys)
        }


def bm25(
    documents: Sequence[Sequence[str]], query: Query, home: Home, k1: float = 0.9, b: float = 0.4
) -> list[float]:
    """Lucene's BM25 as in the paper (Kamphuis et al., 2020), one document at a time."""
    n = len(documents) if home.counts_empty else sum(map(bool, documents))
    average = sum(map(len, documents)) / n

    def part(term: str, document: Sequence[str]) -> float:
        df = sum(term in other for other in documents)
        tf = document.count(term)
        idf = float(np.log(1 + (n - df + 0.5) / (df + 0.5)))
        length = home.length(len(document))
        return idf * tf / (tf + k1 * (1 - b + b * length / average))

    return [
        sum(weight * part(term, document) for term, weight in query.terms.items())
        for document in documents
    ]


@pytest.fixture(scope="session")
def engine(make: Callable[[Sequence[Paper]], Engine], papers: tuple[Paper, ...]) -> Engine:
    """An engine over `papers`. Tests must not change it."""
    return make(papers)


@pytest.fixture(scope="session")
def true_values(embedder: OnnxEmbedder, home: Home) -> Callable[[tuple[Paper, ...], Query], Values]:
    """`true_values(papers, query)`: (bm25, title, dense) by passage, computed without an engine."""
    reference = lru_cache(lambda papers: Reference(papers, embedder, home))
    return lambda papers, query: reference(papers).values(query)
