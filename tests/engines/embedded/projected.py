"""Small corpora that are searched as large ones are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from workbench.engines.embedded import dense, projection


@contextmanager
def small_is_large(shallowest: int = 1, deepest: int = 1) -> Iterator[None]:
    """Every corpus gets a projection, whatever its size and however deep it has to be read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "SCAN_FROM", 1)
        patch.setattr(projection, "FROM", 1)
        patch.setattr(projection, "SHALLOWEST", shallowest)
        patch.setattr(projection, "DEEPEST", deepest)
        yield
