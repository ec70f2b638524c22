"""What the API's paths of papers answer."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from workbench.corpus.analysis import fold_name
from workbench.records import Filters, Paper
from workbench.serve.faults import Refused
from workbench.serve.graph import fields
from workbench.serve.graph.asked import Asked, page
from workbench.serve.graph.boolean import parse_query
from workbench.serve.graph.bulk import PAGE, Place, earlier_matches, open_matches
from workbench.serve.graph.fields import Tree
from workbench.serve.graph.identity import MOST_ID
from workbench.serve.pages import Begun
from workbench.serve.serving import catalogue_folder, digest

MOST_RANKED = 1000
"""Papers of a ranked search that can be paged through."""

PAST = "Requested data for this limit and/or offset is not available"
LIKENESS = 0.6
"""How much of a title must agree for a match (difflib's ratio of folded titles)."""

COMPLETED = 10
"""Titles that are proposed."""

TYPED = 100
"""Characters of a title being typed that count."""

BULK_FIELDS: fields.Known = {
    name: inside for name, inside in fields.FLAT_PAPER.items() if name not in ("tldr", "embedding")
}
"""Bulk search gives no nested data, but for authors."""


def search(asked: Asked) -> dict[str, Any]:
    """GET paper/search: ranked, a page at a time, all of one state of the corpus."""
    values = asked.values
    tree = asked.fields(fields.FLAT_PAPER)
    offset, limit = values["offset"], values["limit"]
    if offset + limit > MOST_RANKED:
        raise Refused(400, PAST)
    begun = _list(asked, offset)
    if offset and offset >= len(begun.ids):
        raise Refused(400, PAST)
    ids = begun.ids[offset : offset + limit]
    data = asked.formatted(asked.state.papers_of(begun, ids), tree)
    total = len(begun.ids)
    return {"total": total, **page(total, offset, limit, data, MOST_RANKED)}


def _list(asked: Asked, offset: int) -> Begun:
    """The papers that the search found: of the caller's first page where this is a later one."""
    query, wanted = asked.values["query"], asked.wanted
    name = digest(asked.caller, query, wanted, asked.profile.fingerprint)
    if offset and asked.pages and (begun := asked.pages.get(name)):
        return begun
    filters = asked.filters
    ids: list[str] = []
    if filters is not None:
        ids = asked.state.ranking(query, filters, asked.profile).best_ids(MOST_RANKED)
    begun = Begun(tuple(ids), asked.state.fingerprint, asked.state.engine.version)
    if not offset and asked.pages and len(ids) > asked.values["limit"]:
        asked.pages.put(name, begun)
    return begun


def bulk(asked: Asked) -> dict[str, Any]:
    """GET paper/search/bulk: every paper that matches, unranked, by pages of a thousand."""
    values, state = asked.values, asked.state
    tree = asked.fields(BULK_FIELDS)
    sort = _sort(values["sort"])
    query = parse_query(values["query"] or "")
    place = Place(0, state.fingerprint, state.engine.version)
    if values["token"]:
        place = Place.read(values["token"])
    current = place.fingerprint == state.fingerprint
    folder = catalogue_folder()
    matches = open_matches(state.engine, folder) if current else earlier_matches(folder, place)
    try:
        wanted = asked.wanted
        total, ids = (
            (0, [])
            if wanted.nothing
            else matches.page(query, wanted.filters, wanted.open_access, sort, place.offset)
        )
    finally:
        matches.close()
    begun = Begun(tuple(ids), place.fingerprint, place.version)
    data = asked.formatted(state.papers_of(begun, ids), tree)
    after = Place(place.offset + PAGE, place.fingerprint, place.version)
    token = {"token": after.token()} if after.offset < total else {}
    return {"total": total, **token, "data": data}


def _sort(text: str | None) -> str:
    name, colon, way = (text or "paperId").partition(":")
    if name not in ("paperId", "publicationDate", "citationCount") or (
        colon and way not in ("asc", "desc")
    ):
        raise Refused(
            400,
            f"sort is {text!r}; give paperId, publicationDate or citationCount, with :asc or :desc",
        )
    if name == "citationCount":
        raise Refused(400, "sort cannot be by citationCount: this corpus has no citation counts")
    return f"{name}:{way or 'asc'}"


def match(asked: Asked) -> dict[str, Any]:
    """GET paper/search/match: the one paper whose title is nearest."""
    tree = asked.fields(fields.FLAT_PAPER)
    title, filters = asked.values["query"], asked.filters
    ids: list[str] = []
    if filters is not None:
        ids = asked.state.ranking(title, filters, asked.profile).best_ids(COMPLETED)
        if not filters:
            ids = list(dict.fromkeys([*asked.state.titled(title), *ids]))
    wanted = fold_name(title)
    papers = asked.state.engine.papers(ids)
    scored = [(SequenceMatcher(None, wanted, fold_name(p.title)).ratio(), p) for p in papers]
    best = max(scored, key=lambda item: item[0], default=None)
    if best is None or best[0] < LIKENESS:
        raise Refused(404, "Title match not found")
    [body] = asked.formatted([best[1]], tree)
    return {"data": [{**body, "matchScore": round(100 * best[0], 4)}]}


def autocomplete(asked: Asked) -> dict[str, Any]:
    """GET paper/autocomplete: titles that have the words typed so far."""
    ids = asked.state.catalogue.begun(asked.values["query"][:TYPED], COMPLETED)
    papers = asked.state.engine.papers(ids)
    return {
        "matches": [
            {"id": paper.id, "title": paper.title, "authorsYear": _authors_year(paper)}
            for paper in papers
        ]
    }


def _authors_year(paper: Paper) -> str:
    names = [name.split(",")[0].split()[-1:] for name in paper.authors[:1]]
    first = names[0][0] if names and names[0] else ""
    others = " et al." if len(paper.authors) > 1 else ""
    return ", ".join(part for part in (f"{first}{others}", str(paper.year or "")) if part)


def batch(asked: Asked) -> list[dict[str, Any] | None]:
    """POST paper/batch: papers in the order of their ids, null for one that is not known."""
    tree = asked.fields(fields.PAPER)
    found = asked.state.find(asked.values["ids"])
    bodies = iter(asked.papers([name for name in found if name is not None], tree))
    return [None if name is None else next(bodies) for name in found]


def paper(asked: Asked) -> dict[str, Any]:
    """GET paper/{paper_id}."""
    tree = asked.fields(fields.PAPER)
    [body] = asked.papers([_named(asked)], tree)
    return body


def _named(asked: Asked) -> str:
    name = asked.values["paper_id"]
    if len(name) > MOST_ID:
        raise Refused(400, f"id has {len(name):,} characters, the limit is {MOST_ID:,}")
    return asked.paper_id(name)


def paper_authors(asked: Asked) -> dict[str, Any]:
    """GET paper/{paper_id}/authors."""
    tree = asked.fields(fields.PAPER_AUTHOR, "authorId,name")
    [found] = asked.state.engine.papers([_named(asked)])
    offset, limit = _range(asked, len(found.authors))
    data = [author_as(asked, asked.author_facts(n), tree) for n in found.authors]
    return page(len(data), offset, limit, data[offset : offset + limit], len(data))


def author_as(asked: Asked, facts: dict[str, Any], tree: Tree) -> dict[str, Any]:
    """An author with the fields of a tree; `authorId` always comes along."""
    body = {"authorId": facts["authorId"]}
    for name, inside in tree.items():
        if name == "papers":
            identity = facts["authorId"]
            ids = (
                asked.state.catalogue.papers_by(identity, 0, MOST_RANKED, None) if identity else []
            )
            body[name] = asked.papers(ids, inside or {"title": {}})
        else:
            body[name] = facts[name]
    return body


def _range(asked: Asked, count: int) -> tuple[int, int]:
    offset, limit = asked.values["offset"], asked.values["limit"]
    if offset and offset >= count:
        raise Refused(400, PAST)
    return offset, limit


def links(asked: Asked) -> dict[str, Any]:
    """GET paper/{paper_id}/citations and /references: a corpus knows none, and clients take no
    null for a list."""
    asked.fields(fields.LINK)
    _named(asked)
    offset, _ = _range(asked, 0)
    return {"offset": offset, "data": []}


def recommend(asked: Asked) -> dict[str, Any]:
    """GET recommendations/v1/papers/forpaper/{paper_id}: what a search for its text finds."""
    tree = asked.fields(fields.FLAT_PAPER)
    return {"recommendedPapers": _like(asked, [_named(asked)], set(), tree)}


def recommend_from(asked: Asked) -> dict[str, Any]:
    """POST recommendations/v1/papers: like several papers, without others."""
    tree = asked.fields(fields.FLAT_PAPER)
    wanted = [asked.paper_id(name) for name in asked.values["positivePaperIds"]]
    unwanted = {asked.paper_id(name) for name in asked.values["negativePaperIds"]}
    return {"recommendedPapers": _like(asked, wanted, unwanted, tree)}


def _like(asked: Asked, ids: list[str], unwanted: set[str], tree: Tree) -> list[dict[str, Any]]:
    """The papers found for each one's title and abstract, by the sum of reciprocal ranks."""
    scores: dict[str, float] = {}
    for given in asked.state.engine.papers(list(dict.fromkeys(ids))):
        text = f"{given.title} {given.abstract}"[:10_000].strip() or given.text[:10_000]
        if not text.strip():
            continue
        found = asked.state.ranking(text, Filters(), asked.profile).best_ids(MOST_RANKED)
        for rank, name in enumerate(found, start=1):
            scores[name] = scores.get(name, 0.0) + 1 / (60 + rank)
    left = sorted((-score, name) for name, score in scores.items())
    names = [name for _, name in left if name not in unwanted and name not in ids]
    return asked.papers(names[: asked.values["limit"]], tree)
