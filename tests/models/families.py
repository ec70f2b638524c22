"""Small encoders of each family with random weights, as transformers makes and saves them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.models.weights.find import find_model

from .conftest import write_json

KINDS = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet")
WINDOW = 48

_SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel
make, folders, texts, output = json.loads(sys.argv[1]), *map(json.loads, sys.argv[2:4]), sys.argv[4]
for folder, kind in make:
    torch.manual_seed(11)
    config = AutoConfig.for_model(
        kind, vocab_size=30527, hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=66, initializer_range=0.25,
    )
    AutoModel.from_config(config).save_pretrained(folder)
found = {}
for name, folder in folders.items():
    model = SentenceTransformer(folder, device="cpu")
    found[name] = model.encode_document(texts, normalize_embeddings=True, batch_size=3)
    found[name + " query"] = model.encode_query(texts[0], normalize_embeddings=True)
np.savez(output, **found)
"""


def run(code: str, *arguments: Any) -> str:
    """A script in a process of its own; its output."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(
    into: Path, texts: list[str], others: dict[str, Path]
) -> tuple[dict[str, Path], dict[str, NDArray[np.float32]]]:
    """A folder in sentence-transformers' layout for each kind (bert pools the first token) and for
    "max-pooled"; and what sentence-transformers makes of the texts, and of the first one as a
    query, in these and in other folders. One process: importing it takes longest."""
    folders = {kind: into / kind for kind in (*KINDS, "max-pooled")}
    pooling = {"bert": "cls", "max-pooled": "max"}
    for kind, folder in folders.items():
        folder.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(find_model().path / name, folder)
        describe(folder, pooling.get(kind, "mean"))
    made = [(str(f), "bert" if kind == "max-pooled" else kind) for kind, f in folders.items()]
    named = {name: str(folder) for name, folder in {**folders, **others}.items()}
    output = into / "vectors.npz"
    run(_SCRIPT, json.dumps(made), json.dumps(named), json.dumps(texts), output)
    with np.load(output) as vectors:
        return folders, {name: vectors[name] for name in vectors}


def describe(folder: Path, pooling: str) -> None:
    """The files that sentence-transformers adds."""
    module = "sentence_transformers.models."
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write_json(
        folder / "modules.json",
        [
            {"idx": n, "name": str(n), "path": path, "type": module + part}
            for n, (path, part) in enumerate(parts)
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": WINDOW})
    modes = {
        f"pooling_mode_{name}": name.startswith(pooling)
        for name in ("cls_token", "mean_tokens", "max_tokens")
    }
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 64, **modes})
