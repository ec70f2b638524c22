"""The requests of ScholarQA, paper-qa and pyterrier-services, and what they read of the answers.

Their packages pin versions that exclude each other and ours (fastapi 0.115, pandas 2.2.2, a model
server), so what is here are their calls, taken from ai2-scholar-qa 0.8.14
(`rag/retriever_base.py`), paper-qa 2026.8.12 (`clients/semantic_scholar.py`) and
pyterrier-services 0.4.5, read as they read them.
"""

from __future__ import annotations

import httpx
import pandas as pd
import pytest

METADATA = (
    "title,abstract,corpusId,authors,venue,publicationVenue,isOpenAccess,openAccessPdf,"
    "s2FieldsOfStudy,externalIds,year,citationCount,referenceCount,influentialCitationCount"
)
LOOKED_UP = (
    "title,externalIds,authors,publicationDate,year,journal,url,openAccessPdf,citationStyles,"
    "isOpenAccess,influentialCitationCount,publicationTypes,venue,citationCount"
)
TITLE = "PLAID: An Efficient Engine for Late Interaction Retrieval"


def get(client: httpx.Client, path: str, **params: str | int) -> httpx.Response:
    """As they send it: with an empty key."""
    return client.get(f"/graph/v1/{path}", params=params, headers={"x-api-key": ""})


def test_scholarqa_retrieves_passages(client: httpx.Client) -> None:
    answer = get(client, "snippet/search", query="late interaction", limit=256, year="2019-2023")
    assert answer.status_code == 200
    found = answer.json()["data"]
    assert found
    for fields in found:
        snippet, paper = fields["snippet"], fields["paper"]
        assert paper["corpusId"].isdigit()
        assert len(paper["corpusId"]) != 4  # it takes those for years
        assert isinstance(fields["score"], float)
        assert snippet["text"]
        assert snippet["snippetKind"] in ("title", "abstract", "body")
        assert snippet["snippetOffset"]["start"] >= 0
        for sentence in snippet["annotations"]["sentences"]:
            assert 0 <= sentence["start"] < sentence["end"] <= len(snippet["text"])
    deep = "snippet.text,snippet.annotations.sentences.start,snippet.annotations.refMentions.end"
    [one] = get(client, "snippet/search", query="bm25", limit=1, fields=deep).json()["data"]
    assert set(one["snippet"]) == {"text", "annotations"}
    assert set(one["snippet"]["annotations"]["sentences"][0]) == {"start"}


def test_scholarqa_retrieves_additional_papers(client: httpx.Client) -> None:
    filters = {"year": "2015-", "venue": "SIGIR,CIKM"}
    answer = get(client, "paper/search", query="ranking", limit=20, fields=METADATA, **filters)
    papers = [p for p in answer.json()["data"] if p["corpusId"] and p["title"] and p["abstract"]]
    assert papers
    for paper in papers:
        sources = {field["source"] for field in paper["s2FieldsOfStudy"]}
        assert sources <= {"external"}  # of which it takes none
        assert all(author["name"] for author in paper["authors"])
    ids = {"ids": [f"CorpusId:{paper['corpusId']}" for paper in papers]}
    again = client.post(f"/graph/v1/paper/batch?fields={METADATA}", json=ids).json()
    assert [paper["title"] for paper in again] == [paper["title"] for paper in papers]


@pytest.mark.parametrize("path", ["paper/DOI:10.1145/3511808.3557325", "paper/search/match"])
def test_paperqa_looks_up(client: httpx.Client, path: str) -> None:
    query = {"query": TITLE} if path.endswith("match") else {}
    data = get(client, path, fields=LOOKED_UP, **query).json()
    if "data" in data:
        data = data["data"][0]
    assert data["externalIds"]["ArXiv"] == "2205.09707"
    assert data["citationStyles"].get("bibtex", "").split("{")[1].split(",")[0]
    assert (data.get("journal") or {}).get("volume") is None
    assert (data.get("openAccessPdf") or {}).get("url", "").startswith("https://arxiv.org/")
    assert data["title"] == TITLE
    assert not data["publicationDate"]
    missing = get(client, "paper/DOI:10.1/none", fields=LOOKED_UP)
    assert missing.status_code == 404


def test_pyterrier_pages_through_results(client: httpx.Client) -> None:
    frames, offset = [], 0
    while True:
        answer = get(client, "paper/search", query="dense retrieval", offset=offset, limit=40,
                     fields="title,abstract")  # fmt: skip
        answer.raise_for_status()
        body = answer.json()
        frame = pd.DataFrame(body["data"]).rename(columns={"paperId": "docno"})
        frame["rank"] = range(body["offset"], body["offset"] + len(frame))
        frames.append(frame)
        if body.get("next") is None:
            break
        offset = body["next"]
    found = pd.concat(frames, ignore_index=True)
    assert len(found) == body["total"] == found["docno"].nunique()
    assert found["rank"].tolist() == list(range(len(found)))
