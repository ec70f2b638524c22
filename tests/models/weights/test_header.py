"""A safetensors header, read without the weights, against the library; damage is always noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from workbench.errors import ModelRejected
from workbench.models.weights.find import WEIGHTS, find_model
from workbench.models.weights.header import numbers, read_header

SHAPES = st.dictionaries(
    st.text(min_size=1, max_size=8), st.lists(st.integers(0, 5), max_size=3), max_size=5
)
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(SHAPES, st.sampled_from([np.float32, np.float16, np.int64, np.uint8]))
def test_names_shapes_and_counts(tmp_path: Path, shapes: dict[str, list[int]], dtype: type) -> None:
    shapes.pop("__metadata__", None)
    save_file({name: np.zeros(shape, dtype) for name, shape in shapes.items()}, tmp_path / "a")
    found = read_header(tmp_path / "a")
    assert {name: info.shape for name, info in found.items()} == {
        name: tuple(shape) for name, shape in shapes.items()
    }
    assert numbers(found) == sum(int(np.prod(shape)) for shape in shapes.values())


@QUIET
@given(st.integers(0, 200), st.binary(max_size=30))
def test_a_cut_or_longer_file_is_refused(tmp_path: Path, keep: int, more: bytes) -> None:
    save_file({"weight": np.zeros((3, 4), np.float32)}, tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    changed = whole[:keep] + more
    (tmp_path / "a").write_bytes(changed)
    if len(changed) != len(whole):
        with pytest.raises(ModelRejected, match=r"not a whole safetensors file.*fetch"):
            read_header(tmp_path / "a")


@QUIET
@given(st.binary(max_size=60))
def test_any_bytes_are_a_header_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ModelRejected):
        read_header(tmp_path / "a")


def test_the_default_model_has_its_published_size() -> None:
    found = read_header(find_model().path / WEIGHTS)
    assert 22_000_000 < numbers(found) < 23_000_000
    assert {info.dtype for info in found.values()} <= {"F32", "I64"}
