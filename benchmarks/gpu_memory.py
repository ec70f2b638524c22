"""GPU memory: nothing before first use, nothing left behind, caps, several models, a recording."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import SOURCES, Figure, arguments, heading, need, note, table, targets
from gpu_models import abstracts, any_length, random_model
from gpu_sampling import Sampler, Snapshot

from workbench.models.embedders.torch_embedder import TorchEmbedder
from workbench.models.memory.cuda import driver_used
from workbench.models.memory.devices import device_of
from workbench.models.memory.pool import ModelPool
from workbench.models.weights.find import ModelFolder, find_model
from workbench.monitor.sampler import Sampler as Recorder

DEVICE = "cuda:0"
NAMES = {
    "bge-large": "BAAI/bge-large-en-v1.5",
    "e5-base": "intfloat/e5-base-v2",
    "MiniLM": "sentence-transformers/all-MiniLM-L6-v2",
}
"""Whose shape each has; the weights of the first two are random."""

CAPS = (None, 2, 4, 6, 8)
THREADS = 8
HOG = """
import sys, time, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(free - int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.readline()
"""
"""Another process that takes all but so many bytes until it is told to end."""

Part = Callable[["Setting"], list[Figure]]


class Setting:
    """Folders of the models and the texts, made once."""

    def __init__(self, given: Any, scratch: Path) -> None:
        minilm = find_model(given.minilm).path
        self.folders = {
            "bge-large": str(random_model("bge-large", minilm, scratch)),
            "e5-base": str(random_model("e5-base", minilm, scratch)),
            "MiniLM": str(minilm),
        }
        self.texts = abstracts(given.texts or need(given.data / SOURCES["arxiv"].file), 600)
        self.count, self.seconds, self.cycles = given.count, given.seconds, given.cycles
        self.recording = given.recording

    def embedder(self, name: str, pool: ModelPool, dtype: Any = "bf16") -> TorchEmbedder:
        """One of the models on the GPU."""
        folder = ModelFolder(NAMES[name], Path(self.folders[name]))
        return TorchEmbedder(folder, device=DEVICE, dtype=dtype, pool=pool)


def main() -> None:
    """Measure and print."""
    parts: dict[str, Part] = {
        "start": start, "cycles": cycles, "caps": caps, "threads": threads, "hog": hog,
        "recording": recording,
    }  # fmt: skip
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(parts)}")
    parser.add_argument("--minilm", default="all-MiniLM-L6-v2", help="name or folder of MiniLM")
    parser.add_argument("--texts", type=Path, help="papers (.jsonl.xz) instead of --data's arXiv")
    parser.add_argument("--count", type=int, default=50_000, help="texts of any length")
    parser.add_argument("--seconds", type=float, default=60, help="of the threads part")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--recording", type=Path, help="file that the recording goes to")
    given = parser.parse_args()
    if driver_used(0) is None:
        print("no GPU is here: this benchmark needs one")
        sys.exit(0)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(given, Path(scratch))
        heading("GPU memory")
        for name in given.parts or parts:
            began = time.perf_counter()
            figures += parts[name](setting)
            note(f"({name}: {time.perf_counter() - began:.0f} s)")
    targets(figures)


def start(setting: Setting) -> list[Figure]:
    """Creating, printing, fingerprinting and adding take no memory of the GPU."""
    before = driver_used(0) or 0
    pool = ModelPool("80%")
    for name in setting.folders:
        embedder = setting.embedder(name, pool)
        pool.add(embedder)
        _ = (repr(embedder), embedder.fingerprint, embedder.dimension, embedder.need(), repr(pool))
    taken = (driver_used(0) or 0) - before
    import torch

    initialised = torch.cuda.is_initialized()
    note(f"Before first use: {taken:,} bytes taken; a CUDA context exists: {initialised}")
    return [Figure("VRAM before first use", taken, 1, "bytes")]


def cycles(setting: Setting) -> list[Figure]:
    """Loading, encoding and releasing again and again leaves what the first time left."""
    pool = ModelPool("80%")
    embedder = setting.embedder("MiniLM", pool)
    left = []
    for _ in range(setting.cycles):
        embedder.encode(setting.texts[:64])
        embedder.release()
        left.append(Snapshot.take(pool, DEVICE).process)
    names = {key[0]: usage.weights for key, usage in pool.ledger.usage().items()}
    note(f"Left after 1 cycle {left[0]:,} bytes, after {len(left)} {left[-1]:,}; named: {names}")
    return [Figure("growth over the cycles", left[-1] - left[0], 1, "bytes")]


def caps(setting: Setting) -> list[Figure]:
    """The same texts of any length under caps of the process's memory."""
    import torch

    texts = any_length(setting.count)
    total = torch.cuda.get_device_properties(0).total_memory
    rows, speeds, errors = [], {}, 0
    for cap in CAPS:
        torch.cuda.set_per_process_memory_fraction(1.0 if cap is None else cap * 2**30 / total)
        pool = ModelPool(None)
        embedder = setting.embedder("bge-large", pool)
        embedder.encode(texts[:500])
        began = time.perf_counter()
        try:
            vectors = embedder.encode(texts)
            errors += int(not np.isfinite(vectors).all())
        except Exception as error:
            errors += 1
            note(f"cap {cap}: {type(error).__name__}: {error}")
        speeds[cap] = len(texts) / (time.perf_counter() - began)
        retries = sum(event.kind == "oom_retry" for event in pool.ledger.events())
        reserved = torch.cuda.max_memory_reserved() / 2**30
        rows.append((f"{cap} GiB" if cap else "none", f"{speeds[cap]:,.0f}",
                     f"{embedder.batch_tokens():,}", f"{reserved:.2f}", str(retries)))  # fmt: skip
        embedder.release()
        torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(1.0)
    columns = ("cap", "texts/s", "tokens a batch", "most GiB reserved", "retries")
    table(f"bge-large, {len(texts):,} texts of 1 to 20,000 characters", columns, rows)
    share = speeds[6] / speeds[None]
    return [Figure("errors under caps", errors, 1),
            Figure("speed at 6 GiB / uncapped", share, 0.85, least=True)]  # fmt: skip


def threads(setting: Setting) -> list[Figure]:
    """Three models that do not fit together, called by eight threads; the ledger beside the
    driver all the while."""
    free = ModelPool(None)
    texts = setting.texts[:200]
    expected = {}
    for name in setting.folders:
        embedder = setting.embedder(name, free)
        expected[name] = embedder.encode(texts)
        embedder.release()
    weights = {name: setting.embedder(name, free).need().weights for name in setting.folders}
    own = sum(usage.weights for usage in free.ledger.usage().values())
    budget = own + sum(weights.values()) - min(weights.values()) // 2
    pool = ModelPool(budget)
    models = {name: setting.embedder(name, pool) for name in setting.folders}
    problems: list[str] = []
    calls: list[int] = []
    limit = time.monotonic() + setting.seconds

    def work(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < limit:
            name = dice.choice(list(models))
            first = dice.randrange(150)
            rows = slice(first, first + dice.randint(1, 50))
            try:
                found = models[name].encode(texts[rows])
            except Exception as error:
                problems.append(f"{name}: {type(error).__name__}: {error}")
                continue
            calls.append(len(found))
            worst = (found * expected[name][rows]).sum(axis=1).min()
            if worst < 0.9995:
                problems.append(f"{name}: cosine {worst}")

    pool.refresh(DEVICE)
    with Sampler(pool, DEVICE) as sampler, ThreadPoolExecutor(THREADS) as executor:
        list(executor.map(work, range(THREADS)))
    kinds = [event.kind for event in pool.ledger.events()]
    sizes = [round(size / 2**20) for size in weights.values()]
    note(f"budget {budget / 2**20:,.0f} MiB, weights {sizes} "
         f"MiB: {len(calls):,} calls, {sum(calls):,} texts, in the last 10,000 events "
         f"{kinds.count('load')} loads, {kinds.count('evict')} evictions; "
         f"problems: {problems[:3]}")  # fmt: skip
    note(sampler.report())
    for model in models.values():
        model.release()
    return [Figure("errors and wrong vectors", len(problems), 1),
            Figure("ledger to driver, worst sample", 100 * sampler.worst, 2, "%"),
            Figure("over budget, worst sample", sampler.most - budget, 1, "bytes")]  # fmt: skip


def hog(setting: Setting) -> list[Figure]:
    """Another process takes the memory while we encode, and gives it back."""
    pool = ModelPool(None)
    embedder = setting.embedder("bge-large", pool)
    texts = setting.texts * 8
    expected = embedder.encode(texts)
    os.environ["MAX_BATCH_TOKENS"] = "65536"  # as many as before the other came
    with other_process(600 * 2**20, seconds=1.5):
        found = embedder.encode(texts)
    del os.environ["MAX_BATCH_TOKENS"]
    worst = (found * expected).sum(axis=1).min()
    events = pool.ledger.events()
    retries = [event.note for event in events if event.kind == "oom_retry"]
    sizes = [event.note for event in events if event.kind == "batch"]
    note(f"retries: {len(retries)} {retries[:2]}; batches: {', '.join(sizes[-24:])}")
    embedder.release()
    return [Figure("another process: lowest cosine", float(worst), 0.9995, least=True)]


@contextmanager
def other_process(leave: int, seconds: float | None = None) -> Iterator[None]:
    """A process that holds all but `leave` bytes of the GPU, until the block ends or for so many
    seconds; what we kept for batches is up for grabs."""
    device_of(DEVICE).trim()
    command = [sys.executable, "-c", HOG, str(leave)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        timer = threading.Timer(seconds or 600, other.stdin.close)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            other.stdin.close()


def recording(setting: Setting) -> list[Figure]:
    """Two models, batches, an eviction and a retry, written down for the monitor's tests."""
    if setting.recording is None:
        note("recording: no --recording FILE was given")
        return []
    free = ModelPool(None)
    weights = {n: setting.embedder(n, free).need().weights for n in ("bge-large", "e5-base")}
    pool = ModelPool(int(sum(weights.values()) + 1.4e9))
    one, two = setting.embedder("bge-large", pool), setting.embedder("e5-base", pool)
    three = setting.embedder("bge-large", pool, "fp16")
    recorder = Recorder(pool.ledger, interval=0.04, record=setting.recording, replace=True)
    with recorder:
        time.sleep(0.3)
        one.encode(setting.texts[:300])
        two.encode(setting.texts)
        os.environ["MAX_BATCH_TOKENS"] = "60000"  # more than is left: it will be halved
        with other_process(400 * 2**20):
            two.encode(setting.texts)
        del os.environ["MAX_BATCH_TOKENS"]
        three.encode(setting.texts[:300])
        three.release()
        time.sleep(0.3)
    kinds = {event.kind for event in pool.ledger.events()}
    wanted = {"load", "batch", "evict", "oom_retry", "release"}
    note(f"recorded {setting.recording.stat().st_size:,} bytes; kinds {sorted(kinds)}")
    for model in (one, two, three):
        model.release()
    return [Figure("kinds of events recorded", len(kinds & wanted), 5, least=True)]


if __name__ == "__main__":
    main()
