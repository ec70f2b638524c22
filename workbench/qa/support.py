"""Whether the quotes that a written sentence names carry it.

Rules, not a model: what they pass can still be wrong, what they stop is never in its quotes. A
sentence is stopped for a number, a name or a quotation that its quotes lack, for a "not" that only
one side has, and where its quotes are about something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from workbench.corpus.analysis import Analyser
from workbench.qa.matching import find_quote

LEAST_SHARED = 0.6
"""The share of a sentence's content terms that its quotes must have."""

LEAST_QUOTED = 3
"""Words between quotation marks that count as a quotation; fewer are a term."""

_NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?\d+(?:[.,\u00a0\u202f]\d+)*(?:\s?%| percent| per cent)?"
)
_COUNTING = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty
"""
_LARGER = {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70"}
_LARGER |= {"eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000"}
_LARGER |= {"million": "1000000", "billion": "1000000000", "twice": "2", "half": "0.5"}
_WORD_NUMBERS = {word: str(n) for n, word in enumerate(_COUNTING.split())} | _LARGER
_NEGATION = re.compile(
    r"\b(?:no|not|non|nor|none|never|neither|nothing|nobody|without|cannot|hardly|scarcely|rarely|"
    r"seldom|barely|fail|fails|failed|failing|unable|lack|lacks|lacked|lacking)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"\u201c\u201e\u00ab]([^\"\u201c\u201d\u00bb]+)[\"\u201d\u00bb]")
_NAME = re.compile(
    r"(?<![.!?\u2026:]\s)(?<!^)\b(?:[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}\w*|[A-Z][a-z]{2,})\b"
)
_SCOPE = 3
"""Content words after a negation that it turns."""


def problem_of(sentence: str, quotes: Sequence[str], question: str = "") -> str:
    """What is wrong with a sentence that rests on `quotes`; empty where nothing is."""
    if not quotes:
        return "names no quote"
    said = " ".join(quotes)
    for problem in (
        _false_quotation(sentence, quotes),
        _new_number(sentence, said),
        _turned(sentence, said),
        _new_name(sentence, f"{said} {question}"),
    ):
        if problem:
            return problem
    terms = set(Analyser().terms(sentence))
    if not terms:
        return "says nothing"
    shared = len(terms & set(Analyser().terms(said))) / len(terms)
    if shared < LEAST_SHARED:
        return f"its quotes are about something else ({shared:.0%} of its words are in them)"
    return ""


def useless(sentence: str, quotes: Sequence[str]) -> list[int]:
    """Which of a sentence's quotes it could do without: none of their terms are in it."""
    terms = set(Analyser().terms(sentence))
    return [i for i, quote in enumerate(quotes) if not terms & set(Analyser().terms(quote))]


def numbers(text: str) -> set[str]:
    """The numbers of a text in one form: 1,000 and 1000 are the same, 5% and five percent too."""
    found = {_plain_number(match.group()) for match in _NUMBER.finditer(text)}
    words = re.findall(r"[a-z]+", text.lower())
    return found | {_WORD_NUMBERS[word] for word in words if word in _WORD_NUMBERS}


def _plain_number(text: str) -> str:
    digits = re.sub(r"\s?%| percent| per cent", "", text).replace("\u2212", "-").lstrip("+")
    digits = digits.replace("\u00a0", "").replace("\u202f", "")
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", digits).replace(",", ".")
    if "." in digits and digits.count(".") == 1:
        digits = digits.rstrip("0").rstrip(".")
    return digits.lstrip("0") or "0" if not digits.startswith("0.") else digits


def _new_number(sentence: str, said: str) -> str:
    """Numbers in digits must be in the quotes; those in words count on the quotes' side only."""
    own = {_plain_number(match.group()) for match in _NUMBER.finditer(sentence)}
    words = set(re.findall(r"[a-z]+", sentence.lower()))
    own |= {_WORD_NUMBERS[w] for w in words if w in _WORD_NUMBERS and w not in ("one", "half")}
    new = sorted(own - numbers(said))
    return f"the number {new[0]} is in none of its quotes" if new else ""


def _turned(sentence: str, said: str) -> str:
    """A "not" must stand on both sides, if what it turns does."""
    own, theirs = set(_negated(sentence)), set(_negated(said))
    if _NEGATION.search(sentence) and not _NEGATION.search(said):
        return "says \u201cnot\u201d where its quotes do not"
    analyser = Analyser()
    terms = set(analyser.terms(sentence))
    plain = set(analyser.terms(_NEGATION.sub(" ", _without_negated(said))))
    lost = [term for term in theirs if term in terms and term not in own and term not in plain]
    if lost and not _NEGATION.search(sentence):
        return "drops the \u201cnot\u201d of its quotes"
    return ""


def _negated(text: str) -> Iterator[str]:
    """The terms right after each negation, within its clause."""
    for match in _NEGATION.finditer(text):
        clause = re.split(r"[,;:.!?]", text[match.end() :], maxsplit=1)[0]
        yield from Analyser().terms(clause)[:_SCOPE]


def _without_negated(text: str) -> str:
    """The text without the clauses that have a negation."""
    return " ".join(c for c in re.split(r"[,;:.!?]", text) if not _NEGATION.search(c))


def _new_name(sentence: str, known: str) -> str:
    """Names and acronyms must be known from the quotes or the question."""
    terms = set(Analyser().terms(known))
    for match in _NAME.finditer(sentence):
        own = Analyser().terms(match.group())
        if own and not set(own) <= terms:
            return f"the name {match.group()} is in none of its quotes"
    return ""


def _false_quotation(sentence: str, quotes: Sequence[str]) -> str:
    for match in _QUOTED.finditer(sentence):
        words = match.group(1).strip(" .,;")
        if len(words.split()) >= LEAST_QUOTED and not any(find_quote(q, words) for q in quotes):
            return f"quotes \u201c{words[:60]}\u201d, which is in none of its quotes"
    return ""
