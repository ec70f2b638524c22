"""nDCG@10 on SciFact with the weights of all signals chosen on the train queries.

Coordinate ascent over the candidates' normalised signals, retrieved once; the test queries are
looked at once, with the weights that were best on train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Figure, arguments, heading, index_of, note, queries_of, table, targets
from numpy.typing import NDArray

import workbench as wb
from workbench.corpus.analysis import Analyser
from workbench.evaluation.metrics import grades_by_query
from workbench.models.embedder import OnnxEmbedder
from workbench.ranking.fusion import fuse, normalise, rank_papers
from workbench.ranking.retriever import Retriever
from workbench.records import Candidates

TARGET = 0.745
ALL = 1000
GRID = np.linspace(0, 0.6, 13)
ROUNDS = 6
DISCOUNTS = 1 / np.log2(np.arange(2, 12))
PROFILE = wb.Profile(reranker="late-interaction")
Weights = NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=ALL, help="of each split, for a trial")
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    heading("All signals")
    with wb.open(index) as bench:
        retriever = Retriever(bench.engine, OnnxEmbedder(), Analyser())
        train = _split(retriever, given, "train")
        test = _split(retriever, given, "test")
        names = retriever.signals(PROFILE)
    start = np.array([PROFILE.weights.get(name, 0.0) for name in names])
    chosen = _ascend(train, start)
    two = _two_signals(train, names)
    rows = [
        (title, f"{train.mean(weights):.4f}", f"{test.mean(weights):.4f}")
        for title, weights in {
            "bm25 and dense, chosen on train": two,
            "default profile (feedback)": _vector(wb.Profile().weights, names),
            "default weights with late interaction": start,
            "all signals, chosen on train": chosen,
        }.items()
    ]
    table("nDCG@10", ("weights", "train", "test"), rows)
    shown = ", ".join(f"{n} {w:.3f}" for n, w in zip(names, chosen, strict=True))
    note(f"Chosen: {shown}; {len(train.items)} train and {len(test.items)} test queries")
    if given.queries >= ALL:
        value = test.mean(chosen)
        targets([Figure("all signals, nDCG@10 on test", value, TARGET, least=True)])


@dataclass(frozen=True, slots=True)
class Split:
    """Candidates, their normalised signals and the grades of each query."""

    items: list[tuple[Candidates, NDArray[np.float64], Mapping[str, int]]]

    def mean(self, weights: Weights) -> float:
        """nDCG@10 under weights."""
        return float(np.mean([_ndcg(*item, weights) for item in self.items]))


def _split(retriever: Retriever, given: Any, split: str) -> Split:
    queries, judgments = queries_of(given.data, split)
    queries = queries[: given.queries]
    grades = grades_by_query(judgments)
    found = retriever.retrieve_all([query.text for query in queries], PROFILE)
    return Split(
        [
            (r.candidates, normalise(r.candidates, PROFILE.normaliser), grades[query.id])
            for query, r in zip(queries, found, strict=True)
        ]
    )


def _ndcg(
    candidates: Candidates,
    normalised: NDArray[np.float64],
    grades: Mapping[str, int],
    weights: Weights,
) -> float:
    rows, _ = rank_papers(candidates, fuse(normalised, weights), 10)
    gains = [grades.get(str(paper), 0) for paper in candidates.paper_ids[rows]]
    ideal = sorted(grades.values(), reverse=True)[:10]
    best = float(np.dot(ideal, DISCOUNTS[: len(ideal)]))
    return float(np.dot(gains, DISCOUNTS[: len(gains)])) / best if best else 0.0


def _ascend(split: Split, start: Weights) -> Weights:
    """One weight at a time, the others in proportion, until no step helps."""
    best, value = start / start.sum(), split.mean(start)
    for _ in range(ROUNDS):
        before = value
        for place in range(len(best)):
            for part in GRID:
                tried = best.copy()
                tried[place] = part
                tried /= tried.sum()
                found = split.mean(tried)
                if found > value + 1e-9:
                    best, value = tried, found
        if value == before:
            break
    return best


def _two_signals(split: Split, names: tuple[str, ...]) -> Weights:
    """The best of 101 weights between bm25 and dense."""
    options = [
        _vector({"bm25": 1 - dense, "dense": dense}, names) for dense in np.linspace(0, 1, 101)
    ]
    return max(options, key=split.mean)


def _vector(weights: Mapping[str, float], names: tuple[str, ...]) -> Weights:
    return np.array([float(weights.get(name, 0.0)) for name in names])


if __name__ == "__main__":
    main()
