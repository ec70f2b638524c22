"""Which pairs of query and paper still lack a judgment in the sample corpus.

A query's pool is the union of the best papers under several weightings. Pairs are listed by query
and paper id, so whoever judges them cannot see which weighting found a paper.

    python data/pool.py [--depth 6] [FOLDER]

Prints the pairs as TSV and their number to stderr; exits with 1 while any is left.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import workbench as wb

LANDMARKS = Path(__file__).parent / "landmarks"

DEPTH = 6

WEIGHTINGS: Sequence[Mapping[str, float]] = (
    {"bm25": 1.0, "title": 0.0, "dense": 0.0},
    {"bm25": 0.0, "title": 0.0, "dense": 1.0},
    {"bm25": 0.7, "title": 0.0, "dense": 0.3},
    {"bm25": 0.5, "title": 0.0, "dense": 0.5},
    {"bm25": 0.3, "title": 0.0, "dense": 0.7},
    {"bm25": 0.3, "title": 0.2, "dense": 0.5},
)

Pair = tuple[str, str]


def pool(bench: wb.Workbench, query: str, depth: int = DEPTH) -> set[str]:
    """Ids of the papers among the best `depth` under any of the weightings."""
    ranking = bench.search(query, k=depth)
    return {paper for weights in WEIGHTINGS for paper in ranking.reweigh(weights).paper_ids}


def unjudged(bench: wb.Workbench, folder: Path = LANDMARKS, depth: int = DEPTH) -> list[Pair]:
    """Pooled (query id, paper id) that the folder's qrels.tsv lacks, in order of the ids."""
    qrels = folder / "qrels.tsv"
    judgments = wb.read_qrels(qrels) if qrels.is_file() else []
    judged = {(judgment.query_id, judgment.paper_id) for judgment in judgments}
    queries = wb.read_queries(folder)
    pooled = {(query.id, paper) for query in queries for paper in pool(bench, query.text, depth)}
    return sorted(pooled - judged)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what lacks a judgment; 0 where nothing does."""
    parser = argparse.ArgumentParser(description="List the pairs that still lack a judgment.")
    parser.add_argument("folder", nargs="?", type=Path, default=LANDMARKS)
    parser.add_argument("--depth", type=int, default=DEPTH, help="papers from each weighting")
    options = parser.parse_args(arguments)
    with wb.open(options.folder, progress=False) as bench:
        pairs = unjudged(bench, options.folder, options.depth)
    print(f"{len(pairs)} pairs lack a judgment", file=sys.stderr)
    for query, paper in pairs:
        print(query, paper, sep="\t")
    return 1 if pairs else 0


if __name__ == "__main__":
    sys.exit(main())
