"""What the API's paths of authors answer. An author is everybody of one name."""

from __future__ import annotations

from typing import Any

from workbench.serve.faults import Refused
from workbench.serve.graph import fields
from workbench.serve.graph.asked import Asked, author_body, page
from workbench.serve.graph.catalogue import Author
from workbench.serve.graph.filters import read_dates
from workbench.serve.graph.papers import PAST, author_as

AUTHOR_FIELDS = "authorId,name"
MOST_FOUND = 10_000


def search(asked: Asked) -> dict[str, Any]:
    """GET author/search: those with all words of a name, with the most papers first."""
    tree = asked.fields(fields.AUTHOR, AUTHOR_FIELDS)
    offset, limit = asked.values["offset"], asked.values["limit"]
    if offset + limit > MOST_FOUND:
        raise Refused(400, PAST)
    total, found = asked.state.catalogue.authors_found(asked.values["query"], offset, limit)
    if offset and offset >= total:
        raise Refused(400, PAST)
    data = [author_as(asked, _facts(one), tree) for one in found]
    return {"total": total, **page(total, offset, limit, data, MOST_FOUND)}


def author(asked: Asked) -> dict[str, Any]:
    """GET author/{author_id}."""
    tree = asked.fields(fields.AUTHOR, AUTHOR_FIELDS)
    return author_as(asked, _facts(_named(asked)), tree)


def author_papers(asked: Asked) -> dict[str, Any]:
    """GET author/{author_id}/papers, the newest first."""
    tree = asked.fields(fields.PAPER)
    found = _named(asked)
    dates = asked.values["publicationDateOrYear"]
    years = None if dates is None else read_dates(dates)
    offset, limit = asked.values["offset"], asked.values["limit"]
    ids = asked.state.catalogue.papers_by(found.id, offset, limit + 1, years)
    if offset and not ids:
        raise Refused(400, PAST)
    data = asked.papers(ids[:limit], tree)
    return page(offset + len(ids), offset, limit, data, MOST_FOUND)


def batch(asked: Asked) -> list[dict[str, Any] | None]:
    """POST author/batch: authors in the order of their ids, null for one that is not known."""
    tree = asked.fields(fields.AUTHOR, AUTHOR_FIELDS)
    found = [asked.state.catalogue.author(name) for name in asked.values["ids"]]
    return [None if one is None else author_as(asked, _facts(one), tree) for one in found]


def _named(asked: Asked) -> Author:
    found = asked.state.catalogue.author(asked.values["author_id"])
    if found is None:
        raise Refused(404, f"Author with id {asked.values['author_id'][:200]} not found")
    return found


def _facts(author: Author) -> dict[str, Any]:
    return author_body(author.id, author.name, author.papers)
