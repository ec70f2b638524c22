"""Cross-encoders: parity with sentence-transformers, on small models with random weights."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import ModelError, ModelNotFound, ModelRejected
from workbench.models.cross_encoder import CrossEncoder, TorchPairs
from workbench.models.memory.bookkeeper import Bookkeeper
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.find import WEIGHTS, find_model
from workbench.profiles import Profile
from workbench.session import Workbench

RUN = "workbench.models.cross_encoder"
QUERY = "what keeps bones strong"
PASSAGES = (
    "Vitamin D supplementation and bone mineral density in postmenopausal women.",
    "A cat sleeps.",
    "",
    "We prove a lower bound on the regret of any bandit algorithm. " * 40,
    "\x00\x1b control 🙂 characters",
    "A cat sleeps.",
)


def _config(kind: str) -> Any:
    import transformers

    shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.3,
        "num_labels": 1,
    }
    if kind == "bert":
        return transformers.BertConfig(max_position_embeddings=128, **shape)
    return transformers.RobertaConfig(
        vocab_size=30522, max_position_embeddings=130, pad_token_id=0, type_vocab_size=1, **shape
    )


def _make(kind: str, parent: Path) -> Path:
    """A classifier with one label in safetensors, with MiniLM's tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_config(_config(kind))
    path = parent / kind
    model.save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(find_model().path / name, path)
    if kind == "roberta":  # its own tokenizers give no token types
        known = json.loads((path / "tokenizer_config.json").read_text())
        inputs = {"model_input_names": ["input_ids", "attention_mask"]}
        (path / "tokenizer_config.json").write_text(json.dumps({**known, **inputs}))
    return path


@pytest.fixture(scope="module", params=["bert", "roberta"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model. Tests must not change it."""
    return _make(request.param, tmp_path_factory.mktemp("cross-encoder"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> np.ndarray:
    """What sentence-transformers gives, as raw logits."""
    import torch
    from sentence_transformers import CrossEncoder as Reference

    model = Reference(str(folder), device="cpu", max_length=128, activation_fn=torch.nn.Identity())
    pairs = [(QUERY, passage) for passage in PASSAGES]
    return np.asarray(model.predict(pairs, show_progress_bar=False), dtype=np.float64)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def encoder(folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> CrossEncoder:
    monkeypatch.setenv("WORKBENCH_CACHE", str(own_cache))
    return CrossEncoder(str(folder), device="cpu", pool=ModelPool())


def test_the_cpu_runtime_agrees_with_sentence_transformers(
    encoder: CrossEncoder, reference: np.ndarray
) -> None:
    found = encoder.scores(QUERY, PASSAGES)
    assert found.dtype == np.float64
    assert np.corrcoef(found, reference)[0, 1] > 0.99
    assert found == pytest.approx(reference, abs=0.25 * reference.std())


def test_the_torch_runtime_agrees_with_sentence_transformers(
    folder: Path, reference: np.ndarray
) -> None:
    model = CrossEncoder(str(folder), device="cpu", pool=ModelPool())
    for batch_size in (1, 4, 50):
        runtime = TorchPairs(model, Bookkeeper(model), 128, batch_size)
        assert runtime.weights == 4 * sum(t.count for t in model.folder.tensors.values())
        assert runtime.scores(QUERY, PASSAGES) == pytest.approx(reference, abs=1e-4)
        runtime.close()


def test_a_score_does_not_depend_on_its_neighbours(encoder: CrossEncoder) -> None:
    together = encoder.scores(QUERY, PASSAGES)
    alone = [encoder.scores(QUERY, [passage])[0] for passage in PASSAGES]
    assert together.tolist() == alone
    assert together[1] == together[5]
    assert encoder.scores(QUERY, []).shape == (0,)


def test_nothing_is_loaded_before_the_first_pair(encoder: CrossEncoder) -> None:
    assert encoder.fingerprint.startswith("cross-encoder-")
    assert "not loaded" in repr(encoder)
    encoder.scores(QUERY, PASSAGES[:1])
    assert encoder.loaded
    assert encoder.device == "cpu"
    graph = encoder.pool.ledger.usage()[encoder.key, "cpu"].weights
    assert graph == encoder.held().weights > 900_000
    encoder.release()
    assert not encoder.loaded
    assert (encoder.key, "cpu") not in encoder.pool.ledger.usage()
    assert encoder.scores(QUERY, PASSAGES[:1]).shape == (1,)


def test_threads_share_a_cross_encoder(encoder: CrossEncoder) -> None:
    expected = encoder.scores(QUERY, PASSAGES).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: encoder.scores(QUERY, PASSAGES).tolist(), range(8)))
    assert found == [expected] * 8


def test_a_search_reranks_with_it(
    landmarks: Workbench, folder: Path, encoder: CrossEncoder
) -> None:
    profile = Profile(reranker=str(folder), device="cpu", n_rerank=5)
    ranking = landmarks.search("late interaction", k=5, profile=profile)
    assert ranking.candidates.signals[-1] == "cross_encoder"
    column = ranking.candidates.column("cross_encoder")
    assert (column > column.min()).sum() == 4
    assert ranking[0].signals["cross_encoder"].weight == 0.5


# What cannot be used


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A model to spoil."""
    return _make("bert", tmp_path)


def _configure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_model_that_is_no_classifier_is_refused(broken: Path) -> None:
    _configure(broken, architectures=["BertModel"])
    with pytest.raises(ModelRejected, match=r"BertModel .*is no cross-encoder; give a sequence"):
        CrossEncoder(str(broken))


def test_a_classifier_with_more_labels_is_refused(broken: Path) -> None:
    _configure(broken, id2label={"0": "no", "1": "yes", "2": "maybe"})
    with pytest.raises(ModelRejected, match="with 3 labels"):
        CrossEncoder(str(broken))


def test_a_pickle_is_refused(broken: Path) -> None:
    (broken / WEIGHTS).rename(broken / "pytorch_model.bin")
    with pytest.raises(ModelRejected, match="a pickle"):
        CrossEncoder(str(broken))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="missing"):
        CrossEncoder(str(tmp_path / "missing"))


def test_an_unreadable_configuration_is_named(broken: Path) -> None:
    (broken / "config.json").write_text("{")
    with pytest.raises(ModelRejected, match=r"config\.json: not readable"):
        CrossEncoder(str(broken))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("device", "tpu"), ("device", None), ("workers", 0), ("batch_size", 0), ("batch_size", "5")],
)
def test_settings_that_cannot_be_meant(folder: Path, setting: str, value: Any) -> None:
    with pytest.raises(ModelError, match=f"{setting} is {value!r}"):
        CrossEncoder(str(folder), **{"device": "cpu", setting: value})


def test_corrupt_weights_are_refused_with_the_reason(
    broken: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(own_cache))
    (broken / WEIGHTS).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!")
    with pytest.raises(ModelRejected, match=r"model\.safetensors"):
        CrossEncoder(str(broken), device="cpu").scores(QUERY, PASSAGES)


class _NoSession:
    def get_inputs(self) -> tuple[()]:
        return ()


def test_scores_that_are_not_numbers_are_refused(
    encoder: CrossEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RUN + ".OnnxPairs.scores", lambda *_: np.array([1.0, np.nan]))
    with pytest.raises(ModelRejected, match="NaN or infinity for 1 of 2 texts"):
        encoder.scores(QUERY, PASSAGES[:2])


def test_a_broken_tokenizer_is_named(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN + ".onnx_graph", lambda folder, kind: folder.path / WEIGHTS)
    monkeypatch.setattr(RUN + ".open_session", lambda graph: _NoSession())
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelRejected, match=r"tokenizer\.json: not readable"):
        CrossEncoder(str(broken), device="cpu").scores(QUERY, PASSAGES)
