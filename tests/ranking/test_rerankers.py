"""Where models of a profile run: on the GPU that it asks for, or it is said once why not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from workbench import opening
from workbench.models.embedders import make
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.torch_embedder import TorchEmbedder
from workbench.profiles import Profile
from workbench.ranking import rerankers
from workbench.ranking.rerankers import Rerankers


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "workbench"]


@pytest.mark.parametrize(
    ("gpu", "words"),
    [(False, "PyTorch can use none here"), (True, "stays on the CPU")],
)
def test_a_gpu_that_a_profile_does_not_get_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, gpu: bool, words: str
) -> None:
    monkeypatch.setattr(rerankers, "has_gpu", lambda: gpu)
    made = Rerankers(OnnxEmbedder())
    with caplog.at_level(logging.WARNING, "workbench"):
        for profile in ("default", "fast"):
            assert made.chosen(Profile.named(profile)) is None
        assert told(caplog) == []
        for _ in range(3):
            made.chosen(Profile.named("gpu"))
    [text] = told(caplog)
    assert "profile 'gpu' asks for a GPU" in text
    assert words in text


def test_a_new_index_of_the_gpu_profile_is_embedded_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(make, "has_gpu", lambda: True)
    found = opening._embedder(tmp_path, None, None, "auto")  # no index is there
    assert isinstance(found, TorchEmbedder)
    assert (found.device, found.dtype, found.loaded) == ("cuda:0", "bf16", False)
    monkeypatch.setattr(make, "has_gpu", lambda: False)
    assert isinstance(opening._embedder(tmp_path, None, None, "auto"), OnnxEmbedder)
    assert opening._embedder(tmp_path, None, "onnx-fp32", "auto").label.startswith("onnx-fp32")
