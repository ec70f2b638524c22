"""Makes tests/monitor/recordings/gpu_container.jsonl: a real run on a GPU, under a budget, in a
container, where the driver does not tell what this process holds.

python tests/monitor/record_gpu.py FOLDER_OF_MINILM PAPERS_JSONL OUTPUT

Random weights in the shapes of bge-large and e5-base (only MiniLM's tokenizer is read): load both,
encode, lose memory to another process so that batches are halved and tried again, evict, release.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.models.embedders.torch_embedder import TorchEmbedder
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.find import ModelFolder
from workbench.monitor.sampler import Sampler

SHAPES = {"bge-large": (1024, 24, 16, 4096), "e5-base": (768, 12, 12, 3072)}
FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")
HOG = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(free - int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.readline()
"""


def main() -> None:
    """Record the run."""
    minilm, papers, output = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    lines = papers.read_text("utf-8").splitlines()
    texts = [json.loads(line)["abstract"] for line in lines] * 3
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: random_model(name, minilm, Path(scratch)) for name in SHAPES}
        pool = ModelPool({"cuda:0": "2600MiB"})
        large, base = (
            TorchEmbedder(ModelFolder(name, path), device="cuda:0", dtype="bf16", pool=pool)
            for name, path in folders.items()
        )
        exact = TorchEmbedder(
            ModelFolder("bge-large fp32", folders["bge-large"]),
            device="cuda:0",
            dtype="fp32",
            pool=pool,
        )
        with Sampler(pool.ledger, interval=0.1, record=output, replace=True):
            time.sleep(0.5)
            for model in (large, base):
                model.encode(texts)
                time.sleep(0.5)
            base.release()
            os.environ["MAX_BATCH_TOKENS"] = "60000"
            with another_process(500 * 2**20):
                large.encode(texts)
            del os.environ["MAX_BATCH_TOKENS"]
            exact.encode(texts)  # does not fit beside the other
            time.sleep(0.5)
            exact.release()
            time.sleep(0.5)
    print({event.kind for event in pool.ledger.events()})


def random_model(name: str, minilm: Path, scratch: Path) -> Path:
    """A folder in sentence-transformers' layout."""
    import torch
    from transformers import AutoConfig, AutoModel

    hidden, layers, heads, inner = SHAPES[name]
    folder = scratch / name
    folder.mkdir()
    torch.manual_seed(7)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=30522,
        max_position_embeddings=512,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
    )
    AutoModel.from_config(config).save_pretrained(folder)
    for file in FILES:
        shutil.copy(minilm / file, folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512}', "utf-8")
    return folder


@contextmanager
def another_process(leaves: int) -> Iterator[None]:
    """Somebody else takes all of the GPU's memory but so many bytes."""
    command = [sys.executable, "-c", HOG, str(leaves)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        try:
            yield
        finally:
            other.stdin.close()


if __name__ == "__main__":
    main()
