"""One request of the API: the state of the corpus that answers it, and what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workbench.profiles import Profile
from workbench.records import Filters, Paper
from workbench.serve.faults import Refused
from workbench.serve.graph.fields import Known, Tree, read_fields
from workbench.serve.graph.filters import Wanted, read_filters
from workbench.serve.graph.formatting import papers_as
from workbench.serve.pages import OpenSearches
from workbench.serve.serving import Opened

DEFAULT_FIELDS = "paperId,title"


@dataclass(frozen=True)
class Asked:
    """`values` are the parameters, the parts of the path and the body; `caller` tells clients
    apart, for lists that have more pages."""

    state: Opened
    profile: Profile
    pages: OpenSearches | None
    values: dict[str, Any]
    caller: str = ""

    @cached_property
    def wanted(self) -> Wanted:
        """The filters that were asked for."""
        return read_filters(self.values)

    @cached_property
    def filters(self) -> Filters | None:
        """The filters of a search; None where no paper can pass them."""
        return self.state.filters(self.wanted)

    def fields(self, known: Known, default: str = DEFAULT_FIELDS) -> Tree:
        """The fields that were asked for."""
        return read_fields(self.values.get("fields"), known, default)

    def paper_id(self, text: str) -> str:
        """The corpus's id of a paper that the client names. Raises Refused (404)."""
        [found] = self.state.find([text])
        if found is None:
            raise Refused(404, f"Paper with id {text[:200]} not found")
        return found

    def papers(self, ids: Sequence[str], tree: Tree) -> list[dict[str, Any]]:
        """Papers by the corpus's ids, with the fields of a tree."""
        return self.formatted(self.state.engine.papers(list(ids)), tree)

    def formatted(self, papers: Sequence[Paper], tree: Tree) -> list[dict[str, Any]]:
        """Papers with the fields of a tree."""
        facts = self.author_facts if tree.get("authors") else None
        return papers_as(papers, tree, facts)

    def author_facts(self, name: str) -> dict[str, Any]:
        """All that is known of an author, by a name as papers have it."""
        found = self.state.catalogue.author_named(name)
        if found is None:
            return author_body(None, name, None)
        return author_body(found.id, name, found.papers)


def author_body(identity: str | None, name: str, papers: int | None) -> dict[str, Any]:
    """An author; what a corpus cannot know is null."""
    return {
        "authorId": identity,
        "externalIds": None,
        "url": None,
        "name": name,
        "affiliations": None,
        "homepage": None,
        "paperCount": papers,
        "citationCount": None,
        "hIndex": None,
    }


def page(total: int, offset: int, limit: int, data: list[Any], most: int) -> dict[str, Any]:
    """A page's members; `next` where there is one more, which clients only follow where it is
    offset plus limit."""
    more = offset + limit < min(total, most)
    return {"offset": offset, **({"next": offset + limit} if more else {}), "data": data}
