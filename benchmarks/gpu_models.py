"""Models and texts of the GPU benchmarks: random weights in real shapes, abstracts, any lengths."""

from __future__ import annotations

import json
import lzma
import random
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np

SHAPES: dict[str, dict[str, Any]] = {
    "bge-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                  "intermediate_size": 4096},
    "e5-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
                "intermediate_size": 3072},
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12,
              "intermediate_size": 1536},
}  # fmt: skip
CLS = ("bge-large",)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


def random_model(name: str, tokenizer: Path, into: Path, kind: str = "bert") -> Path:
    """A folder in sentence-transformers' layout with random weights in a known shape."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder = into / f"{kind}-{name}"
    if (folder / "modules.json").is_file():
        return folder
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    offset = 0 if kind == "bert" else 2
    config = AutoConfig.for_model(
        kind, vocab_size=30527 if kind == "mpnet" else 30522,
        max_position_embeddings=512 + offset, **SHAPES[name],
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    for file in TOKENIZER:
        shutil.copy(tokenizer / file, folder)
    pooling = "cls" if name in CLS else "mean"
    module = "sentence_transformers.models."
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": module + part}
        for n, (path, part) in enumerate(parts)
    ]
    dimension = SHAPES[name]["hidden_size"]
    modes = {f"pooling_mode_{pooling}_token{'' if pooling == 'cls' else 's'}": True}
    if pooling == "cls":
        modes["pooling_mode_mean_tokens"] = False
    (folder / "1_Pooling").mkdir()
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dimension, **modes})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    write(folder / "modules.json", modules)
    return folder


def write(path: Path, value: object) -> None:
    """JSON to a file."""
    path.write_text(json.dumps(value), "utf-8")


def abstracts(source: Path, count: int) -> list[str]:
    """Title and abstract of the first papers."""
    texts = []
    with lzma.open(source, "rt", encoding="utf-8") as stream:
        for line in stream:
            paper = json.loads(line)
            texts.append(f"{paper['title']}. {paper.get('abstract') or paper.get('text') or ''}")
            if len(texts) == count:
                break
    return texts


def any_length(count: int, longest: int = 20_000, seed: int = 5) -> list[str]:
    """Texts of 1 to `longest` characters, as many short as long ones on a logarithmic scale."""
    dice = random.Random(seed)
    letters = string.ascii_lowercase + "      "
    text = "".join(dice.choices(letters, k=4 * longest))
    lengths = np.exp(np.random.default_rng(seed).uniform(0, np.log(longest), count)).astype(int)
    lengths[:2] = 1, longest
    starts = [dice.randrange(len(text) - longest) for _ in range(count)]
    return [text[start : start + n] for start, n in zip(starts, lengths.tolist(), strict=True)]
