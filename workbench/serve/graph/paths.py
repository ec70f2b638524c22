"""The API's paths: what each takes, answers, and what computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.serve.graph import authors, papers, snippets
from workbench.serve.graph.asked import Asked
from workbench.serve.graph.parameters import (
    FIELDS,
    OFFSET,
    PAPER_FILTERS,
    QUERY,
    SNIPPET_FILTERS,
    Parameter,
    limit,
)
from workbench.serve.graph.schemas import (
    AuthorBody,
    AuthorIds,
    AuthorPage,
    Authors,
    Body,
    BulkPapers,
    Completions,
    Examples,
    LinkPage,
    Matched,
    PaperBody,
    PaperIds,
    PaperPage,
    Papers,
    Recommended,
    Snippets,
)

GRAPH = "/graph/v1"
RECOMMENDATIONS = "/recommendations/v1"


@dataclass(frozen=True, slots=True)
class Path:
    """One path. `body` is what a POST takes; `kept` says that equal requests have equal answers
    while the corpus stays the same, whoever asks."""

    path: str
    work: Callable[[Asked], Any]
    answer: Any
    parameters: tuple[Parameter, ...] = (FIELDS,)
    body: type[Body] | None = None
    kept: bool = True

    @property
    def about(self) -> str:
        """The first line of what computes it."""
        return (self.work.__doc__ or "").strip().splitlines()[0]


_PAGED = (FIELDS, OFFSET, limit(100, 1000))
_IGNORED = (OFFSET, limit(100, 1000))
"""What clients send where it means nothing."""

PATHS = (
    Path(
        f"{GRAPH}/paper/search",
        papers.search,
        Papers,
        (QUERY, FIELDS, OFFSET, limit(100, 100), *PAPER_FILTERS),
        kept=False,
    ),
    Path(
        f"{GRAPH}/paper/search/bulk",
        papers.bulk,
        BulkPapers,
        (
            Parameter("query", about='Terms with + | - " * ( ) ~N; all papers without.'),
            Parameter("token", about="Of the page before."),
            Parameter("sort", about="paperId or publicationDate (the year), :asc or :desc."),
            FIELDS,
            *_IGNORED,
            *PAPER_FILTERS,
        ),
    ),
    Path(
        f"{GRAPH}/paper/search/match",
        papers.match,
        Matched,
        (QUERY, FIELDS, *_IGNORED, *PAPER_FILTERS),
    ),
    Path(f"{GRAPH}/paper/autocomplete", papers.autocomplete, Completions, (QUERY,)),
    Path(f"{GRAPH}/paper/batch", papers.batch, list[PaperBody | None], body=PaperIds),
    Path(f"{GRAPH}/paper/{{paper_id:path}}/authors", papers.paper_authors, AuthorPage, _PAGED),
    Path(
        f"{GRAPH}/paper/{{paper_id:path}}/citations",
        papers.links,
        LinkPage,
        (*_PAGED, Parameter("publicationDateOrYear")),
    ),
    Path(f"{GRAPH}/paper/{{paper_id:path}}/references", papers.links, LinkPage, _PAGED),
    Path(f"{GRAPH}/paper/{{paper_id:path}}", papers.paper, PaperBody),
    Path(f"{GRAPH}/author/search", authors.search, Authors, (QUERY, *_PAGED)),
    Path(f"{GRAPH}/author/batch", authors.batch, list[AuthorBody | None], body=AuthorIds),
    Path(
        f"{GRAPH}/author/{{author_id}}/papers",
        authors.author_papers,
        PaperPage,
        (*_PAGED, Parameter("publicationDateOrYear", about="As in paper/search.")),
    ),
    Path(f"{GRAPH}/author/{{author_id}}", authors.author, AuthorBody),
    Path(
        f"{GRAPH}/snippet/search",
        snippets.search,
        Snippets,
        (QUERY, FIELDS, limit(10, 1000), *SNIPPET_FILTERS),
    ),
    Path(
        f"{RECOMMENDATIONS}/papers/forpaper/{{paper_id:path}}",
        papers.recommend,
        Recommended,
        (FIELDS, limit(100, 500), Parameter("from", about="Ignored: there is one pool.")),
    ),
    Path(
        f"{RECOMMENDATIONS}/papers/",
        papers.recommend_from,
        Recommended,
        (FIELDS, limit(100, 500)),
        body=Examples,
    ),
)
