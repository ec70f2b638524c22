"""Quotes beside the papers that they are of, wherever those are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import AnswerError, shown
from workbench.qa.records import Quote
from workbench.records import Paper


def papers_of(papers: Any, ids: Sequence[str]) -> list[Paper]:
    """Papers by their ids from anything with `papers(ids)`, as an engine has, or a mapping by id.
    Raises AnswerError for something else and for a paper that a mapping lacks, and what `papers`
    raises."""
    if isinstance(papers, Mapping):
        absent = next((name for name in ids if name not in papers), None)
        if absent is not None:
            raise AnswerError(f"papers lack {absent!r}, which is quoted; give all of them by id")
        return [papers[name] for name in ids]
    if not hasattr(papers, "papers"):
        raise AnswerError(f"papers is {shown(papers)}; give an engine, or papers by id")
    found: list[Paper] = papers.papers(ids)
    return found


def unlike(quotes: Sequence[Quote], papers: Any) -> list[Quote]:
    """The quotes that are not the text at their place; `papers` as in `papers_of`."""
    found = papers_of(papers, [quote.paper_id for quote in quotes])
    pairs = zip(quotes, found, strict=True)
    return [quote for quote, paper in pairs if paper.text[quote.start : quote.end] != quote.text]
