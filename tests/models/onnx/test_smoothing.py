"""Smoothing changes nothing before quantisation, and keeps int8 vectors near float32 after it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.onnx.export import onnx_graph
from workbench.models.onnx.smoothing import smooth
from workbench.models.weights.find import DEFAULT_MODEL, find_model

LANDMARKS = Path(__file__).parents[3] / "data" / "landmarks" / "papers.jsonl"


def test_a_smoothed_encoder_gives_the_same_vectors() -> None:
    folder = find_model(DEFAULT_MODEL).path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    given = tokenizer("Sea otters crack urchins with stones.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        before = model(input_ids=given).last_hidden_state
        smooth(model, tokenizer, 64)
        after = model(input_ids=given).last_hidden_state
    assert not torch.equal(before, after)  # other operations, or nothing was smoothed
    torch.testing.assert_close(after, before, rtol=0, atol=2e-5)


def test_layers_that_read_one_tensor_quantise_it_once() -> None:
    nodes = onnx.load(onnx_graph(find_model(DEFAULT_MODEL))).graph.node
    kinds = [node.op_type for node in nodes]
    # Six layers: query, key and value together; their output; the two of the feed-forward part.
    assert kinds.count("DynamicQuantizeLinear") == 6 * 4
    assert kinds.count("MatMulInteger") == 6 * 6


def test_int8_vectors_stay_near_float32(embedder: OnnxEmbedder) -> None:
    papers = [json.loads(line) for line in LANDMARKS.read_text("utf-8").splitlines()]
    texts = [f"{paper['title']}. {paper['abstract']}" for paper in papers[::3]]
    exact = OnnxEmbedder(precision="fp32").encode(texts)
    cosines = (embedder.encode(texts) * exact).sum(axis=1)
    assert cosines.min() >= 0.99, np.sort(cosines)[:5]
    assert cosines.mean() >= 0.997


@pytest.mark.parametrize("length", [1, 2, 200])
def test_texts_of_any_length(embedder: OnnxEmbedder, length: int) -> None:
    text = "otter " * length
    exact = OnnxEmbedder(precision="fp32").encode([text])[0]
    assert float(embedder.encode([text])[0] @ exact) >= 0.98
