"""Which encoding bytes are in that are not UTF-8. A guess, which reports say."""

from __future__ import annotations

import re
import unicodedata

WESTERN = "cp1252"
"""Windows' Western European encoding, the usual one; Latin-1 but for some marks."""

_OTHERS = ("cp1250", "mac_roman")
_MANY_BYTES = ("cp932", "gb18030", "big5", "euc_jp", "euc_kr", "cp1251", "koi8_r", "iso8859_7")
_ENOUGH = 8192
"""Bytes of a sample that statistics need; a shorter one is repeated."""

_HIGH = re.compile(rb"[\x80-\xff]+")
_LINE = re.compile(rb"[^\n]*[\x80-\xff][^\n]*")
_WORD = re.compile(r"[^\s,;:()\[\]{}|/\"<>=.]*[^\x00-\x7f][^\s,;:()\[\]{}|/\"<>=.]*")
_MARKS = frozenset("‘’“”„‚–—…«»‹›·°©®™\u00a0\u00ad")
_CZECH = re.compile(r"ì\w|[øùØ].*[áíýšž]|[áíýšž].*[øùØ]")
"""What Czech in cp1250 looks like in cp1252, and no Western language does."""


def guess(sample: bytes) -> str:
    """The likely encoding of bytes of which none beyond ASCII are UTF-8.

    cp1252 unless it puts signs into words that another one does not; East Asian and Cyrillic ones
    by their bytes standing in rows, then by charset-normalizer's statistics of the languages.
    """
    lines = b"\n".join(_LINE.findall(sample)[:2000])
    runs = [len(run) for run in _HIGH.findall(lines)]
    if sum(length for length in runs if length > 1) > 0.6 * sum(runs):
        from charset_normalizer import from_bytes

        text = (lines + b"\n") * (_ENOUGH // (len(lines) + 1) + 1)
        best = from_bytes(text[: 8 * _ENOUGH], cp_isolation=list(_MANY_BYTES)).best()
        if best is not None:
            return str(best.encoding)
    faults, letters = _read_as(WESTERN, lines)
    if not faults:
        return WESTERN
    good = [(-found, name) for name in _OTHERS for bad, found in [_read_as(name, lines)] if not bad]
    return min(good)[1] if good and -min(good)[0] >= letters else WESTERN


def _read_as(name: str, lines: bytes) -> tuple[int, int]:
    """(words that no language writes, letters beyond ASCII) under an encoding."""
    text = lines.decode(name, errors="replace")
    faults = letters = 0
    for word in _WORD.findall(text):
        letters += sum(c > "\x7f" and c.isalpha() for c in word)
        faults += any(_is_odd(word, at) for at in range(len(word)))
        faults += name == WESTERN and bool(_CZECH.search(word))
    return faults, letters


def _is_odd(word: str, at: int) -> bool:
    """A sign next to a letter, or a capital inside a word that goes on in small letters."""
    sign = word[at]
    if sign <= "\x7f" or sign in _MARKS:
        return False
    before, after = word[at - 1 : at], word[at + 1 : at + 2]
    if unicodedata.category(sign)[0] not in "LM":
        return before.isalpha() or after.isalpha()
    return sign.isupper() and before.isalpha() and after.islower()
