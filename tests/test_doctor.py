"""What doctor says of models: which are at hand, how large, where from, how they run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench import doctor
from workbench.models.weights.find import DEFAULT_MODEL, find_model


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return tmp_path / "hub"


def cached(hub: Path, name: str) -> Path:
    """A snapshot folder of a model in the local cache."""
    repository = hub / f"models--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    return repository / "snapshots" / "abc"


def test_the_default_with_size_source_and_digest(hub: Path) -> None:
    (line,) = [check for check in doctor.examine() if check.name in ("weights", "model")]
    assert line.ok
    folder = str(find_model().path)
    sizes, runs = "int8 21.7 MiB, bf16 43.3 MiB, fp32 86.6 MiB", "ONNX Runtime and PyTorch"
    described = "384 dimensions, 256 tokens, mean pooling"
    for part in (DEFAULT_MODEL, described, "sha256 53aa51172d14", sizes, runs, folder):
        assert part in line.found


def test_models_of_the_cache_are_listed_and_unusable_ones_are_no_fault(hub: Path) -> None:
    shutil.copytree(find_model().path, cached(hub, "some--encoder"), dirs_exist_ok=True)
    pickled = cached(hub, "some--pickle")
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"")
    lines = {c.found.partition(",")[0].partition(":")[0]: c for c in doctor.examine()
             if c.name == "model"}  # fmt: skip
    assert set(lines) == {"some/encoder", "some/pickle"}
    assert all(line.ok for line in lines.values())
    assert "some/encoder, 384 dimensions" in lines["some/encoder"].found
    assert "a pickle" in lines["some/pickle"].remedy
