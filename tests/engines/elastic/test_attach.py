"""Somebody else's index: searched as it is, checked first, never written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import workbench as wb
from workbench.engines.elastic.attached.fields import cosine
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import ClusterError, CorpusError, CorpusMismatch, FilterError, QueryError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Filters, Query

TEXTS = {
    "a": ("Inverted files", "Inverted files answer ranked queries quickly.", 2006, "SIGIR"),
    "b": ("Cats", "A cat sleeps for most of the day and hunts small birds at night.", 2010, "Zoo"),
    "c": ("Dense retrieval", "Encoders map questions and passages to vectors.", 2020, "EMNLP"),
    "d": ("Ranking functions", "Ranking functions weight terms by saturation.", 2009, "SIGIR"),
}
FIELDS = {"title": 2.0, "abstract": 1.0}


class Theirs:
    """An index that another application made: its own names, its own analysis, its own chunks."""

    def __init__(self, url: str, embedder: OnnxEmbedder, similarity: str, kind: str) -> None:
        self.name = f"theirs-{uuid4().hex[:8]}"
        self.url = url
        self.connection = Connection(wb.Elasticsearch(url, index=self.name, timeout=60))
        vector = {
            "type": "dense_vector",
            "dims": 384,
            "index": True,
            "similarity": similarity,
            "index_options": {"type": kind},
        }
        properties = {
            "doi_key": {"type": "keyword"},
            "work": {"type": "keyword"},
            "title": {"type": "text"},
            "abstract": {"type": "text"},
            "year": {"type": "integer"},
            "journal": {"type": "text"},
            "embedding": vector,
        }
        body = {
            "settings": {"number_of_shards": 1, "number_of_replicas": 0},
            "mappings": {"properties": properties},
        }
        self.connection.call("PUT", f"/{self.name}", body)
        self.vectors = {}
        for key, (title, text, year, journal) in TEXTS.items():
            for part, passage in enumerate(text.split(" and ")):
                vector_of = embedder.encode([f"{title}. {passage}"])[0]
                self.vectors[f"{key}/{part}"] = vector_of
                document = {
                    "doi_key": f"{key}/{part}",
                    "work": key,
                    "title": title,
                    "abstract": passage,
                    "year": year,
                    "journal": journal,
                    "embedding": vector_of.tolist(),
                }
                self.connection.call("PUT", f"/{self.name}/_doc/{key}-{part}", document)
        self.connection.call("POST", f"/{self.name}/_refresh")

    def state(self) -> Any:
        """What would change with any write."""
        stats = self.connection.call("GET", f"/{self.name}/_stats/docs,indexing")
        mapping = self.connection.call("GET", f"/{self.name}")
        total = stats["_all"]["total"]
        return total["docs"], total["indexing"]["index_total"], mapping

    def spec(self, **fields: Any) -> wb.Elasticsearch:
        given = {
            "text_fields": FIELDS,
            "vector_field": "embedding",
            "id_field": "doi_key",
            "paper_field": "work",
            **fields,
        }
        return wb.Elasticsearch(self.url, index=self.name, timeout=60, **given)


@pytest.fixture(
    scope="module",
    params=[("cosine", "flat"), ("dot_product", "int8_hnsw"), ("l2_norm", "hnsw")],
    ids=["cosine-flat", "dot_product-int8_hnsw", "l2_norm-hnsw"],
)
def theirs(
    request: pytest.FixtureRequest, elasticsearch_url: str, embedder: OnnxEmbedder
) -> Iterator[Theirs]:
    made = Theirs(elasticsearch_url, embedder, *request.param)
    yield made
    made.connection.call("DELETE", f"/{made.name}")
    made.connection.close()


def test_a_search_finds_their_papers_and_writes_nothing(theirs: Theirs) -> None:
    before = theirs.state()
    with wb.open(engine=theirs.spec()) as bench:
        ranking = bench.search("how do cats hunt birds?")
        assert ranking.paper_ids[0] == "b"
        assert "hunts small birds" in ranking[0].passage.text
        assert ranking[0].paper.title == "Cats"
        assert ranking[0].paper.year == 2010
        assert "Cats" in str(ranking)
        assert "cat" in ranking._repr_html_()
    assert theirs.state() == before


def test_every_candidate_has_its_true_cosine(theirs: Theirs, embedder: OnnxEmbedder) -> None:
    with wb.open(engine=theirs.spec()) as bench:
        for text in ("ranking functions", "questions and vectors"):
            vector = embedder.encode_query(text)
            query = Query(text, {"rank": 1.0}, vector)
            found = bench.engine.candidates(query, 2)
            keys = list(zip(found.paper_ids.tolist(), found.numbers.tolist(), strict=True))
            rows = bench.engine.vectors(keys)
            assert found.column("dense") == pytest.approx(rows @ vector, abs=2e-6)
            texts = [passage.text for passage in bench.engine.passages(keys)]
            for text_of, row in zip(texts, rows, strict=True):
                [own] = [k for k, v in theirs.vectors.items() if np.allclose(v, row, atol=1e-6)]
                assert TEXTS[own[0]][1].split(" and ")[int(own[2:])] == text_of


def test_a_value_does_not_depend_on_depth(theirs: Theirs, embedder: OnnxEmbedder) -> None:
    text = "ranking of passages and questions"
    query = Query(text, {"rank": 1.0, "passag": 1.0, "question": 1.0}, embedder.encode_query(text))
    with wb.open(engine=theirs.spec()) as bench:
        engine = bench.engine
        deep = engine.candidates(query, 100)
        names = [p.text for p in engine.passages(_keys(deep))]
        values = dict(zip(names, deep.values.tolist(), strict=True))
        shallow = engine.candidates(query, 1)
        for passage, row in zip(
            engine.passages(_keys(shallow)), shallow.values.tolist(), strict=True
        ):
            assert row == pytest.approx(values[passage.text], rel=1e-5, abs=1e-5)


def test_boosts_count(theirs: Theirs) -> None:
    query = Query("inverted", {"invert": 1.0})
    values = []
    for boost in (1.0, 3.0):
        with wb.open(engine=theirs.spec(text_fields={"title": boost})) as bench:
            [value] = bench.engine.candidates(query, 10).column("bm25")
            values.append(value)
    assert values[1] == pytest.approx(3 * values[0], rel=1e-6)


def test_edited_words_have_their_weights(theirs: Theirs) -> None:
    with wb.open(engine=theirs.spec()) as bench:
        engine = bench.engine
        plain = engine.candidates(Query("cats sleeps", {"cat": 1.0, "sleep": 1.0}), 10)
        heavy = engine.candidates(Query("cats sleeps", {"cat": 3.0, "sleep": 1.0}), 10)
        muted = engine.candidates(Query("cats sleeps", {"sleep": 1.0}), 10)

    def value(found: wb.Candidates) -> float:
        return float(found.column("bm25").max())

    only_cats = value(plain) - value(muted)
    assert value(heavy) == pytest.approx(value(plain) + 2 * only_cats, rel=1e-5)


def test_parts_add_up_and_papers_group(theirs: Theirs, embedder: OnnxEmbedder) -> None:
    query = Query("cat birds night", {"cat": 1.0, "bird": 1.0, "night": 1.0})
    with wb.open(engine=theirs.spec()) as bench:
        found = bench.engine.candidates(query, 10)
        assert (found.paper_ids == "b").all()
        for key, row in zip(_keys(found), found.values, strict=True):
            parts = bench.engine.term_scores(query, *key)["bm25"]
            assert sum(parts.values()) == pytest.approx(row[0], rel=1e-5)
        ranking = bench.search("cat birds night")
        assert ranking.paper_ids.count("b") == 1
        assert ranking.explain(1).terms["bm25"]


def test_filters_use_their_fields(theirs: Theirs) -> None:
    query = Query("files ranking", {"file": 1.0, "rank": 1.0})
    with wb.open(engine=theirs.spec()) as bench:
        engine = bench.engine
        found = {
            str(f): set(engine.candidates(query, 10, f).paper_ids.tolist())
            for f in (Filters(year=(2009, None)), Filters(venue=("sigir",)), Filters(ids=("a",)))
        }
        assert list(found.values()) == [{"d"}, {"a", "d"}, {"a"}]
        with pytest.raises(FilterError, match="no field for the filter author"):
            engine.candidates(query, 10, Filters(author=("Zobel",)))


def test_without_id_and_paper_field_a_document_is_a_paper(theirs: Theirs) -> None:
    with wb.open(engine=theirs.spec(id_field="", paper_field="")) as bench:
        assert bench.search("hunting birds at night").paper_ids[0] == "b-1"
        assert bench.engine.known(["b-1", "b"]) == {"b-1"}


def test_judged_papers_are_told_from_others(theirs: Theirs) -> None:
    for fields in ({}, {"paper_field": ""}):
        with wb.open(engine=theirs.spec(**fields)) as bench:
            found = bench.search("hunting birds at night").paper_ids
            assert bench.engine.known([*found, "nobody"]) == set(found)


def test_without_vectors_the_words_answer(theirs: Theirs) -> None:
    with wb.open(engine=theirs.spec(vector_field="")) as bench:
        ranking = bench.search("inverted files", weights={"bm25": 1})
        assert ranking.paper_ids[0] == "a"
        assert not ranking.candidates.column("dense").any()
        assert any("no vectors" in note for note in ranking.notes)
        for weights in ({"dense": 1}, {"dense": 0.5, "dense_feedback": 0.5}):
            with pytest.raises(QueryError, match=r"no vectors.*vector_field"):
                bench.search("inverted files", weights=weights)
            with pytest.raises(QueryError, match=r"no vectors.*vector_field"):
                ranking.reweigh(weights)
        judged = [wb.Judgment("1", "a", 1)]
        with pytest.raises(QueryError, match="no vectors"):
            bench.evaluate([Query("inverted", id="1")], judged, "RR", weights={"dense": 1})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"text_fields": {"titel": 1}}, r"text field 'titel' is missing.*title"),
        ({"text_fields": {"work": 1}}, "'work' is of type keyword, which is not analysed"),
        ({"vector_field": "vec"}, "vector field 'vec' is missing"),
        ({"vector_field": "year"}, "'year' is of type integer, not dense_vector"),
        ({"id_field": "title"}, "id_field 'title' is of type text, give a keyword"),
        ({"paper_field": "paper"}, "paper_field 'paper' is missing"),
        (
            {"vector_field": "vec", "paper_field": "paper"},
            "paper_field 'paper' is missing; vector field 'vec' is missing",
        ),
        ({"text_fields": {}}, "text_fields is empty"),
    ],
)
def test_what_is_missing_is_named(theirs: Theirs, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(CorpusMismatch, match=named):
        wb.open(engine=theirs.spec(**fields))


def test_a_model_of_another_dimension_is_refused(
    elasticsearch_url: str, embedder: OnnxEmbedder
) -> None:
    name = f"small-{uuid4().hex[:8]}"
    spec = wb.Elasticsearch(
        elasticsearch_url, index=name, text_fields={"t": 1}, vector_field="v", timeout=60
    )
    connection = Connection(spec)
    properties = {"t": {"type": "text"}, "v": {"type": "dense_vector", "dims": 8}}
    connection.call("PUT", f"/{name}", {"mappings": {"properties": properties}})
    with pytest.raises(CorpusMismatch, match=r"(?s)dimension 8.*384"):
        wb.open(engine=spec)
    connection.call("DELETE", f"/{name}")
    connection.close()


def test_changing_it_is_refused(theirs: Theirs) -> None:
    with wb.open(engine=theirs.spec()) as bench:
        with pytest.raises(ClusterError, match="never written"):
            bench.delete("a")
        with pytest.raises(CorpusError, match="nobody"):
            bench.engine.papers(["nobody"])


@pytest.mark.parametrize(
    ("similarity", "score_of"),
    [
        ("cosine", lambda c: (1 + c) / 2),
        ("l2_norm", lambda c: 1 / (1 + (2 - 2 * c))),
        ("max_inner_product", lambda c: 1 / (1 - c) if c < 0 else c + 1),
    ],
)
@pytest.mark.parametrize("value", [-0.9, -0.1, 0.0, 0.3, 1.0])
def test_scores_turn_back_into_cosines(similarity: str, score_of: Any, value: float) -> None:
    assert cosine(score_of(value), similarity) == pytest.approx(value)


def _keys(found: wb.Candidates) -> list[tuple[str, int]]:
    return list(zip(found.paper_ids.tolist(), found.numbers.tolist(), strict=True))
