"""Cutting papers: nothing is lost, nothing passes the window, sentences stay whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from workbench.corpus import chunking
from workbench.corpus.chunking import cut, cut_papers, embedding_text, fingerprint
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.weights.find import find_model

from .fakes import WORD, FakeEmbedder, WordCounter, build
from .properties import patient

SENTENCE = "One two three four five six seven eight nine ten."


def words(text: str) -> NDArray[np.int64]:
    return WordCounter().token_starts([text])[0]


def characters(text: str) -> NDArray[np.int64]:
    """As in scripts without spaces: each visible character is a token."""
    return np.array([n for n, c in enumerate(text) if not c.isspace()], np.int64)


COUNTERS = pytest.mark.parametrize("starts", [words, characters])
Starts = Callable[[str], NDArray[np.int64]]

PIECES = ["a", "word", "end.", "End! ", "Dr.", "why?", "\n", "\n\n", "\t", "検索。", "x" * 30]
TEXTS = (st.text() | st.lists(st.sampled_from(PIECES)).map(" ".join)).filter(str.strip)
"""A paper's text is never blank."""
BUDGETS = st.integers(1, 12)


@COUNTERS
@patient
@given(text=TEXTS, budget=BUDGETS)
def test_spans_leave_out_only_white_space(starts: Starts, text: str, budget: int) -> None:
    spans = cut(text, starts(text), budget)
    places = [place for span in spans for place in span]
    assert places == sorted(places)
    covered = {n for start, end in spans for n in range(start, end)}
    assert all(text[n].isspace() for n in set(range(len(text))) - covered)


def fill(text: str, starts: NDArray[np.int64], budget: int) -> list[tuple[int, int]]:
    """Sentence after sentence into a span until the next would pass the budget: the rule itself."""
    spans: list[tuple[int, int]] = []
    begin = end = 0

    def tokens(stop: int) -> int:
        return sum(begin <= start < stop for start in starts.tolist())

    for stop in chunking._sentence_ends(text):
        if tokens(stop) > budget and end > begin:
            spans.append((begin, end))
            begin = end
        while tokens(stop) > budget:
            full = int(np.searchsorted(starts, begin)) + budget
            middle = chunking._last_word_break(text, starts, begin, full)
            spans.append((begin, middle))
            begin = middle
        end = stop
    trimmed = (chunking._trim(text, *span) for span in [*spans, (begin, end)])
    return [(start, stop) for start, stop in trimmed if start < stop]


@COUNTERS
@patient
@given(text=TEXTS, budget=BUDGETS)
def test_spans_are_those_of_sentence_after_sentence(starts: Starts, text: str, budget: int) -> None:
    rows = starts(text)
    filled = fill(text, rows, budget)
    best = next(
        tight for b in range(1, budget + 1) if len(tight := fill(text, rows, b)) <= len(filled)
    )
    expected = [chunking._trim(text, 0, len(text))] if len(rows) <= budget else best
    assert cut(text, rows, budget) == expected


@COUNTERS
@patient
@given(text=TEXTS, budget=BUDGETS)
def test_no_span_passes_the_budget(starts: Starts, text: str, budget: int) -> None:
    for start, end in cut(text, starts(text), budget):
        assert len(starts(text[start:end])) <= budget


@COUNTERS
@patient
@given(text=TEXTS, budget=BUDGETS)
def test_spans_begin_and_end_with_text(starts: Starts, text: str, budget: int) -> None:
    for start, end in cut(text, starts(text), budget):
        assert text[start:end].strip() == text[start:end] != ""


@patient
@given(
    text=st.lists(st.sampled_from(["aa", "bb.", "cc!"]), min_size=1).map(" ".join), budget=BUDGETS
)
def test_words_stay_whole(text: str, budget: int) -> None:
    spans = cut(text, words(text), budget)
    assert [w for start, end in spans for w in text[start:end].split()] == text.split()


def test_short_text_is_one_span() -> None:
    assert cut(f"  {SENTENCE}\n", words(SENTENCE), 10) == [(2, 2 + len(SENTENCE))]


def test_cuts_fall_on_sentence_ends() -> None:
    text = " ".join([SENTENCE] * 9)
    parts = [text[start:end] for start, end in cut(text, words(text), 25)]
    assert all(part.endswith("ten.") and part.startswith("One") for part in parts)


@pytest.mark.parametrize("sentences", range(2, 30, 3))
def test_as_few_and_as_even_as_sentences_allow(sentences: int) -> None:
    text = " ".join([SENTENCE] * sentences)
    lengths = [len(words(text[start:end])) for start, end in cut(text, words(text), 100)]
    assert len(lengths) == -(-sentences // 10)
    assert max(lengths) - min(lengths) <= len(lengths) * 10
    assert max(lengths) == -(-sentences // len(lengths)) * 10


def test_sentence_longer_than_the_window_is_cut_between_words() -> None:
    text = " ".join(f"word{n}" for n in range(100)) + "."
    parts = [text[start:end] for start, end in cut(text, words(text), 30)]
    assert len(parts) == 4
    assert " ".join(parts) == text


def test_a_word_of_10000_characters_is_cut_to_the_budget() -> None:
    text = "x" * 10_000
    spans = cut(text, characters(text), 300)
    assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]
    assert max(end - start for start, end in spans) <= 300


def test_a_long_word_among_others() -> None:
    text = f"short words {'x' * 10_000} more words"
    spans = cut(text, characters(text), 300)
    assert all(len(characters(text[start:end])) <= 300 for start, end in spans)


def test_many_tokens_at_one_character_still_end() -> None:
    assert cut("ab", np.array([0, 0, 0, 1, 1, 1]), 2) == [(0, 1), (1, 2)]


def test_a_long_title_takes_a_quarter_of_the_window_at_most() -> None:
    title, text = " ".join(["title"] * 90), " ".join(["word"] * 400)
    (spans,) = cut_papers([(title, text)], WordCounter(100))
    assert len(spans) == -(-400 // (100 - 3 - 25))


def test_papers_are_cut_each_by_itself() -> None:
    papers = [("A", SENTENCE * 9), ("B", "Short."), ("C", SENTENCE * 9)]
    alone = [next(cut_papers([paper], WordCounter(40))) for paper in papers]
    assert list(cut_papers(papers, WordCounter(40))) == alone


@pytest.mark.parametrize(
    ("title", "passage", "text"),
    [("Title", "Passage.", "Title. Passage."), ("", "Passage.", "Passage."), ("T", "T", "T")],
)
def test_embedding_text(title: str, passage: str, text: str) -> None:
    assert embedding_text(title, passage) == text


def test_fingerprint_tells_windows_apart() -> None:
    assert fingerprint(256) != fingerprint(512)


@pytest.fixture(scope="module")
def full_tokenizer() -> Tokenizer:
    """The default model's tokenizer, cutting nothing off."""
    tokenizer = Tokenizer.from_file(str(find_model().path / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def long_text() -> str:
    """Forty real abstracts in a row."""
    path = Path(__file__).parents[2] / "data" / "landmarks" / "papers.jsonl"
    lines = path.read_text("utf-8").splitlines()[:40]
    return "\n\n".join(json.loads(line)["abstract"] for line in lines)


class Recorder(FakeEmbedder):
    """Cuts like the real model, and keeps what is given to it to encode."""

    def __init__(self, model: OnnxEmbedder) -> None:
        super().__init__(window=model.window)
        self.token_starts = model.token_starts


def most_tokens(
    tokenizer: Tokenizer, model: OnnxEmbedder, folder: Path, title: str, text: str
) -> int:
    """Tokens of the longest text that indexing this paper gives to the model."""
    recorder = Recorder(model)
    build(folder, pd.DataFrame({"id": ["a"], "title": [title], "abstract": [text]}), recorder)
    return max(len(tokenizer.encode(each).ids) for each in recorder.encoded)


def test_the_model_counts_every_token_of_a_long_text(
    embedder: OnnxEmbedder, full_tokenizer: Tokenizer, long_text: str
) -> None:
    (starts,) = embedder.token_starts([long_text])
    assert len(starts) == len(full_tokenizer.encode(long_text, add_special_tokens=False).ids)


@pytest.mark.parametrize("title_words", [5, 30, 200])
def test_every_passage_with_its_title_fits_the_model(
    embedder: OnnxEmbedder,
    full_tokenizer: Tokenizer,
    long_text: str,
    tmp_path: Path,
    title_words: int,
) -> None:
    title = " ".join(WORD.findall(long_text)[:title_words])
    most = most_tokens(full_tokenizer, embedder, tmp_path, title, long_text)
    assert embedder.window / 2 < most <= embedder.window


def test_a_long_title_without_text_fits_the_model(
    embedder: OnnxEmbedder, full_tokenizer: Tokenizer, long_text: str, tmp_path: Path
) -> None:
    most = most_tokens(full_tokenizer, embedder, tmp_path, long_text[:5000], "")
    assert most <= embedder.window


def test_every_passage_of_a_real_text_ends_a_sentence(
    embedder: OnnxEmbedder, long_text: str
) -> None:
    (spans,) = cut_papers([("Title", long_text)], embedder)
    assert len(spans) > 20
    assert all(long_text[start:end].endswith((".", "?", "!", ")")) for start, end in spans)
