"""Chosen sentences to quotes, and quotes to excerpts: what may stand together, and with what sign.

Sentences that follow each other become one quote. Quotes of one passage may be joined with an
ellipsis, never over a gap that says "not".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.qa.records import Evidence, Quote
from workbench.records import Paper

ELLIPSIS = " … "
LONGEST_GAP = 600
"""Characters between two quotes of an excerpt; what is further apart is told apart."""

NEGATION = re.compile(
    r"\b(?:no|not|non|nor|none|never|neither|nothing|nobody|without|cannot|hardly|scarcely|rarely|"
    r"seldom|barely|few|little|lack|lacks|lacked|lacking|fail|fails|failed|failing|unable|unlike|"
    r"absent|absence|except|but|however|although|though|unless|only|whereas|instead)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
"""Words that turn or limit a statement: a gap that has one is not hidden in an ellipsis."""

Vectors = NDArray[np.float32]


def merge(
    evidence: Evidence, rows: Sequence[int], papers: Mapping[str, Paper]
) -> list[tuple[Quote, NDArray[np.float32], int]]:
    """Chosen rows as (quote, vector of unit length, place of its best sentence in `rows`).

    Sentences of a passage that follow each other with nothing but white space between become one
    quote, with the score of the best of them; its vector is their mean.
    """
    place = {row: at for at, row in enumerate(rows)}
    in_order = sorted(rows, key=lambda row: _where(evidence.quotes[row]))
    groups: list[list[int]] = []
    for row in in_order:
        if groups and _follows(evidence.quotes[groups[-1][-1]], evidence.quotes[row], papers):
            groups[-1].append(row)
        else:
            groups.append([row])
    merged = []
    for group in groups:
        best = min(group, key=place.__getitem__)
        quote = evidence.quotes[best]
        start, end = evidence.quotes[group[0]].start, evidence.quotes[group[-1]].end
        text = papers[quote.paper_id].text[start:end]
        mean = evidence.vectors[group].mean(axis=0)
        unit = mean / max(float(np.linalg.norm(mean)), 1e-12)
        merged.append((replace(quote, start=start, end=end, text=text), unit, place[best]))
    return sorted(merged, key=lambda item: item[2])


def excerpts(quotes: Sequence[Quote], papers: Mapping[str, Paper]) -> Iterator[list[Quote]]:
    """Quotes in the order given, those of one passage together where they may be joined.

    An excerpt has the quotes of one passage in the order of its text. Two are joined where the gap
    is short and turns nothing.
    """
    by_passage: dict[tuple[str, int], list[Quote]] = {}
    for quote in quotes:
        by_passage.setdefault((quote.paper_id, quote.number), []).append(quote)
    for (paper_id, _), group in by_passage.items():
        text = papers[paper_id].text
        current: list[Quote] = []
        for quote in sorted(group, key=_where):
            if current and not _joinable(text[current[-1].end : quote.start]):
                yield current
                current = []
            current.append(quote)
        yield current


def excerpt_text(quotes: Sequence[Quote], papers: Mapping[str, Paper]) -> str:
    """The wording of an excerpt, with an ellipsis at each gap."""
    parts = [quotes[0].text]
    for before, after in zip(quotes, quotes[1:], strict=False):
        gap = papers[after.paper_id].text[before.end : after.start]
        parts += [ELLIPSIS if gap.strip() else " ", after.text]
    return "".join(parts)


def _joinable(gap: str) -> bool:
    return len(gap) <= LONGEST_GAP and NEGATION.search(gap) is None


def _where(quote: Quote) -> tuple[str, int, int]:
    return quote.paper_id, quote.number, quote.start


def _follows(before: Quote, after: Quote, papers: Mapping[str, Paper]) -> bool:
    same = (before.paper_id, before.number) == (after.paper_id, after.number)
    return same and not papers[after.paper_id].text[before.end : after.start].strip()
