"""Where a text's tokens begin, without tokenising the words that came before.

A BERT tokenizer never lets a token cross a blank, and treats each word by itself. So a word's
tokens are known once it was seen, and a text of known words costs a look-up a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = dict[str, list[int]]

MOST_WORDS = 2**18
"""Words that are remembered, some 40 MB; then the memory starts anew."""

LONGEST = 64
"""Characters. Texts with a longer word, which is mostly no word, are tokenised whole."""

_WORD = re.compile(r"[^ \t\n\r]+")
"""What stands between those blanks that every BERT tokenizer takes for blanks."""


class TokenStarts:
    """Starts of tokens by one tokenizer; safe to share between threads.

    Other tokenizers than BERT's, and texts with a special token such as "[SEP]" in them, go
    through the tokenizer as a whole.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._words: Words = {}
        self._by_word = (
            type(tokenizer.normalizer).__name__ == "BertNormalizer"
            and type(tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"
        )
        special = [re.escape(t.content) for t in tokenizer.get_added_tokens_decoder().values()]
        self._special = re.compile("|".join(special) or r"(?!)", re.IGNORECASE)

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """First character of each token of each text, ascending, without special tokens."""
        words = [self._split(text) for text in texts]
        known = self._known({word for some in words for word in some or ()})
        whole = self._tokenised([t for t, some in zip(texts, words, strict=True) if some is None])
        return [
            np.array(next(whole) if some is None else _starts(text, some, known), np.int64)
            for text, some in zip(texts, words, strict=True)
        ]

    def _split(self, text: str) -> list[str] | None:
        """The text's words, None where it has to be tokenised whole."""
        if not self._by_word or self._special.search(text):
            return None
        words = _WORD.findall(text)
        return words if max(map(len, words), default=0) <= LONGEST else None

    def _known(self, words: set[str]) -> Words:
        """Starts in each of the words at least."""
        known = self._words
        new = [word for word in words if word not in known]
        if len(known) + len(new) > MOST_WORDS:
            known, new = {}, list(words)
            self._words = known  # others go on with the one that they looked into
        known.update(zip(new, self._tokenised(new), strict=True))
        return known

    def _tokenised(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False):
            parts = (encoding, *encoding.overflowing)
            yield [start for part in parts for start, _ in part.offsets]


def _starts(text: str, words: Sequence[str], known: Words) -> list[int]:
    found: list[int] = []
    place = 0
    for word in words:
        place = text.index(word, place)
        starts = known[word]
        if len(starts) == 1:
            found.append(place + starts[0])
        else:
            found.extend([place + start for start in starts])
        place += len(word)
    return found
