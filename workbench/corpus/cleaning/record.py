"""The fields of a paper, cleaned, from whatever a format calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from workbench.corpus.cleaning.identifiers import arxiv_of, doi_of, pmid_of
from workbench.corpus.cleaning.names import clean_names, split_names
from workbench.corpus.cleaning.text import one_line, plain_abstract, plain_text
from workbench.corpus.cleaning.years import year_of
from workbench.present.latex import latex_to_text

_RETRACTED = re.compile(r"^\W*(retracted|retraction(?: notice)?|withdrawn)\b\s*[:\-–—\])]", re.I)
_WITHDRAWN = re.compile(
    r"\b(?:this (?:paper|article|submission|manuscript|work) (?:has been|is|was) (?:being )?"
    r"(withdrawn|retracted)|withdrawn by (?:the )?(?:author|arxiv))",
    re.I,
)
_ARXIV_DOI = re.compile(r"10\.48550/arxiv\.(.+)", re.I)


def paper_fields(
    *,
    title: str = "",
    abstract: str = "",
    body: str = "",
    authors: str | Iterable[str] = (),
    year: Any = None,
    venue: str = "",
    keywords: str | Iterable[str] = (),
    doi: str = "",
    arxiv: str = "",
    pmid: str | int | None = "",
    url: str = "",
    paper_id: str = "",
    status: str = "",
    comments: str = "",
    latex: bool = False,
    **identifiers: str,
) -> dict[str, Any]:
    """A record under the names of `Paper`, cleaned; what is empty is left out.

    `authors` as one text are split, as a list taken one a name. `status` is "retracted" or
    "withdrawn"; it is also found in the title and in `comments`. `identifiers` are others that
    are unique to a paper (eid, openalex, ...); all but DOI and arXiv id go to "identifiers".
    """
    show = latex_to_text if latex else str
    names = authors if isinstance(authors, str) else [one_line(show(name)) for name in authors]
    doi, arxiv = doi_of(doi), arxiv_of(arxiv)
    if not arxiv and (match := _ARXIV_DOI.fullmatch(doi)):
        arxiv = arxiv_of(match[1])
    title = one_line(show(title))
    record = {
        "id": " ".join(paper_id.split()),
        "title": title,
        "abstract": plain_abstract(show(abstract)),
        "body": plain_text(body),
        "authors": split_names(one_line(show(names)))
        if isinstance(names, str)
        else clean_names(names),
        "year": year_of(year),
        "venue": one_line(show(venue)),
        "fields": _keywords(keywords, show),
        "doi": doi,
        "arxiv_id": arxiv,
        "url": "".join(url.split()),
        "identifiers": {
            name: value for name, value in {"pmid": pmid_of(pmid), **identifiers}.items() if value
        },
        "status": status or status_of(title, comments),
    }
    return {name: value for name, value in record.items() if value not in ("", None, [], {})}


def status_of(title: str, comments: str = "") -> str:
    """ "retracted" or "withdrawn" where a title or an author's comment says so, else ""."""
    match = _RETRACTED.match(title)
    if match:
        return "withdrawn" if match[1].lower() == "withdrawn" else "retracted"
    match = _WITHDRAWN.search(comments)
    return (match[1] or "withdrawn").lower() if match else ""


def _keywords(keywords: str | Iterable[str], show: Any) -> list[str]:
    if isinstance(keywords, str):
        mark = next((mark for mark in (";", "|", "\n") if mark in keywords), ",")
        keywords = keywords.split(mark)
    cleaned = (one_line(show(word)).strip(" ,;") for word in keywords)
    return list(dict.fromkeys(word for word in cleaned if word and len(word) <= 200))
