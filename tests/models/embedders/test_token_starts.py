"""Starts by remembered words are those of the tokenizer run on the whole text."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.models.embedders import token_starts as module
from workbench.models.embedders.base import read_tokenizer
from workbench.models.embedders.token_starts import TokenStarts
from workbench.models.weights.find import DEFAULT_MODEL, find_model

LANDMARKS = Path(__file__).parents[3] / "data" / "landmarks" / "papers.jsonl"
WORDS = ["word", "naïve", "İstanbul", "ﬁnd", "[SEP]", "[sep]", "[MASK", "検索", "e\u0301", "\u0301"]
ODD = ["\x1c", "\u00a0", "\u00ad", "\u200b", "\ufffd", "\x00", "don't", "x" * 70, "😀", "ﷺ", "ΑΣ"]
BETWEEN = [" ", "  ", "\n", "\t", "\r\n", "\x0b", "\x85", "\u2028", ".", "(", "--", "1,000.5"]
PIECES = st.sampled_from([*WORDS, *ODD, *BETWEEN])


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The default model's."""
    folder = find_model(DEFAULT_MODEL)
    return read_tokenizer(folder, folder.window)


@pytest.fixture(scope="module")
def tokens(tokenizer: Any) -> TokenStarts:
    """Of that, for all examples."""
    return TokenStarts(tokenizer)


@pytest.fixture(scope="module")
def endless(tokenizer: Any) -> Any:
    """The same, cutting nothing off."""
    copy = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_truncation()
    return copy


def whole(endless: Any, text: str) -> list[int]:
    """By the tokenizer alone."""
    return [start for start, _ in endless.encode(text, add_special_tokens=False).offsets]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join), max_size=4))
@example(texts=["dense retrieval " * 300, "x" * 70, "b"])
@example(texts=["Dense [SEP] retrieval", "", " ", "a" * 5_000])
def test_starts_equal_the_tokenizers(
    tokenizer: Any, tokens: TokenStarts, endless: Any, texts: list[str]
) -> None:
    tokens._known = module._KnownWords()
    assert [row.tolist() for row in tokens(texts)] == [whole(endless, text) for text in texts]
    found = [row.tolist() for row in tokens.ids(texts)]
    assert found == [tokenizer.encode(text).ids for text in texts]


def test_starts_of_papers_equal_the_tokenizers_before_and_after_forgetting(
    tokenizer: Any, endless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [json.loads(line)["abstract"] for line in LANDMARKS.read_text("utf-8").splitlines()]
    expected = [whole(endless, text) for text in texts]
    monkeypatch.setattr(module, "MOST_WORDS", 1_000)
    starts = TokenStarts(tokenizer)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: starts([text])[0].tolist(), texts * 2))
    assert found == expected * 2


def test_tokenizers_of_other_kinds_see_the_whole_text() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    metaspace = Tokenizer(models.WordLevel({"▁a": 0, "▁b": 1, "?": 2}, unk_token="?"))
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace()
    text = "a b  a"
    assert TokenStarts(metaspace)([text])[0].tolist() == whole(metaspace, text)
