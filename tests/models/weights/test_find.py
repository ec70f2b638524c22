"""A model's name to a folder: where it is looked for, what is read, what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import write_json
from workbench.errors import ModelNotFound, ModelRejected
from workbench.models.weights import digest
from workbench.models.weights.find import DEFAULT_MODEL, WEIGHTS, ModelFolder, Published, find_model

PUBLISHED = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def model(folder: Path, config: Any = None, weights: bytes = b"weights") -> ModelFolder:
    """A folder that is a model as far as its small files tell."""
    write_json(folder / "config.json", config or {"hidden_size": 8, "max_position_embeddings": 99})
    (folder / WEIGHTS).write_bytes(weights)
    return find_model(str(folder))


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "all-MiniLM-L6-v2"])
def test_the_default_comes_from_its_package_with_the_published_weights(name: str) -> None:
    found = find_model(name)
    assert (found.name, found.sha256) == (DEFAULT_MODEL, PUBLISHED)


def test_the_default_is_described_by_its_own_files() -> None:
    found = find_model()
    assert (found.dimension, found.window, found.pooling) == (384, 256, "mean")
    assert (found.prompt("query"), found.prompt("document")) == ("", "")


def test_describing_a_model_loads_no_runtime() -> None:
    code = (
        "import sys; from workbench.models.embedders.onnx_embedder import OnnxEmbedder;"
        "e = OnnxEmbedder();"
        "print(e, e.fingerprint, e.dimension, e.window);"
        "print(sorted({'torch', 'onnxruntime', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    described, loaded = done.stdout.splitlines()
    assert described.endswith("int8, not loaded) 53aa51172d142c89-mean-int8-3 384 256")
    assert loaded == "[]"


def test_a_flipped_byte_is_refused_with_both_digests(cache: Path, tmp_path: Path) -> None:
    copy = shutil.copy(find_model().path / WEIGHTS, tmp_path)
    with open(copy, "r+b") as stream:
        stream.seek(50_000_000)
        byte = stream.read(1)[0]
        stream.seek(50_000_000)
        stream.write(bytes([byte ^ 1]))
    with pytest.raises(ModelRejected, match=rf"sha256 is [0-9a-f]{{64}}, published is {PUBLISHED}"):
        _ = ModelFolder("copy", tmp_path, Published(PUBLISHED, "")).sha256


def test_a_copy_of_the_default_is_the_default_until_a_setting_differs(
    cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "mine"
    shutil.copytree(find_model().path, own, ignore=shutil.ignore_patterns(WEIGHTS))
    (own / WEIGHTS).symlink_to(find_model().path / WEIGHTS)
    assert find_model(str(own)).fingerprint == find_model().fingerprint
    write_json(own / "sentence_bert_config.json", {"max_seq_length": 128})
    assert find_model(str(own)).fingerprint != find_model().fingerprint


def test_a_changed_file_of_the_same_size_gets_another_digest(cache: Path, tmp_path: Path) -> None:
    before = model(tmp_path / "m", weights=b"one").sha256
    os.utime(tmp_path / "m" / WEIGHTS, (1, 1))
    assert model(tmp_path / "m", weights=b"two").sha256 != before


def test_a_digest_is_computed_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "REMEMBERED", 0)
    monkeypatch.setattr(digest, "_SETTLED", -1.0)
    found = model(tmp_path / "m")
    computed = found.sha256
    (memo,) = (cache / "digests").iterdir()
    memo.write_text("0" * 64)
    assert ModelFolder("m", found.path).sha256 == "0" * 64 != computed


def test_a_damaged_memo_is_computed_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "REMEMBERED", 0)
    monkeypatch.setattr(digest, "_SETTLED", -1.0)
    found = model(tmp_path / "m")
    computed = found.sha256
    (memo,) = (cache / "digests").iterdir()
    memo.write_text("half")
    assert ModelFolder("m", found.path).sha256 == computed


def test_nowhere_found_lists_each_place_and_the_remedy(hub: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_model("nobody/nothing")
    for part in ("'nobody/nothing'", "folder", "package", "Hugging Face cache", DEFAULT_MODEL):
        assert part in str(caught.value)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=rf"{tmp_path}: no model\.safetensors.*check the path"):
        find_model(str(tmp_path))


def test_pickled_weights_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelRejected, match=r"pytorch_model\.bin, a pickle.*any code.*convert"):
        find_model(str(tmp_path))


def test_pickled_weights_beside_safe_ones_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert model(tmp_path).dimension == 8


def test_the_hub_cache_is_searched(hub: Path) -> None:
    repository = hub / "models--some--encoder"
    model(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc\n")
    found = find_model("some/encoder")
    assert (found.name, found.dimension) == ("some/encoder", 8)


def test_a_half_fetched_hub_model_is_not_found(hub: Path) -> None:
    (hub / "models--some--encoder" / "refs").mkdir(parents=True)
    (hub / "models--some--encoder" / "refs" / "main").write_text("abc")
    with pytest.raises(ModelNotFound):
        find_model("some/encoder")


def test_a_folder_comes_before_the_hub(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "some" / "encoder")
    assert find_model("some/encoder").path == tmp_path / "some" / "encoder"


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 8}, "mean"),
        (None, "mean"),
    ],
)
def test_pooling_from_the_folder(tmp_path: Path, config: Any, pooling: str) -> None:
    if config is not None:
        write_json(tmp_path / "1_Pooling" / "config.json", config)
    assert model(tmp_path).pooling == pooling


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {},
    ],
)
def test_other_pooling_is_refused(tmp_path: Path, config: Any) -> None:
    write_json(tmp_path / "1_Pooling" / "config.json", config)
    with pytest.raises(ModelRejected, match=r"pooling .* is not supported; use cls or mean"):
        _ = model(tmp_path).pooling


def test_the_window_is_the_models_own_limit_where_no_other_is_set(tmp_path: Path) -> None:
    assert model(tmp_path).window == 99


def test_prompts_from_the_folder(tiny_folder: Path) -> None:
    found = find_model(str(tiny_folder))
    assert found.prompt("query") == "Find papers about: "
    assert found.prompt("document") == ""


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"{}", b'{"hidden_size": "x"}'])
def test_an_unreadable_config_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    found = model(tmp_path)
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelRejected, match=r"config\.json.*fetch the model again"):
        _ = found.dimension


def test_a_missing_config_is_refused_by_name(tmp_path: Path) -> None:
    found = model(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelRejected, match=r"config\.json.*fetch the model again"):
        _ = found.dimension
