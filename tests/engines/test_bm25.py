"""BM25's formulas."""

from __future__ import annotations

import pytest

from workbench.engines.bm25 import rounded_length


@pytest.mark.parametrize(
    ("length", "counted"),
    [(0, 0), (23, 23), (24, 24), (39, 39), (40, 40), (41, 40), (42, 42), (57, 56), (100, 96)],
)
def test_lengths_round_as_in_lucene(length: int, counted: int) -> None:
    # From SmallFloat's own table: byte4ToInt(intToByte4(length)).
    assert rounded_length(length) == counted
