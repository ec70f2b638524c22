"""How hits look: matched words marked, long passages cut around them, a colour for each signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workbench.corpus.analysis import Analyser
from workbench.present.latex import readable
from workbench.present.view import View
from workbench.present.words import authors_line
from workbench.profiles import Profile
from workbench.records import Hit

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


def hits_view(
    query: str,
    hits: Sequence[Hit],
    papers_found: int,
    terms: Mapping[str, float],
    profile: Profile,
    notes: tuple[str, ...],
    milliseconds: float,
) -> View:
    """Hits as a table with marked words and bars of shares; as text one paragraph a hit."""
    rows: list[str] = []
    for hit in hits:
        place = ", ".join(str(part) for part in (readable(hit.paper.venue), hit.paper.year) if part)
        rows += [
            f"{hit.rank:>3}. {readable(hit.paper.title)}  [{hit.score:.3f}]",
            f"     {authors_line(hit.paper.authors)}" + (f" ({place})" if place else ""),
            f"     {shorten(readable(hit.passage.text), terms, 160)}",
        ]
    more = {
        "query": query,
        "hits": hits,
        "papers_found": papers_found,
        "terms": terms,
        "profile": profile,
        "milliseconds": milliseconds,
        "marked": marked,
        "shorten": shorten,
        "colours": COLOURS,
        "other_colour": OTHER_COLOUR,
    }
    head = f"{len(hits)} of {papers_found} papers for {query[:200]!r}"
    return View(head, tuple(rows), notes, "ranking.html", more)
