"""Weights to an int8 graph: made once, and a failure says why and leaves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import CONFIG, write_json
from workbench.errors import ModelRejected
from workbench.models.onnx.cache import graph_bytes
from workbench.models.onnx.export import onnx_graph
from workbench.models.weights.find import find_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is started is a failure."""

    def refuse(*arguments: Any, **options: Any) -> None:
        pytest.fail(f"started {arguments}")

    monkeypatch.setattr("subprocess.Popen", refuse)


def test_a_graph_is_made_once(
    tiny_cache: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tiny_cache))
    graph = onnx_graph(find_model(str(tiny_folder)))
    assert list((tiny_cache / "onnx").glob("*.onnx")) == [graph]
    assert graph_bytes(graph) > 900_000


def test_a_graph_is_found_by_content_wherever_they_lie(
    tiny_cache: Path,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_processes: None,
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tiny_cache))
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    assert onnx_graph(find_model(str(copy))) == onnx_graph(find_model(str(tiny_folder)))


def test_layers_without_weights_are_not_made_up(
    cache: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    """A failed export names the folder and the reason, and leaves nothing."""
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    write_json(folder / "config.json", {**CONFIG, "num_hidden_layers": 2})
    reason = rf"{folder}: could not be exported.*16 tensors are not in the weights"
    with pytest.raises(ModelRejected, match=reason):
        onnx_graph(find_model(str(folder)))
    assert [path.name for path in (cache / "onnx").iterdir()] == ["export.lock"]
