"""The real client `semanticscholar`, given nothing but the URL: a test of each method."""

from __future__ import annotations

import pytest
from semanticscholar import SemanticScholar
from semanticscholar.SemanticScholarException import (
    BadQueryParametersException,
    ObjectNotFoundException,
)

from tests.servers.service import Service

PLAID = "santhanam2022plaid"
DOI = "10.1145/3511808.3557325"
TITLE = "PLAID: An Efficient Engine for Late Interaction Retrieval"


@pytest.fixture(scope="module")
def scholar(service: Service) -> SemanticScholar:
    return SemanticScholar(api_url=service.url, retry=False)


def test_a_paper_by_each_kind_of_id(scholar: SemanticScholar) -> None:
    paper = scholar.get_paper(PLAID)
    assert (paper.title, paper.year) == (TITLE, 2022)
    assert [author.name for author in paper.authors][:2] == ["Keshav Santhanam", "Omar Khattab"]
    assert paper.citationCount is None  # not known is not 0
    number = paper.externalIds["CorpusId"]
    for name in (DOI, f"DOI:{DOI}", "ARXIV:2205.09707", "arXiv:2205.09707v2",
                 f"CorpusId:{number}", "URL:https://arxiv.org/abs/2205.09707"):  # fmt: skip
        assert scholar.get_paper(name).paperId == PLAID, name
    with pytest.raises(ObjectNotFoundException, match="not found"):
        scholar.get_paper("10.1/none")


def test_papers_by_batch(scholar: SemanticScholar) -> None:
    found, missing = scholar.get_papers([PLAID, "none", f"DOI:{DOI}"], return_not_found=True)
    assert [paper.paperId for paper in found] == [PLAID, PLAID]
    assert missing == ["none"]


def test_every_page_of_a_search(scholar: SemanticScholar) -> None:
    results = scholar.search_paper("late interaction retrieval", limit=30)
    ids = [paper.paperId for paper in results]
    assert PLAID in ids[:3]
    assert len(ids) == len(set(ids)) == results.total > 90


def test_searches_with_filters(scholar: SemanticScholar) -> None:
    years = {p.year for p in scholar.search_paper("retrieval", year="2018-2020", limit=100)}
    assert years == {2018, 2019, 2020}
    dates = {p.year for p in scholar.search_paper("retrieval", publication_date_or_year="2019-01:")}
    assert min(dates) == 2019
    dated = scholar.search_paper("retrieval", publication_date_or_year="2019-03")
    assert dated.total == 0  # a year counts as the first of January
    opened = scholar.search_paper("retrieval", open_access_pdf=True)
    assert opened.total
    assert all(paper.isOpenAccess for paper in opened)
    venues = {paper.venue for paper in scholar.search_paper("ranking", venue=["SIGIR", "CIKM"])}
    assert venues
    assert all("SIGIR" in venue or "CIKM" in venue for venue in venues)
    for refused in ({"min_citation_count": 3}, {"publication_types": ["Review"]}):
        with pytest.raises(BadQueryParametersException, match="this corpus has no"):
            scholar.search_paper("retrieval", **refused)


def test_bulk_and_match(scholar: SemanticScholar) -> None:
    found = scholar.search_paper('"late interaction" -colbert', bulk=True, sort="paperId:desc")
    ids = [paper.paperId for paper in found]
    assert ids
    assert ids == sorted(ids, reverse=True)
    assert len(list(scholar.search_paper("", bulk=True))) == 174
    assert scholar.search_paper(TITLE.upper(), match_title=True).paperId == PLAID
    with pytest.raises(ObjectNotFoundException, match="Title match not found"):
        scholar.search_paper("zzz qqq unheard of", match_title=True)


def test_links_of_a_paper(scholar: SemanticScholar) -> None:
    names = [author.name for author in scholar.get_paper_authors(PLAID, limit=2)]
    assert len(names) == 4
    assert list(scholar.get_paper_citations(PLAID)) == []
    assert list(scholar.get_paper_references(PLAID)) == []


def test_authors(scholar: SemanticScholar) -> None:
    [khattab] = scholar.search_author("omar khattab")
    assert scholar.get_author(khattab.authorId).name == "Omar Khattab"
    papers = list(scholar.get_author_papers(khattab.authorId, limit=2))
    assert len(papers) == khattab.paperCount > 2
    assert {paper.paperId for paper in papers} >= {PLAID}
    found, missing = scholar.get_authors([khattab.authorId, "12345"], return_not_found=True)
    assert [author.name for author in found] == ["Omar Khattab"]
    assert missing == ["12345"]
    with pytest.raises(ObjectNotFoundException):
        scholar.get_author("12345")


def test_typing_and_snippets(scholar: SemanticScholar) -> None:
    assert PLAID in {found.id for found in scholar.get_autocomplete("late inter")}
    best = scholar.search_snippet("late interaction", limit=5)
    texts = [snippet.snippet.text for snippet in best]
    assert len(texts) == 5
    assert all(texts)


def test_recommendations(scholar: SemanticScholar) -> None:
    like = [paper.paperId for paper in scholar.get_recommended_papers(PLAID, limit=5)]
    assert "santhanam2022colbertv2" in like
    assert PLAID not in like
    without = scholar.get_recommended_papers_from_lists([PLAID], ["santhanam2022colbertv2"])
    assert "santhanam2022colbertv2" not in {paper.paperId for paper in without}


def test_datasets(scholar: SemanticScholar) -> None:
    [release] = scholar.get_available_releases()
    assert [dataset.name for dataset in scholar.get_release(release).datasets] == ["papers"]
    assert len(scholar.get_dataset_download_links("latest", "papers").files) == 1
    assert scholar.get_dataset_diffs("papers", release, "latest").diffs == []
