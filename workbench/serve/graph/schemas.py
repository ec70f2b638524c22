"""Bodies of answers for OpenAPI. Nothing is validated by them at run time: a test does that."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A body with these members and no others."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Error(Body):
    """400, 404, 405."""

    error: str


class Message(Body):
    """403, 500, 503, 504."""

    message: str


class Busy(Body):
    """429."""

    message: str
    code: str = Field(pattern="^429$")


class PaperAuthor(Body):
    """An author of a paper; `authorId` is made of the name."""

    authorId: str | None = None
    externalIds: dict[str, Any] | None = None
    url: str | None = None
    name: str | None = None
    affiliations: list[str] | None = None
    homepage: str | None = None
    paperCount: int | None = None
    citationCount: int | None = None
    hIndex: int | None = None


class PaperBody(Body):
    """A paper; only `paperId` and what was asked for is there, null where it is not known."""

    paperId: str
    corpusId: int | None = Field(None, ge=10_000, lt=2**53)
    externalIds: dict[str, Any] = Field(default_factory=dict)
    url: str | None = None
    title: str | None = None
    abstract: str | None = None
    venue: str | None = None
    publicationVenue: None = None
    year: int | None = None
    referenceCount: None = None
    citationCount: None = None
    influentialCitationCount: None = None
    isOpenAccess: bool | None = None
    openAccessPdf: dict[str, Any] | None = None
    fieldsOfStudy: list[str] | None = None
    s2FieldsOfStudy: list[dict[str, str]] = Field(default_factory=list)
    publicationTypes: None = None
    publicationDate: None = None
    journal: dict[str, Any] | None = None
    citationStyles: dict[str, str] = Field(default_factory=dict)
    textAvailability: str | None = None
    embedding: None = None
    tldr: None = None
    authors: list[PaperAuthor] = Field(default_factory=list)
    citations: None = None
    references: None = None


class Match(PaperBody):
    """The paper whose title is nearest."""

    matchScore: float


class AuthorBody(PaperAuthor):
    """An author with the papers here."""

    papers: list[PaperBody] = Field(default_factory=list)


class Papers(Body):
    """A page of ranked papers; `next` is absent at the end."""

    total: int
    offset: int
    next: int | None = None
    data: list[PaperBody]


class BulkPapers(Body):
    """A page of all papers that match; `token` is absent at the end."""

    total: int
    token: str | None = None
    data: list[PaperBody]


class Matched(Body):
    """The best match."""

    data: list[Match]


class Completion(Body):
    """A title that is being typed."""

    id: str
    title: str
    authorsYear: str


class Completions(Body):
    """Titles that are being typed."""

    matches: list[Completion]


class PaperPage(Body):
    """A page of papers."""

    offset: int
    next: int | None = None
    data: list[PaperBody]


class AuthorPage(Body):
    """A page of authors."""

    offset: int
    next: int | None = None
    data: list[AuthorBody]


class LinkPage(Body):
    """A page of citations or references; a corpus knows none, so it is empty."""

    offset: int
    next: int | None = None
    data: list[Any]


class Authors(Body):
    """A page of found authors."""

    total: int
    offset: int
    next: int | None = None
    data: list[AuthorBody]


class Snippets(Body):
    """Passages, best first."""

    data: list[dict[str, Any]]
    retrievalVersion: str


class Recommended(Body):
    """Papers like those given."""

    recommendedPapers: list[PaperBody]


class PaperIds(Body):
    """Ids of papers."""

    ids: list[str] = Field(min_length=1, max_length=500)


class AuthorIds(Body):
    """Ids of authors."""

    ids: list[str] = Field(min_length=1, max_length=1000)


class Examples(Body):
    """Papers to recommend from, and what to keep away from."""

    positivePaperIds: list[str] = Field(min_length=1, max_length=100)
    negativePaperIds: list[str] = Field(default_factory=list, max_length=100)


FAULTS: dict[int, tuple[type[Body], str]] = {
    400: (Error, "What is wrong, and what is right."),
    403: (Message, "The key is missing or wrong."),
    404: (Error, "There is none of that id."),
    405: (Error, "The path has no such method."),
    429: (Busy, "More to do than the service can; try again."),
    500: (Message, "A fault of the service; its log has the request's id."),
    504: (Message, "It took longer than a request may."),
}
"""Every answer other than 200 that a path of the API can give: its body, and when."""

UNAVAILABLE = "The index, its cluster or what it needs is away, gone or damaged."
"""503, of the workbench's own paths."""


def described(about: str, content: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """A path's answers for its route; `openapi` adds the bodies."""
    first: dict[str, Any] = {"description": about}
    if content is not None:
        first["content"] = content
    return {200: first, **{code: {"description": when} for code, (_, when) in FAULTS.items()}}
