"""What an attached index holds: counts, whether documents are routed, what its vectors are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.engines.elastic.attached.fields import ForeignIndex
from workbench.engines.elastic.wire.connection import Connection

SAMPLE = 50
"""Vectors whose lengths are looked at, at random."""

UNIT = 1e-3
"""How far from 1 a length, or beyond 1 a cosine, may be by rounding."""

_EXACT_TO = 40_000
"""Distinct values that the cluster counts exactly; beyond, it may be off by ERROR."""

ERROR = 0.06
"""As a share: reference of the cardinality aggregation, "Counts are approximate"."""


@dataclass(frozen=True, slots=True)
class Content:
    """`papers` may be off by the share `papers_error`. `routed`: some documents have a
    routing value, so that two may share an `_id`. `readable`: the vectors can be read back. `unit`:
    those of a sample have length 1."""

    documents: int
    papers: int
    papers_error: float
    routed: bool
    readable: bool
    unit: bool


def content_of(connection: Connection, index: ForeignIndex) -> Content:
    """One round trip. Raises the connection's errors."""
    count = {"size": 0, "track_total_hits": True}
    bodies: list[dict[str, Any]] = [
        {**count, "aggs": _distinct(index)},
        {**count, "query": {"exists": {"field": "_routing"}}},
    ]
    if index.vectors is not None:
        bodies.append(_sample(index.vectors.field, min(SAMPLE, index.limit)))
    everything, routed, *sampled = connection.searches(bodies, index.name)
    documents = int(everything["hits"]["total"]["value"])
    hits = sampled[0]["hits"]["hits"] if sampled else []
    rows = [hit["fields"][field] for hit in hits for field in hit.get("fields", {})]
    lengths = np.linalg.norm(np.array(rows, dtype=np.float64), axis=1) if rows else np.ones(0)
    papers = _papers(everything, documents)
    named = bool(index.paper_field or index.id_field)
    return Content(
        documents=documents,
        papers=papers,
        papers_error=ERROR if named and papers > _EXACT_TO else 0.0,
        routed=bool(routed["hits"]["total"]["value"]),
        readable=bool(rows) or not hits,
        unit=bool((abs(lengths - 1) <= UNIT).all()),
    )


def written(connection: Connection, index: ForeignIndex) -> str:
    """What stands for the documents that searches find now: how many, and the sum of the numbers
    that writes of a shard count up. Every write that is refreshed makes it another. One round trip,
    which the cluster answers from its request cache until the next refresh."""
    body = {"size": 0, "track_total_hits": True, "aggs": {"written": {"sum": {"field": "_seq_no"}}}}
    [answer] = connection.searches([body], index.name)
    numbers = answer.get("aggregations", {}).get("written", {}).get("value")
    return f"{answer['hits']['total']['value']}-{numbers}"


def _distinct(index: ForeignIndex) -> dict[str, Any]:
    """Documents that have a paper's name, and how many names; of those without, each is one."""
    absent: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for name in filter(None, (index.paper_field, index.id_field)):
        distinct = {"cardinality": {"field": name, "precision_threshold": _EXACT_TO}}
        named = {"bool": {"filter": [{"exists": {"field": name}}], "must_not": list(absent)}}
        found[name] = {"filter": named, "aggs": {"distinct": distinct}}
        absent.append({"exists": {"field": name}})
    return found


def _papers(answer: dict[str, Any], documents: int) -> int:
    named = answer.get("aggregations", {}).values()
    without = documents - sum(int(part["doc_count"]) for part in named)
    return without + sum(int(part["distinct"]["value"]) for part in named)


def _sample(field: str, size: int) -> dict[str, Any]:
    chosen = {"query": {"exists": {"field": field}}, "random_score": {}}
    query = {"function_score": chosen}
    return {"size": size, "_source": False, "query": query, "fields": [field]}
