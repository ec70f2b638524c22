"""Experiments: what recording costs, reruns in fresh processes, writers at once, a grid, a table.

Beside the grid, one `evaluate` a setting on the same corpus, as one does without a cache.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import SOURCES, Figure, arguments, heading, index_of, need, queries_of, table, targets

import workbench as wb
from workbench.experiments.experiment import list_experiments
from workbench.experiments.store import ExperimentStore

Judged = tuple[list[wb.Query], list[wb.Judgment]]

WRITER = """
import sys
from pathlib import Path
from workbench.experiments.store import ExperimentStore
store = ExperimentStore(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{n}"
    store.keep({"id": name, "parent": ""}, {"id": name, "kind": "evaluate", "name": name,
        "parent": "", "started": float(n), "seconds": 0.0, "metrics": {"AP": n / 1e5},
        "queries": 1})
"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--reruns", type=int, default=100)
    parser.add_argument("--records", type=int, default=500, help="of each of two writers")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--settings", type=int, default=40)
    parser.add_argument("--alone", type=int, default=40, help="of them evaluated alone too")
    given = parser.parse_args()
    heading("Experiments")
    need(given.data / SOURCES["scifact"].file)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "scifact"
        shutil.copytree(index_of("scifact", given.data), folder)
        shutil.rmtree(folder / "experiments", ignore_errors=True)
        judged = queries_of(given.data, "test")
        figures = [
            *_recording(folder, judged),
            *_grid(folder, judged, given.settings, given.alone),
            *_reruns(folder, given.reruns),
            *_writers(Path(work), given.records),
            *_table(Path(work), given.rows),
        ]
    targets(figures)


def _recording(folder: Path, judged: Judged) -> Iterator[Figure]:
    """An evaluation that retrieves, recorded and not, in turn."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    with wb.open(folder, progress=False) as bench:
        bench.evaluate(*judged, progress=False)
        kept = folder / "experiments"
        for turn in range(10):
            record = turn % 2 == 0
            os.environ["WORKBENCH_RECORD"] = "true" if record else "false"
            shutil.rmtree(kept / "candidates", ignore_errors=True)
            started = time.perf_counter()
            bench.evaluate(*judged, progress=False)
            spent[record].append(time.perf_counter() - started)
        os.environ["WORKBENCH_RECORD"] = "true"
        size = sum(p.stat().st_size for p in kept.rglob("*") if p.is_file() and _own(p))
    with_it, without = (statistics.median(spent[record]) for record in (True, False))
    rows = [("recorded", f"{with_it:.3f} s"), ("not recorded", f"{without:.3f} s"),
            ("six records of 300 queries, all hits", f"{size / 1e6:.2f} MB")]  # fmt: skip
    table("Recording, 300 SciFact queries", ("", "median of 5"), rows)
    cost = 100 * (with_it / without - 1)
    yield Figure("recording adds to an evaluation", cost, 5.0, "%")


def _own(path: Path) -> bool:
    return "candidates" not in path.parts


def _grid(folder: Path, judged: Judged, settings: int, few: int) -> Iterator[Figure]:
    """A sweep against an evaluation a setting without a cache."""
    weights = [n / settings for n in range(settings)]
    with wb.open(folder, progress=False) as bench:
        shutil.rmtree(folder / "experiments", ignore_errors=True)
        started = time.perf_counter()
        swept = wb.sweep(None, {"weights.dense": weights}, *judged, bench=bench, progress=False)
        together = time.perf_counter() - started
        os.environ["WORKBENCH_RECORD"] = "false"
        alone: list[Any] = []
        started = time.perf_counter()
        for point in swept.points[:few]:
            report = bench.evaluate(*judged, "nDCG@10", profile=point.profile, progress=False)
            alone.append(report.metrics == point.metrics)
        apart = (time.perf_counter() - started) * settings / len(alone)
        os.environ["WORKBENCH_RECORD"] = "true"
    rows = [("wb.sweep", f"{together:.1f} s", f"{sum(alone)} of {len(alone)} the same numbers"),
            (f"{settings} evaluations", f"{apart:.1f} s", f"from {len(alone)}")]  # fmt: skip
    table(f"A grid of {settings} weights on SciFact", ("", "time", ""), rows)
    yield Figure("a grid, times as fast as evaluations", apart / together, 10.0, "x", least=True)
    yield Figure(
        "points of the grid with the same numbers", float(sum(alone)), float(len(alone)), least=True
    )


def _reruns(folder: Path, reruns: int) -> Iterator[Figure]:
    """Fresh processes with 1, 2 and 8 threads."""
    with wb.open(folder, progress=False) as bench:
        judged = bench.experiments()["latest"]
        queries, judgments = judged.queries[:40], judged.judgments
        for k, size in ((1000, 50), (100, 3)):
            profile = bench.profile.replace(batch_size=size)
            bench.evaluate(queries, judgments, k=k, profile=profile, progress=False)
        names = [row.id for row in bench.experiments().rows[:2]]
    same = 0
    for turn in range(reruns):
        threads = ("1", "2", "8")[turn % 3]
        variables = dict.fromkeys(("WORKBENCH_THREADS", "OMP_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "rerun", f"{folder}/{names[turn % 2]}", "--json"],
            capture_output=True, text=True, check=False, env={**os.environ, **variables},
        )  # fmt: skip
        same += done.returncode == 0 and json.loads(done.stdout)["identical"]
    yield Figure(
        "reruns in fresh processes that are identical", float(same), float(reruns), least=True
    )


def _writers(work: Path, records: int) -> Iterator[Figure]:
    """Two processes on an empty folder."""
    folder = work / "writers"
    command = [sys.executable, "-c", WRITER, str(folder)]
    started = time.perf_counter()
    both = [subprocess.Popen([*command, name, str(records)]) for name in ("a", "b")]
    for each in both:
        each.wait()
    spent = time.perf_counter() - started
    found = len(ExperimentStore(folder).summaries())
    table("Two writers at once", ("", ""), [(f"2 x {records} records", f"{spent:.1f} s")])
    yield Figure("records there of two writers", float(found), float(2 * records), least=True)


def _table(work: Path, rows: int) -> Iterator[Figure]:
    """The table of many experiments: read and shown."""
    folder = work / "many"
    subprocess.run([sys.executable, "-c", WRITER, str(folder), "m", str(rows)], check=True)
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        found = list_experiments(ExperimentStore(folder))
        found._repr_html_()
        spent.append(time.perf_counter() - started)
    cost = 1e3 * statistics.median(spent)
    yield Figure(f"a table of {rows:,} experiments, read and shown", cost, 200.0, "ms")


if __name__ == "__main__":
    main()
