"""nDCG@10 on SciFact with the weights of all signals chosen on the train queries.

`bench.tune` chooses them; the test queries are looked at with the weights that were best on train.
"""

from __future__ import annotations

from typing import Any

from common import Figure, arguments, heading, index_of, note, queries_of, table, targets

import workbench as wb

TARGET = 0.745
ALL = 1000
METRIC = "nDCG@10"
PROFILE = wb.Profile(reranker="late-interaction")
SETS = {
    "bm25, dense": ("bm25", "dense"),
    "and feedback": ("bm25", "dense", "bm25_feedback", "dense_feedback"),
    "and late interaction": ("bm25", "dense", "late_interaction"),
    "all": ("bm25", "title", "dense", "bm25_feedback", "dense_feedback", "late_interaction"),
}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=ALL, help="of each split, for a trial")
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    heading("All signals")
    splits = {name: queries_of(given.data, name) for name in ("train", "test")}
    splits = {
        name: (queries[: given.queries], judged) for name, (queries, judged) in splits.items()
    }
    with wb.open(index, profile=PROFILE) as bench:
        rows = [_row(bench, name, None, splits) for name in ("default", "fast")]
        for title, signals in SETS.items():
            tuned = bench.tune(*splits["train"], METRIC, signals=signals)
            rows.append(_row(bench, f"{title}, tuned on train", tuned.profile, splits))
            shown = {name: round(w, 3) for name, w in tuned.profile.weights.items() if w}
            note(f"{title}: {shown}")
    table(METRIC, ("profile", "train", "test"), [tuple(map(str, row)) for row in rows])
    if given.queries >= ALL:
        targets([Figure(f"all signals, {METRIC} on test", float(rows[-1][2]), TARGET, least=True)])


def _row(
    bench: wb.Workbench, title: str, profile: wb.Profile | None, splits: dict[str, Any]
) -> tuple[str, str, str]:
    """Both splits under a profile; None means the one called `title`."""
    means = [
        bench.evaluate(*split, METRIC, profile=profile or title).metrics[METRIC].mean
        for split in splits.values()
    ]
    return title, f"{means[0]:.4f}", f"{means[1]:.4f}"


if __name__ == "__main__":
    main()
