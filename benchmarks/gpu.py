"""Texts a second on a GPU against sentence-transformers at its best batch size; parity; peak."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import SOURCES, Figure, arguments, heading, need, note, table, targets
from gpu_models import abstracts, random_model

from workbench.models.embedders.torch_embedder import TorchEmbedder
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.find import find_model

BATCHES = (32, 128, 512, 1024)
SIDE = 8192
PARITY = 512
"""Texts whose vectors are compared."""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--papers", type=int, default=6000)
    parser.add_argument("--minilm", default="all-MiniLM-L6-v2", help="name or folder of MiniLM")
    parser.add_argument("--texts", type=Path, help="papers (.jsonl.xz) instead of --data's arXiv")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES, help="of the rival")
    given = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no GPU is here: this benchmark needs one")
        sys.exit(0)
    texts = abstracts(given.texts or need(given.data / SOURCES["arxiv"].file), given.papers)
    heading("Encoding on a GPU")
    peak = matmul_peak()
    note(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}: bf16 product of "
         f"{SIDE} x {SIDE} matrices at {peak / 1e12:.0f} TFLOP/s")  # fmt: skip
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        minilm = find_model(given.minilm).path
        models = {
            "bge-large, random": random_model("bge-large", minilm, Path(scratch)),
            "MiniLM": minilm,
        }
        for name, folder in models.items():
            figures += compare(name, folder, texts, given, peak)
        figures += parity(minilm, texts[:PARITY])
        for kind in ("mpnet", "xlm-roberta"):
            folder = random_model("small", minilm, Path(scratch), kind)
            figures += parity(folder, texts[:PARITY], f"{kind}, random")
    targets(figures)


def matmul_peak() -> float:
    """bf16 operations a second of a large square product: the median of 20."""
    import torch

    one, other = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(25):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        one @ other
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1e3)
    return 2 * SIDE**3 / float(np.median(seconds[5:]))


def compare(name: str, folder: Path, texts: list[str], given: Any, peak: float) -> list[Figure]:
    """Both encoders over the same texts, in turns."""
    import torch

    ours = {"workbench bf16": TorchEmbedder(str(folder), device="cuda:0", pool=ModelPool())}
    theirs = reference(folder, torch.bfloat16)
    contenders: dict[str, Callable[[list[str]], Any]] = {n: e.encode for n, e in ours.items()}
    contenders |= {
        f"sentence-transformers bf16, batch {n}": encode_with(theirs, n) for n in given.batches
    }
    best = dict.fromkeys(contenders, float("inf"))
    for contender in contenders.values():
        contender(texts[:1024])
    for _ in range(given.rounds):
        for who, contender in contenders.items():
            started = time.perf_counter()
            contender(texts)
            best[who] = min(best[who], time.perf_counter() - started)
    work = operations(next(iter(ours.values())), texts)
    rows = [
        (who, f"{len(texts) / s:,.0f}", f"{work / s / 1e12:.0f}", f"{work / s / peak:.1%}")
        for who, s in best.items()
    ]
    tokens = sum(len(e.ids) for e in next(iter(ours.values())).tokenizer.encode_batch(texts))
    title = f"{name}: {len(texts)} abstracts, {tokens / len(texts):.0f} tokens each"
    table(title, ("encoder", "texts/s", "TFLOP/s", "of the peak"), rows)
    tokenising(next(iter(ours.values())), texts)
    own = min(best[who] for who in ours)
    rival = min(seconds for who, seconds in best.items() if who not in ours)
    for embedder in ours.values():
        embedder.release()
    del theirs
    torch.cuda.empty_cache()
    return [
        Figure(f"{name}, ours / its best batch", rival / own, 2, "x", least=True),
        Figure(f"{name}, share of the peak", 100 * work / own / peak, 65, "%", least=True),
    ]


def tokenising(embedder: TorchEmbedder, texts: list[str]) -> None:
    """How long turning the texts into tokens takes by itself: a bound on the whole."""
    from workbench.models.embedders.batching import token_rows
    from workbench.models.embedders.token_starts import TokenStarts

    started = time.perf_counter()
    for _ in token_rows(texts, TokenStarts(embedder.tokenizer).ids):
        pass
    seconds = time.perf_counter() - started
    note(f"Tokens alone: {len(texts) / seconds:,.0f} texts a second")


def operations(embedder: TorchEmbedder, texts: list[str]) -> float:
    """Multiplications and additions that the texts need."""
    shape = embedder.shape
    lengths = np.array([len(e.ids) for e in embedder.tokenizer.encode_batch(texts)], float)
    attention = 4 * shape.layers * shape.hidden * (lengths**2).sum()
    return float(shape.operations * lengths.sum() + attention)


def reference(folder: Path, dtype: Any, device: str = "cuda:0") -> Any:
    """sentence-transformers with the same weights."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device=device, model_kwargs={"dtype": dtype})


def encode_with(model: Any, size: int) -> Callable[[list[str]], Any]:
    """Its encode with a batch size."""
    return lambda texts: model.encode(
        texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
    )


def parity(folder: Path, texts: list[str], name: str = "MiniLM") -> list[Figure]:
    """Lowest cosine of each dtype to sentence-transformers in float32."""
    import torch

    expected = encode_with(reference(folder, torch.float32), 32)(texts)
    figures = []
    for dtype, least in (("fp32", 0.99999), ("bf16", 0.9995), ("fp16", 0.9995)):
        embedder = TorchEmbedder(str(folder), device="cuda:0", dtype=dtype, pool=ModelPool())
        cosines = (embedder.encode(texts) * expected).sum(axis=1)
        embedder.release()
        note(f"{name} {dtype}: cosine to float32 lowest {cosines.min():.6f}, "
             f"mean {cosines.mean():.6f}")  # fmt: skip
        figures.append(Figure(f"{name} {dtype}, lowest cosine", float(cosines.min()), least,
                              least=True))  # fmt: skip
    return figures


if __name__ == "__main__":
    main()
