"""What people see: nothing from papers or queries becomes markup, and matches stand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.corpus.analysis import Analyser
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.opening import index
from workbench.present.words import authors_line
from workbench.ranking.view import SHOWN, marked, shorten
from workbench.session import Workbench

EVIL = """<script>alert("1 & 2")</script><img src=x onerror='alert(1)'>"""
ARABIC = "استرجاع المعلومات باستخدام المتجهات الكثيفة"
OURS = {"style", "div", "b", "span", "ol", "li", "mark"}
OURS_EXPLAINED = {"style", "div", "b", "table", "thead", "tbody", "tfoot", "tr", "th", "td"}


class Page(HTMLParser):
    """The parsed page: its tags, its attributes, and the text of each element by class."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: dict[str, list[str]] = {}
        self.marks: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.directions: dict[str, str | None] = {}
        self.feed(html)
        self.close()
        assert not self._open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append((tag, dict(attrs)))
        if name := dict(attrs).get("class"):
            self.texts.setdefault(name, []).append("")
            self.directions[name] = dict(attrs).get("dir")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, "elements are crossed"

    def handle_data(self, data: str) -> None:
        for tag, attributes in self._open:
            if name := attributes.get("class"):
                self.texts[name][-1] += data
            if tag == "mark":
                self.marks.append(data)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, embedder: OnnxEmbedder) -> Iterator[Workbench]:
    """Papers that try to break out of the page, each found by a word of its own."""
    import pandas as pd

    records = [
        {
            "id": f"evil{EVIL[:20]}",
            "title": f"evil {EVIL}",
            "abstract": f"Passage {EVIL} & more of evil 'things' \"here\".",
            "authors": [f"Eve {EVIL}", "O'Neil & Sons"],
            "venue": f"Venue {EVIL}",
            "year": 2001,
        },
        {"id": "long", "title": "lengthy " + "word " * 1000, "abstract": "A lengthy one."},
        {"id": "rtl", "title": ARABIC, "abstract": ARABIC, "authors": ["ابن سينا"]},
        {"id": "forms", "title": "Forms", "abstract": "Retrieving retrieved; retrieval retrieves."},
        {"id": "untitled", "abstract": "No heading whatsoever."},
        {"id": "crowd", "title": "Crowd", "abstract": "x", "authors": [f"A{i}" for i in range(9)]},
    ]
    folder: Path = tmp_path_factory.mktemp("present")
    report = index(pd.DataFrame(records), folder, progress=False)
    assert report.rejected == 0
    with Workbench(folder, embedder=embedder) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(bench: Workbench) -> Callable[[str], Page]:
    """The first hit of a search as a parsed page."""
    return lambda query: Page(bench.search(query, k=1)._repr_html_())


# Escaping


@pytest.mark.parametrize("query", ["evil", EVIL, f"evil {EVIL}"], ids=["plain", "evil", "both"])
def test_nothing_from_papers_or_query_becomes_a_tag(bench: Workbench, query: str) -> None:
    html = bench.search(query, k=6)._repr_html_()
    parsed = Page(html)
    assert parsed.tags <= OURS
    assert parsed.attributes <= {"class", "dir", "style", "role", "aria-label", "title"}
    assert "<script" not in html
    assert "<img" not in html


def test_hostile_texts_are_shown_as_they_are(page: Callable[[str], Page]) -> None:
    texts = page("evil").texts
    assert texts["wb-title"] == [f"evil {EVIL}"]
    assert f"Eve {EVIL}, O'Neil & Sons · Venue {EVIL} 2001" in texts["wb-by"][0]
    assert f"Passage {EVIL} & more of evil 'things' \"here\"." in texts["wb-passage"][0]


def test_the_query_is_shown_as_it_is(bench: Workbench) -> None:
    [head] = Page(bench.search(EVIL, k=1)._repr_html_()).texts["wb-head"]
    assert f"papers for {EVIL}" in head


def test_an_explanation_escapes_the_title(bench: Workbench) -> None:
    parsed = Page(bench.search("evil script", k=1).explain(1)._repr_html_())
    assert parsed.tags <= OURS_EXPLAINED
    assert f"1. evil {EVIL}" in parsed.texts["wb-view wb-explanation"][0]


def test_lone_surrogates_in_a_query_do_not_break_the_page(bench: Workbench) -> None:
    bench.search("evil \ud800 things")._repr_html_().encode("utf-8")


@given(query=st.text(st.characters(categories=["L", "P", "S", "Zs"]), min_size=1, max_size=30))
def test_no_query_becomes_a_tag(bench: Workbench, query: str) -> None:
    if query.strip():
        assert Page(bench.search(query, k=1)._repr_html_()).tags <= OURS


# Contents


def test_every_inflected_form_of_a_query_word_is_marked(page: Callable[[str], Page]) -> None:
    marks = page("retrieve").marks
    assert marks == ["Retrieving", "retrieved", "retrieval", "retrieves"]


def test_words_that_are_not_in_the_query_are_not_marked(page: Callable[[str], Page]) -> None:
    assert page("evil things").marks == ["evil", "things"]


def test_a_very_long_title_is_shown_whole(page: Callable[[str], Page]) -> None:
    [title] = page("lengthy").texts["wb-title"]
    assert title == ("lengthy " + "word " * 1000).strip()
    assert len(title) > 5000


def test_texts_take_their_direction_from_their_script(page: Callable[[str], Page]) -> None:
    found = page(ARABIC)
    assert found.texts["wb-title"] == [ARABIC]
    assert {found.directions[f"wb-{part}"] for part in ("title", "by", "passage")} == {"auto"}


def test_a_paper_without_a_title_shows_its_id(page: Callable[[str], Page]) -> None:
    assert page("heading whatsoever").texts["wb-title"] == ["untitled"]


def test_shares_are_drawn_in_full(bench: Workbench) -> None:
    html = bench.search("evil things", k=1)._repr_html_()
    [hit] = bench.search("evil things", k=1)
    for name, signal in hit.signals.items():
        assert (f"{name}: value {signal.value:.3f}" in html) == bool(signal.share)


def test_notes_are_shown(bench: Workbench) -> None:
    ranking = bench.search("the of and", k=1)
    assert Page(ranking._repr_html_()).texts["wb-note"] == list(ranking.notes)


def test_an_empty_ranking_is_a_page_too(bench: Workbench) -> None:
    empty = bench.search("evil", ids=["nobody"])
    assert "0 of 0 papers" in Page(empty._repr_html_()).texts["wb-head"][0]
    assert "0 of 0 papers" in str(empty)


def test_an_explanation_lists_each_signal_and_term(bench: Workbench) -> None:
    explanation = bench.search("evil things", k=1).explain(1)
    [text] = Page(explanation._repr_html_()).texts["wb-view wb-explanation"]
    for name in (*explanation.hit.signals, *explanation.terms["bm25"]):
        assert name in text


# Plain text


def test_str_is_plain_text(bench: Workbench) -> None:
    text = str(bench.search("retrieve", k=2))
    assert text.startswith("2 of 6 papers for 'retrieve'\n  1. Forms  [")
    assert "<mark>" not in text
    assert "<div" not in text


def test_str_names_notes_authors_venue_and_year(bench: Workbench) -> None:
    text = str(bench.search("evil", k=1))
    assert "O'Neil & Sons (Venue" in text
    assert "2001)" in text
    assert bench.search("the of", k=1).notes[0] in str(bench.search("the of", k=1))


def test_many_authors_are_counted(bench: Workbench) -> None:
    assert "A0, A1, A2, A3 and 5 more" in str(bench.search("crowd", k=1))
    assert authors_line(("A", "B")) == "A, B"
    assert authors_line(()) == ""


# Marking and shortening

texts = st.text(st.sampled_from("abé 's'’.,-_½ßİ検索🙂\n\ud800<"), max_size=60) | st.text(
    max_size=60
)


@given(text=texts, data=st.data())
def test_marked_pieces_join_back_to_the_text(text: str, data: st.DataObject) -> None:
    known = sorted({term for _, _, term in Analyser().spans(text)})
    chosen = data.draw(st.sets(st.sampled_from(known))) if known else set()
    pieces = list(marked(text, dict.fromkeys(chosen, 1.0)))
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)
    assert any(matches for _, matches in pieces) == bool(chosen)


def test_a_possessive_is_marked_without_its_ending() -> None:
    assert list(marked("Zipf's law", {"zipf": 1.0})) == [("Zipf", True), ("'s law", False)]


def test_a_text_that_fits_stays_as_it_is() -> None:
    assert shorten("a" * SHOWN, {}) == "a" * SHOWN


words = st.lists(st.sampled_from(["ranking", "a", "vectors", "und", "x" * 15]), max_size=200)


def without_ellipses(text: str) -> str:
    return text.strip("…").strip()


@given(before=words, after=words, length=st.sampled_from([160, SHOWN]))
def test_a_shortened_text_is_a_bounded_part_with_the_first_match(
    before: list[str], after: list[str], length: int
) -> None:
    text = " ".join([*before, "needle", *after, "needles"])
    short = without_ellipses(shorten(text, {"needl": 1.0}, length))
    assert len(short) <= length
    assert short in text
    assert "needle" in short


@given(before=words, after=words)
def test_ellipses_say_where_something_is_left_out(before: list[str], after: list[str]) -> None:
    text = " ".join([*before, "needle", *after])
    short = shorten(text, {"needl": 1.0}, 160)
    assert short.startswith("…") != text.startswith(without_ellipses(short))
    assert short.endswith("…") != text.endswith(without_ellipses(short))


@pytest.mark.parametrize(
    ("text", "terms", "match"),
    [
        ("文" * 2000 + "検" + "文" * 2000, {"検": 1.0}, "検"),
        ("Intro " + "文" * 200 + "検" + "文" * 2000, {"検": 1.0}, "検"),
        ("/".join(["path"] * 300) + " needle " + "word " * 300, {"needl": 1.0}, "needle"),
    ],
    ids=["no spaces", "a space early only", "after a long address"],
)
def test_the_first_match_is_shown_without_spaces_too(
    text: str, terms: Mapping[str, Any], match: str
) -> None:
    short = shorten(text, terms)
    assert match in short
    assert len(without_ellipses(short)) <= SHOWN


def test_a_text_without_a_match_is_shown_from_its_start() -> None:
    short = shorten("Start of it. " + "word " * 200, {"absent": 1.0})
    assert short.startswith("Start of it.")
    assert short.endswith("…")
