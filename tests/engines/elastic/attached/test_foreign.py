"""Indexes as others make them: nested parts, filtered aliases, dates, vectors that cannot be read
or are not of length 1, ids that several documents share, shards with routing. Whatever is found is
true of one document, or the index is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import workbench as wb
from tests.corpus.fakes import VOCABULARY, FakeEmbedder
from workbench.engines.elastic.attached import content
from workbench.engines.elastic.health import examine
from workbench.engines.elastic.keepers import AttachedKeeper
from workbench.engines.elastic.wire.connection import _NDJSON, Connection
from workbench.errors import (
    CorpusError,
    CorpusMismatch,
    EvaluationError,
    FilterError,
    ProfileError,
)
from workbench.records import Filters, Query

DOCUMENTS = 60
EMBEDDER = FakeEmbedder()
FIELDS = {"title": {"type": "text"}, "abstract": {"type": "text"}}


class Foreign:
    """One index with these documents, made by plain requests; `spec` says how to attach to it."""

    def __init__(self, url: str, body: Mapping[str, Any]) -> None:
        self.url, self.name = url, f"x-{uuid4().hex[:8]}"
        self.connection = Connection(wb.Elasticsearch(url, index=self.name, timeout=60))
        settings = {"number_of_shards": 1, "number_of_replicas": 0, **body.get("settings", {})}
        self.call("PUT", f"/{self.name}", {**body, "settings": settings})
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        return self.connection.call(method, path, body, **given)

    def put(self, *documents: tuple[str, Mapping[str, Any], str]) -> None:
        """Each a name, a document and a routing value, "" without one; searchable afterwards."""
        lines = []
        for name, document, routing in documents:
            self.documents[name, routing] = dict(document)
            place = {"_id": name, **({"routing": routing} if routing else {})}
            lines += [json.dumps({"index": place}), json.dumps(document)]
        body = ("\n".join(lines) + "\n").encode()
        path = f"/{self.name}/_bulk"
        answer = self.call("POST", path, body, params={"refresh": "true"}, kind=_NDJSON)
        assert not answer["errors"], answer

    def fill(self, change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> None:
        """`change(number, document)` gives each document; `_id` and `_routing` are its place."""
        made = [change(number, document_of(number)) for number in range(DOCUMENTS)]
        self.put(*((d.pop("_id", f"d{n}"), d, d.pop("_routing", "")) for n, d in enumerate(made)))

    def alias(self, name: str, **given: Any) -> None:
        action = {"add": {"index": self.name, "alias": name, **given}}
        self.call("POST", "/_aliases", {"actions": [action]})

    def spec(self, **given: Any) -> wb.Elasticsearch:
        fields = {"text_fields": {"title": 2, "abstract": 1}, "vector_field": "v", **given}
        return wb.Elasticsearch(self.url, **{"index": self.name, "timeout": 60, **fields})

    def open(self, **given: Any) -> wb.Workbench:
        return attached(self.spec(**given))


def attached(spec: wb.Elasticsearch) -> wb.Workbench:
    return wb.Workbench(Path("x"), embedder=EMBEDDER, keeper=AttachedKeeper(spec))


def document_of(number: int) -> dict[str, Any]:
    words = [VOCABULARY[(number * step + step) % len(VOCABULARY)] for step in range(1, 9)]
    text = " ".join(words)
    vector = EMBEDDER.encode([text])[0].tolist()
    return {"title": words[0], "abstract": " ".join(words[1:]), "v": vector}


def vectors(similarity: str = "cosine", kind: str = "flat") -> dict[str, Any]:
    return {
        "type": "dense_vector",
        "dims": EMBEDDER.dimension,
        "index": True,
        "similarity": similarity,
        "index_options": {"type": kind},
    }


@pytest.fixture
def foreign(elasticsearch_url: str) -> Iterator[Callable[..., Foreign]]:
    """`foreign(properties, settings, **mapping)`: an index, deleted afterwards."""
    made: list[Foreign] = []

    def make(
        properties: Mapping[str, Any] = {}, settings: Mapping[str, Any] = {}, **mapping: Any
    ) -> Foreign:
        fields = {**FIELDS, "v": vectors(), **properties}
        body = {"settings": settings, "mappings": {"properties": fields, **mapping}}
        made.append(Foreign(elasticsearch_url, body))
        return made[-1]

    yield make
    for index in made:
        index.call("DELETE", f"/{index.name}")
        index.connection.close()


QUERY = Query(
    "dense retrieval feedback",
    {"dens": 1.0, "retriev": 1.0, "feedback": 1.0},
    EMBEDDER.encode_query("dense retrieval feedback"),
)


def assert_true(index: Foreign, bench: wb.Workbench, shown: set[tuple[str, str]]) -> None:
    """Each row of the candidates is one of the documents `shown`, with the values that this
    document has: cosines by numpy, BM25 as one plain request over the whole index gives it."""
    found = bench.engine.candidates(QUERY, 10)
    keys = list(zip(found.paper_ids.tolist(), found.numbers.tolist(), strict=True))
    names = bench.engine._documents.names(keys)
    assert len(set(names)) == len(names) > 10
    assert set(names) <= shown
    match = {"query": QUERY.text, "fields": ["title^2", "abstract"], "type": "most_fields"}
    body = {"query": {"multi_match": match}, "size": 1000}
    hits = index.call(
        "POST", f"/{index.name}/_search", body, params={"search_type": "dfs_query_then_fetch"}
    )["hits"]["hits"]
    scores = {(h["_id"], h.get("_routing", "")): h["_score"] for h in hits}
    bm25 = [scores.get(name, 0.0) for name in names]
    assert found.column("bm25") == pytest.approx(bm25, rel=1e-5, abs=1e-6)
    rows = np.array([index.documents[name]["v"] for name in names])
    cosines = rows @ QUERY.vector / np.linalg.norm(rows, axis=1)
    assert found.column("dense") == pytest.approx(cosines, abs=1e-5)
    texts = [passage.text for passage in bench.engine.passages(keys)]
    assert texts == [index.documents[name]["abstract"] for name in names]


def test_an_alias_shows_what_it_filters_and_keeps_its_capitals(
    foreign: Callable[..., Foreign],
) -> None:
    index = foreign({"open": {"type": "boolean"}})
    index.fill(lambda n, d: {**d, "open": n % 3 == 0})
    index.alias(f"Open-{index.name}", filter={"term": {"open": True}})
    shown = {name for name, document in index.documents.items() if document["open"]}
    with index.open() as everything:
        whole = everything.engine.fingerprint
    with index.open(index=f"Open-{index.name}") as bench:
        assert_true(index, bench, shown)
        assert bench.engine.fingerprint != whole
        assert bench.engine.manifest.papers == len(shown) == 20
        assert {h.paper.id for h in bench.search(QUERY.text, 60)} <= {n for n, _ in shown}
        with pytest.raises(CorpusError, match="no paper with id 'd1'"):
            bench.engine.papers(["d1"])
        # A session does not mix two indexes when the alias is moved under it.
        other = foreign()
        other.put(("d0", document_of(0), ""))
        index.call(
            "POST",
            "/_aliases",
            {
                "actions": [
                    {"remove": {"index": index.name, "alias": f"Open-{index.name}"}},
                    {"add": {"index": other.name, "alias": f"Open-{index.name}"}},
                ]
            },
        )
        with pytest.raises(CorpusMismatch, match=rf"moved from '{index.name}' to '{other.name}'"):
            bench.search(QUERY.text)


@pytest.mark.parametrize("kind", ["date", "date_nanos", "keyword", "short", "double"])
def test_a_year_is_found_in_a_field_of_any_type(foreign: Callable[..., Foreign], kind: str) -> None:
    index = foreign({"year": {"type": kind}})
    dated = kind.startswith("date")
    index.fill(
        lambda n, d: {**d, "year": f"{2000 + n % 5}-12-31T23:59:59.999Z" if dated else 2000 + n % 5}
    )
    with index.open() as bench:
        for first, last in [(2001, 2001), (2003, None), (None, 2000), (-5, 2002), (1, 99_999)]:
            hits = bench.search(QUERY.text, 60, year=(first, last))
            years = {hit.paper.year for hit in hits}
            low, high = first or 0, last or 9999
            assert years == {y for y in range(2000, 2005) if low <= y <= high}
        assert not bench.search(QUERY.text, year=(10_000, None))
        assert not bench.search(QUERY.text, year=(None, -3))


def test_names_are_found_in_keywords_multi_fields_and_objects(
    foreign: Callable[..., Foreign],
) -> None:
    named = {"properties": {"name": {"type": "keyword"}, "affiliation": {"type": "text"}}}
    index = foreign({"authors": named, "venue": {"type": "keyword"}, "fields": {"type": "nested"}})
    people = ["Ada Lovelace", "Justin Zobel", "J. Zobelstein"]
    index.fill(
        lambda n, d: {
            **d,
            "authors": [{"name": people[n % 3], "affiliation": "Lovelace Institute"}],
            "venue": ["SIGIR", "ACM SIGIR Forum", "C++ (Weekly)"][n % 3],
        }
    )

    def found(**filters: Any) -> set[int]:
        return {int(hit.paper.id[1:]) % 3 for hit in bench.search(QUERY.text, 60, **filters)}

    with index.open() as bench:
        assert found(author="lovelace") == {0}
        assert found(author=["justin zobel", "Ada Lovelace"]) == {0, 1}
        assert found(venue="sigir") == {0, 1}
        assert found(venue="c++ (weekly)") == {2}
        with pytest.raises(FilterError, match="'fields' is of type nested, which cannot answer"):
            bench.search(QUERY.text, field="cs.IR")
        assert bench.search(QUERY.text, 1, author="zobel")[0].paper.authors


@pytest.mark.parametrize(
    ("excluded", "similarity"),
    [("v", "cosine"), ("v", "l2_norm"), ("*", "cosine")],
)
def test_vectors_kept_out_of_source_still_search(
    foreign: Callable[..., Foreign], excluded: str, similarity: str
) -> None:
    index = foreign({"v": vectors(similarity)}, _source={"excludes": [excluded]})
    index.fill(lambda n, d: d)
    with index.open() as bench:
        ranking = bench.search(QUERY.text)  # with feedback, as by default
        found = bench.engine.candidates(QUERY, 10)
        keys = list(zip(found.paper_ids.tolist(), found.numbers.tolist(), strict=True))
        assert not bench.engine.vectors(keys).any()
        rows = np.array([index.documents[key[0], ""]["v"] for key in keys])
        assert found.column("dense") == pytest.approx(rows @ QUERY.vector, abs=1e-5)
        assert "wb-" in ranking._repr_html_()
    [line] = [line for line in examine(index.spec()) if line.name == "index"]
    assert "cannot be read" in line.found


def test_lengths_that_cannot_be_read_are_refused_not_guessed(
    foreign: Callable[..., Foreign],
) -> None:
    index = foreign({"v": vectors("max_inner_product")}, _source={"excludes": ["v"]})
    index.fill(lambda n, d: {**d, "v": (5 * np.array(d["v"])).tolist()})
    with index.open() as bench, pytest.raises(CorpusMismatch, match=r"do not have length 1"):
        bench.search(QUERY.text)


@pytest.mark.parametrize("similarity", ["cosine", "l2_norm", "max_inner_product"])
@pytest.mark.parametrize("late", [False, True], ids=["many", "one"])
def test_vectors_of_any_length_have_true_cosines(
    foreign: Callable[..., Foreign], similarity: str, late: bool
) -> None:
    index = foreign({"v": vectors(similarity)})

    def stretched(n: int, d: dict[str, Any]) -> dict[str, Any]:
        factor = (7.0 if n == 17 else 1.0) if late else 0.5 + n % 7
        return {**d, "v": (factor * np.array(d["v"])).tolist()}

    index.fill(stretched)
    with index.open() as bench:
        assert_true(index, bench, set(index.documents))


def test_documents_that_share_an_id_are_passages_of_one_paper(
    foreign: Callable[..., Foreign],
) -> None:
    index = foreign({"key": {"type": "keyword"}})
    # Six documents a key; some have none, and are papers under their own names.
    index.fill(lambda n, d: d if n % 20 == 0 else {**d, "key": f"k{n % 10}"})
    with index.open(id_field="key") as bench:
        assert_true(index, bench, set(index.documents))
        keys = {document.get("key", name) for (name, _), document in index.documents.items()}
        assert bench.engine.manifest.papers == len(keys)
        ids = bench.search(QUERY.text, 60).paper_ids
        assert len(set(ids)) == len(ids)
        only = bench.engine.candidates(QUERY, 60, Filters(ids=("k3", "d20", "nobody")))
        assert set(only.paper_ids) == {"k3", "d20"}
        assert len(only) == 7
        for hit in bench.search(QUERY.text, 5):
            assert hit.passage.text in hit.paper.text


@pytest.mark.parametrize("kind", ["long", "short"])
def test_numbers_as_ids_take_any_text_as_a_filter(
    foreign: Callable[..., Foreign], kind: str
) -> None:
    index = foreign({"key": {"type": kind}})
    index.fill(lambda n, d: {**d, "key": n})
    with index.open(id_field="key") as bench:
        asked = Filters(ids=("7", "nobody", "99999999999999999999", "-1"))
        assert set(bench.engine.candidates(QUERY, 60, asked).paper_ids) == {"7"}
        with pytest.raises(CorpusError, match="no paper with id 'nobody'"):
            bench.engine.papers(["nobody"])


def test_shards_with_routing_may_repeat_an_id(foreign: Callable[..., Foreign]) -> None:
    index = foreign({}, {"number_of_shards": 2}, _routing={"required": True})
    # The same `_id` on both shards: two documents, told apart by their routing alone.
    index.fill(lambda n, d: {**d, "_id": f"d{n // 2}", "_routing": f"r{n % 2 * 3}"})
    count = index.call("GET", f"/{index.name}/_count")["count"]
    assert count == DOCUMENTS, "both routing values went to one shard: this test tests nothing"
    with index.open() as bench:
        assert_true(index, bench, set(index.documents))
        assert bench.search(QUERY.text)
    index.alias(f"{index.name}-one", routing="r3")
    with index.open(index=f"{index.name}-one") as bench:
        found = bench.engine.candidates(QUERY, 60)
        assert set(found.paper_ids) <= {f"d{n}" for n in range(DOCUMENTS // 2)}
        assert bench.engine.manifest.passages == DOCUMENTS // 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"text_fields": {"parts.text": 1}}, r"text field 'parts.text' is in the nested object"),
        ({"vector_field": "parts.v"}, r"vector field 'parts.v' is in the nested object 'parts'"),
        ({"id_field": "parts.key"}, r"id_field 'parts.key' is in the nested object 'parts'"),
        ({"paper_field": "parts.deep.key"}, r"paper_field 'parts.deep.key' is in the nested"),
    ],
)
def test_nested_fields_are_refused_by_name(
    foreign: Callable[..., Foreign], fields: dict[str, Any], named: str
) -> None:
    keyword = {"type": "keyword"}
    inner = {"text": {"type": "text"}, "v": vectors(), "key": keyword}
    inner["deep"] = {"properties": {"key": keyword}}
    index = foreign({"parts": {"type": "nested", "properties": inner}})
    with pytest.raises(CorpusMismatch, match=rf"{named}.*grouped by paper_field"):
        index.open(**fields)


def test_more_papers_than_are_counted_exactly_are_still_compared(
    foreign: Callable[..., Foreign], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_EXACT_TO", 50)
    index = foreign({"key": {"type": "keyword"}})
    index.fill(lambda n, d: {**d, "key": f"d{n}"})
    with index.open() as plain, index.open(id_field="key") as named:
        assert plain.engine.papers_error == 0
        assert named.engine.papers_error == content.ERROR
        one, other = plain.manifest.papers, named.manifest.papers
        assert abs(one - other) <= content.ERROR * one
        assert wb.parity(plain, named, [wb.Query(QUERY.text, id="1")], progress=False)
        index.put(*((f"more{n}", document_of(n), "") for n in range(20)))
        with index.open() as grown, pytest.raises(EvaluationError, match="hold 80 and"):
            wb.parity(grown, named, [wb.Query(QUERY.text, id="1")], progress=False)


def test_an_index_without_source_is_refused(foreign: Callable[..., Foreign]) -> None:
    index = foreign(_source={"enabled": False})
    with pytest.raises(CorpusMismatch, match="turns _source off"):
        index.open()


def test_words_that_no_paper_has_are_not_an_empty_corpus(foreign: Callable[..., Foreign]) -> None:
    index = foreign()
    with index.open(vector_field="") as bench:
        assert bench.search("dense").notes == ("The corpus has no papers.",)
        index.fill(lambda n, d: d)
        assert bench.search("xyzzy").notes == ("No paper has a word of the query.",)


def test_the_limits_of_the_index_count(foreign: Callable[..., Foreign]) -> None:
    index = foreign({"key": {"type": "keyword"}}, {"max_result_window": 25, "max_terms_count": 20})
    index.fill(lambda n, d: {**d, "key": f"k{n}"})
    few = wb.Profile(n_retrieval=25, n_keyword=25)
    with index.open(id_field="key") as bench:
        ids = [f"k{n}" for n in range(DOCUMENTS)]
        assert len(bench.engine.papers(ids)) == DOCUMENTS
        hits = bench.search(QUERY.text, 60, profile=few, ids=ids[:45])
        assert {h.paper.id for h in hits} <= set(ids[:45])
        with pytest.raises(ProfileError, match=r"(?s)is 26; the limit .* is 25 \(index.max_result"):
            bench.engine.candidates(QUERY, 26)


def test_empty_texts_do_not_shift_the_others(foreign: Callable[..., Foreign]) -> None:
    index = foreign({"key": {"type": "keyword"}})
    texts = ["", "dense retrieval", "", "feedback terms"]
    same = {"key": "k", "title": "dense"}
    index.put(*((f"d{n}", {**same, "abstract": text}, "") for n, text in enumerate(texts)))
    with index.open(id_field="key", vector_field="") as bench:
        found = bench.engine.candidates(QUERY, 10)
        assert len(found) == 4
        keys = [("k", number) for number in found.numbers.tolist()]
        texts = [passage.text for passage in bench.engine.passages(keys)]
        assert sorted(texts) == ["", "", "dense retrieval", "feedback terms"]


def test_fields_of_another_kind_do_not_cost_the_others(foreign: Callable[..., Foreign]) -> None:
    index = foreign({"year": {"type": "integer"}}, dynamic="false")
    odd = {"year": 2007, "venue": {"id": 4}, "authors": ["Ada L."]}
    index.put(("a", {**document_of(1), **odd}, ""))
    with index.open() as bench:
        [paper] = bench.engine.papers(["a"])
        assert (paper.year, paper.authors, paper.venue) == (2007, ("Ada L.",), "")
