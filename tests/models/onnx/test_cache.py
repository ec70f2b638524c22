"""Graphs on disk: found by all that decides them, and made anew where they are damaged."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.models.conftest import CONFIG, write_json
from workbench.errors import ModelError, ModelRejected
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.onnx.cache import is_sound, seal, weights_of
from workbench.models.onnx.export import graph_file
from workbench.models.onnx.session import open_session
from workbench.models.weights.find import find_model


@pytest.fixture
def own(
    tiny_folder: Path, tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the tiny model, and a cache of its own with its graph."""
    shutil.copytree(tiny_cache, tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def test_a_seal_is_metadata_that_onnx_reads(own: Path) -> None:
    model = onnx.load(graph_file(find_model(str(own))))
    written = {entry.key: entry.value for entry in model.metadata_props}  # not by us alone
    assert len(written["sha256"]) == 64


CHANGES = {
    "config.json": {**CONFIG, "layer_norm_eps": 1e-6},
    "sentence_bert_config.json": {"max_seq_length": 32},
    "1_Pooling/config.json": {"pooling_mode_mean_tokens": True},
    "config_sentence_transformers.json": {"prompts": {"query": "Other: "}},
    "tokenizer_config.json": {"do_lower_case": False},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_a_vector_changes_graph_and_fingerprint(own: Path, name: str) -> None:
    before = find_model(str(own))
    named = graph_file(before), OnnxEmbedder(before).fingerprint
    write_json(own / name, CHANGES[name])
    after = find_model(str(own))
    assert graph_file(after) != named[0]
    assert OnnxEmbedder(after).fingerprint != named[1]


def test_tokenizers_count_by_content(own: Path) -> None:
    before = find_model(str(own)).fingerprint
    path = own / "tokenizer.json"
    content = path.read_bytes()
    changed = re.sub(rb'"lowercase":( ?)true', rb'"lowercase":false', content)
    assert changed != content
    path.write_bytes(changed)
    assert find_model(str(own)).fingerprint != before


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-500])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def test_a_damaged_graph_is_noticed_and_made_anew(own: Path) -> None:
    expected = OnnxEmbedder(str(own)).encode(["late interaction"])
    graph = graph_file(find_model(str(own)))
    for file in (graph, weights_of(graph)):
        whole = file.read_bytes()
        for damage in (empty, cut, flip, Path.unlink):
            damage(file)
            assert not is_sound(graph)
            file.write_bytes(whole)
            assert is_sound(graph)
    # A graph that nobody can open says what to do, and that works.
    graph.write_bytes(b"no graph")
    seal(graph)
    with pytest.raises(ModelError, match=r"cannot open it .*delete the file"):
        OnnxEmbedder(str(own)).encode_query("text")
    with pytest.raises(ModelError, match="cannot open"):
        open_session(graph)
    graph.unlink()
    (graph.parent / "export-killed").mkdir()
    assert np.array_equal(OnnxEmbedder(str(own)).encode(["late interaction"]), expected)
    assert is_sound(graph)
    assert not (graph.parent / "export-killed").exists()


def test_weights_are_mapped_and_so_shared(own: Path) -> None:
    embedder = OnnxEmbedder(str(own))
    embedder.encode_query("late interaction")
    weights = weights_of(graph_file(embedder.folder))
    assert weights.stat().st_size > 10_000
    assert weights.stat().st_mode == graph_file(embedder.folder).stat().st_mode
    if sys.platform == "linux":
        assert weights.name in Path("/proc/self/maps").read_text()


def test_a_vocabulary_of_another_model_is_refused(own: Path) -> None:
    embedder = OnnxEmbedder(str(own))
    embedder.tokenizer.add_tokens(["zzzz"])  # an id past the last row of the weights
    with pytest.raises(ModelRejected, match="two models"):
        embedder.encode_query("zzzz")
