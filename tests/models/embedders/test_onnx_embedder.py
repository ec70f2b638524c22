"""Vectors: those of the published model, each of its own text alone, whoever asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.errors import ModelRejected
from workbench.models.embedders import base as encoding
from workbench.models.embedders import onnx_embedder as module
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.weights.find import find_model

LANDMARKS = Path(__file__).parents[3] / "data" / "landmarks"

REFERENCE = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
texts, queries, output, *folders = sys.argv[1:]
texts, queries = json.loads(texts), json.loads(queries)
found = {}
for n, folder in enumerate(folders):
    model = SentenceTransformer(folder, device="cpu")
    found[f"documents{n}"] = model.encode_document(texts, normalize_embeddings=True)
    found[f"queries{n}"] = model.encode_query(queries, normalize_embeddings=True)
np.savez(output, **found)
"""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Real abstracts with their titles."""
    lines = (LANDMARKS / "papers.jsonl").read_text("utf-8").splitlines()[:16]
    return [f"{paper['title']}. {paper['abstract']}" for paper in map(json.loads, lines)]


@pytest.fixture(scope="module")
def queries() -> list[str]:
    """Ten real queries."""
    lines = (LANDMARKS / "queries.jsonl").read_text("utf-8").splitlines()[:10]
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="module")
def reference(
    tiny_folder: Path,
    texts: list[str],
    queries: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """sentence-transformers' fp32 vectors: 0 of the default model, 1 of the tiny one."""
    output = tmp_path_factory.mktemp("reference") / "vectors.npz"
    folders = [str(find_model().path), str(tiny_folder)]
    arguments = [json.dumps(texts), json.dumps(queries), str(output), *folders]
    command = [sys.executable, "-c", REFERENCE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(output) as vectors:
        yield vectors


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (one * other).sum(axis=1)
    return result


def test_documents_are_close_to_the_published_model(
    embedder: OnnxEmbedder, texts: list[str], reference: Any
) -> None:
    assert cosines(embedder.encode(texts), reference["documents0"]).min() >= 0.99


def test_queries_are_close_to_the_published_model(
    embedder: OnnxEmbedder, queries: list[str], reference: Any
) -> None:
    vectors = np.stack([embedder.encode_query(query) for query in queries])
    assert cosines(vectors, reference["queries0"]).min() >= 0.98


def test_cls_pooling_as_in_sentence_transformers(
    tiny_embedder: OnnxEmbedder, texts: list[str], reference: Any
) -> None:
    assert cosines(tiny_embedder.encode(texts), reference["documents1"]).min() >= 0.99


def test_the_query_prompt_as_in_sentence_transformers(
    tiny_embedder: OnnxEmbedder, queries: list[str], reference: Any
) -> None:
    vectors = np.stack([tiny_embedder.encode_query(query) for query in queries])
    assert cosines(vectors, reference["queries1"]).min() >= 0.99


def test_rows_are_float32_of_unit_length(embedder: OnnxEmbedder, texts: list[str]) -> None:
    vectors = embedder.encode(texts)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(texts), 384))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(embedder: OnnxEmbedder) -> None:
    vectors = embedder.encode([])
    assert (vectors.dtype, vectors.shape) == (np.float32, (0, 384))


def test_a_text_has_the_same_bits_whatever_is_beside_it(
    embedder: OnnxEmbedder, texts: list[str]
) -> None:
    together = embedder.encode([*texts, "short", "long " * 1000])
    alone = np.concatenate([embedder.encode([text]) for text in texts])
    assert np.array_equal(together[: len(texts)], alone)


def test_rows_are_in_the_order_of_the_texts(embedder: OnnxEmbedder, texts: list[str]) -> None:
    assert np.array_equal(embedder.encode(texts[::-1]), embedder.encode(texts)[::-1])


def test_sixteen_threads_get_the_same_bits_and_load_once(
    embedder: OnnxEmbedder, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    open_session = module.open_session
    monkeypatch.setattr(
        module, "open_session", lambda g, *given: opened.append(g) or open_session(g, *given)
    )
    fresh = OnnxEmbedder()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: fresh.encode(texts[n : n + 2]), range(16)))
    assert len(opened) == 1
    expected = embedder.encode(texts)
    for n, vectors in enumerate(found):
        assert np.array_equal(vectors, expected[n : n + 2])


def test_counting_tokens_beside_encoding_changes_neither(
    embedder: OnnxEmbedder, texts: list[str]
) -> None:
    long = " ".join(texts)
    expected, count = embedder.encode([long]), len(embedder.token_starts([long])[0])
    with ThreadPoolExecutor(4) as pool:
        counts = [pool.submit(embedder.token_starts, [long]) for _ in range(20)]
        vectors = [pool.submit(embedder.encode, [long]) for _ in range(10)]
    assert {len(future.result()[0]) for future in counts} == {count}
    assert all(np.array_equal(future.result(), expected) for future in vectors)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00\x01\x1f", "x" * 100_000, "word " * 20_000, "検索" * 500, "👩‍🔬🏽", "\u0301"],
    ids=["empty", "blank", "control", "one-word", "many-words", "cjk", "emoji", "combining"],
)
def test_any_text_has_a_vector_of_unit_length(embedder: OnnxEmbedder, text: str) -> None:
    (document,), query = embedder.encode([text]), embedder.encode_query(text)
    assert np.linalg.norm(document) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(document, query)


def test_what_passes_the_window_is_cut_off(embedder: OnnxEmbedder) -> None:
    at_limit, over, under = embedder.encode(["word " * 254, "word " * 300, "word " * 253])
    assert np.array_equal(at_limit, over)
    assert not np.array_equal(at_limit, under)


def test_another_query_has_another_vector(embedder: OnnxEmbedder) -> None:
    first, second = map(embedder.encode_query, ("dense retrieval", "vitamin D"))
    assert first @ second < 0.5


def test_a_query_is_encoded_once(embedder: OnnxEmbedder) -> None:
    assert embedder.encode_query("dense") is embedder.encode_query("dense")


def test_a_kept_query_vector_cannot_be_changed(embedder: OnnxEmbedder) -> None:
    with pytest.raises(ValueError, match="read-only"):
        embedder.encode_query("dense")[0] = 0


def test_the_query_cache_forgets_the_least_recently_used(
    tiny_embedder: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "QUERY_CACHE", 3)
    first, second = map(tiny_embedder.encode_query, ("first", "second"))
    for text in ("third", "first", "fourth"):
        tiny_embedder.encode_query(text)
    assert tiny_embedder.encode_query("first") is first
    assert tiny_embedder.encode_query("second") is not second
    assert len(tiny_embedder._queries) == 3


@pytest.mark.parametrize(
    ("text", "starts"),
    [("dense vectors", [0, 6]), ("é ü x", [0, 2, 4]), ("𝐀 検索", [0, 2, 3]), ("", []), (" \n", [])],
)
def test_token_starts_are_characters(embedder: OnnxEmbedder, text: str, starts: list[int]) -> None:
    assert [row.tolist() for row in embedder.token_starts([text])] == [starts]


def test_token_starts_of_no_texts(embedder: OnnxEmbedder) -> None:
    assert embedder.token_starts([]) == []


def test_nothing_is_loaded_until_a_text_comes() -> None:
    fresh = OnnxEmbedder()
    assert repr(fresh) == f"OnnxEmbedder({fresh.name!r}, int8, not loaded)"
    assert (fresh.dimension, fresh.window, fresh.loaded) == (384, 256, False)
    fresh.encode_query("dense")
    assert fresh.loaded
    assert repr(fresh).endswith("int8, loaded)")


def test_fingerprints_tell_models_apart(
    embedder: OnnxEmbedder, tiny_embedder: OnnxEmbedder
) -> None:
    assert embedder.fingerprint == OnnxEmbedder().fingerprint != tiny_embedder.fingerprint


@pytest.mark.parametrize("damage", ["missing", "nonsense"])
def test_a_damaged_tokenizer_is_refused_by_name(
    tiny_folder: Path, tmp_path: Path, damage: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    (folder / "tokenizer.json").unlink()
    if damage == "nonsense":
        (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelRejected, match=r"tokenizer\.json"):
        OnnxEmbedder(str(folder)).token_starts(["text"])


def test_many_queries_have_the_bits_of_each_alone(embedder: OnnxEmbedder) -> None:
    texts = ["How do urchins graze kelp?", "kelp", "Which links does a small-world graph need?"]
    many = [vector.tobytes() for vector in embedder.encode_queries(texts)]
    assert many == [embedder._encode_query(text).tobytes() for text in texts]
    assert [embedder.encode_query(text).tobytes() for text in texts] == many
