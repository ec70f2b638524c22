"""Exact tuning: from candidates to the curve, and what the tuned weights are worth.

Beside it, in the same run: ranx.optimize_fusion with its default grid of 11 weights, over the same
papers' scores (ranx fuses papers, so a paper has its best passage's score in each signal).
Retrieval is left out of all times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from common import Figure, arguments, heading, index_of, note, queries_of, table, targets

import workbench as wb
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.evaluation.statistics import difference_interval
from workbench.evaluation.tuning.result import PLAIN
from workbench.evaluation.tuning.tune import tune
from workbench.records import Candidates, Query

METRIC = "nDCG@10"
DEEP = 1000
"""Candidates an arm where the time of the curve is measured."""

USUAL = 200
"""Candidates an arm elsewhere."""

ALL = 1000
"""More than a split has; with fewer queries no target is compared."""

REPEATS = 20
WARM_UP = 20
"""Queries on which ranx compiles before it is timed."""

PAIR, THREE = ("bm25", "dense"), ("bm25", "title", "dense")
PAIRS = (PAIR, ("bm25", "title"), ("title", "dense"))

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Judged:
    """A split's queries with their candidates, and the judgments by query and paper."""

    found: list[tuple[Query, Candidates]]
    grades: dict[str, dict[str, int]]

    def tune(self, signals: Sequence[str]) -> Any:
        """What `Workbench.tune` does after retrieval, normalising included."""
        asked = [query for query, _ in self.found]
        return tune(self.found, asked, self.grades, signals, METRIC, PLAIN)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=ALL, help="of each split, for a trial")
    parser.add_argument("--no-ranx", action="store_true", help="leave ranx out")
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    heading("Tuning")
    with wb.open(index) as bench:
        deep = _judged(bench, given, "test", DEEP)
        train = _judged(bench, given, "train", USUAL)
        test = _judged(bench, given, "test", USUAL)
        figures = [_curve(deep, given), _split(train, test), _three(train, test)]
    if given.queries >= ALL:
        targets(figures)


def _judged(bench: wb.Workbench, given: argparse.Namespace, split: str, n: int) -> Judged:
    queries, judgments = queries_of(given.data, split)
    queries = queries[: given.queries]
    profile = PLAIN.replace(n_retrieval=n)
    grades = grades_by_query(judgments)
    found = list(bench._candidates(queries, grades, profile, sys.stderr.isatty()))
    return Judged(found, grades)


# From candidates to the curve


def _curve(deep: Judged, given: argparse.Namespace) -> Figure:
    rows = int(np.mean([len(candidates) for _, candidates in deep.found]))
    note(f"{len(deep.found)} queries, {DEEP:,} candidates an arm, {rows:,} passages a query")
    seconds = []
    for _ in range(REPEATS):
        took, curve = _timed(lambda: deep.tune(PAIR))
        seconds.append(took)
    ours = float(np.median(seconds))
    best = curve.best
    weights = f"{len(curve.breakpoints) + 1:,} intervals, all"
    shown = [("workbench", f"{ours * 1e3:.1f}", weights, f"{best.weight:g}", f"{best.value:.4f}")]
    if not given.no_ranx and (ranx := _ranx()) is not None:
        _grid(ranx, deep.found[:WARM_UP], deep.grades)
        took, weight = _grid(ranx, deep.found, deep.grades)
        there = curve.at(weight)
        shown.append(("ranx", f"{took * 1e3:.0f}", "11", f"{weight:g}", f"{there:.4f}"))
        note(
            f"ranx takes {took / ours:.0f} times as long; at its weight {METRIC} is "
            f"{best.value - there:.4f} below the best"
        )
    columns = ("tuning", "ms", "weights tried", "best dense weight", f"{METRIC} there")
    table("From candidates to the curve, normalising included, median", columns, shown)
    return Figure("300 queries, 1,000 candidates an arm, curve", ours * 1e3, 50, "ms")


def _ranx() -> Any:
    try:
        import ranx
    except ImportError:
        note('ranx is not installed: `pip install -e ".[bench]"` puts it beside')
        return None
    return ranx


def _grid(
    ranx: Any, found: Sequence[tuple[Query, Candidates]], grades: dict[str, dict[str, int]]
) -> tuple[float, float]:
    """Seconds of optimize_fusion alone, and the dense weight that it takes."""
    qrels = ranx.Qrels({query.id: _relevant(grades[query.id]) for query, _ in found})
    runs = [
        ranx.Run(
            {query.id: _papers(candidates, signal) for query, candidates in found}, name=signal
        )
        for signal in PAIR
    ]
    took, best = _timed(
        lambda: ranx.optimize_fusion(
            qrels=qrels, runs=runs, norm="min-max", method="wsum", metric="ndcg@10",
            show_progress=False,
        )
    )  # fmt: skip
    return took, float(best["weights"][1])


def _relevant(grades: dict[str, int]) -> dict[str, int]:
    return {paper: grade for paper, grade in grades.items() if grade > 0}


def _papers(candidates: Candidates, signal: str) -> dict[str, float]:
    starts = candidates.paper_starts
    best = np.maximum.reduceat(candidates.column(signal), starts)
    return dict(zip(candidates.paper_ids[starts].tolist(), best.tolist(), strict=True))


# Tuned on train, worth on test


def _split(train: Judged, test: Judged) -> Figure:
    started = time.perf_counter()
    curve = train.tune(PAIR)
    sure, checked = curve.bootstrap(), curve.cross_validate()
    best, steady = curve.best, curve.steady
    other = test.tune(PAIR)
    tested = {
        "best": other.query_values(best.weight),
        "steady": other.query_values(steady),
        "default": other.default_values,
    }
    seconds = time.perf_counter() - started
    calm = curve.cross_validate(steady=True)
    rows = [
        ("best", best.weight, best.value, checked.value, checked.optimism),
        ("steady", steady, curve.at(steady), calm.value, calm.optimism),
        ("default", PLAIN.weights["dense"], curve.default, curve.default, 0.0),
    ]
    shown = [
        (
            name,
            f"{weight:g}",
            f"{value:.4f}",
            f"{honest:.4f}",
            f"{optimism:+.4f}",
            *_interval(tested[name]),
        )
        for name, weight, value, honest, optimism in rows
    ]
    columns = ("weight", "dense", "train", "train, honest", "optimism", "test", "95 %")
    table(f"{METRIC}: tuned on {len(train.found)} queries, measured on others", columns, shown)
    note(
        f"best dense weight of train, 95 %: {sure.interval[0]:.2f} to {sure.interval[1]:.2f}; "
        f"{checked.warning or 'the gain over the default is told'}"
    )
    return Figure("tune on train with interval and optimism, measure on test", seconds, 2, "s")


def _three(train: Judged, test: Judged) -> Figure:
    seconds, search = _timed(lambda: train.tune(THREE))
    best = search.best
    pairs = {pair: train.tune(pair) for pair in PAIRS}
    rows = [
        (
            " ".join(f"{name} {weight:g}" for name, weight in best.weights.items()),
            f"{best.value:.4f}",
            *_interval(test.tune(THREE).query_values(best.weights)),
        )
    ]
    for pair, curve in pairs.items():
        weight = curve.best.weight
        named = " ".join(f"{name} {part:g}" for name, part in curve.weights(weight).items())
        tested = _interval(test.tune(pair).query_values(weight))
        rows.append((named, f"{curve.best.value:.4f}", *tested))
    table(f"{METRIC}: three signals and pairs", ("best weights", "train", "test", "95 %"), rows)
    bound = search.bound
    note(
        f"{search.lines} line searches and {bound.cells:,} cells in {seconds:.2f} s; "
        + ("proven: no weights are better" if bound.proven else f"none exceeds {bound.upper:.4f}")
    )
    two = max(curve.best.value for curve in pairs.values())
    return Figure("three signals, train, less the best two", best.value - two, 0, least=True)


def _interval(values: Any) -> tuple[str, str]:
    mean, low, high = difference_interval(values)
    return f"{mean:.4f}", f"{low:.4f} to {high:.4f}"


def _timed(work: Callable[[], Made]) -> tuple[float, Made]:
    started = time.perf_counter()
    made = work()
    return time.perf_counter() - started, made


if __name__ == "__main__":
    main()
