"""BibTeX entries: escaped, parsable, with the fields that are known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.ranking.bibtex import bibtex_key, to_bibtex
from workbench.records import Paper

PAPER = Paper(
    id="x",
    title="The 50% rule & other_things",
    authors=("Grace Hopper", "Rock and Roll Ltd"),
    year=1952,
    venue="J. of {Compilers}",
    doi="10.1/a_b",
    url="https://example.org/a_b",
)


def test_an_entry_in_full() -> None:
    assert to_bibtex(PAPER) == (
        "@article{hopper195250,\n"
        "  title = {The 50\\% rule \\& other\\_things},\n"
        "  author = {Grace Hopper and {Rock and Roll Ltd}},\n"
        "  year = {1952},\n"
        "  journal = {J. of \\{Compilers\\}},\n"
        "  doi = {10.1/a_b},\n"
        "  url = {https://example.org/a_b},\n"
        "}"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert to_bibtex(Paper(id="z9", title="")) == "@misc{z9,\n}"


def test_a_key_has_no_accents() -> None:
    assert bibtex_key(Paper("1", "Über alles", authors=("Müller, Jörg",), year=2001)) == (
        "muller2001uber"
    )


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_braces_balance_and_no_line_is_broken_out_of(title: str, author: str, url: str) -> None:
    entry = to_bibtex(Paper("i", title, authors=(author,), url=url))
    bare = re.sub(r"\\[{}]", "", entry)
    assert bare.count("{") == bare.count("}")
    assert all(re.match(r"  \w+ = \{.*\},$", line) for line in entry.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("venue", "meeting"),
    [
        ("SIGIR", True),
        ("ACL 2020", True),
        ("Proceedings of the 43rd International Conference", True),
        ("JMLR", False),
        ("Transactions of the ACL", False),
        ("Machine Learning", False),
        ("", False),
    ],
)
def test_a_conference_is_no_journal(venue: str, meeting: bool) -> None:
    entry = to_bibtex(Paper(id="a", title="T", venue=venue))
    assert entry.startswith("@inproceedings{") == meeting
    assert ("booktitle = " in entry) == meeting
