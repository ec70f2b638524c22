"""Zotero's items, which its database, its API and Better BibTeX's JSON share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.corpus.cleaning.record import paper_fields

NOT_PAPERS = frozenset({"attachment", "note", "annotation"})

_VENUES = [
    "publicationTitle",
    "bookTitle",
    "proceedingsTitle",
    "conferenceName",
    "encyclopediaTitle",
    "dictionaryTitle",
    "websiteTitle",
    "blogTitle",
    "forumTitle",
    "programTitle",
    "university",
    "institution",
    "repository",
    "seriesTitle",
    "series",
    "code",
    "reporter",
    "publisher",
]
_DATES = ("date", "dateDecided", "issueDate", "dateEnacted", "filingDate", "originalDate")
_TITLES = ("title", "caseName", "nameOfAct", "subject", "shortTitle")
_AUTHORS = [
    "author",
    "inventor",
    "presenter",
    "interviewee",
    "artist",
    "composer",
    "director",
    "performer",
    "podcaster",
    "programmer",
    "sponsor",
    "cartographer",
    "castMember",
    "contributor",
    "editor",
    "bookAuthor",
]
_EXTRA = re.compile(r"^\s*(?:tex\.)?([A-Za-z][\w .-]*?)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)


def zotero_record(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """The paper's fields in an item {itemType, title, creators, ...}; None for what is none:
    attachments, notes, and items in the trash."""
    if item.get("itemType") in NOT_PAPERS or item.get("deleted"):
        return None
    extra = {name.lower(): value for name, value in _EXTRA.findall(_text(item.get("extra")))}

    def first(*names: str) -> str:
        return next((_text(item[name]) for name in names if item.get(name)), "")

    title = first(*_TITLES)
    return paper_fields(
        paper_id=first("citationKey", "citekey", "itemKey", "key") or extra.get("citation key", ""),
        title=title,
        abstract=first("abstractNote"),
        authors=_people(item.get("creators")),
        year=[first(*_DATES), extra.get("date"), extra.get("issued"), extra.get("original-date")],
        venue=next((first(name) for name in _VENUES if first(name) not in ("", title)), ""),
        keywords=[_tag(tag) for tag in item.get("tags") or ()],
        doi=first("DOI") or extra.get("doi", "") or first("url"),
        arxiv=extra.get("arxiv", "") or (first("url") if "arxiv.org" in first("url") else "")
        or (first("archiveID") if "arxiv" in first("archiveID").lower() else ""),
        pmid=extra.get("pmid", ""),
        url=first("url"),
        comments=first("extra"),
        pmcid=extra.get("pmcid", ""),
    )  # fmt: skip


def _people(creators: Any) -> list[str]:
    """The creators of the first role that has any: authors, else inventors, ... else editors."""
    if not isinstance(creators, list):
        return []
    for role in _AUTHORS:
        names = [_name(item) for item in creators if item.get("creatorType") == role]
        if names:
            return names
    return [_name(item) for item in creators]


def _name(creator: Mapping[str, Any]) -> str:
    name = _text(creator.get("name"))
    return name or f"{_text(creator.get('firstName'))} {_text(creator.get('lastName'))}".strip()


def _tag(tag: Any) -> str:
    return _text(tag.get("tag")) if isinstance(tag, Mapping) else _text(tag)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
