"""The process that measures one profile: a job as JSON on standard input, a result on output."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

WARM = 5
"""Queries before the first timed one: they load models and map files."""


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Latency of single queries first, while no query's vector is known; then the metric."""
    import numpy as np

    from workbench.opening import open_corpus
    from workbench.profiles import Profile
    from workbench.records import Judgment, Query

    profile = Profile(**job["profile"])
    queries = [Query(text, id=name) for name, text in job["queries"]]
    judgments = [Judgment(*values) for values in job["judgments"]]
    with open_corpus(job["index"], profile=profile, progress=False) as bench:
        for query in queries[-WARM:]:
            bench.search(query.text)
        seconds, stages = [], []
        for query in queries[: job["timed"]]:
            started = time.perf_counter()
            ranking = bench.search(query.text)
            seconds.append(time.perf_counter() - started)
            stages.append(ranking.timings_ms)
        report = bench.evaluate(queries, judgments, job["metric"], progress=False)
    [found] = report.metrics.values()
    p50, p95 = (float(value) * 1e3 for value in np.percentile(seconds, [50, 95]))
    return {
        "quality": found.mean,
        "low": found.low,
        "high": found.high,
        "p50_ms": p50,
        "p95_ms": p95,
        "memory_mb": peak_memory() / 1e6,
        "gpu_mb": _on_gpus() / 1e6,
        "stages_ms": {
            stage: round(float(np.median([ms[stage] for ms in stages])), 3)
            for stage in stages[0]
            if stage != "total"
        },
    }


def peak_memory() -> int:
    """The most bytes that this process has held. On Linux `ru_maxrss` counts the parent's at the
    fork too; VmHWM does not."""
    status = Path("/proc/self/status")
    if status.is_file():
        [line] = [one for one in status.read_text().splitlines() if one.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _on_gpus() -> int:
    from workbench.models.memory.pool import default_pool

    usage = default_pool().ledger.usage()
    held = [use for (_, device), use in usage.items() if device != "cpu"]
    return sum(use.weights + use.activations for use in held)


if __name__ == "__main__":
    try:
        print(json.dumps(measure(json.load(sys.stdin))))
    except WorkbenchError as error:
        sys.exit(f"{error}")
