"""TorchEmbedder beside sentence-transformers, family by family, and what it does with bad input."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.models import families
from workbench.errors import ModelError, ModelRejected, OutOfMemory
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.st_embedder import SentenceTransformerEmbedder
from workbench.models.embedders.torch_embedder import TorchEmbedder
from workbench.models.encoder.device_run import CpuRun
from workbench.models.encoder.forward import TorchEncoder, pack
from workbench.models.memory import bookkeeper
from workbench.models.memory.pool import ModelPool
from workbench.models.memory.shortage import DeviceFull, is_out_of_memory, out_of_memory
from workbench.models.weights.find import DEFAULT_MODEL, WEIGHTS, find_model

TEXTS = [
    "Dense passage retrieval with dual encoders improves question answering.",
    "",
    "\x00\x01\x1f",
    "a [PAD] b <pad> [SEP] c",
    "long " * 400,
    "検索と評価 and 👩‍🔬",
    *(f"Text {n} on vitamin D and bone density. " * (n % 5 + 1) for n in range(18)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    others = {"MiniLM": find_model().path}
    return families.make(tmp_path_factory.mktemp("families"), TEXTS, others)


@pytest.fixture(scope="module")
def folders(made: Any) -> dict[str, Path]:
    """Small random models by kind. Tests must not change them."""
    return dict(made[0])


@pytest.fixture(scope="module")
def expected(made: Any) -> dict[str, NDArray[np.float32]]:
    """sentence-transformers' vectors of each of them and of the default model."""
    return dict(made[1])


def lowest_cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float((one * other).sum(axis=1).min())


@pytest.mark.parametrize("kind", families.KINDS)
def test_vectors_are_those_of_sentence_transformers(
    kind: str, folders: dict[str, Path], expected: Any
) -> None:
    embedder = TorchEmbedder(str(folders[kind]), pool=ModelPool())
    assert lowest_cosine(embedder.encode(TEXTS), expected[kind]) >= 0.99999
    assert embedder.encode_query(TEXTS[0]) @ expected[f"{kind} query"] >= 0.99999


def test_the_random_models_tell_texts_apart(expected: Any) -> None:
    for kind in families.KINDS:
        assert lowest_cosine(expected[kind][:1], expected[kind][4:5]) < 0.9


@pytest.fixture(scope="module")
def small(folders: dict[str, Path]) -> TorchEmbedder:
    return TorchEmbedder(str(folders["bert"]), pool=ModelPool())


@pytest.fixture(scope="module")
def minilm() -> TorchEmbedder:
    return TorchEmbedder(pool=ModelPool())


def test_the_default_model_in_float32(minilm: TorchEmbedder, expected: Any) -> None:
    vectors = minilm.encode(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(TEXTS), 384))
    assert lowest_cosine(vectors, expected["MiniLM"]) >= 0.99999


def test_the_default_model_in_half_precision(expected: Any) -> None:
    embedder = TorchEmbedder(dtype="bf16", pool=ModelPool())
    assert lowest_cosine(embedder.encode(TEXTS[:8]), expected["MiniLM"][:8]) >= 0.999


def test_onnx_in_float32(expected: Any) -> None:
    embedder = OnnxEmbedder(precision="fp32", pool=ModelPool())
    assert embedder.providers == []
    assert lowest_cosine(embedder.encode(TEXTS), expected["MiniLM"]) >= 0.99999
    assert embedder.providers == ["CPUExecutionProvider"]
    assert repr(embedder) == f"OnnxEmbedder({DEFAULT_MODEL!r}, fp32, loaded)"


def test_another_pooling_goes_through_sentence_transformers(
    folders: dict[str, Path], expected: Any
) -> None:
    folder = str(folders["max-pooled"])
    with pytest.raises(ModelRejected, match=r'max_tokens.*runtime="sentence-transformers"'):
        TorchEmbedder(folder).encode(TEXTS[:1])
    embedder = SentenceTransformerEmbedder(folder, pool=ModelPool("1GiB"))
    assert not embedder.loaded
    assert lowest_cosine(embedder.encode(TEXTS), expected["max-pooled"]) >= 0.99999
    assert embedder.encode_query(TEXTS[0]) @ expected["max-pooled query"] >= 0.99999
    assert embedder.token_vectors(TEXTS[:2])[0].shape[1] == 64
    assert embedder.query_token_vectors("one").shape == (3, 64)
    embedder.release()
    assert (embedder.loaded, embedder.pool.ledger.usage()) == (False, {})


def test_order_batches_and_neighbours_do_not_matter(
    small: TorchEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = small.encode(TEXTS)
    monkeypatch.setenv("MAX_BATCH_TOKENS", "50")
    np.testing.assert_allclose(small.encode(TEXTS[::-1])[::-1], together, atol=2e-6)
    notes = [e.note for e in small.pool.ledger.events() if e.kind == "batch"][-5:]
    assert all(int(note.split()[2].replace(",", "")) <= 50 for note in notes)


def test_token_vectors_are_onnxs(minilm: TorchEmbedder) -> None:
    onnx = OnnxEmbedder(precision="fp32", pool=ModelPool())
    texts = [*TEXTS[:4], *TEXTS[5:8]]
    for own, other in zip(minilm.token_vectors(texts), onnx.token_vectors(texts), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)
    query = minilm.query_token_vectors("dense vectors")
    np.testing.assert_allclose(query, onnx.query_token_vectors("dense vectors"), atol=1e-4)


def test_no_texts_give_no_rows_and_load_nothing() -> None:
    embedder = TorchEmbedder(pool=ModelPool())
    assert embedder.encode([]).shape == (0, 384)
    assert not embedder.loaded


def test_describing_one_for_a_gpu_imports_no_torch_and_makes_no_context() -> None:
    code = (
        "import sys; from workbench.models.embedders.torch_embedder import TorchEmbedder\n"
        "from workbench.models.memory.pool import ModelPool\n"
        "pool = ModelPool('50%'); e = TorchEmbedder(device='cuda:0', pool=pool); pool.add(e)\n"
        "print(e, e.fingerprint, e.dimension, e.window, e.need(), pool, pool.models())\n"
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    described, loaded = families.run(code).splitlines()
    assert "bf16, cuda:0, not loaded" in described
    assert "-mean-torch-bf16 384 256 Usage(weights=451" in described
    assert loaded == "[]"


def test_sixteen_threads_load_once_and_agree(folders: dict[str, Path]) -> None:
    embedder = TorchEmbedder(str(folders["bert"]), pool=ModelPool())
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda n: embedder.encode(TEXTS[n : n + 3]), range(16)))
    kinds = [event.kind for event in embedder.pool.ledger.events()]
    assert kinds.count("load") == 1
    whole = embedder.encode(TEXTS)
    for n, vectors in enumerate(found):
        np.testing.assert_allclose(vectors, whole[n : n + 3], atol=2e-6)


def test_weights_are_counted_and_given_back(folders: dict[str, Path]) -> None:
    embedder = TorchEmbedder(str(folders["mpnet"]), pool=ModelPool())
    need = embedder.need()
    embedder.encode(TEXTS)
    (usage,) = embedder.pool.ledger.usage().values()
    assert (usage.weights, usage.activations) == (need.weights, 0)
    embedder.release()
    assert embedder.pool.ledger.usage() == {}
    assert embedder.encode(TEXTS[:1]).shape == (1, 64)


# Memory runs out


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A device that holds `most` tokens a batch, and fails `times` times at most."""
    state = {"most": 60, "times": 10**9, "failures": 0}
    compute = TorchEncoder.__call__

    def limited(self: TorchEncoder, ids: Any, *given: Any) -> Any:
        vectors = compute(self, ids, *given)
        if len(ids) > state["most"] and state["failures"] < state["times"]:
            state["failures"] += 1
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return vectors

    monkeypatch.setattr(TorchEncoder, "__call__", limited)
    monkeypatch.setattr(bookkeeper, "FIRST_WAIT", 0.001)
    return state


def test_batches_are_halved_until_they_fit_and_nothing_is_lost(
    small: TorchEmbedder, little_memory: dict[str, int]
) -> None:
    texts = TEXTS[5:] * 2
    little_memory["times"] = 0
    expected = small.encode(texts)
    little_memory["times"] = 10**9
    np.testing.assert_allclose(small.encode(texts), expected, atol=2e-6)
    retries = [e for e in small.pool.ledger.events() if e.kind == "oom_retry"]
    assert retries
    assert "no memory for" in retries[0].note


def test_the_budget_recovers(
    small: TorchEmbedder, little_memory: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    little_memory["times"] = 3
    seen = small.pool.ledger.events()[-1].number
    monkeypatch.setenv("MAX_BATCH_TOKENS", "256")
    small.encode([f"text {n} of many" for n in range(700)])
    events = small.pool.ledger.events(seen)
    sizes = [int(e.note.split()[2].replace(",", "")) for e in events if e.kind == "batch"]
    assert [event.kind for event in events].count("oom_retry") == 3
    assert min(sizes[:-1]) <= 128
    assert max(sizes[-5:]) > 200


def test_a_text_that_never_fits_is_an_error_with_need_and_remedy(
    small: TorchEmbedder, little_memory: dict[str, int]
) -> None:
    little_memory["most"] = 20
    with pytest.raises(OutOfMemory, match=r"one text needs .* are free after 8 tries; other proc"):
        small.encode(["word " * 100])
    little_memory["most"] = 10**6
    assert small.encode(["word " * 100]).shape == (1, 64)


def test_failures_keep_nothing_alive(small: TorchEmbedder, little_memory: dict[str, int]) -> None:
    """Not even until the next garbage collection: on a GPU it would be memory."""
    small.load()
    run = small._run
    assert isinstance(run, CpuRun)
    assert run._encoder is not None
    alive = weakref.ref(run._encoder)
    gc.collect()
    gc.disable()
    try:
        little_memory["times"] = 3
        small.encode(TEXTS)
        little_memory.update(most=1, times=10**9)
        with pytest.raises(OutOfMemory):
            small.encode(["one"])
        small.release()
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_what_counts_as_no_memory(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full
    with pytest.raises(DeviceFull if full else type(error)), out_of_memory():
        raise error


# Bad input


def damaged(folders: dict[str, Path], tmp_path: Path, **changes: Any) -> Path:
    """A copy of the small BERT with tensors replaced, or left out where None."""
    copy = shutil.copytree(folders["bert"], tmp_path / "damaged")
    tensors: dict[str, Any] = {**load_file(copy / WEIGHTS), **changes}
    save_file({k: v for k, v in tensors.items() if v is not None}, copy / WEIGHTS)
    return copy


QUERY = "encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_weights_are_refused_by_name(
    folders: dict[str, Path], tmp_path: Path, value: float
) -> None:
    folder = damaged(folders, tmp_path, **{QUERY: np.full((64, 64), value, np.float32)})
    embedder = TorchEmbedder(str(folder), pool=ModelPool())
    with pytest.raises(ModelRejected, match=r"query\.weight holds NaN or infinity"):
        embedder.encode(["one"])
    assert (embedder.loaded, embedder.pool.ledger.usage()) == (False, {})


def test_nan_vectors_are_noticed(folders: dict[str, Path], tmp_path: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    huge = damaged(folders, tmp_path, **{name: np.full((64, 96), 6e4, np.float32)})
    overflowing = TorchEmbedder(str(huge), dtype="fp16", pool=ModelPool())
    with pytest.raises(ModelRejected, match=r"NaN or infinity for 2 of 2 texts.*bf16"):
        overflowing.encode(["one", "two"])
    assert np.isfinite(TorchEmbedder(str(huge), pool=ModelPool()).encode(["one"])).all()


def test_nan_of_sentence_transformers_is_noticed(folders: dict[str, Path], tmp_path: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    folder = damaged(folders, tmp_path, **{name: np.full((64, 96), np.nan, np.float32)})
    embedder = SentenceTransformerEmbedder(str(folder), pool=ModelPool())
    with pytest.raises(ModelRejected, match="NaN or infinity for 1 of 1 texts"):
        embedder.encode_query("one")


@pytest.mark.parametrize(
    ("tensor", "said"), [(None, "is missing"), (np.zeros((3, 64), np.float32), "has shape")]
)
def test_tensors_that_do_not_fit_the_config_are_named(
    folders: dict[str, Path], tmp_path: Path, tensor: Any, said: str
) -> None:
    folder = damaged(folders, tmp_path, **{QUERY: tensor})
    with pytest.raises(ModelRejected, match=rf"query\.weight {said}.*\(64, 64\)"):
        TorchEmbedder(str(folder), pool=ModelPool()).encode(["one"])


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_a_cut_off_file_is_refused(folders: dict[str, Path], tmp_path: Path, keep: int) -> None:
    folder = shutil.copytree(folders["bert"], tmp_path / "cut")
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:keep])
    embedder = TorchEmbedder(str(folder), pool=ModelPool())
    with pytest.raises(ModelRejected, match=r"not a whole safetensors file.*fetch"):
        embedder.encode(["one"])
    assert not embedder.loaded


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "t5"}, "model_type is 't5'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_act": "swiglu"}, "swiglu"),
    ],
)
def test_other_encoders_are_named_with_the_remedy(
    folders: dict[str, Path], tmp_path: Path, change: dict[str, str], said: str
) -> None:
    folder = shutil.copytree(folders["bert"], tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    families.write_json(folder / "config.json", {**config, **change})
    with pytest.raises(ModelRejected, match=rf'{said}.*runtime="sentence-transformers"'):
        TorchEmbedder(str(folder))


def test_other_dtypes_and_devices_are_refused() -> None:
    with pytest.raises(ModelError, match="dtype is 'int4'; choose one of fp32, bf16, fp16"):
        TorchEmbedder(dtype="int4")
    with pytest.raises(ModelError, match="device is 'tpu'"):
        TorchEmbedder(device="tpu", pool=ModelPool()).encode(["one"])


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match=r"cuda:77 is not there: PyTorch .* use device=\"cpu\""):
        TorchEmbedder(device="cuda:77", pool=ModelPool()).encode(["one"])


# The parts


def test_roberta_counts_positions_from_the_padding_id_and_skips_it() -> None:
    rows = [np.array(row, np.int32) for row in ([0, 5, 1, 6, 2], [0, 2])]
    packed = pack(rows, padding=1)
    assert packed.places.tolist() == [2, 3, 1, 4, 5, 2, 3]
    assert packed.cumulative.tolist() == [0, 5, 7]
    assert pack(rows, padding=-1).places.tolist() == [0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize("biased", [False, True])
def test_padded_attention_is_that_of_each_text_alone(biased: bool) -> None:
    import torch

    from workbench.models.encoder import attention

    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([5, 1, 12, 7], dtype=torch.int32)
    cumulative = torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0)]).int()
    qkv = torch.randn(25, 3, 4, 8, generator=generator)
    table = torch.randn(32, 4, generator=generator)
    bias = attention.distance_bias(table, 12) if biased else None
    one = attention.one_by_one(qkv, lengths.tolist(), bias)
    grid = attention.padded(qkv, lengths, cumulative, 12, bias)
    assert one.shape == (25, 4, 8)
    torch.testing.assert_close(one, grid, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_the_gpus_layers_give_the_same_vectors(
    kind: str, folders: dict[str, Path], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three buffers, without a GPU: attention a text at a time, the norm in PyTorch."""
    from workbench.models.encoder import attention

    def alone(qkv: Any, cumulative: Any, longest: int) -> Any:
        return attention.one_by_one(qkv, cumulative.diff().tolist()).contiguous()

    monkeypatch.setattr(attention, "variable_length", alone)
    embedder = TorchEmbedder(str(folders[kind]), pool=ModelPool())
    embedder.load()
    run = embedder._run
    assert isinstance(run, CpuRun)
    assert run._encoder is not None
    run._encoder.packed = True
    # The product's epilogue has GELU's tanh form.
    assert lowest_cosine(embedder.encode(TEXTS), expected[kind]) >= 0.9999


def test_a_gpu_runs_the_same_where_there_is_one(expected: Any) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU is here: benchmarks/gpu.py measures parity on one")
    for dtype, least in (("fp32", 0.99999), ("bf16", 0.9995)):
        embedder = TorchEmbedder(device="cuda:0", dtype=dtype, pool=ModelPool())
        assert lowest_cosine(embedder.encode(TEXTS), expected["MiniLM"]) >= least
