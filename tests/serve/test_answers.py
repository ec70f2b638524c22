"""What the service answers: bodies, errors, limits, filters; each against the corpus itself."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.fuzzing import fuzz
from tests.servers.service import Service
from tests.waiting import HANG
from workbench.session import Workbench

PLAID = "santhanam2022plaid"


def test_snippets_are_the_characters_of_their_papers(
    client: httpx.Client, landmarks: Workbench
) -> None:
    asked = {"query": "how to compress an index", "limit": 200}
    found = client.get("/graph/v1/snippet/search", params=asked).json()["data"]
    numbers = {f["paper"]["corpusId"] for f in found}
    ids = {"ids": [f"CorpusId:{number}" for number in numbers]}
    batch = client.post("/graph/v1/paper/batch?fields=corpusId", json=ids).json()
    own = {str(paper["corpusId"]): paper["paperId"] for paper in batch}
    assert len(found) > 50
    for entry in found:
        snippet = entry["snippet"]
        [paper] = landmarks.engine.papers([own[entry["paper"]["corpusId"]]])
        start, end = snippet["snippetOffset"]["start"], snippet["snippetOffset"]["end"]
        assert paper.text[start:end] == snippet["text"]
        for sentence in snippet["annotations"]["sentences"]:
            assert snippet["text"][sentence["start"] : sentence["end"]].strip()


def test_a_search_has_the_sessions_order(client: httpx.Client, landmarks: Workbench) -> None:
    query = "learned sparse retrieval"
    ids = [p["paperId"] for p in client.get("/graph/v1/paper/search", params={"query": query})
           .json()["data"]]  # fmt: skip
    assert ids == landmarks.search(query, 100).paper_ids
    weights = "dense=0.9,bm25=0.1"
    hits = client.get("/search", params={"query": query, "weights": weights, "k": 7}).json()["hits"]
    expected = landmarks.search(query, 7, weights={"dense": 0.9, "bm25": 0.1})
    assert [hit["paper_id"] for hit in hits] == expected.paper_ids
    assert [hit["score"] for hit in hits] == [hit.score for hit in expected]


NEVER_NULL = ("citationStyles", "externalIds", "s2FieldsOfStudy", "authors")
NOT_KNOWN = (
    "citationCount", "referenceCount", "influentialCitationCount", "publicationDate",
    "publicationTypes", "tldr", "embedding", "publicationVenue",
)  # fmt: skip


def test_what_a_corpus_cannot_know_is_null(client: httpx.Client) -> None:
    fields = ",".join((*NEVER_NULL, *NOT_KNOWN, "corpusId"))
    flat = ",".join((*NEVER_NULL, "corpusId"))
    every = client.get("/graph/v1/paper/search/bulk", params={"fields": flat}).json()["data"]
    for paper in every:
        assert all(paper[name] is not None for name in NEVER_NULL)
        assert 10_000 <= paper["corpusId"] < 2**53
    paper = client.get(f"/graph/v1/paper/{PLAID}", params={"fields": fields}).json()
    assert {name: paper[name] for name in NOT_KNOWN} == dict.fromkeys(NOT_KNOWN)


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("paper/search?query=a&fields=title,foo,authors.bar", 400, "fields: [foo, authors.bar]"),
        ("paper/search?query=a&nope=1", 400, "Unacceptable query params: [nope]"),
        ("paper/search", 400, "'query'"),
        ("paper/search?query=a&limit=101", 400, "limit"),
        ("paper/search?query=a&limit=-1", 400, "limit"),
        ("paper/search?query=a&offset=990&limit=20", 400, "Requested data"),
        ("paper/search?query=a&year=20x", 400, "year"),
        ("paper/search?query=a&publicationDateOrYear=2019-13", 400, "publicationDateOrYear"),
        ("paper/search?query=a&minCitationCount=1", 400, "citation counts"),
        ("snippet/search?query=a&insertedBefore=2020", 400, "dates of insertion"),
        ("paper/search/bulk?query=a&sort=citationCount", 400, "citationCount"),
        ("paper/search/bulk?query=((a", 400, "bracket"),
        ("paper/search/bulk?query=a&token=zzz", 400, "token"),
        ("paper/none", 404, "not found"),
        ("author/12", 404, "not found"),
        ("paper/MAG:12", 404, "not found"),
        ("elsewhere", 404, "Not Found"),
        ("author/search/?query=a", 404, "Not Found"),
    ],
)
def test_errors_have_the_apis_form(client: httpx.Client, path: str, status: int, part: str) -> None:
    answer = client.get(f"/graph/v1/{path}")
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert part in answer.json()["error"]
    assert answer.headers["x-request-id"]


def test_bodies_that_are_none(client: httpx.Client) -> None:
    many, long = json.dumps({"ids": ["a"] * 501}).encode(), b'{"ids": ["' + b"a" * 2**20
    bad = (b"", b"[]", b"{", b'{"ids": 3}', b'{"ids": []}', b'{"ids": [1]}', many, long)
    for content in bad:
        answer = client.post("/graph/v1/paper/batch", content=content)
        assert answer.status_code == 400, content[:20]
        assert list(answer.json()) == ["error"]
    assert client.post("/graph/v1/paper/search?query=a").status_code == 405


def test_the_earlier_services_paths(client: httpx.Client) -> None:
    old = "/api/v1/semantic_scholar_api"
    assert client.get(f"{old}/health").json()["status"] == "healthy"
    paper = client.get(f"/graph/v1/paper/{PLAID}").json()
    assert client.get(f"{old}/paper/{PLAID}").json() == paper
    assert client.get(f"{old}/graph/v1/paper/{PLAID}").json() == paper


def test_an_answer_comes_as_events(client: httpx.Client) -> None:
    question = {"question": "How do late-interaction models keep their index small?"}
    with client.stream("GET", "/ask", params=question) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kinds = [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]
    assert kinds[0] == "asked"
    assert kinds[-1] == "done"
    whole = client.get("/ask", params={**question, "stream": "false"}).json()
    assert whole["sections"]
    assert client.get("/ask", params={"question": " "}).status_code == 400


def test_bulk_queries(client: httpx.Client) -> None:
    def ids(query: str) -> set[str]:
        answer = client.get("/graph/v1/paper/search/bulk", params={"query": query})
        return {paper["paperId"] for paper in answer.json()["data"]}

    both = ids("late interaction")
    assert both == ids("+late +interactions") == ids("late") & ids("interaction")
    assert ids("late | sparse") == ids("late") | ids("sparse")
    assert ids("late -interaction") == ids("late") - ids("interaction")
    assert ids("(late | sparse) -colbert") == (ids("late") | ids("sparse")) - ids("colbert")
    assert ids('"late interaction"') <= ids('"late interaction"~5') <= both
    assert ids("compress*") >= ids("compression")
    assert ids("interactoin~2") >= ids("interaction")
    assert len(ids("-zzzz")) == 174


def test_numbers_of_the_whole_service(client: httpx.Client, service: Service) -> None:
    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        name = 'workbench_requests_total{path="autocomplete",status="200"} '
        return float(next(line for line in lines if line.startswith(name)).removeprefix(name))

    before = count()
    for _ in range(20):  # new connections, so that both workers answer
        httpx.get(
            f"{service.url}/graph/v1/paper/autocomplete", params={"query": "lat"}, timeout=HANG
        )
    assert count() == before + 20


def test_logs_have_no_word_of_a_query(client: httpx.Client, service: Service) -> None:
    client.get("/graph/v1/paper/search", params={"query": "unmistakable"},
               headers={"x-request-id": "mine-1"})  # fmt: skip
    client.get("/health/live")  # a later line: the earlier one is written
    assert not any("unmistakable" in line for line in service.lines)


TEXT = st.text(max_size=60)
PATH = st.sampled_from(
    ["paper/search", "paper/search/bulk", "paper/search/match", "paper/autocomplete",
     "author/search", "snippet/search"]
)  # fmt: skip
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["query", "fields", "year", "publicationDateOrYear", "venue", "fieldsOfStudy", "offset",
         "limit", "token", "sort", "authors", "paperIds", "openAccessPdf"]
    ),
    TEXT | st.integers().map(str) | st.sampled_from(["title", "2019-", "a", "10"]),
    max_size=5,
)  # fmt: skip


@given(PATH, PARAMETERS)
@settings(max_examples=60)
def test_any_parameters_get_a_documented_answer(
    client: httpx.Client, path: str, parameters: dict[str, Any]
) -> None:
    answer = client.get(f"/graph/v1/{path}", params=parameters)
    assert answer.status_code in (200, 400, 404)
    answer.json()


def test_no_request_gets_an_answer_that_is_not_described(service: Service) -> None:
    """WORKBENCH_FUZZ=10000 asks for longer."""
    statuses, faults = fuzz(service.url, int(os.environ.get("WORKBENCH_FUZZ", "300")), seed=1)
    assert faults == []
    assert min(statuses[200], statuses[400], statuses[404], statuses[405]) > 0


@given(TEXT)
@settings(max_examples=40)
def test_any_id_gets_a_documented_answer(client: httpx.Client, name: str) -> None:
    quoted = httpx.URL("http://x", params={"a": name}).query.decode()[2:].replace("+", "%20")
    answer = client.get(f"/graph/v1/paper/{quoted}")
    assert answer.status_code in (200, 400, 404, 405)
    answer.json()
