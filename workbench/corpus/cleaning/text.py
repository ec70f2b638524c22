"""HTML, JATS, MathML and entities to plain text. `p < 0.05` and `List<int>` survive."""

from __future__ import annotations

import html
import re
import unicodedata

_BLOCK = (
    "p div br li ul ol tr td th table h1 h2 h3 h4 h5 h6 sec section disp-formula list list-item"
)
_INLINE = (
    "a abbr b bold big cite code em fn font i inline-formula italic label monospace named-content "
    "ext-link nocase q roman s sans-serif sc small span strong styled-content sub sup tt u "
    "underline xref uri email abstract article-title jats inf ce formula private-char "
    "math mi mn mo mrow msub msup msubsup mtext mfrac mover munder munderover mspace mstyle mtable "
    "mtd mtr msqrt mroot mfenced menclose mpadded mphantom mmultiscripts mprescripts none semantics"
)
_NAMES = "|".join(
    sorted((re.escape(name) for name in f"{_BLOCK} {_INLINE}".split()), key=len, reverse=True)
)
_ATTRIBUTES = r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s<>"']+))*"""
_PREFIX = r"(?:jats:|mml:|m:|ce:|xhtml:)?"
_TAG = re.compile(rf"<(/?){_PREFIX}({_NAMES}){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_HEADING = re.compile(
    rf"<{_PREFIX}title{_ATTRIBUTES}>\s*(.*?)\s*</{_PREFIX}title\s*>", re.IGNORECASE | re.DOTALL
)
_MATH = re.compile(
    rf"<{_PREFIX}math{_ATTRIBUTES}\s*>.*?</{_PREFIX}math\s*>", re.IGNORECASE | re.DOTALL
)
_DROPPED = re.compile(
    rf"<{_PREFIX}(annotation|annotation-xml|tex-math|script|style){_ATTRIBUTES}\s*>.*?"
    rf"</{_PREFIX}\1\s*>|<!--.*?-->|<!\[CDATA\[|\]\]>|<\?.*?\?>",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_BLOCKS = frozenset(_BLOCK.split())
_ODD = re.compile(
    r"[<&\u00ad\u200b-\u200f\u2028\u2029\u2060\ufb00-\ufb06\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_REMOVED = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
_PARAGRAPHS = re.compile(r"[ \t]*\n[ \t]*(?:\n[ \t]*)+")
_ABSTRACT = re.compile(r"(?:abstract|summary)\s*:?\s+(?=[\w(“\"'])", re.IGNORECASE)


def plain_text(text: str) -> str:
    """Text without markup, in NFC, white space as single blanks, paragraphs by a blank line.

    Only tags that HTML, JATS and MathML define are taken out, so comparisons stay.
    """
    if _ODD.search(text):
        text = _without_markup(text)
        text = _REMOVED.sub("", text.translate(_LIGATURES))
    text = unicodedata.normalize("NFC", text)
    if "\n" not in text and "\r" not in text:
        return " ".join(text.split())
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = (" ".join(part.split()) for part in _PARAGRAPHS.split(text))
    return "\n\n".join(part for part in parts if part)


def one_line(text: str) -> str:
    """`plain_text` in one line: titles, venues, names."""
    return " ".join(plain_text(text).split())


def plain_abstract(text: str) -> str:
    """`plain_text` without a heading "Abstract" before it."""
    text = plain_text(text)
    heading = _ABSTRACT.match(text)
    # "Abstract interpretation is ..." begins with the same word: only a heading has a mark or
    # a capital behind it.
    if heading and (":" in heading.group() or text[heading.end()].isupper()):
        return text[heading.end() :]
    return text


def _without_markup(text: str) -> str:
    for _ in range(3):  # exports escape once, twice and thrice
        before = text
        if "<" in text:
            text = _DROPPED.sub(" ", text)
            text = _MATH.sub(lambda match: _formula(match.group()), text)
            text = _HEADING.sub(_as_heading, text)
            text = _TAG.sub(_replaced, text)
        text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
        if text == before:
            break
    return text


def _formula(markup: str) -> str:
    """What a formula shows, without the blanks that indent its markup."""
    shown = re.sub(r"<[^<>]*>", "", re.sub(r">\s+|\s+<", lambda m: m.group().strip(), markup))
    return shown.strip()


def _as_heading(match: re.Match[str]) -> str:
    title = match.group(1)
    if not title:
        return " "
    return f" {title} " if title[-1] in ".:;!?" else f" {title}: "


def _replaced(match: re.Match[str]) -> str:
    name = match.group(2).lower()
    if name not in _BLOCKS:
        return ""
    return "\n\n" if name in ("p", "sec", "section") else " "
