"""Damaged model folders, profiles, judgments, recordings, edits and weights: typed errors only."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tomli_w

import workbench as wb
from tests.fuzz.mutations import CASES, ODD, damaged, odd_json, refused
from workbench.errors import WeightError
from workbench.models.cross_encoder.cross_encoder import CrossEncoder
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.encoder.shape import layout, prefix_of, shape_of
from workbench.models.weights.find import find_model
from workbench.models.weights.header import read_header
from workbench.monitor.recording import read_recording
from workbench.ranking.editing import QueryEdits
from workbench.ranking.fusion import weight_vector

RECORDINGS = Path(__file__).parents[1] / "monitor" / "recordings"
LINES = (
    '{"id": "a", "at": "2026-01-02T03:04:05+00:00", "who": "ann", "query_id": "q", "paper_id": '
    '"p", "grade": 2, "note": "fine"}\n'
    '{"id": "b", "at": "2026-01-02T03:04:06+00:00", "who": "ben", "query_id": "q", "paper_id": '
    '"p", "grade": 1}\n'
    '{"id": "c", "at": "2026-01-02T03:04:07+00:00", "who": "ann", "kind": "undo", "query_id": "q",'
    ' "paper_id": "p", "undoes": "a"}\n'
)


@pytest.fixture
def chance() -> random.Random:
    return random.Random(13)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The default model's small files beside a header without data."""
    source, target = find_model().path, tmp_path / "model"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors", "tokenizer*"))
    with open(source / "model.safetensors", "rb") as stream:
        (target / "model.safetensors").write_bytes(stream.read(200_000))
    return target


def use_folder(folder: Path) -> None:
    model = find_model(str(folder))
    _ = model.modules, model.dimension, model.window, model.prompt("query"), model.padding
    _ = model.fingerprint
    if "pooling" in str(model.modules).lower():
        _ = model.pooling
    layout(shape_of(model), 2)
    _ = OnnxEmbedder(model).fingerprint


def test_model_folders(folder: Path, chance: random.Random) -> None:
    files = sorted(path for path in folder.rglob("*.json"))
    whole = {path: path.read_bytes() for path in files}
    assert refused(lambda: use_folder(folder)) is None
    seen = 0
    for _ in range(CASES):
        path = chance.choice(files)
        if chance.random() < 0.6:
            content = json.dumps(odd_json(json.loads(whole[path]), chance)).encode()
        else:
            content = damaged(whole[path], chance)
        path.write_bytes(content)
        seen += refused(lambda: use_folder(folder)) is not None
        refused(lambda: CrossEncoder(str(folder)))
        path.write_bytes(whole[path])
    assert seen > CASES // 10


def test_headers_of_weights(folder: Path, chance: random.Random) -> None:
    path = folder / "model.safetensors"
    entries = {"embeddings.word_embeddings.weight": {"dtype": "F32", "shape": [2, 3],
                                                     "data_offsets": [0, 24]}}  # fmt: skip
    model = find_model(str(folder))
    for _ in range(CASES):
        header = json.dumps(odd_json(entries, chance)).encode()
        content = len(header).to_bytes(8, "little") + header + bytes(24)
        path.write_bytes(damaged(content, chance) if chance.random() < 0.5 else content)
        refused(lambda: prefix_of(read_header(path), model))


def test_profiles(tmp_path: Path, chance: random.Random) -> None:
    text = wb.Profile().to_toml()
    path = tmp_path / "mine.toml"
    names = list(wb.Profile().to_dict())
    for _ in range(CASES):
        path.write_bytes(damaged(text.encode(), chance))
        refused(lambda: wb.Profile.from_toml(path))
        value = chance.choice(ODD)
        given = {chance.choice(names): chance.choice((value, {"bm25": value}))}
        refused(lambda g=given: wb.Profile(**g).fingerprint)
        refused(lambda g=given: tomli_w.dumps(wb.Profile().replace(**g).to_dict()))


def test_judgments(tmp_path: Path, chance: random.Random) -> None:
    lines = LINES.splitlines()
    for number in range(CASES):
        path = tmp_path / f"{number}.jsonl"
        changed = list(lines)
        at = chance.randrange(len(lines))
        changed[at] = json.dumps(odd_json(json.loads(lines[at]), chance))
        content = ("\n".join(changed) + "\n").encode()
        path.write_bytes(damaged(content, chance) if chance.random() < 0.4 else content)
        refused(lambda p=path: use_judgments(p))
        for left in tmp_path.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def use_judgments(path: Path) -> None:
    found = wb.Judgments(path, who="ann", conflicts="latest")
    _ = found.entries(), found.fingerprint, str(found), found.history()
    found.undo()
    copy = path.with_suffix(".csv")
    found.export_csv(copy)
    found.snapshot()


def test_recordings(tmp_path: Path, chance: random.Random) -> None:
    lines = (RECORDINGS / "gpu.jsonl").read_text("utf-8").splitlines()[:12]
    path = tmp_path / "run.jsonl"
    for _ in range(CASES):
        changed = list(lines)
        at = chance.randrange(len(lines))
        changed[at] = json.dumps(odd_json(json.loads(lines[at]), chance))
        content = ("\n".join(changed) + "\n").encode()
        path.write_bytes(damaged(content, chance) if chance.random() < 0.4 else content)
        refused(lambda: use_recording(path))


def use_recording(path: Path) -> None:
    found = read_recording(path)
    text = str(found)
    assert "\x1b" not in text
    text.encode()
    for device in found.devices:
        found.peak_bytes(device)


def mappings(chance: random.Random) -> Iterator[object]:
    for _ in range(CASES):
        names = chance.sample(("bm25", "dense", "title", "x", "", 3, None), 2)
        yield {name: chance.choice((*ODD, np.float64(0.5))) for name in names}
        yield chance.choice(ODD)


def test_edits_and_weights(chance: random.Random) -> None:
    for given in mappings(chance):
        refused(lambda g=given: QueryEdits(boost=g))
        refused(lambda g=given: QueryEdits(add=g))
        refused(lambda g=given: QueryEdits(mute=g, require=g))
        refused(lambda g=given: wb.Profile(weights=g))
        if isinstance(given, dict):
            try:
                vector = weight_vector(given, ("bm25", "dense", "title"))
            except WeightError:
                continue
            assert np.isfinite(vector.sum())
