"""Papers and authors as the API has them: column by column, only what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import orjson

from workbench.ranking.bibtex import to_bibtex
from workbench.records import Paper
from workbench.serve.graph.fields import Tree, pick
from workbench.serve.graph.identity import acl_id, author_id, corpus_id

Column = list[Any]
Facts = Mapping[str, Any]


@lru_cache(maxsize=1 << 16)
def author_entry(name: str) -> dict[str, Any]:
    """An author of a paper. It is shared: not to be changed."""
    return {"authorId": author_id(name), "name": name}


def _authors(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [author_entry(name) for name in names]


@lru_cache(maxsize=1 << 14)
def _packed_authors(names: tuple[str, ...]) -> orjson.Fragment:
    return _packed(_authors(names))


def _unknown(papers: Sequence[Paper]) -> Column:
    return [None] * len(papers)


def _external_ids(paper_id: str, doi: str, arxiv_id: str, url: str) -> dict[str, Any]:
    ids: dict[str, Any] = {"CorpusId": corpus_id(paper_id)}
    if doi:
        ids["DOI"] = doi
    if arxiv_id:
        ids["ArXiv"] = arxiv_id
    if acl := acl_id(doi, url):
        ids["ACL"] = acl
    return ids


@lru_cache(maxsize=1 << 14)
def _packed_ids(paper_id: str, doi: str, arxiv_id: str, url: str) -> orjson.Fragment:
    return _packed(_external_ids(paper_id, doi, arxiv_id, url))


def _url(paper: Paper) -> str | None:
    if paper.url:
        return paper.url
    if paper.doi:
        return f"https://doi.org/{paper.doi}"
    return f"https://arxiv.org/abs/{paper.arxiv_id}" if paper.arxiv_id else None


def open_access(paper: Paper) -> dict[str, Any] | None:
    """Where a paper may be read without paying: arXiv, or not known."""
    if not paper.arxiv_id:
        return None
    url = f"https://arxiv.org/pdf/{paper.arxiv_id}"
    return {"url": url, "status": "GREEN", "license": None, "disclaimer": None}


def _studies(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"category": name, "source": "external"} for name in names]


@lru_cache(maxsize=1 << 12)
def _packed_studies(names: tuple[str, ...]) -> orjson.Fragment:
    return _packed(_studies(names))


@lru_cache(maxsize=1 << 12)
def _packed_fields(names: tuple[str, ...]) -> orjson.Fragment:
    return _packed(names or None)


def _packed(value: Any) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value))


def _availability(paper: Paper) -> str:
    return "fulltext" if paper.body else "abstract" if paper.abstract else "none"


def _each(value: Callable[[Paper], Any]) -> Callable[[Sequence[Paper]], Column]:
    return lambda papers: [value(paper) for paper in papers]


COLUMNS: dict[str, Callable[[Sequence[Paper]], Column]] = {
    "paperId": lambda papers: [paper.id for paper in papers],
    "corpusId": lambda papers: [corpus_id(paper.id) for paper in papers],
    "externalIds": lambda papers: [
        _external_ids(paper.id, paper.doi, paper.arxiv_id, paper.url) for paper in papers
    ],
    "url": _each(_url),
    "title": lambda papers: [paper.title for paper in papers],
    "abstract": lambda papers: [paper.abstract or None for paper in papers],
    "venue": lambda papers: [paper.venue or None for paper in papers],
    "publicationVenue": _unknown,
    "year": lambda papers: [paper.year for paper in papers],
    "referenceCount": _unknown,
    "citationCount": _unknown,
    "influentialCitationCount": _unknown,
    "isOpenAccess": lambda papers: [True if paper.arxiv_id else None for paper in papers],
    "openAccessPdf": _each(open_access),
    "fieldsOfStudy": lambda papers: [paper.fields or None for paper in papers],
    "s2FieldsOfStudy": lambda papers: [_studies(paper.fields) for paper in papers],
    "publicationTypes": _unknown,
    "publicationDate": _unknown,
    "journal": lambda papers: [{"name": p.venue} if p.venue else None for p in papers],
    "citationStyles": _each(lambda paper: {"bibtex": to_bibtex(paper)}),
    "textAvailability": _each(_availability),
    "embedding": _unknown,
    "tldr": _unknown,
    "authors": lambda papers: [_authors(paper.authors) for paper in papers],
    "citations": _unknown,
    "references": _unknown,
}
"""Each field's values for papers. What a corpus cannot know is null: never 0, never a guess."""

PACKED: dict[str, Callable[[Sequence[Paper]], Column]] = {
    "externalIds": lambda papers: [
        _packed_ids(paper.id, paper.doi, paper.arxiv_id, paper.url) for paper in papers
    ],
    "fieldsOfStudy": lambda papers: [_packed_fields(paper.fields) for paper in papers],
    "authors": lambda papers: [_packed_authors(paper.authors) for paper in papers],
    "s2FieldsOfStudy": lambda papers: [_packed_studies(paper.fields) for paper in papers],
}
"""The same as JSON already, where all of a field is wanted. Records then hold nothing that the
garbage collector follows, which costs as much as making them."""


def papers_as(
    papers: Sequence[Paper], tree: Tree, author_facts: Callable[[str], Facts] | None = None
) -> list[dict[str, Any]]:
    """Papers with the fields of a tree, for `orjson.dumps`; `paperId` always comes along.
    `author_facts` gives more of an author than id and name, by name."""
    wanted = {"paperId": {}, **tree}
    columns = []
    for name, inside in wanted.items():
        if name == "authors" and inside and author_facts is not None:
            keep: Tree = {"authorId": {}, **inside}
            values: Column = [
                [pick(dict(author_facts(n)), keep) for n in paper.authors] for paper in papers
            ]
        elif not inside and name in PACKED:
            values = PACKED[name](papers)
        else:
            values = COLUMNS[name](papers)
            if inside and name not in ("citations", "references"):
                keep = {"authorId": {}, **inside} if name == "authors" else inside
                values = [pick(value, keep) for value in values]
        columns.append(values)
    names = tuple(wanted)
    return list(map(dict, map(zip, repeat(names), zip(*columns))))  # noqa: B905, a value a paper
