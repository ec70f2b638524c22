"""Experiments: what recording costs, reruns in fresh processes, writers at once, a grid, a table.

Beside the grid, one `evaluate` a setting on the same corpus, as one does without a cache; and ranx
and PyTerrier, which are given our retrieval. Each part prints when it is done; `--only` takes some
of them.
"""

from __future__ import annotations

import functools
import json
import operator
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    ROOT,
    SOURCES,
    Figure,
    arguments,
    heading,
    index_of,
    need,
    note,
    queries_of,
    table,
    targets,
)

import workbench as wb
from workbench.experiments.evaluating import Collection, retrieve
from workbench.experiments.experiment import list_experiments
from workbench.experiments.store import ExperimentStore
from workbench.studies import measuring

Judged = tuple[list[wb.Query], list[wb.Judgment]]
LANDMARKS = ROOT / "data" / "landmarks"
OTHERS_SETTINGS = 8
"""Of the grid, that other libraries measure: a setting takes them as long as many of ours."""

Scores = dict[str, dict[str, float]]
Runs = dict[str, Scores]
"""By signal, query and paper."""

Grades = dict[str, dict[str, int]]

PARTS = ("recording", "grid", "compare", "reruns", "writers", "table")

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

RERUN = """
import json, sys
from workbench.experiments.experiment import Experiment
from workbench.studies.records import find_experiment
found, bench = find_experiment(sys.argv[1])
profile = found.document["profile"] | json.loads(sys.argv[2])
again = Experiment(found.store, {**found.document, "profile": profile}, found.subject).rerun()
print(again.identical or again)
"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--reruns", type=int, default=100)
    parser.add_argument("--records", type=int, default=500, help="of each of two writers")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--settings", type=int, default=40)
    parser.add_argument("--alone", type=int, default=5, help="of them evaluated alone too")
    parser.add_argument("--compared", type=int, default=100, help="queries of a comparison")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    given = parser.parse_args()
    heading("Experiments")
    need(given.data / SOURCES["scifact"].file)
    judged = queries_of(given.data, "test")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "scifact"
        shutil.copytree(index_of("scifact", given.data), folder)
        shutil.rmtree(folder / "experiments", ignore_errors=True)
        parts: dict[str, Callable[[], Iterator[Figure]]] = {
            "recording": lambda: _recording(folder, judged),
            "grid": lambda: _grid(folder, judged, given.settings, given.alone),
            "compare": lambda: _side_by_side(folder, judged, given.compared),
            "reruns": lambda: _reruns(Path(work), given.reruns),
            "writers": lambda: _writers(Path(work), given.records),
            "table": lambda: _table(Path(work), given.rows),
        }
        for name in given.only:
            targets(list(parts[name]()))


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
    """A sweep against an evaluation a setting without a cache, each in a process of its own that
    has made one search: both encode the queries once, and import what they need."""
    weights = [n / settings for n in range(settings)]
    shutil.rmtree(folder / "experiments", ignore_errors=True)
    together, swept = _in_process(_swept, folder, judged, weights)
    row("wb.sweep", f"{together:.1f} s", f"{settings} points, all recorded")
    profiles = [wb.Profile(**profile) for profile, _ in swept]
    spent, alone = _in_process(_one_by_one, folder, judged, profiles[:few])
    same = sum(theirs == ours for theirs, (_, ours) in zip(alone, swept, strict=False))
    apart = spent[0] + (settings - 1) * statistics.mean(spent[1:])
    row(
        f"{settings} evaluations", f"{apart:.1f} s", f"from {few}; {same} of {few} the same numbers"
    )
    for cells in _in_process(_others, folder, judged, profiles):
        row(*cells)
    yield Figure("a grid, times as fast as evaluations", apart / together, 10.0, "x", least=True)
    yield Figure("points of the grid with the same numbers", float(same), float(few), least=True)


def row(*cells: str) -> None:
    """One line of a table that is long in the making, said when it is known."""
    print("| " + " | ".join(cells) + " |", flush=True)


def _in_process(work: Callable[..., Any], *given: Any) -> Any:
    """What `work` returns in a fresh process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def _swept(folder: Path, judged: Judged, weights: list[float]) -> tuple[float, list[Any]]:
    """Seconds of a sweep; profile and means of its points."""
    with wb.open(folder, progress=False) as bench:
        bench.search(judged[0][0].text)
        started = time.perf_counter()
        swept = wb.sweep(None, {"weights.dense": weights}, *judged, bench=bench, progress=False)
        spent = time.perf_counter() - started
    return spent, [(point.profile.to_dict(), dict(point.metrics)) for point in swept.points]


def _one_by_one(
    folder: Path, judged: Judged, profiles: list[wb.Profile]
) -> tuple[list[float], list[Any]]:
    """Seconds and means of evaluations that keep nothing."""
    os.environ["WORKBENCH_RECORD"] = "false"
    spent, means = [], []
    with wb.open(folder, progress=False) as bench:
        bench.search(judged[0][0].text)
        for profile in profiles:
            started = time.perf_counter()
            report = bench.evaluate(*judged, "nDCG@10", profile=profile, progress=False)
            spent.append(time.perf_counter() - started)
            means.append(dict(report.metrics))
    return spent, means


def _side_by_side(folder: Path, judged: Judged, few: int) -> Iterator[Figure]:
    """Four systems that retrieve differently, one after the other and side by side."""
    asked = [wb.Profile(n_retrieval=n) for n in (40, 60, 100, 120)]
    chosen = judged[0][:few]
    usual, means = measuring.SIDE_BY_SIDE, []
    with wb.open(folder, progress=False) as bench:
        for query in chosen:
            bench.subject.embedder.encode_query(query.text)
        for at_once in (1, usual, usual, 1):
            shutil.rmtree(folder / "experiments", ignore_errors=True)
            measuring.SIDE_BY_SIDE = at_once
            started = time.perf_counter()
            found = wb.compare(asked, chosen, judged[1], bench=bench, progress=False)
            spent = time.perf_counter() - started
            row(f"four systems, {at_once} at once, {len(chosen)} queries", f"{spent:.1f} s")
            means.append({label: report.metrics for label, report in found.reports.items()})
    measuring.SIDE_BY_SIDE = usual
    same = sum(each == means[0] for each in means)
    yield Figure("comparisons with the same numbers", float(same), float(len(means)), least=True)


def _others(folder: Path, judged: Judged, profiles: list[wb.Profile]) -> list[tuple[str, ...]]:
    """Other libraries' way, a row each: one retrieval of ours, a run a signal, of each paper its
    best passage's value; fused and evaluated anew for each setting. They keep no records, give no
    intervals, and differ in their numbers, since each signal takes its own best passage."""
    with wb.open(folder, progress=False) as bench:
        bench.search(judged[0][0].text)
        started = time.perf_counter()
        collection = Collection.of(*judged)
        found = list(retrieve(bench.subject, collection, bench.profile))
        retrieved = time.perf_counter() - started
    few, signals = profiles[:OTHERS_SETTINGS], found[0][1].signals
    runs: dict[str, Scores] = {}
    for signal in signals:
        runs[signal] = {}
        for query, each in found:
            best = np.maximum.reduceat(each.column(signal), each.paper_starts)
            papers = each.paper_ids[each.paper_starts].tolist()
            runs[signal][query.id] = dict(zip(papers, best.tolist(), strict=True))
    grades = {query.id: collection.grades[query.id] for query, _ in found}
    texts = {query.id: query.text for query, _ in found}
    rows = []
    for name, measured in (
        ("ranx: fuse, evaluate", lambda: _ranx(runs, grades, few)),
        ("PyTerrier: Experiment of sums", lambda: _pyterrier(runs, grades, texts, few)),
    ):
        try:
            spent, best = measured()
        except ImportError as problem:
            rows.append((name, "", f"not here ({problem})"))
            continue
        whole = spent * len(profiles) / len(few) + retrieved
        rows.append((name, f"{whole:.1f} s", f"from {len(few)} settings, best nDCG@10 {best:.4f}"))
    return rows


def _ranx(runs: Runs, grades: Grades, profiles: list[wb.Profile]) -> tuple[float, float]:
    """Seconds, compiled before, and the highest nDCG@10."""
    import ranx

    qrels = ranx.Qrels(grades)
    made = [ranx.Run(scores, name=signal) for signal, scores in runs.items()]

    def measured(profile: wb.Profile) -> float:
        weights = tuple(profile.weights.get(signal, 0.0) for signal in runs)
        run = ranx.fuse(made, norm="min-max", method="wsum", params={"weights": weights})
        return float(ranx.evaluate(qrels, run, "ndcg@10"))

    measured(profiles[0])
    started = time.perf_counter()
    highest = max(map(measured, profiles))
    return time.perf_counter() - started, highest


def _pyterrier(
    runs: Runs, grades: Grades, texts: dict[str, str], profiles: list[wb.Profile]
) -> tuple[float, float]:
    """Seconds and the highest nDCG@10 of one `Experiment`. Its sums take scores as they are, so
    they are normalised before, which is not counted; it needs no Java here."""
    import pandas as pd
    import pyterrier as pt

    parts = []
    for scores in runs.values():
        rows = []
        for query, found in scores.items():
            low, high = min(found.values()), max(found.values())
            span = (high - low) or 1.0
            rows += [(query, texts[query], p, (score - low) / span) for p, score in found.items()]
        frame = pd.DataFrame(rows, columns=["qid", "query", "docno", "score"])
        parts.append(pt.Transformer.from_df(pt.model.add_ranks(frame)))
    systems = []
    for profile in profiles:
        weights = [profile.weights.get(signal, 0.0) for signal in runs]
        weighed = [part * weight for part, weight in zip(parts, weights, strict=True) if weight]
        systems.append(functools.reduce(operator.add, weighed))
    topics = pd.DataFrame(texts.items(), columns=["qid", "query"])
    judged = [(query, p, grade) for query, given in grades.items() for p, grade in given.items()]
    qrels = pd.DataFrame(judged, columns=["qid", "docno", "label"])
    started = time.perf_counter()
    found = pt.Experiment(systems, topics, qrels, eval_metrics=["ndcg_cut_10"])
    return time.perf_counter() - started, float(found["ndcg_cut_10"].max())


def _reruns(work: Path, reruns: int) -> Iterator[Figure]:
    """Fresh processes with 1, 2 and 8 threads, of records made with different batches and stages;
    on the small corpus of the project, so that a process takes seconds."""
    judged = LANDMARKS / "queries.jsonl", LANDMARKS / "qrels.tsv"
    folder = work / "landmarks"
    wb.index(LANDMARKS / "papers.jsonl", into=folder, progress=False)
    with wb.open(folder, progress=False) as bench:
        for profile in (
            bench.profile,
            bench.profile.replace(batch_size=3, workers=1),
            bench.profile.replace(batch_size=64, reranker="late-interaction", n_rerank=10),
            wb.Profile.named("fast").replace(batch_size=1),
        ):
            bench.evaluate(*judged, k=100, profile=profile, progress=False)
        names = [row.id for row in bench.experiments().rows]
    same = 0
    for turn in range(reruns):
        threads = ("1", "2", "8")[turn % 3]
        others = {"batch_size": (1, 7, 50)[turn // 3 % 3], "workers": (1, 15)[turn % 2]}
        record = f"{folder}/{names[turn % len(names)]}"
        variables = dict.fromkeys(("WORKBENCH_THREADS", "OMP_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", RERUN, record, json.dumps(others)],
            capture_output=True, text=True, check=False, env={**os.environ, **variables},
        )  # fmt: skip
        identical = done.stdout.strip() == "True"
        if not identical:
            said = (done.stdout + done.stderr)[-2000:]
            note(f"Not identical: {record}, {threads} threads, {others}: {said}")
        same += identical
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
