"""BM25, variant "lucene" (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020): pure formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

K1, B = 0.9, 0.4
"""Parameters as in Anserini's baselines."""


def idf(documents: int, frequency: Any) -> Any:
    """Inverse document frequency, ln(1 + (N - df + .5) / (df + .5)): a number, or float64 in the
    shape of `frequency`."""
    return np.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def saturation(count: Any, length: Any, average: float, k1: float = K1, b: float = B) -> Any:
    """What `count` occurrences in a document of `length` terms are worth beside the idf:
    c / (c + k1 (1 - b + b l / average)). Numbers, or float64 in their shape."""
    return count / (count + k1 * (1 - b + b * length / average))


def rounded_length(length: int) -> int:
    """The length of a document that Lucene counts with, kept in one byte: exact below 24, then 24
    and four significant bits of the rest (org.apache.lucene.util.SmallFloat, `intToByte4`)."""
    rest = max(0, length - 24)
    lost = max(0, rest.bit_length() - 4)
    return length if length < 24 else 24 + (rest >> lost << lost)
