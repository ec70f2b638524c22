"""Bytes of a batch: a line through two measurements, remembered by what it was measured on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.models.encoder import batch_memory as memory_model
from workbench.models.encoder.batch_memory import MARGIN, PROBES, MemoryModel, counted, fitted
from workbench.models.encoder.shape import BERT, Shape, layout


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    return tmp_path


@given(st.integers(0, 2**30), st.integers(1, 2**20))
def test_a_line_is_found_again(base: int, slope: int) -> None:
    model = fitted([(tokens, base + slope * tokens) for tokens in PROBES])
    expected = MARGIN * (base + slope * 65_536)
    if base <= slope * PROBES[1]:
        assert model.bytes(65_536) == pytest.approx(expected, rel=1e-6, abs=1)
    else:  # one that hardly rises is taken to rise half as much as it is high, to be safe
        assert model.bytes(65_536) >= expected - 1


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_fit_is_never_below_what_was_measured(small: int, large: int) -> None:
    points = [(PROBES[0], small), (PROBES[1], large)]
    model = fitted(points)
    assert model.per_token > 0
    assert all(model.bytes(tokens) >= size * 0.999 for tokens, size in points)


@given(st.floats(0, 2**30), st.floats(1, 2**20), st.integers(0, 2**38))
def test_the_largest_batch_fits_and_one_more_does_not(base: float, slope: float, size: int) -> None:
    model = MemoryModel(base, slope)
    tokens = model.tokens(size)
    if tokens:
        assert model.bytes(tokens) <= size + 1
    assert model.bytes(tokens + 2) > size - 1


def test_measured_once_and_remembered(cache: Path) -> None:
    assert memory_model.remembered("key") is None
    asked: list[int] = []

    def peak(tokens: int) -> int:
        asked.append(tokens)
        return 1000 + 50 * tokens

    model = memory_model.measure("key", peak)
    assert asked == list(PROBES)
    assert memory_model.remembered("key") == model == MemoryModel(1000, 50)
    assert memory_model.remembered("other") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"base": -1, "per_token": 3}', '{"base": 1}'])
def test_a_damaged_memory_is_measured_again(cache: Path, content: str) -> None:
    memory_model.measure("key", lambda tokens: tokens)
    (file,) = (cache / "memory").iterdir()
    file.write_text(content)
    assert memory_model.remembered("key") is None


LARGE = Shape(BERT, 24, 1024, 16, 4096, 30522, 512, 1e-12, "gelu", -1)


def test_counts_from_the_shapes() -> None:
    _, weights = layout(LARGE, 2)
    assert weights == pytest.approx(334e6 * 2, rel=0.01)
    assert counted(LARGE, 2).bytes(65_536) > 65_536 * (3 * 1024 + 4096) * 2
    assert LARGE.operations == 2 * 24 * (4 * 1024**2 + 2 * 1024 * 4096)
