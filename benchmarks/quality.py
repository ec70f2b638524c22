"""nDCG@10 on SciFact: BM25, dense, hybrid and the default profile with feedback, and the glue.

The order that a person sees is what counts: a run's scores are its ranks, full lists (k = 1,000).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from common import (
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
from contenders import Glue, Texts, embed_query, passages_of, sentence_transformer

import workbench as wb
from workbench.corpus.chunking import embedding_text
from workbench.corpus.parsing import parse_paper
from workbench.corpus.readers import read_entries

FULL = 1000
"""Length of a ranking."""

ALL = 1000
"""More than a split has; with fewer queries no target is compared."""

TARGETS = {"BM25 alone": 0.67, "dense alone": 0.64, "hybrid": 0.73}
STEPS = tuple(step / 10 for step in range(11))

Run = Mapping[str, Sequence[str]]
"""Paper ids of each query, best first."""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=ALL, help="of each split, for a trial")
    parser.add_argument("--no-glue", action="store_true", help="leave the glue out")
    given = parser.parse_args()
    need(given.data / SOURCES["scifact"].file)
    index = index_of("scifact", given.data)
    heading("Quality")
    glue = None if given.no_glue else _whole_papers(index, given.data)
    default = wb.Profile(feedback=False).weights["dense"]
    weights = {"BM25 alone": 0.0, "dense alone": 1.0, "hybrid": default}
    with wb.open(index) as bench:
        ours, theirs = _scores(bench, glue, given, "test", list(weights.values()))
        rows = [
            (name, f"{weight:.1f}", f"{ours[weight]:.4f}", _shown(theirs, weight))
            for name, weight in weights.items()
        ]
        rows.append(("with feedback (default profile)", "-", f"{_default(bench, given):.4f}", "-"))
        columns = ("ranking", "dense weight", "workbench", "glue, whole papers")
        table("nDCG@10, test queries, default profile", columns, rows)
        if given.queries >= ALL:
            targets(
                [
                    Figure(f"{name}, nDCG@10", ours[weight], TARGETS[name], least=True)
                    for name, weight in weights.items()
                ]
            )
        ours, theirs = _scores(bench, glue, given, "train", STEPS)
        table(
            "For information: nDCG@10, train queries",
            ("dense weight", "workbench", "glue, whole papers"),
            [(f"{step:.1f}", f"{ours[step]:.4f}", _shown(theirs, step)) for step in STEPS],
        )


def _scores(
    bench: wb.Workbench, glue: _Glue | None, given: Any, split: str, weights: Sequence[float]
) -> tuple[dict[float, float], dict[float, float]]:
    """nDCG@10 at each weight, ours and the glue's (empty without it)."""
    queries, judgments = queries_of(given.data, split)
    queries = queries[: given.queries]
    kept = {query.id for query in queries}
    qrels = [
        ir_measures.Qrel(judgment.query_id, judgment.paper_id, judgment.grade)
        for judgment in judgments
        if judgment.query_id in kept
    ]
    note(f"{split}: {len(queries)} queries, {len(qrels)} judgments")
    ours: dict[float, dict[str, list[str]]] = {weight: {} for weight in weights}
    theirs: dict[float, dict[str, list[str]]] = {weight: {} for weight in weights if glue}
    depth = FULL if split == "test" else 10
    for query in queries:
        ranking = bench.search(query.text, 1)
        for weight, run in ours.items():
            mix = {"bm25": 1 - weight, "title": 0.0, "dense": weight}
            run[query.id] = ranking.reweigh(mix, k=depth).paper_ids
        if glue is not None:
            found = glue.signals(query.text)
            for weight, run in theirs.items():
                run[query.id] = glue.rank(found, weight, depth)
    return (
        {weight: _ndcg(qrels, run) for weight, run in ours.items()},
        {weight: _ndcg(qrels, run) for weight, run in theirs.items()},
    )


def _default(bench: wb.Workbench, given: Any) -> float:
    """nDCG@10 of the default profile on the test queries."""
    queries, judgments = queries_of(given.data, "test")
    report = bench.evaluate(queries[: given.queries], judgments, "nDCG@10", profile="default")
    return float(report.metrics["nDCG@10"].mean)


def _ndcg(qrels: list[Any], run: Run) -> float:
    scored = [
        ir_measures.ScoredDoc(query, paper, float(-rank))
        for query, papers in run.items()
        for rank, paper in enumerate(papers)
    ]
    measure = ir_measures.nDCG @ 10
    return float(ir_measures.calc_aggregate([measure], qrels, scored)[measure])


def _shown(scores: Mapping[float, float], weight: float) -> str:
    return f"{scores[weight]:.4f}" if weight in scores else "-"


class _Glue:
    """The glue with sentence-transformers' vectors of its texts."""

    def __init__(self, texts: Texts, model: Any) -> None:
        self._glue = Glue(texts, dense=0.5)
        self._embed = embed_query(model)

    def signals(self, query: str) -> tuple[Any, Any, Any]:
        return self._glue.signals(query, self._embed(query))

    def rank(self, found: tuple[Any, Any, Any], weight: float, k: int) -> list[str]:
        return [name for name, _ in self._glue.rank(*found, weight, k)]


def _whole_papers(index: Path, data: Path) -> _Glue:
    """SciFact's papers uncut, embedded by sentence-transformers, which truncates; kept."""
    folder = passages_of(index).folder / "whole"
    folder.mkdir(exist_ok=True)
    entries = read_entries(data / SOURCES["scifact"].file)
    papers = [parse_paper(entry.record) for entry in entries if entry.record]
    texts = [embedding_text(paper.title, paper.text) for paper in papers]
    model, kept = sentence_transformer(), folder / "vectors.npy"
    if not kept.is_file():
        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        np.save(kept, vectors)
    return _Glue(Texts(folder, [paper.id for paper in papers], texts, np.load(kept)), model)


if __name__ == "__main__":
    main()
