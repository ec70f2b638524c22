"""The same papers give the same candidates: however they came, on any segments, as embedded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.corpus.fakes import FakeEmbedder, build
from workbench.corpus.analysis import Analyser
from workbench.engines.elastic.own.arms import MARGIN
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.own.indices import Versions
from workbench.engines.elastic.own.layout import layout_of
from workbench.engines.elastic.own.sources import folder_documents
from workbench.engines.elastic.own.writing import IndexWriter
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.records import Candidates, Query

TITLES = ("Dense retrieval", "Query expansion", "Ranking functions")
TEXTS = ("Feedback expands the query.", "Vectors rank passages.", "Dense vectors are compressed.")
SAME = "Dense feedback ranks the passages of a query."

# Two words at most: float32 sums of three depend on their order, which the engines do not share.
QUERIES = ("dense feedback", "query", "ranking vectors")


@st.composite
def corpora(draw: st.DrawFn) -> list[dict[str, str]]:
    """Short papers (Lucene keeps their lengths exactly), more of them equal than an arm takes."""
    kinds = [(title, text) for title in TITLES for text in TEXTS]
    others = draw(st.lists(st.sampled_from(kinds), min_size=5, max_size=30))
    texts = [(TITLES[0], SAME)] * (MARGIN + draw(st.integers(2, 20))) + others
    ids = draw(st.permutations(range(len(texts))))
    return [
        {"id": f"p{number}", "title": title, "abstract": text}
        for number, (title, text) in zip(ids, texts, strict=True)
    ]


def keys(candidates: Candidates) -> list[tuple[str, int]]:
    return list(zip(candidates.paper_ids.tolist(), candidates.numbers.tolist(), strict=True))


def asked(text: str) -> Query:
    terms = {term: float(count) for term, count in Analyser().counts(text).items()}
    return Query(text, terms, FakeEmbedder().encode_query(text))


def laid_out(
    corpus: ElasticCorpus, folder: Path, order: Sequence[int], sizes: Sequence[int], merge: bool
) -> ElasticEngine:
    """An index of the folder's papers in some order, a segment a batch."""
    manifest = EmbeddedEngine(folder).manifest
    versions = Versions(corpus.connection)
    version, _ = versions.building(layout_of(manifest, "flat"), uuid4().hex)
    with IndexWriter(corpus.connection, version.name, fresh=True) as writer:
        found = [item for _, some in folder_documents(folder, manifest, writer) for item in some]
        waiting = [found[place] for place in order]
        for size in [*sizes, len(waiting)]:
            batch, waiting = waiting[:size], waiting[size:]
            if batch:
                writer.add(batch)
                writer.finish()
                writer.refresh()
    if merge:
        query = {"max_num_segments": 1}
        corpus.connection.call("POST", f"/{version.name}/_forcemerge", params=query, timeout=60)
        corpus.connection.call("POST", f"/{version.name}/_refresh")
    assert versions.publish(version, over=None)
    return corpus.open()


@settings(max_examples=6, deadline=None)
@given(data=st.data(), records=corpora(), n=st.integers(1, 8), merge=st.booleans())
def test_candidates_depend_on_the_papers_alone(
    elasticsearch_url: str, data: st.DataObject, records: list[dict[str, str]], n: int, merge: bool
) -> None:
    order = data.draw(st.permutations(range(len(records))))
    sizes = data.draw(st.lists(st.integers(1, 40), max_size=4))
    shards = data.draw(st.sampled_from((1, 2)))
    spec = wb.Elasticsearch(
        elasticsearch_url, index=f"s-{uuid4().hex[:8]}", replicas=0, shards=shards, timeout=60
    )
    corpus = ElasticCorpus(spec)
    with TemporaryDirectory() as name:
        source = Path(name) / "papers.jsonl"
        source.write_text("".join(json.dumps(record) + "\n" for record in records))
        folder = Path(name) / "index"
        build(folder, source)
        here = EmbeddedEngine(folder)
        try:
            there = laid_out(corpus, folder, order, sizes, merge)
            for text in QUERIES:
                query, other = asked(text), asked(QUERIES[0])
                for expanded in (None, replace(query, terms=other.terms, vector=other.vector)):
                    found = there.candidates(query, n, n_keyword=n, expanded=expanded)
                    expected = here.candidates(query, n, n_keyword=n, expanded=expanded)
                    assert keys(found) == keys(expected)
                    assert found.values == pytest.approx(expected.values, rel=1e-5, abs=1e-5)
        finally:
            here.close()
            corpus.remove()
            corpus.connection.close()
