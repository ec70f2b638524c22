"""Quotes to excerpts: which may stand together in one line of an answer.

Sentences that follow each other stand together; over a short gap they are joined with an ellipsis,
but never over one that says "not".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from workbench.qa.records import Quote
from workbench.records import Paper

ELLIPSIS = " … "
LONGEST_GAP = 600
"""Characters between two quotes of an excerpt; what is further apart is told apart."""

LONGEST = 80
"""Words of an excerpt of several quotes."""

NEGATION = re.compile(
    r"\b(?:no|not|non|nor|none|never|neither|nothing|nobody|without|cannot|hardly|scarcely|rarely|"
    r"seldom|barely|few|little|lack|lacks|lacked|lacking|fail|fails|failed|failing|unable|unlike|"
    r"absent|absence|except|but|however|although|though|unless|only|whereas|instead)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
"""Words that turn or limit a statement: a gap that has one is not hidden in an ellipsis."""


def excerpts(quotes: Sequence[Quote], papers: Mapping[str, Paper]) -> Iterator[list[Quote]]:
    """Quotes in the order given, those of one passage together where they may be joined.

    An excerpt has the quotes of one passage in the order of its text. Two are joined where the gap
    is short and turns nothing, and both together are short.
    """
    by_passage: dict[tuple[str, int], list[Quote]] = {}
    for quote in quotes:
        by_passage.setdefault((quote.paper_id, quote.number), []).append(quote)
    for (paper_id, _), group in by_passage.items():
        text = papers[paper_id].text
        current: list[Quote] = []
        for quote in sorted(group, key=_where):
            words = sum(q.words for q in current) + quote.words
            gap = text[current[-1].end : quote.start] if current else ""
            if current and (words > LONGEST or not _joinable(gap)):
                yield current
                current = []
            current.append(quote)
        yield current


def excerpt_text(quotes: Sequence[Quote], papers: Mapping[str, Paper]) -> str:
    """The wording of an excerpt, with an ellipsis at each gap."""
    parts = [quotes[0].text]
    for before, after in itertools.pairwise(quotes):
        gap = papers[after.paper_id].text[before.end : after.start]
        parts += [ELLIPSIS if gap.strip() else " ", after.text]
    return "".join(parts)


def _joinable(gap: str) -> bool:
    return len(gap) <= LONGEST_GAP and NEGATION.search(gap) is None


def _where(quote: Quote) -> tuple[str, int, int]:
    return quote.paper_id, quote.number, quote.start
