"""Judging: what to judge next, bounds over unjudged papers, an append, opening a large file.

Beside `judge_next` the plain way, for one query of the 300: rank anew for every judgment, grade and
weight, and measure with ir_measures. Beside the bounds, ir_measures on the same runs, which gives
the values without them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from common import Figure, arguments, heading, table, targets

import workbench as wb
from workbench.evaluation.judge_next.choose import judge_next
from workbench.evaluation.judgments.entry import Entry, new_id
from workbench.evaluation.reports.bounds import find_bounds
from workbench.evaluation.tuning.exact.tuning_set import CurveItem
from workbench.ranking.fusion import fuse, normalise, rank_papers, weight_vector
from workbench.records import Candidates, Query

SIGNALS = ("bm25", "title", "dense")
METRICS = ("nDCG@10", "AP", "RR", "P@10", "R@100")
GRADES = (1, 2)
STEPS = 100


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--candidates", type=int, default=2_000, help="of each query")
    parser.add_argument("--lines", type=int, default=100_000, help="of the file that is opened")
    given = parser.parse_args()
    heading("Judging")
    rng = np.random.default_rng(0)
    items = {f"q{n:03d}": _item(rng, given.candidates) for n in range(given.queries)}
    figures = [*_next(items), *_bounds(items, rng), *_file(given.lines)]
    targets(figures)


def _next(items: dict[str, CurveItem]) -> list[Figure]:
    """`judge_next` over all queries, and the plain way over one of them."""
    rows, figures = [], []
    query_id, item = next(iter(items.items()))
    for metric in ("nDCG@10", "AP"):
        seconds, found = _timed(lambda m=metric: judge_next(items, 20, m))
        plain, gains = _timed(lambda m=metric: _plainly(item, m))
        ours = judge_next({query_id: item}, 10**6, metric, grades=GRADES)
        apart = max(abs(gains[s.paper_id] - s.gain) for s in ours)
        rows.append(
            (metric, f"{seconds:.2f} s", f"{found.considered:,}", f"{plain * len(items):,.0f} s",
             f"{apart:.0e}")
        )  # fmt: skip
        figures.append(Figure(f"judge_next, {metric}", seconds, 3.0, "s"))
    columns = ("metric", "judge_next", "pairs tried", "plainly, one query x all", "gains differ by")
    table(f"What to judge next, {len(items)} queries, 101 weights, 2 grades", columns, rows)
    return figures


def _bounds(items: dict[str, CurveItem], rng: np.random.Generator) -> list[Figure]:
    run = {q: _ranked(item, 0.6)[:1000] for q, item in items.items()}
    grades = {q: item.grades for q, item in items.items()}
    scored = {q: {p: -float(n) for n, p in enumerate(papers)} for q, papers in run.items()}
    rows, total = [], 0.0
    for metric in METRICS:
        seconds, found = _timed(lambda m=metric: find_bounds(run, grades, m))
        measure = ir_measures.parse_measure(metric)
        other, value = _timed(lambda m=measure: ir_measures.calc_aggregate([m], grades, scored)[m])
        bounds = found.bounds[metric]
        rows.append(
            (metric, f"{value:.4f}", f"{bounds.low:.4f} to {bounds.high:.4f}",
             f"{seconds * 1e3:.0f} ms", f"{other * 1e3:.0f} ms")
        )  # fmt: skip
        total += seconds
    columns = ("metric", "value", "bounds", "time", "ir_measures, the value alone")
    table(f"Bounds, {len(items)} rankings of 1,000 papers", columns, rows)
    return [Figure("bounds of five metrics", total, 1.0, "s")]


def _file(lines: int) -> list[Figure]:
    """One judgment on the disk, and opening a file of many."""
    with tempfile.TemporaryDirectory() as folder:
        judgments = wb.Judgments(Path(folder) / "judgments.jsonl", who="bench")
        judgments._import([_entry(n) for n in range(lines)])
        opening, count = _timed(lambda: len(wb.Judgments(judgments.path)))
        adding = [_timed(lambda n=n: judgments.add("new", f"p{n}", 1))[0] for n in range(200)]
        bare = [_timed(lambda: _synced(Path(folder) / "bare"))[0] for _ in range(200)]
        size = judgments.path.stat().st_size / 1e6
    rows = [
        ("open and replay", f"{opening:.2f} s", "-"),
        ("add one, p50", f"{np.median(adding) * 1e3:.2f} ms", f"{np.median(bare) * 1e3:.2f} ms"),
    ]
    table(
        f"A file of {count:,} judgments, {size:.0f} MB",
        ("step", "Judgments", "bare write and fsync"),
        rows,
    )
    return [
        Figure(f"opening {lines:,} judgments", opening, 3.0, "s"),
        Figure("adding a judgment to them, p50", float(np.median(adding)) * 1e3, 20.0, "ms"),
    ]


def _plainly(item: CurveItem, metric: str) -> dict[str, float]:
    """Each paper's largest gain, every judgment, grade and weight ranked and measured anew."""
    weights = [step / STEPS for step in range(STEPS + 1)]
    rankings = [_ranked(item, w) for w in weights]
    now = _measured(rankings, item.grades, metric)
    top = np.flatnonzero(now >= now.max() - 1e-12)
    winner = _middle(top)
    gains = {}
    for paper in {p for ranking in rankings for p in ranking[:10]} - set(item.grades):
        for grade in GRADES:
            then = _measured(rankings, {**item.grades, paper: grade}, metric)
            helped = (then - now) - (then - now)[winner] > 1e-12
            if helped.any():
                gain = float((then - then[winner])[helped].max())
                gains[paper] = max(gain, gains.get(paper, -1.0))
    return gains


def _middle(top: Any) -> int:
    runs = np.split(top, np.flatnonzero(np.diff(top) > 1) + 1)
    run = max(runs, key=len)
    return int(run[(len(run) - 1) // 2])


def _measured(rankings: list[list[str]], grades: Any, metric: str) -> Any:
    measure = ir_measures.parse_measure(metric)
    clipped = {paper: max(0, grade) for paper, grade in grades.items()}
    qrels = {str(n): clipped for n in range(len(rankings))}
    scored = {str(n): {p: -float(i) for i, p in enumerate(r)} for n, r in enumerate(rankings)}
    values = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, scored)}
    return np.array([values[str(n)] for n in range(len(rankings))])


def _ranked(item: CurveItem, dense: float) -> list[str]:
    weights = weight_vector({"bm25": 1.0 - dense, "dense": dense}, SIGNALS)
    rows, _ = rank_papers(item.candidates, fuse(item.normalised, weights))
    return [str(paper) for paper in item.candidates.paper_ids[rows]]


def _item(rng: np.random.Generator, n: int) -> CurveItem:
    """A query whose two arms see the same hidden relevance through noise; few papers judged."""
    ids = np.sort(rng.choice(10_000_000, n, replace=False)).astype("U8")
    ids.sort()
    hidden = rng.normal(size=n)
    bm25, dense = np.maximum(0, hidden + rng.normal(size=n)), hidden + rng.normal(size=n)
    candidates = Candidates(
        query=Query("made up"),
        signals=SIGNALS,
        paper_ids=ids,
        numbers=np.zeros(n, dtype=np.int32),
        values=np.stack([bm25, np.zeros(n), dense], axis=1),
        lower=np.array([0.0, 0.0, -1.0]),
    )
    judged = rng.choice(np.argsort(-hidden)[:40], 10, replace=False)
    grades = {str(ids[row]): int(rng.integers(0, 3)) for row in judged}
    return CurveItem(candidates, normalise(candidates, "min-max"), grades)


def _entry(number: int) -> Entry:
    from datetime import UTC, datetime

    query, paper = f"q{number % 500}", f"p{number}"
    return Entry("judge", query, paper, number % 4, "bench", datetime.now(UTC), id=new_id())


def _synced(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"x" * 150 + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = run()
    return time.perf_counter() - started, answer


if __name__ == "__main__":
    main()
