"""Where a quoted text stands in a source that is written a little differently.

Compared are characters after NFKD and case folding, without white space, soft hyphens and
characters of no width, and with one form for each kind of dash and quotation mark. Each compared
character knows the raw one that it comes from, so a match is always a span of the raw text.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SAME = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‚‛′`", "'") | dict.fromkeys("“”„‟«»″", '"')
)


def find_quote(text: str, quote: str) -> list[tuple[int, int]]:
    """Spans (start, end) of `text` that say `quote`, in order, not overlapping; empty where the
    text does not say it. `text[start:end]` is then the wording of the source."""
    wanted, _ = _compared(quote)
    if not wanted:
        return []
    known, places = _compared(text)
    spans = []
    at = known.find(wanted)
    while at >= 0:
        last = at + len(wanted) - 1
        start, end = int(places[at]), int(places[last]) + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        spans.append((start, end))
        at = known.find(wanted, last + 1)
    return spans


def _compared(text: str) -> tuple[str, NDArray[np.int64]]:
    """The compared characters and the place of each in the raw text."""
    whole: list[str] = []
    places: list[int] = []
    for start, cluster in _clusters(text):
        folded = _folded(cluster)
        whole.append(folded)
        places += [start] * len(folded)
    return "".join(whole), np.array(places, dtype=np.int64)


def _clusters(text: str) -> list[tuple[int, str]]:
    """Each character with the combining ones after it, which compose with it."""
    if text.isascii():
        return list(enumerate(text))
    clusters: list[tuple[int, str]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.combining(character):
            start, so_far = clusters[-1]
            clusters[-1] = (start, so_far + character)
        else:
            clusters.append((place, character))
    return clusters


@lru_cache(maxsize=4096)
def _folded(cluster: str) -> str:
    plain = unicodedata.normalize("NFKD", cluster).casefold()
    plain = unicodedata.normalize("NFKD", plain).translate(_SAME)
    return "".join(c for c in plain if not c.isspace() and unicodedata.category(c) != "Cf")
