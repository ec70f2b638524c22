"""The hub as the last place: a real HTTP server that speaks its protocol, and no network at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import write_json
from workbench.errors import ModelNotFound
from workbench.models.weights import hub
from workbench.models.weights.find import ModelFolder, find_model
from workbench.models.weights.prompts import known_pooling, known_prompt

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"hidden_size": 8, "max_position_embeddings": 99}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
    "pytorch_model.bin": b"a pickle",
    "modeling_own.py": b"raise SystemExit('code of the model ran')",
    "onnx/model.onnx": b"a graph",
}
FIND = """
import sys
from workbench.errors import WorkbenchError
from workbench.models.weights.find import find_model
try:
    found = find_model(sys.argv[1])
    files = sorted(str(p.relative_to(found.path)) for p in found.path.rglob("*") if p.is_file())
    print(found.name, found.dimension, found.pooling, *files, sep="|")
except WorkbenchError as error:
    print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks for: a revision's list of files, and each file with its ETag."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        content: bytes | None = None
        if path.startswith("/api/models/some/encoder"):
            siblings = [{"rfilename": name} for name in FILES]
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
                for name, data in FILES.items()
            ]
            values: Any = {"id": "some/encoder", "sha": COMMIT, "siblings": siblings}
            content = json.dumps(entries if "/tree/" in path else values).encode()
        elif path.startswith(f"/some/encoder/resolve/{COMMIT}/"):
            content = FILES.get(path.removeprefix(f"/some/encoder/resolve/{COMMIT}/"))
        self.send_response(200 if content is not None else 404)
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def find(name: str, tmp_path: Path, **environment: str) -> str:
    """find_model in a fresh process, whose settings huggingface_hub reads at import."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    variables = {**kept, "HF_HOME": str(tmp_path / "hf"), "WORKBENCH_CACHE": str(tmp_path / "c")}
    done = subprocess.run([sys.executable, "-c", FIND, name], capture_output=True, text=True,
                          check=False, env={**variables, **environment})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_model_is_fetched_once_without_code_pickles_or_graphs(
    server: str, tmp_path: Path
) -> None:
    said = find("some/encoder", tmp_path, HF_ENDPOINT=server)
    wanted = ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"]
    assert said == "|".join(["some/encoder", "8", "cls", *wanted])
    assert find("some/encoder", tmp_path, HF_ENDPOINT="http://127.0.0.1:9") == said


def test_a_name_that_the_hub_does_not_know(server: str, tmp_path: Path) -> None:
    said = find("no/body", tmp_path, HF_ENDPOINT=server)
    assert said.startswith("ModelNotFound model 'no/body' was found in none of: a folder of that")
    assert "the Hugging Face hub (" in said


def test_without_a_network_each_step_is_explained(tmp_path: Path) -> None:
    said = find("no/body", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    for part in (
        f"no {Path.cwd() / 'no/body'}",
        "there is one for sentence-transformers/all-MiniLM-L6-v2",
        "models--no--body is not there",
        "the Hugging Face hub (",
        "fetch it once where there is a network",
    ):
        assert part in said


def test_offline_mode_is_kept(tmp_path: Path) -> None:
    assert "the Hugging Face hub (" in find("no/body", tmp_path, HF_HUB_OFFLINE="1")


@pytest.mark.parametrize("name", ["../up", "a/b/c", "a b", "", "a/..", "http://x/y"])
def test_what_is_no_name_is_not_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.fetched(name) == (None, "not a name of the hub (owner/model)")


def test_a_file_of_that_name_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(ModelNotFound, match="model is a file"):
        find_model(str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("BAAI/bge-large-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-small-zh", "为这个句子生成表示以用于检索相关文章：", ""),
        ("BAAI/bge-m3", "", ""),
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("/models/multilingual-e5-small", "query: ", "passage: "),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
        ("me/my-e5-base", "", ""),
    ],
)
def test_prompts_of_known_models(name: str, query: str, document: str) -> None:
    assert (known_prompt(name, "query"), known_prompt(name, "document")) == (query, document)


def test_pooling_of_known_models() -> None:
    assert [known_pooling(name) for name in ("BAAI/bge-m3", "intfloat/e5-base")] == ["cls", "mean"]


def test_prompts_of_the_folder_win_and_change_the_fingerprint(tmp_path: Path) -> None:
    folder = ModelFolder("intfloat/e5-base-v2", tmp_path)
    assert folder.prompt("query") == "query: "
    own = {"prompts": {"query": "ask: ", "passage": "doc: "}}
    write_json(tmp_path / "config_sentence_transformers.json", own)
    assert (folder.prompt("query"), folder.prompt("document")) == ("ask: ", "doc: ")
    write_json(tmp_path / "config_sentence_transformers.json", {"prompts": {"query": ""}})
    assert folder.prompt("query") == "query: "


@pytest.mark.parametrize(
    ("config", "own", "window"),
    [
        ({"model_type": "bert"}, None, 514),
        ({"model_type": "xlm-roberta", "pad_token_id": 1}, None, 512),
        ({"model_type": "mpnet"}, 384, 384),
        ({"model_type": "roberta", "pad_token_id": 1}, 9999, 512),
    ],
)
def test_a_window_fits_the_positions(
    tmp_path: Path, config: dict[str, Any], own: int | None, window: int
) -> None:
    write_json(tmp_path / "config.json", {"max_position_embeddings": 514, **config})
    if own is not None:
        write_json(tmp_path / "sentence_bert_config.json", {"max_seq_length": own})
    assert ModelFolder("m", tmp_path).window == window


def test_a_dense_module_decides_the_dimension(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"hidden_size": 768})
    module = {
        "idx": 2,
        "name": "2",
        "path": "2_Dense",
        "type": "sentence_transformers.models.Dense",
    }
    write_json(tmp_path / "modules.json", [module])
    write_json(tmp_path / "2_Dense" / "config.json", {"out_features": 256})
    assert ModelFolder("m", tmp_path).dimension == 256
