"""The single-request query: one hybrid request, papers grouped by the cluster.

A bool query adds BM25 and vector score, an aggregation groups the best passages by paper, top_hits
gives each paper's best one, named queries tell the parts. One round trip. What it gives up: a
passage that only one arm finds has no value in the other, so nothing can be normalised, tuned or
explained afterwards; the parts are added as they are, so that a weight means something else for
every query; the title counts as part of the passage alone; other weights are another request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.own.mapping import ARMS, parsed_key
from workbench.engines.elastic.queries import VectorArm, filter_clauses, lexical
from workbench.engines.elastic.terms import weighted_terms
from workbench.errors import WeightError
from workbench.records import Filters, Query

PARTS = ("bm25", "dense")


@dataclass(frozen=True, slots=True)
class Group:
    """One paper: its best passage, that passage's score and the parts of it, and how many of the
    passages that were looked at are its."""

    paper_id: str
    number: int
    score: float
    parts: Mapping[str, float]
    passages: int


def single_request(
    engine: ElasticEngine,
    query: Query,
    k: int = 10,
    *,
    n: int = 200,
    weights: Mapping[str, float] | None = None,
    filters: Filters = Filters(),
) -> list[Group]:
    """The best `k` papers by the cluster alone, from the `n` passages with the best sum.

    A part is what the cluster adds: the weight times BM25, or times (1 + cosine) / 2.
    Raises FilterError, WeightError for another signal, and the connection's errors.
    """
    chosen = dict(weights or dict.fromkeys(PARTS, 1.0))
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        raise WeightError(f"unknown part {', '.join(unknown)}; one request has {', '.join(PARTS)}")
    top = {"top_hits": {"size": 1, "_source": False, "docvalue_fields": ["key"]}}
    papers = {"terms": {"field": "paper_id", "size": n}, "aggs": {"top": top}}
    body: dict[str, Any] = {
        "query": _hybrid(engine, query, n, chosen, filters),
        "size": 0,
        "track_total_hits": False,
        # The best passages alone: a common word would make every paper a bucket.
        "aggs": {"best": {"sampler": {"shard_size": n}, "aggs": {"papers": papers}}},
    }
    [answer] = engine._connection.searches([body], engine.live.name)
    buckets = answer["aggregations"]["best"]["papers"]["buckets"]
    groups = sorted(map(_group, buckets), key=lambda group: (-group.score, group.paper_id))
    return groups[:k]


def _hybrid(
    engine: ElasticEngine, query: Query, n: int, weights: Mapping[str, float], filters: Filters
) -> dict[str, Any]:
    """One bool query that adds weighted BM25 and vector score, each under its signal's name."""
    clauses, layout = filter_clauses(filters), engine.live.layout
    arms: dict[str, dict[str, Any]] = {}
    if terms := weighted_terms(query):
        arms["bm25"] = lexical(ARMS["bm25"], terms, layout.k1, clauses, named=False)
    if query.vector is not None:
        spec = engine._connection.spec
        arms["dense"] = VectorArm("vector", layout.vectors, spec.oversample).query(
            query.vector, n, clauses
        )
    should = []
    for signal, clause in arms.items():
        if weight := weights.get(signal, 0.0):
            [inside] = clause.values()
            inside |= {"boost": weight, "_name": signal}
            should.append(clause)
    return {"bool": {"should": should}} if should else {"match_none": {}}


def _group(bucket: Mapping[str, Any]) -> Group:
    [hit] = bucket["top"]["hits"]["hits"]
    paper_id, number = parsed_key(hit["fields"]["key"][0])
    parts = {name: float(value) for name, value in hit.get("matched_queries", {}).items()}
    return Group(paper_id, number, float(hit["_score"]), parts, int(bucket["doc_count"]))
