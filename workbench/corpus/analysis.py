"""Text to index terms: one analyser, owned by the corpus, used by every engine.

Lower case, ASCII folding, English stop words, Snowball stems. Words are runs of letters and
digits; each CJK character is a word of its own, since those scripts put no spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Lucene's English list."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019][sS]\b")
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th"}
    | {"ł": "l", "ı": "i", "ς": "σ"}
)


def fold(text: str) -> str:
    """Lower case without accents: what matching compares."""
    if text.isascii():
        return text.lower()
    return text.translate(_folded)


def _fold_character(character: str) -> str:
    """By character, so that terms keep their places; Hangul stays composed, one word each."""
    if "\uac00" <= character <= "\ud7af":
        return character
    lowered = unicodedata.normalize("NFKD", character).lower().translate(_LETTERS)
    decomposed = unicodedata.normalize("NFKD", lowered)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


class _Folded(dict[int, str]):
    """Characters as they were folded first, by code point."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _fold_character(chr(code))
        return found


_folded = _Folded()


def fold_name(text: str) -> str:
    """Folded words between single spaces, for whole-word matching of authors and venues."""
    return " ".join(_WORD.findall(fold(text)))


def _places(text: str) -> Sequence[int]:
    """Where each character of the folded text comes from."""
    lengths = {c: len(fold(c)) for c in set(text)}
    if all(length == 1 for length in lengths.values()):
        return range(len(text))
    return [place for place, c in enumerate(text) for _ in range(lengths[c])]


def _words(text: str) -> list[str]:
    """Folded words, stop words included."""
    if "'" in text or "\u2019" in text:
        text = _POSSESSIVE.sub("  ", text)
    return _WORD.findall(fold(text))


@lru_cache(maxsize=1)
def _stem_words() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english").stemWords


class _Stems(dict[str, str]):
    """Words to stems, stop words to "", as they are asked for; anew where it grows too large."""

    def __init__(self, stop_words: frozenset[str]) -> None:
        super().__init__(dict.fromkeys(stop_words, ""))
        self._stop_words = stop_words

    def __missing__(self, word: str) -> str:
        if len(self) > _MOST_STEMS:
            self.clear()
            self.update(dict.fromkeys(self._stop_words, ""))
        stem: str = _stem_words()([word])[0]
        self[word] = stem
        return stem


_MOST_STEMS = 2**17
_stems = lru_cache(maxsize=8)(_Stems)


@dataclass(frozen=True)
class Analyser:
    """Deterministic; safe to share between threads for reading.

    `fingerprint` changes whenever the same text could give other terms.
    """

    version: int = 1
    stop_words: frozenset[str] = field(default=STOP_WORDS, repr=False)

    @property
    def fingerprint(self) -> str:
        if self.stop_words == STOP_WORDS:
            return f"english-snowball-{self.version}"
        words = " ".join(sorted(self.stop_words)).encode()
        return f"english-snowball-{self.version}-{sha256(words).hexdigest()[:8]}"

    def words(self, text: str) -> list[str]:
        """Folded words with stop words removed, in order, before stemming."""
        return [word for word in _words(text) if word not in self.stop_words]

    def terms(self, text: str) -> list[str]:
        """Index terms in order, with repeats."""
        stems = _stems(self.stop_words)
        return [stem for word in _words(text) if (stem := stems[word])]

    def counts(self, text: str) -> Counter[str]:
        """How often each term occurs; the length of the text is the sum."""
        return Counter(self.terms(text))

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """(start, end, term) in characters of `text` for each word that is no stop word."""
        folded = fold(_POSSESSIVE.sub("  ", text))  # two blanks: places stay
        places = range(len(text)) if text.isascii() else _places(text)
        stems = _stems(self.stop_words)
        for match in _WORD.finditer(folded):
            if stem := stems[match.group()]:
                yield places[match.start()], places[match.end() - 1] + 1, stem
