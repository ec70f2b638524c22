"""A model folder is data: nothing in it is run, whatever its files say and wherever we start."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.models.conftest import CONFIG, write_json
from workbench.children import run_module
from workbench.errors import ModelRejected
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.st_embedder import SentenceTransformerEmbedder
from workbench.models.onnx.export import int8_graph
from workbench.models.weights.find import find_model

EVIL = "from pathlib import Path\nPath({0!r}).write_text('ran')\n"


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(tiny_folder, tmp_path / "copy")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("evil.Module", ""),
        ("copy.evil.Pooling", ""),
        ("sentence_transformers.evil.Pooling", ""),
        ("sentence_transformers.models.Pooling.__init__", ""),
        ("sentence_transformers.models.WordEmbeddings", ""),
        (["sentence_transformers.models.Pooling"], ""),
        ("sentence_transformers.models.Pooling", "../outside"),
        ("sentence_transformers.models.Pooling", "/etc"),
        ("sentence_transformers.models.Pooling", None),
    ],
)
def test_modules_that_are_not_known_are_refused(copy: Path, kind: object, path: object) -> None:
    (copy / "evil.py").write_text(EVIL.format(str(copy / "ran")))
    write_json(copy / "modules.json", [{"idx": 0, "name": "0", "path": path, "type": kind}])
    for embedder in (OnnxEmbedder, SentenceTransformerEmbedder):
        with pytest.raises(ModelRejected, match=r"modules\.json"):
            embedder(str(copy)).encode(["text"])
    assert not (copy / "ran").exists()


def test_a_pickle_of_a_module_is_refused(copy: Path) -> None:
    (copy / "2_Dense").mkdir()
    (copy / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    entry = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    write_json(copy / "modules.json", [entry])
    with pytest.raises(ModelRejected, match=r"pickle.*convert it"):
        _ = find_model(str(copy)).modules


def test_an_export_neither_asks_nor_imports_what_the_folder_holds(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto_map` asks "run the code?" on standard input, and a child would import `torch.py`."""
    for name in ("evil", "torch", "json", "transformers"):
        (copy / f"{name}.py").write_text(EVIL.format(str(copy / "ran")))
    write_json(copy / "config.json", {**CONFIG, "auto_map": {"AutoModel": "evil.Model"}})
    yes, answers = os.pipe()
    os.write(answers, b"y\n" * 100)
    before = os.dup(0)
    os.dup2(yes, 0)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", "relative"]))
    try:
        assert int8_graph(find_model(str(copy))).is_file()
    finally:
        os.dup2(before, 0)
        for handle in (before, yes, answers):
            os.close(handle)
    assert not (copy / "ran").exists()


def test_a_child_reads_only_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text(EVIL.format(str(tmp_path / "ran")))
    monkeypatch.chdir(tmp_path)
    done = run_module("workbench.measuring.child", told="{")
    assert done.returncode != 0
    assert "JSONDecodeError" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_every_child_of_the_package_is_started_in_one_place() -> None:
    package = Path(sys.modules["workbench"].__file__ or "").parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "sys.executable" in path.read_text("utf-8")
    }
    assert users == {"children.py"}


def test_no_loader_is_left_to_its_own_mind_about_code() -> None:
    package = Path(sys.modules["workbench"].__file__ or "").parent
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        calls = text.count("from_pretrained(") + text.count("SentenceTransformer(\n")
        assert text.count("trust_remote_code=False") == calls, path
