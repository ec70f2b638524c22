"""Where a text's tokens begin and which they are, without tokenising words that came before.

A BERT tokenizer never lets a token cross a blank, and treats each word by itself. So a word's
tokens are known once it was seen, and a text of known words costs a look-up a word; the places are
then counted for all texts together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, pairwise
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.system.fork import Lock

Numbers = NDArray[np.int64]
Ids = NDArray[np.int32]
Result = TypeVar("Result")

MOST_WORDS = 2**18
"""Words that are remembered, some 40 MB; then the memory starts anew."""

LONGEST = 64
"""Characters. Texts with a longer word, which is mostly no word, are tokenised whole."""

TOGETHER = 64
"""New words that are tokenised as one text."""

BLANKS = " \t\n\r"
"""What every BERT tokenizer takes for a blank; between them stand words."""


class TokenStarts:
    """Starts and ids of tokens by one tokenizer; safe to share between threads.

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
        found, rest = self._by_words(texts, _Found.starts)
        whole = (starts for starts, _ in self._tokenised([texts[n] for n in rest]))
        return _filled(found, rest, (np.array(starts, np.int64) for starts in whole))

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text's tokens, int32, with special tokens, cut off at the window."""
        found, rest = self._by_words(texts, _Found.ids)
        before, after, most = self._frame
        framed = [
            None if ids is None else np.concatenate((before, ids[:most], after)) for ids in found
        ]
        encodings = self._tokenizer.encode_batch_fast([texts[n] for n in rest])
        return _filled(framed, rest, (np.array(one.ids, np.int32) for one in encodings))

    @cached_property
    def _frame(self) -> tuple[Ids, Ids, int]:
        """Special tokens before and after a text, and how many tokens it may have between them."""
        one = self._tokenizer.encode("a")
        special = np.array(one.special_tokens_mask, bool)
        ids, own = np.array(one.ids, np.int32), np.flatnonzero(~special)
        before, after = ids[: own[0]], ids[own[-1] + 1 :]
        truncation = self._tokenizer.truncation
        most = truncation["max_length"] if truncation else sys.maxsize
        return before, after, most - len(before) - len(after)

    def _by_words(
        self, texts: Sequence[str], column: Callable[[_Found], list[Result]]
    ) -> tuple[list[Result | None], list[int]]:
        """What can be told of the texts by their words, and the numbers of the other texts."""
        found: list[Result | None] = [None] * len(texts)
        if self._by_word:
            plain = [n for n, text in enumerate(texts) if not self._has_special(text)]
            while plain:
                looked = self._looked_up([texts[n] for n in plain])
                if not isinstance(looked, set):
                    for n, result in zip(plain, column(looked), strict=True):
                        found[n] = result
                    break
                plain = [n for place, n in enumerate(plain) if place not in looked]
        return found, [n for n, result in enumerate(found) if result is None]

    def _has_special(self, text: str) -> bool:
        if self._firsts is not None and not any(first in text for first in self._firsts):
            return False
        return self._special.search(text) is not None

    def _looked_up(self, texts: Sequence[str]) -> _Found | set[int]:
        """The tokens of the texts; or which of them have a word that is too long."""
        joined = " ".join(texts)
        begins, ends = _word_places(joined)
        stops = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        firsts = np.concatenate([[0], stops])
        long = begins[ends - begins > LONGEST]
        if len(long):
            return set((np.searchsorted(firsts, long, "right") - 1).tolist())
        words = _split(joined)
        with self._lock:
            known, numbers = self._numbered(words)
            counts, places = known.counts[numbers], known.places[numbers]
            starts, ids = known.starts, known.ids
        before = np.cumsum(counts)
        shift = np.repeat(places - before + counts, counts)
        entries = shift + np.arange(len(shift))  # of each token, in `starts` and `ids`
        bounds = np.concatenate([[0], before])[np.searchsorted(begins, firsts)]
        return _Found(firsts, begins, counts, entries, bounds, starts, ids)

    def _numbered(self, words: list[str]) -> tuple[_KnownWords, Numbers]:
        """The words by their numbers, after learning those that are new."""
        known = self._known
        try:
            return known, known.of(words)
        except KeyError:
            new = list(set(words).difference(known.numbers))
        if len(known.numbers) + len(new) > MOST_WORDS:
            known, new = _KnownWords(), list(set(words))
            self._known = known
        known.learn(new, *self._learned(new))
        return known, known.of(words)

    def _learned(self, words: list[str]) -> tuple[Numbers, Numbers, Ids]:
        """How many tokens each word has; where they start in it and their ids, one word after the
        other. Many words in one text: an encoding costs more than its tokens."""
        texts = [" ".join(words[n : n + TOGETHER]) for n in range(0, len(words), TOGETHER)]
        sizes = np.fromiter(map(len, words), np.int64, len(words)) + 1
        begins = np.cumsum(sizes) - sizes
        stops = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        parts = list(self._tokenised(texts))
        first = np.repeat(np.concatenate([[0], stops[:-1]]), [len(starts) for starts, _ in parts])
        chained = chain.from_iterable(starts for starts, _ in parts)
        starts = first + np.fromiter(chained, np.int64, len(first))
        ids = np.fromiter(chain.from_iterable(ids for _, ids in parts), np.int32, len(first))
        word = np.searchsorted(begins, starts, "right") - 1
        return np.bincount(word, minlength=len(words)), starts - begins[word], ids

    def _tokenised(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
        """(starts, ids) of the tokens of each text, by the tokenizer, however many there are."""
        for encoding in self._endless.encode_batch(list(texts), add_special_tokens=False):
            yield [start for start, _ in encoding.offsets], encoding.ids

    @cached_property
    def _endless(self) -> Any:
        """A copy that cuts nothing off. What is cut off is no substitute: tokenizers 0.23.2 gives
        only the last part of it."""
        copy = type(self._tokenizer).from_str(self._tokenizer.to_str())
        copy.no_truncation()
        return copy


@dataclass(frozen=True, slots=True)
class _Found:
    """Tokens of several texts that were joined by a blank. `firsts` is where each text begins,
    `begins` each word, with `counts` tokens; `entries` are the tokens in the tables `known_starts`
    and `known_ids`, and `bounds` the first token of each text, with the end."""

    firsts: Numbers
    begins: Numbers
    counts: Numbers
    entries: Numbers
    bounds: Numbers
    known_starts: Numbers
    known_ids: Ids

    def starts(self) -> list[Numbers]:
        """Of each text's tokens, in characters of the text."""
        places = np.repeat(self.begins, self.counts) + self.known_starts[self.entries]
        parts = zip(pairwise(self.bounds.tolist()), self.firsts.tolist(), strict=False)
        return [places[low:high] - first for (low, high), first in parts]

    def ids(self) -> list[Ids]:
        """Of each text's tokens."""
        every = self.known_ids[self.entries]
        return [every[low:high] for low, high in pairwise(self.bounds.tolist())]


class _KnownWords:
    """Words by number, and of each number how many tokens it `counts`. `starts` and `ids` have
    those of all words: from `places` on the word's own, starts in characters from its begin."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.counts = self.places = self.starts = np.zeros(0, np.int64)
        self.ids = np.zeros(0, np.int32)

    def of(self, words: Sequence[str]) -> Numbers:
        """Their numbers. Raises KeyError for one that is not known."""
        return np.fromiter(map(self.numbers.__getitem__, words), np.int64, len(words))

    def learn(self, words: Sequence[str], counts: Numbers, starts: Numbers, ids: Ids) -> None:
        """New words, with the starts and ids of their tokens one word after the other."""
        places = len(self.starts) + np.cumsum(counts) - counts
        self.counts = np.concatenate([self.counts, counts])
        self.places = np.concatenate([self.places, places])
        self.starts = np.concatenate([self.starts, starts])
        self.ids = np.concatenate([self.ids, ids])
        self.numbers.update(zip(words, count(len(self.numbers)), strict=False))


def _filled(
    found: list[Result | None], rest: Sequence[int], others: Iterable[Result]
) -> list[Result]:
    """The found ones, with the others in the places of the rest."""
    for n, other in zip(rest, others, strict=True):
        found[n] = other
    return cast("list[Result]", found)


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
