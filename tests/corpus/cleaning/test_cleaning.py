"""Markup, LaTeX, names, years, identifiers: what exports write to what a reader expects."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.properties import patient
from workbench.corpus.cleaning.identifiers import arxiv_of, doi_of, pmid_of
from workbench.corpus.cleaning.names import first_last, split_names
from workbench.corpus.cleaning.record import paper_fields, status_of
from workbench.corpus.cleaning.text import plain_abstract, plain_text
from workbench.corpus.cleaning.years import year_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("p < 0.05 and q > 3", "p < 0.05 and q > 3"),
        ("p &lt; 0.05", "p < 0.05"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("a <b and c> d", "a <b and c> d"),
        ("List<int> x", "List<int> x"),
        ("H<sub>2</sub>O in <i>E. coli</i>", "H2O in E. coli"),
        ("&lt;p&gt;Twice &amp;amp; thrice&lt;/p&gt;", "Twice & thrice"),
        ("R&D, AT&T, Q&A", "R&D, AT&T, Q&A"),
        ("caf&#233; &#x2013; &eacute;", "café – é"),
        ("<jats:p>One.</jats:p><jats:p>Two.</jats:p>", "One.\n\nTwo."),
        ("<jats:title>Aims</jats:title><jats:p>To see.</jats:p>", "Aims:\n\nTo see."),
        ("<mml:math><mml:mi>x</mml:mi>\n  <mml:mo>=</mml:mo>\n<mn>1</mn></mml:math>", "x=1"),
        ("E<math><mi>c</mi><annotation encoding='tex'>c^2</annotation></math>", "Ec"),
        ("<a href='http://x.org/?a=1&amp;b=2'>here</a>", "here"),
        ("eﬃcient ﬁt", "efficient fit"),
        ("soft\u00adhyphen, zero\u200bwidth", "softhyphen, zerowidth"),
        ("two\r\nlines", "two lines"),
        ("a  \t b", "a b"),
        ("x\n\n\ny", "x\n\ny"),
        ("<script>alert(1)</script>safe", "safe"),
    ],
)  # fmt: skip
def test_markup_to_text(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Abstract Background: x", "Background: x"),
        ("ABSTRACT: we show", "we show"),
        ("Abstract interpretation is", "Abstract interpretation is"),
        ("<title>Abstract</title><p>We show</p>", "We show"),
    ],
)
def test_the_heading_abstract_is_no_part_of_it(source: str, text: str) -> None:
    assert plain_abstract(source) == text


@given(st.text(max_size=80))
@patient
def test_cleaned_text_stays_as_it_is(text: str) -> None:
    once = plain_text(text)
    assert plain_text(once) == once
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in once)


@pytest.mark.parametrize(
    ("value", "year"),
    [
        ("2019/03", 2019), ("1989//", 1989), ('="4/3/2024"', 2024), ("Start date: 20170812", 2017),
        ("2024-02-01", 2024), ("Mar 2019", 2019), ("2015 Dec-2016 Jan", 2015), (2019.0, 2019),
        ("c1998", 1998), ("[2001?]", 2001), ({"date-parts": [[2020, 5]]}, 2020), ("1", None),
        ([None, "", "2003"], 2003), ("in press", None), ("10000", None), (float("nan"), None),
        (True, None), ("201903", 2019), ("12.2019", 2019),
    ],
)  # fmt: skip
def test_years(value: object, year: int | None) -> None:
    assert year_of(value) == year


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("10.1038/s41586  LK  - https://x", "10.1038/s41586"),
        ("https://doi.org/10.1000/ABC.1", "10.1000/ABC.1"),
        ("doi:10.1000/182.", "10.1000/182"),
        ("(10.1016/S0140-6736(20)30183-5)", "10.1016/S0140-6736(20)30183-5"),
        ("https://x.com?doi=10.15598%2faeee.v16i3.2698&partnerID=40", "10.15598/aeee.v16i3.2698"),
        ("10.1002/(SICI)1(98)4&lt;6::AID&gt;3.0.CO;2-O", "10.1002/(SICI)1(98)4<6::AID>3.0.CO;2-O"),
        ("no doi here 10.5", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_dois(text: str, doi: str) -> None:
    assert doi_of(text) == doi


def test_other_identifiers() -> None:
    assert arxiv_of("http://arxiv.org/abs/2004.07180v2") == "2004.07180"
    assert arxiv_of("arXiv:math.GT/0309136") == "math.GT/0309136"
    assert arxiv_of("version 12.34567") == ""
    assert pmid_of("PMID: 30042925") == "30042925"
    assert pmid_of(0) == ""


@pytest.mark.parametrize(
    ("title", "comments", "status"),
    [
        ("RETRACTED: Ileal hyperplasia", "", "retracted"),
        ("[Retracted] A study", "", "retracted"),
        ("Withdrawn: x", "", "withdrawn"),
        ("x", "This paper has been withdrawn by the author", "withdrawn"),
        ("Retracted landing gear of aircraft", "", ""),
        ("Why papers are withdrawn", "12 pages", ""),
    ],
)
def test_retracted_and_withdrawn(title: str, comments: str, status: str) -> None:
    assert status_of(title, comments) == status


def test_a_name_turned_twice_stays() -> None:
    for name in ("Ann van der Berg", "J. Smith Jr", "World Health Organization", "毛泽东"):
        assert first_last(name) == name
        assert split_names(name) == [name]


def test_fields_that_are_empty_are_left_out() -> None:
    assert paper_fields(title=" A ", doi="none", authors="et al.") == {"title": "A"}
