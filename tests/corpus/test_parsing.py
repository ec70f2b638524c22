"""Raw records to papers: the names under which fields come, and what is refused, and how."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.corpus.parsing import MAX_ID, MAX_TITLE, parse_paper
from workbench.errors import RecordError
from workbench.records import Paper

from .properties import patient


def parse(**fields: Any) -> Paper:
    return parse_paper({"id": "p", "title": "T", **fields})


@pytest.mark.parametrize("name", ["id", "_id", "paper_id", "paperId", "corpusid", "docno"])
def test_names_of_the_id(name: str) -> None:
    assert parse_paper({name: "x", "title": "T"}).id == "x"


@pytest.mark.parametrize("name", ["abstract", "text", "summary", "contents"])
def test_names_of_the_abstract(name: str) -> None:
    assert parse(**{name: "About."}).abstract == "About."


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("full_text", "Long.", "body", "Long."),
        ("author", ["Ada"], "authors", ("Ada",)),
        ("publication_year", 1999, "year", 1999),
        ("journal", "TOIS", "venue", "TOIS"),
        ("booktitle", "SIGIR", "venue", "SIGIR"),
        ("fieldsOfStudy", ["IR"], "fields", ("IR",)),
        ("categories", ["cs.IR"], "fields", ("cs.IR",)),
        ("DOI", "10.1/x", "doi", "10.1/x"),
        ("arxivId", "2004.12832", "arxiv_id", "2004.12832"),
    ],
)
def test_other_names(name: str, value: Any, field: str, expected: Any) -> None:
    assert getattr(parse(**{name: value}), field) == expected


def test_first_name_with_a_value_wins() -> None:
    assert parse(abstract=None, text="Second.").abstract == "Second."
    assert parse(abstract="First.", text="Second.").abstract == "First."


def test_semantic_scholar_record() -> None:
    paper = parse_paper(
        {
            "paperId": "649def34f8be52c8b66281af98ae884c09aef38b",
            "corpusId": 13756489,
            "externalIds": {"ArXiv": "2004.12832", "DOI": "10.1145/3397271.3401075", "MAG": "1"},
            "title": "ColBERT",
            "abstract": None,
            "venue": "SIGIR",
            "year": 2020,
            "fieldsOfStudy": ["Computer Science"],
            "authors": [
                {"authorId": "1", "name": "O. Khattab"},
                {"authorId": "2", "name": "M. Z."},
            ],
        }
    )
    assert paper == Paper(
        id="649def34f8be52c8b66281af98ae884c09aef38b",
        title="ColBERT",
        authors=("O. Khattab", "M. Z."),
        year=2020,
        venue="SIGIR",
        fields=("Computer Science",),
        doi="10.1145/3397271.3401075",
        arxiv_id="2004.12832",
    )


def test_semantic_scholar_journal_is_an_object_with_a_name() -> None:
    assert parse(journal={"name": "TOIS", "volume": "39"}).venue == "TOIS"


def test_own_identifiers_win_over_external_ones() -> None:
    assert parse(doi="own", externalIds={"DOI": "other"}).doi == "own"


def test_authors_as_one_text_are_split_at_semicolons() -> None:
    assert parse(authors="Jones, K.; Salton, G.;").authors == ("Jones, K.", "Salton, G.")


def test_authors_as_an_array() -> None:
    assert parse(authors=np.array(["Ada", "Bob"])).authors == ("Ada", "Bob")


def test_whole_number_as_id_becomes_text() -> None:
    assert parse(id=4983).id == "4983"


def test_texts_lose_outer_white_space() -> None:
    paper = parse(id=" a ", title=" T\n", abstract="\tA. ")
    assert (paper.id, paper.title, paper.abstract) == ("a", "T", "A.")


@pytest.mark.parametrize("value", [1999, 1999.0, "1999", " 1999 ", "1999.0", np.float64(1999)])
def test_year_in_its_shapes(value: Any) -> None:
    assert parse(year=value).year == 1999


@pytest.mark.parametrize("value", [None, "", math.nan])
def test_no_year(value: Any) -> None:
    assert parse(year=value).year is None


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ({"arxiv_id": "2004.12832"}, 2020),
        ({"arxiv_id": "0704.0001"}, 2007),
        ({"arxiv_id": "1706.03762v5"}, 2017),
        ({"id": "1812.06145"}, 2018),
        ({"externalIds": {"ArXiv": "2112.01488"}}, 2021),
        ({"arxiv_id": "2013.12345"}, None),
        ({"arxiv_id": "cs/0112017"}, None),
        ({"arxiv_id": "2004.12832", "year": 2019}, 2019),
    ],
)
def test_year_from_the_arxiv_id(fields: dict[str, Any], year: int | None) -> None:
    assert parse(**fields).year == year


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": None}, "no id: give one of id, _id, paper_id"),
        ({"id": "  "}, "no id"),
        ({"id": True}, "id: expected text or a whole number, got bool"),
        ({"id": 1.5}, "id: expected text or a whole number, got float"),
        ({"id": ["a"]}, "id: expected text or a whole number, got list"),
        ({"id": "x" * 300}, f"id: 300 characters, the limit is {MAX_ID}"),
        ({"id": "a\nb"}, "id: control character"),
        ({"id": "\ud800"}, "id: lone surrogate at character 0"),
        ({"title": 7}, "title: expected text, got int"),
        ({"abstract": {"a": 1}}, "abstract: expected text, got dict"),
        ({"abstract": "ab\udfff"}, "abstract: lone surrogate at character 2"),
        ({"authors": 3}, "authors: expected a list, got int"),
        ({"authors": [1]}, "authors: expected names, got int in the list"),
        ({"authors": [{"id": 1}]}, "authors: expected names, got NoneType in the list"),
        ({"authors": ["\ud800"]}, "authors: lone surrogate"),
        ({"year": "soon"}, "year: expected a whole number, got 'soon'"),
        ({"year": 1999.5}, "year: expected a whole number, got 1999.5"),
        ({"year": math.inf}, "year: expected a whole number, got inf"),
        ({"year": True}, "year: expected a whole number, got True"),
        ({"year": 99}, "year: 99 is not between 1000 and 2999"),
        ({"venue": ["a"]}, "venue: expected text, got list"),
        ({"title": " ", "abstract": ""}, "no text: title, abstract and body are all empty"),
    ],
)
def test_bad_field_is_named_with_the_reason(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse(**fields)
    assert message in str(caught.value)


def test_something_that_is_no_record() -> None:
    with pytest.raises(RecordError, match="expected an object with fields, got list"):
        parse_paper([])


def test_title_alone_is_the_text() -> None:
    assert parse(title="Only").text == "Only"


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
) | st.dictionaries(st.text(), st.text())
NAMES = ["id", "title", "abstract", "authors", "year", "venue", "fields", "doi", "externalIds"]


@patient
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_record_is_a_paper_or_a_record_error(record: dict[str, Any]) -> None:
    try:
        paper = parse_paper(record)
    except RecordError:
        return
    assert paper.id
    assert paper.text
    paper.text.encode()


def test_a_title_as_long_as_a_text_is_refused() -> None:
    assert parse(title="t" * MAX_TITLE).title
    with pytest.raises(RecordError, match=r"10,001 characters.*as abstract or body"):
        parse(title="t" * (MAX_TITLE + 1))


@pytest.mark.parametrize("year", ["9" * 5000, 10**4999, -(10**4999), "1" * 21], ids=range(4))
def test_a_year_of_thousands_of_digits_is_a_short_message(year: Any) -> None:
    with pytest.raises(RecordError, match="year") as error:
        parse(year=year)
    assert len(str(error.value)) < 200
