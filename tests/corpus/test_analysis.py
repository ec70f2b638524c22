"""The analyser: which terms a text gives, and where in the text they stand."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.corpus.analysis import STOP_WORDS, Analyser, fold, fold_name

from .properties import patient

ANALYSER = Analyser()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Retrieving retrieved retrieves", ["retriev"] * 3),
        ("Café naïve Erdős", ["cafe", "naiv", "erdo"]),
        ("Søren Straße Łukasz Æon", ["soren", "strass", "lukasz", "aeon"]),
        ("STRASSE straße", ["strass", "strass"]),
        ("cafe\u0301 café", ["cafe", "cafe"]),
        ("the question of the answer", ["question", "answer"]),
        ("Zipf's law and Heaps\u2019 law", ["zipf", "law", "heap", "law"]),
        ("Zipf\u2019S", ["zipf"]),
        ("BM25 bm25_k1 state-of-the-art", ["bm25", "bm25", "k1", "state", "art"]),
        ("C++ / C#", ["c", "c"]),
        ("", []),
        ("... -- !?", []),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else "",
)
def test_terms(text: str, terms: list[str]) -> None:
    assert ANALYSER.terms(text) == terms


@pytest.mark.parametrize("text", ["検索", "ひらがな", "カタカナ", "한국어"])
def test_each_cjk_character_is_a_term(text: str) -> None:
    assert len(ANALYSER.terms(text)) == len(text)


def test_cjk_beside_latin() -> None:
    assert ANALYSER.terms("BERT検索model") == ["bert", "検", "索", "model"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("𝐁𝐄𝐑𝐓", "bert"),
        ("ﬁne-tuning", "fine-tuning"),
        ("ＦＵＬＬ", "full"),
        ("İstanbul", "istanbul"),
        ("ÅNGSTRÖM", "angstrom"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_greek_capitals_and_final_sigma_match() -> None:
    assert fold("ΛΌΓΟΣ") == fold("λόγος")


@patient
@given(st.text())
@example("𝐁𝐄𝐑𝐓")
@example("Word™")
@example("ΣΑΣ")
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@patient
@given(st.text(st.characters(max_codepoint=0x24F)))
def test_case_does_not_matter(text: str) -> None:
    same = [c for c in text if c.upper().lower() == c.lower()]
    assert ANALYSER.terms("".join(same).upper()) == ANALYSER.terms("".join(same).lower())


@patient
@given(st.text())
@example("½ cup")
@example("cafe\u0301s re\u0301sume\u0301")
@example("한국어 논문")
@example("Zipf's ﬁnding")
def test_spans_and_terms_agree(text: str) -> None:
    assert [term for _, _, term in ANALYSER.spans(text)] == ANALYSER.terms(text)


@patient
@given(st.text())
def test_spans_are_in_order_inside_the_text(text: str) -> None:
    spans = [(start, end) for start, end, _ in ANALYSER.spans(text)]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_spans_stand_on_their_words() -> None:
    text = "The Straße's ranking: café!"
    assert [(text[start:end], term) for start, end, term in ANALYSER.spans(text)] == [
        ("Straße", "strass"),
        ("ranking", "rank"),
        ("café", "cafe"),
    ]


@patient
@given(st.text())
def test_counts_are_of_terms(text: str) -> None:
    assert sorted(ANALYSER.counts(text).elements()) == sorted(ANALYSER.terms(text))


@patient
@given(st.text(), st.text())
def test_a_line_break_separates_texts(first: str, second: str) -> None:
    assert ANALYSER.terms(f"{first}\n{second}") == ANALYSER.terms(first) + ANALYSER.terms(second)


def test_same_terms_in_another_process_with_another_hash_seed() -> None:
    text = "Generalised retrieving of Søren's café rankings 検索"
    code = f"from workbench.corpus.analysis import Analyser; print(Analyser().counts({text!r}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{ANALYSER.counts(text)}\n"}


def test_threads_get_the_same_terms() -> None:
    texts = [f"ranking{n} retrieved generalisations of café {n}" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ANALYSER.terms, texts)) == [ANALYSER.terms(text) for text in texts]


def test_stop_words_are_folded() -> None:
    assert {fold(word) for word in STOP_WORDS} == STOP_WORDS


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Christopher D. Manning", "christopher d manning"),
        ("Spärck-Jones,  Karen", "sparck jones karen"),
        ("The Web of Things", "the web of things"),
        ("...", ""),
    ],
)
def test_fold_name(name: str, folded: str) -> None:
    assert fold_name(name) == folded
