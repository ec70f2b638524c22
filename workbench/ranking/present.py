"""Rankings and explanations for people: HTML for notebooks, text for terminals.

All HTML goes through templates that escape what comes from papers and queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.corpus.analysis import Analyser

if TYPE_CHECKING:
    from workbench.ranking.explain import Explanation
    from workbench.ranking.ranking import Ranking

COLOURS = {
    "bm25": "#0072B2",
    "title": "#E69F00",
    "dense": "#009E73",
    "bm25_feedback": "#56B4E9",
    "dense_feedback": "#F0E442",
    "late_interaction": "#D55E00",
}
"""Okabe and Ito's palette, told apart by colour-blind readers too."""

OTHER_COLOUR = "#CC79A7"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

SHOWN = 400
"""Characters of a passage in a table."""


def marked(text: str, terms: Mapping[str, float]) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is a word whose term is in the query."""
    at = 0
    for start, end, term in Analyser().spans(text):
        if term in terms and start >= at:  # one character can fold into several words
            if start > at:
                yield text[at:start], False
            yield text[start:end], True
            at = end
    if at < len(text):
        yield text[at:], False


def shorten(text: str, terms: Mapping[str, float], length: int = SHOWN) -> str:
    """At most `length` characters of the text, from shortly before its first match."""
    if len(text) <= length:
        return text
    spans = Analyser().spans(text)
    first, last = next(((s, e) for s, e, term in spans if term in terms), (0, 0))
    begin = 0
    if last > length * 3 // 4:
        begin = first - length // 4
        blank = text.find(" ", begin, first)
        begin = blank + 1 if blank >= 0 else begin
    end = begin + length
    if end < len(text):
        blank = text.rfind(" ", max(last, begin + length // 2), end)
        end = blank if blank >= 0 else end
    cut = text[begin:end]
    return ("…\u00a0" if begin else "") + cut + ("\u00a0…" if end < len(text) else "")


def authors_line(authors: tuple[str, ...], most: int = 4) -> str:
    """Names with commas; after `most` of them how many more there are."""
    more = len(authors) - most
    return ", ".join(authors[:most]) + (f" and {more} more" if more > 0 else "")


def printable(text: str) -> str:
    """The text with control characters as spaces: a terminal would obey them."""
    return _CONTROL.sub(" ", text)


def ranking_html(ranking: Ranking) -> str:
    """The table that a notebook shows."""
    return str(_template("ranking.html").render(ranking=ranking, **_tools()))


def explanation_html(explanation: Explanation) -> str:
    """The table that a notebook shows for `Ranking.explain`."""
    return str(_template("explanation.html").render(explanation=explanation, **_tools()))


def ranking_text(ranking: Ranking) -> str:
    """Plain text, one hit a paragraph."""
    terms = ranking.candidates.query.terms
    lines = [f"{len(ranking)} of {ranking.papers_found} papers for {ranking.query[:200]!r}"]
    lines += list(ranking.notes)
    for hit in ranking:
        place = ", ".join(str(part) for part in (hit.paper.venue, hit.paper.year) if part)
        lines += [
            f"{hit.rank:>3}. {hit.paper.title}  [{hit.score:.3f}]",
            f"     {authors_line(hit.paper.authors)}" + (f" ({place})" if place else ""),
            f"     {shorten(hit.passage.text, terms, 160)}",
        ]
    return "\n".join(printable(line) for line in lines)


def _tools() -> dict[str, Any]:
    return {
        "marked": marked,
        "shorten": shorten,
        "authors_line": authors_line,
        "colours": COLOURS,
        "other_colour": OTHER_COLOUR,
    }


@lru_cache(maxsize=8)
def _template(name: str) -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("workbench.ranking"), autoescape=True, trim_blocks=True
    )
    return environment.get_template(name)
