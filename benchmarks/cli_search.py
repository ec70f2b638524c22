"""A search from the shell: the whole process, start to printed hits, and its peak memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from common import (
    ROOT,
    Figure,
    Process,
    Timing,
    arguments,
    heading,
    index_of,
    interleave,
    queries_of,
    ratios,
    run_process,
    table,
    targets,
)
from contenders import passages_of, save_plain

import workbench as wb
from workbench.models.weights.find import find_model

OURS = "workbench search"
PLAIN = "plain script"


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    folder = str(index_of("scifact", given.data))
    queries = [query.text for query in queries_of(given.data, "test")[0][: given.runs]]
    prepared = str(save_plain(passages_of(index_of("scifact", given.data))))
    heading("Search from the shell")
    plain, model = str(ROOT / "benchmarks" / "plain_search.py"), str(find_model().path)
    weight = str(wb.Profile().weights["dense"])

    def ours(query: str) -> Process:
        return run_process("-m", "workbench", "search", folder, query, "-k", "10")

    def beside(query: str) -> Process:
        return run_process(plain, prepared, query, model, weight)

    contenders: dict[str, Callable[[str], Process]] = {OURS: ours, PLAIN: beside}
    for search in contenders.values():
        search("vitamin D")
    timings = interleave(contenders, queries)
    against = ratios(timings)
    rows = [
        (name, f"{timing.p50:.2f}", f"{_peak(timing):.0f}", against[name])
        for name, timing in timings.items()
    ]
    columns = ("process", "wall s", "peak RSS MB", "median / ours")
    table(f"One SciFact query, medians of {len(queries)} fresh processes", columns, rows)
    targets(
        [
            Figure("wall time", timings[OURS].p50, 1.5, "s"),
            Figure("peak RSS", _peak(timings[OURS]), 300, "MB"),
        ]
    )


def _peak(timing: Timing) -> float:
    peaks: list[float] = [process.peak_mb for process in timing.answers]
    return statistics.median(peaks)


if __name__ == "__main__":
    main()
