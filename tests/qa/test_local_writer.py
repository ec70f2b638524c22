"""A language model on this machine as a writer: a tiny one with random weights, really run."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import ModelNotFound, ModelRejected, OutOfMemory, WriterError
from workbench.models.memory.pool import ModelPool
from workbench.qa.records import Plan, Quote
from workbench.qa.writers.base import Task
from workbench.qa.writers.local import Local
from workbench.records import Paper
from workbench.session import Workbench

_TEXT = "kelp forests feed urchins graze answer quotes the of and a section sentences text"
WORDS = _TEXT.split(" ")
QUESTION = "How do late-interaction models keep their index small?"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 20,000 numbers, as transformers saves one."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    names = {word: n for n, word in enumerate(["<unk>", "<eos>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>"
    ).save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(names), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=512, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random numbers in one GGUF file that reads and writes single bytes."""
    from gguf import GGUFWriter, TokenType
    from tokenizers.pre_tokenizers import ByteLevel

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, "th", "<|end|>"]
    width, layers, heads, inner = 32, 2, 4, 48
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(4096)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([*[TokenType.NORMAL] * (len(tokens) - 1), TokenType.CONTROL])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(len(tokens) - 1)
    shapes = {"token_embd": (len(tokens), width), "output": (len(tokens), width)}
    for layer in range(layers):
        shapes |= {f"blk.{layer}.attn_{part}": (width, width) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{part}": (inner, width) for part in ("gate", "up")}
        shapes[f"blk.{layer}.ffn_down"] = (width, inner)
    dice = np.random.default_rng(1)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", dice.normal(size=shape).astype(np.float16))
    norms = [f"blk.{n}.{part}_norm" for n in range(layers) for part in ("attn", "ffn")]
    for name in ("output_norm", *norms):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def task(**changes: object) -> Task:
    quote = Quote("q1", "a", 0, 0, 24, "Kelp forests feed urchins")
    settings: dict[str, object] = {
        "question": "What do kelp forests feed?",
        "plan": Plan("Kelp", (quote,)),
        "papers": {"a": Paper(id="a", title="Kelp", abstract="Kelp forests feed urchins")},
        "deadline": time.monotonic() + 600,
        "max_tokens": 9,
    }
    return Task(**{**settings, **changes})  # type: ignore[arg-type]  # names are Task's


def test_it_loads_at_the_first_section_into_its_pool_and_obeys_the_profile(tiny: Path) -> None:
    pool = ModelPool("1GiB")
    writer = Local(tiny, pool=pool)
    assert not writer.loaded
    assert pool.used("cpu") == 0
    draft = writer.write(task())
    assert writer.loaded
    assert 0 < draft.usage.tokens_out <= 9
    assert pool.ledger.usage()[writer.key, "cpu"].weights == writer.need().weights > 0
    assert [e.kind for e in pool.ledger.events() if e.model == writer.key] == ["load", "batch"]
    hot = task(temperature=5.0, max_tokens=40)
    assert writer.write(hot) == writer.write(hot)  # the same for the same prompt
    assert writer.write(hot) != writer.write(task(temperature=0.0, max_tokens=40))
    writer.release()
    assert not writer.loaded
    assert pool.used("cpu") == 0
    with pytest.raises(OutOfMemory):
        Local(tiny, pool=ModelPool(100)).write(task())


def test_what_it_cannot_do_is_told(tiny: Path) -> None:
    writer = Local(tiny, pool=ModelPool("1GiB"))
    long = Quote("q1", "a", 0, 0, 9, "kelp " * 600)
    with pytest.raises(WriterError, match="ask for fewer words"):
        writer.write(task(plan=Plan("Kelp", (long,))))
    stopped = threading.Event()
    stopped.set()
    assert writer.write(task(stop=stopped, max_tokens=400)).usage.tokens_out <= 1


def test_an_answer_says_that_nothing_it_wrote_is_carried(landmarks: Workbench, tiny: Path) -> None:
    writer = Local(tiny, pool=ModelPool("1GiB"))
    profile = landmarks.profile.replace(max_tokens=8)
    answer = landmarks.ask(QUESTION, writer=writer, words=30, profile=profile)
    assert {section.writer for section in answer.sections} == {"extractive"}
    assert any(writer.name in note for note in answer.notes)
    assert answer.check(landmarks.engine) == []


def test_a_gguf_file_is_a_writer(landmarks: Workbench, tiny_gguf: Path) -> None:
    pool = ModelPool("1GiB")
    writer = Local(tiny_gguf, pool=pool)
    assert (writer.name, writer.loaded) == ("tiny", False)
    draft = writer.write(task())
    assert 0 < draft.usage.tokens_out <= 9
    assert draft.usage.tokens_in > 300  # a byte each
    model, _ = writer._parts or (None, None)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert pool.ledger.usage()[writer.key, "cpu"].weights == 4 * numbers  # unpacked to float32
    assert pool.used("cpu") >= 4 * numbers
    answer = landmarks.ask(
        QUESTION, writer=writer, words=30, profile=landmarks.profile.replace(max_tokens=8)
    )
    assert answer.quotes
    assert answer.check(landmarks.engine) == []
    assert {section.writer for section in answer.sections} == {"extractive"}
    assert any(note.startswith("\u201c") and "tiny:" in note for note in answer.notes)
    assert answer.usage["sections"].requests == len(answer.sections)
    assert Local(tiny_gguf.parent).fingerprint == writer.fingerprint  # the one file in a folder
    writer.release()
    assert pool.used("cpu") == 0


def test_models_that_are_none(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORKBENCH_LLM_MODEL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WriterError, match="WORKBENCH_LLM_MODEL"):
        Local()
    with pytest.raises(ModelNotFound, match="give a path"):
        Local("nobody/has-this-one")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelRejected, match="pickles"):
        Local(tmp_path)
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF no more")
    with pytest.raises(ModelRejected, match="no GGUF file"):
        Local(bad)
    custom = tmp_path / "custom"
    custom.mkdir()
    for file in tiny.iterdir():
        (custom / file.name).write_bytes(file.read_bytes())
    config = json.loads((custom / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "code.Model"}}
    (custom / "config.json").write_text(json.dumps(config))
    (custom / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelRejected, match="cannot load it"):
        Local(custom, pool=ModelPool("1GiB")).load()
