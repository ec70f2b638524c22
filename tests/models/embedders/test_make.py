"""One setting for the runtime: what it makes, what it refuses, and that an index keeps its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.models.conftest import CONFIG, write_json
from workbench.errors import CorpusMismatch, MissingDependency, ModelError
from workbench.models.embedders import make as choose
from workbench.models.embedders.make import make_embedder
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.runtimes import settings_of
from workbench.models.embedders.st_embedder import SentenceTransformerEmbedder
from workbench.models.embedders.torch_embedder import TorchEmbedder


@pytest.mark.parametrize(
    ("settings", "kind", "label"),
    [
        ({}, OnnxEmbedder, "mean-int8-3"),
        ({"runtime": "onnx-fp32"}, OnnxEmbedder, "mean-onnx-fp32-1"),
        ({"runtime": "torch", "device": "cpu"}, TorchEmbedder, "mean-torch-fp32"),
        ({"runtime": "torch", "device": "cuda:0"}, TorchEmbedder, "mean-torch-bf16"),
        ({"runtime": "sentence-transformers", "device": "cpu"}, SentenceTransformerEmbedder,
         "st-fp32"),
    ],
)  # fmt: skip
def test_each_runtime_and_back_from_its_fingerprint(
    settings: dict[str, Any], kind: type, label: str
) -> None:
    embedder = make_embedder(**settings)
    assert isinstance(embedder, kind)
    assert embedder.fingerprint == f"53aa51172d142c89-{label}"
    again = settings_of(embedder.fingerprint)
    device = {"device": settings["device"]} if "device" in settings else {}
    assert make_embedder(**again, **device).fingerprint == embedder.fingerprint
    assert not embedder.loaded


def test_an_unknown_fingerprint_says_nothing() -> None:
    assert settings_of("0123456789abcdef") == {}


def test_automatic_is_int8_without_a_gpu_and_torch_with_one(
    monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(choose, "has_gpu", lambda: False)
    assert isinstance(make_embedder(runtime="auto"), OnnxEmbedder)
    assert make_embedder(runtime="torch").device == "cpu"
    monkeypatch.setattr(choose, "has_gpu", lambda: True)
    assert repr(make_embedder(runtime="auto")).endswith("bf16, cuda:0, not loaded)")
    other = tmp_path / "other"
    write_json(other / "config.json", {**CONFIG, "model_type": "t5"})
    (other / "model.safetensors").write_bytes(b"")
    assert isinstance(make_embedder(str(other), runtime="auto"), SentenceTransformerEmbedder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"runtime": "onnx"}, "runtime is 'onnx'; choose one of onnx-int8, onnx-fp32, torch"),
        ({"dtype": "bf16"}, "runtime onnx-int8 takes no dtype"),
        ({"device": "cuda:0"}, "runtime onnx-int8 takes no device"),
        ({"runtime": "torch", "provider": "cuda"}, "runtime torch takes no provider"),
        ({"provider": "cuda"}, 'no int8 kernels.*precision="fp32"'),
        ({"runtime": "onnx-fp32", "provider": "rocm"}, "provider is 'rocm'"),
        ({"runtime": "torch", "dtype": "int8", "device": "cpu"}, "dtype is 'int8'"),
        ({"runtime": "sentence-transformers", "dtype": "x", "device": "cpu"}, "dtype is 'x'"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        make_embedder(**settings)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_this_build_lacks_is_named(
    provider: Any, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if len(onnxruntime.get_available_providers()) > 2:
        pytest.skip("this onnxruntime has GPU providers")
    from workbench.models.onnx.session import open_session

    with pytest.raises(MissingDependency, match=r"offers .*CPUExecutionProvider, not .*-gpu"):
        open_session(tmp_path / "graph.onnx", 1, provider)


def test_an_index_keeps_its_runtime(tiny_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "papers.jsonl"
    papers = [{"id": f"p{n}", "title": f"Study {n} of kelp"} for n in range(3)]
    source.write_text("".join(json.dumps(paper) + "\n" for paper in papers))
    wb.index(source, tmp_path / "index", model=str(tiny_folder), runtime="torch", progress=False)
    with wb.open(tmp_path / "index") as bench:
        assert bench.manifest.model_fingerprint.split("-")[2:4] == ["torch", "fp32"]
        assert bench.search("kelp").paper_ids


def test_a_model_of_another_dimension_names_both(tiny_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "papers.jsonl"
    source.write_text('{"id": "a", "title": "Kelp"}\n')
    wb.index(source, tmp_path / "index", model=str(tiny_folder), runtime="torch", progress=False)
    with pytest.raises(CorpusMismatch, match=r"\(dimension 32\).*has dimension 384"):
        wb.open(tmp_path / "index", model="all-MiniLM-L6-v2")
