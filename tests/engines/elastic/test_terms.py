"""Parts of a score that add up to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.elastic.terms import parts_of


@given(st.lists(st.floats(0, 30, width=32), min_size=1, max_size=12))
def test_rounded_parts_add_up_to_the_servers_sum(parts: list[float]) -> None:
    named = {f"t{n}": part for n, part in enumerate(parts)}
    score = float(np.float32(sum(parts)))  # Lucene adds in float64 and rounds once
    hit = {"_score": score, "matched_queries": named}
    found = parts_of({"hits": {"hits": [hit]}}, list(named))
    assert set(found) == set(named)
    total = np.float32(0)
    for part in found.values():
        total += np.float32(part)
    assert total == np.float32(score)
    assert found == pytest.approx(named, rel=1e-5, abs=1e-5)
