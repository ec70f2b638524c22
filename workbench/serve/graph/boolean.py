"""The query language of bulk search: `+ | - " * ( ) ~N`, terms stemmed, all of them by default."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.corpus.analysis import fold_name
from workbench.serve.faults import Refused

MOST_TERMS = 100
MOST_DEPTH = 20
MOST_EDITS = 2

_TOKEN = re.compile(
    r'\s+|(?P<phrase>"[^"]*")(?:~(?P<near>\d{1,3}))?|(?P<sign>[()|+])|(?P<not>-(?=[^\s)|+]))|'
    r'(?P<word>[^\s()|+"]+)|(?P<other>.)'
)
_FUZZY = re.compile(r"(.+)~(\d*)$")


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together; with `near` up to that many others between them. The last one is
    a prefix with `prefix`; one word alone may differ by `edits` letters."""

    words: tuple[str, ...]
    prefix: bool = False
    near: int | None = None
    edits: int = 0

    def match(self) -> str:
        """The term in the language of SQLite's FTS5."""
        quoted = [f'"{word}"' for word in self.words]
        if self.near is not None and len(quoted) > 1:
            return f"NEAR({' '.join(quoted)}, {self.near})"
        return " + ".join(quoted) + ("*" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class Not:
    """What its part does not match."""

    part: Node


@dataclass(frozen=True, slots=True)
class Group:
    """All of its parts, or any."""

    parts: tuple[Node, ...]
    any: bool = False


Node = Term | Not | Group


def parse_query(text: str) -> Node | None:
    """The tree of a query; None where it has no word, which every paper matches.

    Raises Refused (400) for brackets that do not pair, and for more than 100 terms.
    """
    tokens = [found for found in _TOKEN.finditer(text) if found[0].strip()]
    reader = _Reader(tokens)
    node = reader.alternatives(0)
    if reader.left:
        raise Refused(400, "query has a closing bracket too many")
    if reader.terms > MOST_TERMS:
        raise Refused(400, f"query has {reader.terms} terms, the limit is {MOST_TERMS}")
    return node


class _Reader:
    """Recursive descent: alternatives of sequences of terms."""

    def __init__(self, tokens: list[re.Match[str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self.terms = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._tokens)

    def _sign(self) -> str:
        return (self._tokens[self._at]["sign"] or "") if self.left else ""

    def alternatives(self, depth: int) -> Node | None:
        if depth > MOST_DEPTH:
            raise Refused(400, f"query has brackets more than {MOST_DEPTH} deep")
        parts = []
        while True:
            part = self._sequence(depth)
            if part is not None:
                parts.append(part)
            if self._sign() != "|":
                break
            self._at += 1
        return _group(parts, any=True)

    def _sequence(self, depth: int) -> Node | None:
        parts = []
        while self.left and self._sign() not in ("|", ")"):
            negated = False
            while self.left and (self._tokens[self._at]["not"] or self._sign() == "+"):
                negated ^= bool(self._tokens[self._at]["not"])
                self._at += 1
            if not self.left or self._sign() in ("|", ")"):
                break
            part = self._one(depth)
            if part is not None:
                parts.append(Not(part) if negated else part)
        return _group(parts, any=False)

    def _one(self, depth: int) -> Node | None:
        token = self._tokens[self._at]
        self._at += 1
        if token["sign"] == "(":
            node = self.alternatives(depth + 1)
            if self._sign() != ")":
                raise Refused(400, "query has a bracket that is not closed")
            self._at += 1
            return node
        self.terms += 1
        if token["phrase"]:
            words = tuple(fold_name(token["phrase"]).split())
            near = None if token["near"] is None else int(token["near"])
            return Term(words, near=near) if words else None
        return _word(token[0])


def _word(text: str) -> Node | None:
    edits = 0
    if found := _FUZZY.match(text):
        text, edits = found[1], min(int(found[2] or MOST_EDITS), MOST_EDITS)
    prefix = text.endswith("*")
    words = tuple(fold_name(text).split())
    if not words:
        return None
    if len(words) > 1:  # a hyphen and the like: the words, next to each other
        return Term(words, prefix=prefix)
    return Term(words, prefix=prefix, edits=0 if prefix else edits)


def _group(parts: list[Node], *, any: bool) -> Node | None:  # noqa: A002, the field's name
    if len(parts) < 2:
        return parts[0] if parts else None
    return Group(tuple(parts), any=any)


def within(word: str, other: str, edits: int) -> bool:
    """Whether two words differ by at most `edits` letters put in, left out or changed
    (Levenshtein)."""
    if abs(len(word) - len(other)) > edits:
        return False
    before = list(range(len(other) + 1))
    for row, letter in enumerate(word, start=1):
        now = [row]
        for column, match in enumerate(other, start=1):
            step = before[column - 1] + (letter != match)
            now.append(min(step, before[column] + 1, now[-1] + 1))
        if min(now) > edits:
            return False
        before = now
    return before[-1] <= edits
