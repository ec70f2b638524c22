"""A tiny BERT with CLS pooling and a query prompt, exported once into a cache of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.onnx.export import onnx_graph
from workbench.models.weights.find import WEIGHTS, find_model

WIDTH, INNER, WORDS, POSITIONS = 32, 64, 30522, 64

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": POSITIONS,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
    "vocab_size": WORDS,
}
LAYER = "encoder.layer.0"
SHAPES = {
    "embeddings.word_embeddings": (WORDS, WIDTH),
    "embeddings.position_embeddings": (POSITIONS, WIDTH),
    "embeddings.token_type_embeddings": (2, WIDTH),
    "embeddings.LayerNorm": (WIDTH,),
    f"{LAYER}.attention.self.query": (WIDTH, WIDTH),
    f"{LAYER}.attention.self.key": (WIDTH, WIDTH),
    f"{LAYER}.attention.self.value": (WIDTH, WIDTH),
    f"{LAYER}.attention.output.dense": (WIDTH, WIDTH),
    f"{LAYER}.attention.output.LayerNorm": (WIDTH,),
    f"{LAYER}.intermediate.dense": (INNER, WIDTH),
    f"{LAYER}.output.dense": (WIDTH, INNER),
    f"{LAYER}.output.LayerNorm": (WIDTH,),
    "pooler.dense": (WIDTH, WIDTH),
}


def _weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    weights = {}
    for name, shape in SHAPES.items():
        values = 1.0 if name.endswith("LayerNorm") else random.normal(0, 0.1, shape)
        weights[f"{name}.weight"] = np.full(shape, values, np.float32)
        if not name.endswith("_embeddings"):
            weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return weights


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in sentence-transformers' layout. Tests must not change it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    save_file(_weights(), folder / WEIGHTS)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(find_model().path / name, folder)
    module = "sentence_transformers.models."
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write_json(
        folder / "modules.json",
        [
            {"idx": n, "name": str(n), "path": path, "type": module + kind}
            for n, (path, kind) in enumerate(parts)
        ],
    )
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48})
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": WIDTH, "pooling_mode_cls_token": True},
    )
    write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {"query": "Find papers about: ", "document": ""}},
    )
    return folder


@pytest.fixture(scope="session")
def tiny_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the exported tiny model."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(cache))
        onnx_graph(find_model(str(tiny_folder)))
    return cache


@pytest.fixture
def tiny_embedder(
    tiny_folder: Path, tiny_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> OnnxEmbedder:
    """The tiny model, exported before."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tiny_cache))
    return OnnxEmbedder(str(tiny_folder))
