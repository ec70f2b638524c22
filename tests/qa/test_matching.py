"""A quote that is written differently is found at its raw place."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.qa.matching import find_quote


@pytest.mark.parametrize(
    ("raw", "quote"),
    [
        ("The e\ufb03cient index", "efficient index"),
        ("infor\u00admation re\u00ad\ntrieval works", "information retrieval works"),
        ("a  line\nbroken\ttext", "a line broken text"),
        ("the na\u00efve model", "nai\u0308ve model"),
        ("the nai\u0308ve model", "na\u00efve model"),
        ("\u201cWhy should I trust you?\u201d", '"why should I trust you?"'),
        ("state\u2013of\u2011the\u2014art", "state-of-the-art"),
        ("x\u00b2 grows", "x2 grows"),
        ("Stra\u00dfe und mehr", "STRASSE und mehr"),
    ],
)
def test_a_difference_of_form_is_no_difference(raw: str, quote: str) -> None:
    text = f"Before. {raw}; after."
    [(start, end)] = find_quote(text, quote)
    assert text[start:end] in raw
    assert compared(text[start:end]).strip('"\u201c\u201d') in compared(raw)
    assert find_quote(text, text[start:end]) == [(start, end)]


def test_each_place_is_found_once() -> None:
    assert find_quote("abc ab ab", "ab") == [(0, 2), (4, 6), (7, 9)]
    assert find_quote("aaaa", "aa") == [(0, 2), (2, 4)]


@pytest.mark.parametrize("quote", ["", "  ", "\u00ad", "not there at all", "abd"])
def test_what_is_not_there_is_not_found(quote: str) -> None:
    assert find_quote("the abc", quote) == []


def compared(text: str) -> str:
    """What makes two wordings the same, by itself: no white space, no soft hyphen, no case."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    dashes = plain.replace("\u2013", "-")
    return "".join(c for c in dashes if not c.isspace() and unicodedata.category(c) != "Cf")


letters = st.sampled_from("abcé\ufb01 ß\u00ad\n-–İ한\u1112\u1161")
words = st.text(letters, min_size=1, max_size=12)


@given(words, words, words, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_any_part_is_found_in_every_normal_form(
    before: str, part: str, after: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]
) -> None:
    text = f"{before}. {part} .{after}"
    spans = find_quote(text, unicodedata.normalize(form, part))
    if not compared(part):
        assert spans == []
        return
    start = len(before) + 2
    assert any(a < start + len(part) and b > start for a, b in spans)
    for a, b in spans:
        assert compared(part) in compared(text[a:b])
        assert len(compared(text[a:b])) <= len(compared(part)) + 4  # a letter's other half at most
