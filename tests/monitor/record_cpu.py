"""Makes tests/monitor/recordings/cpu.jsonl: a real run on the CPU, two models under a budget.

python tests/monitor/record_cpu.py
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.memory.ledger import Ledger
from workbench.models.memory.pool import ModelPool
from workbench.monitor.sampler import Sampler

HERE = Path(__file__).parent
PAPERS = HERE.parent.parent / "data" / "landmarks" / "papers.jsonl"


def main() -> None:
    """The fp32 model does not fit beside the int8 one, so each load evicts the other."""
    lines = PAPERS.read_text("utf-8").splitlines()
    texts = [json.loads(line)["abstract"] for line in lines]
    pool = ModelPool(budget="105MiB")
    small = OnnxEmbedder(pool=pool)
    exact = OnnxEmbedder(precision="fp32", pool=pool)
    for model in (small, exact):
        model.load()  # exported before the recording begins, if need be
        model.release()
    pool.ledger = Ledger(pool.ledger.budgets)
    file = HERE / "recordings" / "cpu.jsonl"
    with Sampler(pool.ledger, interval=0.2, record=file, replace=True) as sampler:
        for model in (small, exact, small):
            sampled(sampler, 2)
            model.encode(texts[:40])
        sampled(sampler, 2)
        small.release()
        sampled(sampler, 3)


def sampled(sampler: Sampler, more: int) -> None:
    """Wait until the sampler has as many moments more."""
    least = len(moments(sampler)) + more
    while len(moments(sampler)) < least:
        time.sleep(0.02)


def moments(sampler: Sampler) -> set[float]:
    """When it sampled."""
    return {sample.time for sample in sampler.timeline().samples}


if __name__ == "__main__":
    main()
