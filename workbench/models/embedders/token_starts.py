"""Where a text's tokens begin, without tokenising the words that came before.

A BERT tokenizer never lets a token cross a blank, and treats each word by itself. So a word's
tokens are known once it was seen, and a text of known words costs a look-up a word; the places are
then counted for all texts together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, count, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.system.fork import Lock

Numbers = NDArray[np.int64]

MOST_WORDS = 2**18
"""Words that are remembered, some 40 MB; then the memory starts anew."""

LONGEST = 64
"""Characters. Texts with a longer word, which is mostly no word, are tokenised whole."""

TOGETHER = 64
"""New words that are tokenised as one text."""

BLANKS = " \t\n\r"
"""What every BERT tokenizer takes for a blank; between them stand words."""


class TokenStarts:
    """Starts of tokens by one tokenizer; safe to share between threads.

    Other tokenizers than BERT's, and texts with a special token such as "[SEP]" in them, go
    through the tokenizer as a whole.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known = _KnownWords()
        self._lock = Lock()
        self._by_word = (
            type(tokenizer.normalizer).__name__ == "BertNormalizer"
            and type(tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"
        )
        special = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)", re.IGNORECASE)
        # Looking for one character is quick, but a letter may have several forms.
        firsts = {token[:1] for token in special}
        self._firsts = None if any(map(str.isalpha, firsts)) else firsts

    def __call__(self, texts: Sequence[str]) -> list[Numbers]:
        """First character of each token of each text, ascending, without special tokens."""
        found: list[Numbers | None] = [None] * len(texts)
        if self._by_word:
            plain = [n for n, text in enumerate(texts) if not self._has_special(text)]
            for n, starts in zip(plain, self._counted([texts[n] for n in plain]), strict=True):
                found[n] = starts
        whole = self._tokenised([t for t, some in zip(texts, found, strict=True) if some is None])
        return [np.array(next(whole), np.int64) if some is None else some for some in found]

    def _has_special(self, text: str) -> bool:
        if self._firsts is not None and not any(first in text for first in self._firsts):
            return False
        return self._special.search(text) is not None

    def _counted(self, texts: Sequence[str]) -> list[Numbers | None]:
        """By words; None for a text with a word that is too long."""
        joined = " ".join(texts)
        begins, ends = _word_places(joined)
        stops = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        firsts = np.concatenate([[0], stops])
        long = begins[ends - begins > LONGEST]
        if len(long):
            odd = set((np.searchsorted(firsts, long, "right") - 1).tolist())
            rest = iter(self._counted([text for n, text in enumerate(texts) if n not in odd]))
            return [None if n in odd else next(rest) for n in range(len(texts))]
        with self._lock:
            known, numbers = self._numbered(_split(joined))
            counts, places, inside = known.counts[numbers], known.places[numbers], known.starts
        before = np.cumsum(counts) - counts
        shift = np.repeat(places - before, counts)  # from a token's number to its entry in `inside`
        tokens = np.repeat(begins, counts) + inside[shift + np.arange(len(shift))]
        bounds = np.searchsorted(tokens, firsts).tolist()
        parts = zip(pairwise(bounds), firsts.tolist(), strict=False)
        return [tokens[low:high] - first for (low, high), first in parts]

    def _numbered(self, words: list[str]) -> tuple[_KnownWords, Numbers]:
        """The words by their numbers, after learning those that are new."""
        known = self._known
        new = list(set(words).difference(known.numbers))
        if len(known.numbers) + len(new) > MOST_WORDS:
            known, new = _KnownWords(), list(set(words))
            self._known = known
        if new:
            known.learn(new, *self._learned(new))
        return known, np.fromiter(map(known.numbers.__getitem__, words), np.int64, len(words))

    def _learned(self, words: list[str]) -> tuple[Numbers, Numbers]:
        """How many tokens each word has, and where they start in it, one word after the other.

        Many words in one text: an encoding costs more than its tokens."""
        texts = [" ".join(words[n : n + TOGETHER]) for n in range(0, len(words), TOGETHER)]
        sizes = np.fromiter(map(len, words), np.int64, len(words)) + 1
        begins = np.cumsum(sizes) - sizes
        stops = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        parts = list(self._tokenised(texts))
        first = np.repeat(np.concatenate([[0], stops[:-1]]), list(map(len, parts)))
        starts = first + np.fromiter(chain.from_iterable(parts), np.int64, len(first))
        word = np.searchsorted(begins, starts, "right") - 1
        return np.bincount(word, minlength=len(words)), starts - begins[word]

    def _tokenised(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False):
            parts = (encoding, *encoding.overflowing)
            yield [start for part in parts for start, _ in part.offsets]


class _KnownWords:
    """Words by number, and of each number how many tokens it `counts`: the first begins at
    `starts[places]` characters from the begin of the word, the others follow."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.counts = self.places = self.starts = np.zeros(0, np.int64)

    def learn(self, words: Sequence[str], counts: Numbers, starts: Numbers) -> None:
        """New words, with the starts of their tokens one word after the other."""
        places = len(self.starts) + np.cumsum(counts) - counts
        self.counts = np.concatenate([self.counts, counts])
        self.places = np.concatenate([self.places, places])
        self.starts = np.concatenate([self.starts, starts])
        self.numbers.update(zip(words, count(len(self.numbers)), strict=False))


def _word_places(text: str) -> tuple[Numbers, Numbers]:
    """First character of each word, and the one behind its last."""
    if text.isascii():
        codes: NDArray[Any] = np.frombuffer(text.encode(), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    blank = np.ones(len(codes) + 2, bool)
    blank[1:-1] = codes == ord(" ")
    for other in BLANKS[1:]:
        if other in text:
            blank[1:-1] |= codes == ord(other)
    turns = np.flatnonzero(blank[1:] != blank[:-1])
    return turns[::2], turns[1::2]


def _split(text: str) -> list[str]:
    for other in BLANKS[1:]:
        text = text.replace(other, " ")
    words = text.split(" ")
    return list(filter(None, words)) if "" in words else words
