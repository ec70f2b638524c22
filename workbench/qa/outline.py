"""Quotes to an outline: clusters, a heading for each in their own words, three quotes first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.models.products import products
from workbench.qa.question import Asked
from workbench.qa.records import Evidence, Outline, Plan, Quote
from workbench.records import Paper

TLDR = 3
"""Quotes that stand first."""

TLDR_WORDS = 90
MOST_SECTIONS = 5
A_SECTION = 4
"""Quotes of a section, about."""

LENGTHS = {1: 0.4, 2: 1.0, 3: 0.9}
"""What headings of one, two and three words are worth."""

NOUN = 1.6
"""What a likely noun phrase is worth more."""

Vectors = NDArray[np.float32]

_WEAK_WORDS = """
resulting respective particular certain numerous
about above across after again against all also although among another any because been before
being below best better between both can could do does done during each either even every few
first further give given gives had has have having he her here his how however i into itself its
just large less like made main make makes many may method methods might more most much must need
needs never new next nor now often one only onto or other others our out over own paper per proposed
quite rather same second several shall she should show shown shows since small so some still such
than that their them then there these they thing this those three through thus too two under until
up use used uses using very via was way ways we were what when where whether which while who whole
whose why within without would yet you your work results result study approach propose proposes
introduce introduces present presents become became found find finds helps help the a an and of in
on to for with by from at as is are be it not no but if will well called known usually authors
author
"""
_DETERMINERS = frozenset(
    ["a", "an", "the", "of", "by", "with", "for", "from", "into", "its", "each"]
)
_WORD = re.compile(r"\w+(?:[-\u2010\u2011'\u2019]\w+)*")
_WEAK = frozenset(_WEAK_WORDS.split())
"""Words that no heading has."""


def make_outline(
    evidence: Evidence, rows: Sequence[int], asked: Asked, papers: Mapping[str, Paper]
) -> Outline:
    """Sections of like quotes, the one with the most valuable quote first; in a section, papers in
    the order of their best quote, and within a paper the order of its text.

    Quotes are named q1, q2, ... in the order in which a reader meets them.
    """
    if not rows:
        return Outline((), ())
    quotes = [evidence.quotes[row] for row in rows]
    groups = _clusters(evidence.vectors[list(rows)])
    first = _tldr(quotes)
    ordered = [_reading_order([quotes[i] for i in group]) for group in groups]
    names: dict[tuple[str, int], str] = {}
    for quote in [*first, *(q for group in ordered for q in group)]:
        names.setdefault((quote.paper_id, quote.start), f"q{len(names) + 1}")

    def named(quote: Quote) -> Quote:
        return replace(quote, id=names[quote.paper_id, quote.start])

    titles = _headings(ordered, asked)
    plans = tuple(
        Plan(title, tuple(map(named, group))) for title, group in zip(titles, ordered, strict=True)
    )
    return Outline(tuple(map(named, first)), plans)


def without(outline: Outline, rejected: Collection[str]) -> Outline:
    """The outline without some quotes, by id. Sections keep their places, also empty ones; the best
    of the quotes that are left take the places that become free at the top."""
    plans = tuple(
        Plan(plan.title, tuple(q for q in plan.quotes if q.id not in rejected))
        for plan in outline.plans
    )
    first = [quote for quote in outline.tldr if quote.id not in rejected]
    if len(first) == len(outline.tldr):
        return Outline(outline.tldr, plans)
    rest = sorted((q for plan in plans for q in plan.quotes if q not in first), key=_merit)
    return Outline(tuple(_tldr([*first, *rest])[: len(outline.tldr)]), plans)


def _merit(quote: Quote) -> tuple[float, str, int]:
    return -quote.score, quote.paper_id, quote.start


def _tldr(quotes: Sequence[Quote]) -> list[Quote]:
    """The first quotes of different papers, as far as they are short; at least one."""
    first: list[Quote] = []
    words = 0
    for quote in quotes:
        new = quote.paper_id not in {other.paper_id for other in first}
        if len(first) < TLDR and new and (not first or words + quote.words <= TLDR_WORDS):
            first.append(quote)
            words += quote.words
    return first


def _reading_order(quotes: Sequence[Quote]) -> list[Quote]:
    papers = list(dict.fromkeys(quote.paper_id for quote in quotes))
    return sorted(quotes, key=lambda q: (papers.index(q.paper_id), q.number, q.start))


def _clusters(vectors: Vectors) -> list[list[int]]:
    """Groups of rows by average linkage of cosines, each in order, by their first row.

    A group of one joins the group that it is most like.
    """
    count = min(MOST_SECTIONS, max(1, round(len(vectors) / A_SECTION)))
    if count == 1:
        return [list(range(len(vectors)))]
    from scipy.cluster.hierarchy import fcluster, linkage

    likeness = np.clip(products(vectors, vectors), -1, 1)
    distance = (1 - likeness)[np.triu_indices(len(vectors), 1)]
    labels = fcluster(linkage(np.maximum(distance, 0), "average"), count, "maxclust")
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    singles = [group for group in groups if len(group) == 1]
    groups = [group for group in groups if len(group) > 1] or [groups[0]]
    for group in singles:
        if group is not groups[0]:
            nearest = max(groups, key=lambda g: float(likeness[np.ix_(group, g)].mean()))
            nearest += group
    return sorted((sorted(group) for group in groups), key=lambda group: group[0])


def _headings(groups: Sequence[Sequence[Quote]], asked: Asked) -> list[str]:
    """For each group the phrase of one to three words that most of its quotes have and the others
    have not; phrases of two words and noun phrases read best. What the question says already tells
    nothing."""
    found = [_phrases(group) for group in groups]
    everywhere = Counter(key for phrases in found for key in phrases)
    titles: list[str] = []
    taken: set[str] = set()
    for phrases in found:
        best, title, parts_of_best = 0.0, "", set[str]()
        for key, (value, wording) in phrases.items():
            parts = key.split()
            fresh = sum(part not in asked.weights for part in parts)
            if taken & set(parts) or not fresh:
                continue
            worth = value * LENGTHS[len(parts)] * (0.5 + fresh / len(parts)) / everywhere[key]
            if worth > best:
                best, title, parts_of_best = worth, wording, set(parts)
        taken |= parts_of_best
        titles.append(title[:1].upper() + title[1:] if title else "Further findings")
    return titles


def _phrases(quotes: Sequence[Quote]) -> dict[str, tuple[float, str]]:
    """Phrases by their stems: the sum of their worth over the quotes that have them (in each the
    best), and their first wording."""
    worth: dict[str, float] = {}
    wording: dict[str, str] = {}
    for quote in quotes:
        here: dict[str, float] = {}
        for determined, run in _runs(quote.text):
            stems = [_stem(word) for word in run]
            for size in LENGTHS:
                for at in range(len(run) - size + 1):
                    if not all(stems[at : at + size]):
                        continue
                    key = " ".join(stems[at : at + size])
                    noun = NOUN if determined and at == 0 and size == len(run) else 1.0
                    here[key] = max(here.get(key, 0.0), noun)
                    wording.setdefault(key, " ".join(run[at : at + size]))
        for key, value in here.items():
            worth[key] = worth.get(key, 0.0) + value
    return {key: (worth[key], wording[key]) for key in wording}


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """The last term of a word, "" where it has none: one word is asked for in many phrases."""
    return (Analyser().terms(word) or [""])[-1]


def _runs(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Words that stand together without a weak word or a sign between them, and whether an article
    or a preposition is before them: then they are likely a noun phrase."""
    run: list[str] = []
    determined = False
    end = 0
    for match in _WORD.finditer(text):
        gap, word = text[end : match.start()], match.group()
        end = match.end()
        weak = word.lower() in _WEAK or not word[0].isalpha() or len(word) < 3
        if run and (weak or gap.strip() or not gap):
            yield determined, run
            run = []
        if weak:
            determined = word.lower() in _DETERMINERS
        else:
            determined = determined if run or not gap.strip() else False
            run.append(word)
    if run:
        yield determined, run
