"""Measures of one answer. Pure functions of texts and ids; each is 0 to 1."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from workbench.corpus.analysis import Analyser

SAID = 0.4
"""A statement is said where the answer has this share of its content terms: on the sample corpus,
at 300 words, .82 of the statements are then said in their own answer and .15 in another's."""


def coverage(statements: Sequence[str], text: str) -> float:
    """The share of statements that a text says: nuggets by their content terms."""
    analyser = Analyser()
    there = set(analyser.terms(text))
    said = [_share(set(analyser.terms(statement)), there) >= SAID for statement in statements]
    return sum(said) / len(said) if said else 0.0


def strict_coverage(statements: Sequence[str], sentences: Sequence[str]) -> float:
    """The same where one sentence alone must say it: a long answer gains less by chance."""
    analyser = Analyser()
    there = [set(analyser.terms(sentence)) for sentence in sentences]
    said = [
        any(_share(set(analyser.terms(statement)), terms) >= SAID for terms in there)
        for statement in statements
    ]
    return sum(said) / len(said) if said else 0.0


def citation_recall(required: Collection[str], cited: Collection[str]) -> float:
    """The share of the required papers that are cited."""
    return len(set(required) & set(cited)) / len(set(required)) if required else 0.0


def citation_precision(required: Collection[str], cited: Collection[str]) -> float:
    """The share of the cited papers that are required; a low one may be further good papers."""
    return len(set(required) & set(cited)) / len(set(cited)) if cited else 0.0


def redundancy(sentences: Sequence[str]) -> float:
    """The mean, over the sentences after the first, of the largest share of its terms that one
    earlier sentence has."""
    analyser = Analyser()
    terms = [set(analyser.terms(sentence)) for sentence in sentences]
    shares = [
        max(_share(own, earlier) for earlier in terms[:at])
        for at, own in enumerate(terms)
        if at and own
    ]
    return sum(shares) / len(shares) if shares else 0.0


def first_words(text: str, words: int) -> str:
    """At most so many words of a text."""
    return " ".join(text.split()[:words])


def _share(own: set[str], there: set[str]) -> float:
    return len(own & there) / len(own) if own else 0.0
