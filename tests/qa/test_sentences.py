"""Sentences are spans of the text: nothing is lost but white space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.qa.sentences import MAX_SENTENCE, sentence_spans


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "We beat BM25 (cf. Robertson et al. 2009). It gains 3.5 points, i.e. lots. See Fig. 2.",
            [
                "We beat BM25 (cf. Robertson et al. 2009).",
                "It gains 3.5 points, i.e. lots.",
                "See Fig. 2.",
            ],
        ),
        ("A heading\n\nThe first sentence. ", ["A heading", "The first sentence."]),
        ("Ärzte prüfen 𝒳. Ergebnis: 5 µg.", ["Ärzte prüfen 𝒳.", "Ergebnis: 5 µg."]),
        ("   ", []),
        ("", []),
    ],
)
def test_sentences_are_found(text: str, sentences: list[str]) -> None:
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@given(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from('. \n!?A"\u0301'))))
def test_spans_are_in_order_and_leave_out_white_space_only(text: str) -> None:
    spans = sentence_spans(text)
    edges = [0, *(place for span in spans for place in span), len(text)]
    assert edges == sorted(edges)
    gaps = zip(edges[::2], edges[1::2], strict=True)
    assert not any(text[a:b].strip() for a, b in gaps)
    assert all(text[a:b].strip() == text[a:b] != "" for a, b in spans)


def test_what_has_no_end_is_cut_at_blanks() -> None:
    text = "word " * 5000 + "x" * (3 * MAX_SENTENCE)
    spans = sentence_spans(text)
    assert max(b - a for a, b in spans) <= MAX_SENTENCE
    assert "".join(text[a:b] for a, b in spans).replace(" ", "") == text.replace(" ", "")
    assert all(text[b : b + 1] in (" ", "") for a, b in spans if text[a] == "w")
