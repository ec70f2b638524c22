"""Keys, terms and marks of documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.elastic.own.mapping import (
    LONGEST,
    document_id,
    key,
    marks,
    parsed_key,
    spelled,
    summed,
    token,
)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.integers(0, 10**6))
def test_keys_are_read_back(paper_id: str, number: int) -> None:
    assert parsed_key(key(paper_id, number)) == (paper_id, number)
    assert len(document_id(key(paper_id, number)).encode()) <= 512


@pytest.mark.parametrize("length", [1, LONGEST, LONGEST + 1, 100_000])
def test_long_terms_stay_apart_and_short(length: int) -> None:
    one, other = "a" * length, "a" * (length - 1) + "b"
    assert token(one) != token(other)
    assert len(token(one)) <= LONGEST
    assert token(one) == (one if length <= LONGEST else token("a" * length))


def test_terms_are_spelled_as_often_as_they_occur() -> None:
    assert spelled({"a": 2, "b": 1}).split() == ["a", "a", "b"]
    assert spelled({}) == ""


def test_marks_add_up_in_any_order() -> None:
    papers = [(f"p{n}", bytes([n] * 16)) for n in range(50)]
    assert summed(papers) == summed(reversed(papers))
    assert summed(papers) != summed(papers[:-1])
    assert all(0 <= mark < 2**31 for mark in marks("a", b"x"))
