"""Quotes to an outline: clusters, a heading for each in the quotes' own words, three quotes first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.qa.joining import merge
from workbench.qa.question import Asked
from workbench.qa.records import Evidence, Outline, Plan, Quote
from workbench.records import Paper

TLDR = 3
"""Quotes that stand first."""

TLDR_WORDS = 90
MOST_SECTIONS = 5
A_SECTION = 4
"""Quotes of a section, about."""

Vectors = NDArray[np.float32]

_WEAK = frozenset(
    """about above across after again against all also although among another any because been before
    being below best better between both can could do does done during each either even every few
    first further gives given had has have having he her here his how however i into itself its just
    large less like made main make makes many may method methods might more most much must need
    needs never new next nor now often one only onto or other others our out over own paper per
    proposed quite rather same second several shall she should show shown shows since small so some
    still such than that their them then there these they thing this those three through thus too two
    under until up use used uses using very via was way ways we were what when where whether which
    while who whole whose why within without would yet you your work results result study approach
    propose proposes introduce introduces present presents become became found find finds helps help
    the a an and of in on to for with by from at as is are be it not no but if will well called
    known usually authors author""".split()
)


def make_outline(
    evidence: Evidence, rows: Sequence[int], asked: Asked, papers: Mapping[str, Paper]
) -> Outline:
    """Sections of like quotes, the one with the most valuable quote first; in a section, papers in
    the order of their best quote, and within a paper the order of its text.

    Quotes are named q1, q2, ... in the order in which a reader meets them.
    """
    merged = merge(evidence, rows, papers)
    if not merged:
        return Outline((), ())
    quotes = [quote for quote, _, _ in merged]
    vectors = np.vstack([vector for _, vector, _ in merged])
    groups = _clusters(vectors)
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

    likeness = np.clip(vectors @ vectors.T, -1, 1).astype(np.float64)
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
    have not; phrases of two words read best. What the question says already tells nothing."""
    found = [_phrases(group) for group in groups]
    everywhere = Counter(key for phrases in found for key in phrases)
    titles: list[str] = []
    taken: set[str] = set()
    for phrases in found:
        best, title = 0.0, ""
        for key, (often, wording) in phrases.items():
            parts = key.split()
            fresh = [part for part in parts if part not in asked.weights]
            if taken & set(parts) or not fresh:
                continue
            length = (0.6, 1.0, 0.9)[len(parts) - 1]
            value = often * length * (0.5 + len(fresh) / len(parts)) / everywhere[key]
            if value > best:
                best, title = value, wording
                best_parts = set(parts)
        if title:
            taken |= best_parts
        titles.append(title[:1].upper() + title[1:] if title else "Further findings")
    return ["Findings"] if len(titles) == 1 and titles == ["Further findings"] else titles


def _phrases(quotes: Sequence[Quote]) -> dict[str, tuple[float, str]]:
    """Phrases by their stems: how many quotes have them (a further time in one counts half), and
    their first wording."""
    analyser = Analyser()
    often: dict[str, float] = {}
    wording: dict[str, str] = {}
    for quote in quotes:
        here: Counter[str] = Counter()
        for run in _runs(quote.text):
            for size in (1, 2, 3):
                for at in range(len(run) - size + 1):
                    words = run[at : at + size]
                    stems = [stem for word in words for stem in analyser.terms(word)[-1:]]
                    if len(stems) != size:
                        continue
                    key = " ".join(stems)
                    here[key] += 1
                    wording.setdefault(key, " ".join(words))
        for key, count in here.items():
            often[key] = often.get(key, 0.0) + 1 + 0.5 * (count - 1)
    return {key: (often[key], wording[key]) for key in wording}


def _runs(text: str) -> list[list[str]]:
    """Words that stand together without a weak word or a sign between them."""
    runs: list[list[str]] = [[]]
    end = 0
    for match in re.finditer(r"\w+(?:[-\u2010\u2011']\w+)*", text):
        gap = text[end : match.start()]
        end = match.end()
        word = match.group()
        if gap.strip() or not gap:
            runs.append([])
        if word.lower() in _WEAK or not word[0].isalpha() or len(word) < 3:
            runs.append([])
        else:
            runs[-1].append(word)
    return [run for run in runs if run]
