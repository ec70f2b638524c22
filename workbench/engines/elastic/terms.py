"""Terms of queries and indices: which count, which are there, how often, what each adds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from workbench.engines.elastic.own.mapping import token
from workbench.engines.elastic.wire.connection import Connection
from workbench.records import Query

CHUNK = 5_000
"""Values asked for at once; clusters allow 65,536 terms, and 10,000 hits."""


def weighted_terms(query: Query) -> dict[str, float]:
    """The query's terms that count."""
    return {term: weight for term, weight in query.terms.items() if weight > 0}


def count_filters(field: str, terms: Sequence[str]) -> dict[str, Any]:
    """An aggregation that counts the documents of each term."""
    filters = {term: {"term": {field: token(term)}} for term in terms}
    return {"terms": {"filters": {"filters": filters}}} if filters else {}


def counted_terms(answer: Mapping[str, Any]) -> dict[str, int]:
    """How many documents each term has that any has, from `count_filters`' answer."""
    buckets = answer.get("aggregations", {}).get("terms", {}).get("buckets", {})
    return {term: int(b["doc_count"]) for term, b in buckets.items() if b["doc_count"]}


def found_terms(
    connection: Connection, index: str, field: str, values: Collection[str]
) -> set[str]:
    """The values that some document has in the field, as text."""
    asked, found = list(values), set()
    for start in range(0, len(asked), CHUNK):
        part = asked[start : start + CHUNK]
        counted = {"terms": {"field": field, "size": len(part)}}
        body = {"size": 0, "query": {"terms": {field: part}}, "aggs": {"values": counted}}
        [answer] = connection.searches([body], index)
        found |= {str(b["key"]) for b in answer["aggregations"]["values"]["buckets"]}
    return found


def term_vectors(connection: Connection, index: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """By field, how the index takes this text apart and counts its terms: `terms` (by term
    `term_freq`, and `doc_freq` where documents have it) and `field_statistics` (`doc_count`,
    `sum_ttf`). Statistics are those of one shard. Nothing is stored."""
    body = {
        "doc": dict(texts),
        "fields": list(texts),
        "term_statistics": True,
        "field_statistics": True,
        "positions": False,
        "offsets": False,
        "payloads": False,
    }
    answer = connection.call(
        "POST", f"/{index}/_termvectors", body, params={"filter_path": "term_vectors"}
    )
    found: dict[str, Any] = answer.get("term_vectors", {})
    return found


def parts_of(answer: Mapping[str, Any], known: Sequence[str]) -> dict[str, float]:
    """Each known term's part, so ordered and rounded that float32 adds them up to the score."""
    parts = dict.fromkeys(known, 0.0)
    hits = answer["hits"]["hits"]
    if not hits:
        return parts
    parts.update(hits[0].get("matched_queries", {}))
    last = max(parts, key=lambda term: parts[term])
    rounded = {term: np.float32(part) for term, part in parts.items() if term != last}
    # The server adds in float64: the largest part takes up the rounding, at most some 1e-7 of it.
    value = np.float32(hits[0]["_score"])
    for nudged in _nudged(rounded):
        before = sum(nudged.values(), start=np.float32(0))
        remainder = value - before
        for candidate in (remainder, *_neighbours(remainder)):
            if before + candidate == value:
                return {
                    **{term: float(part) for term, part in nudged.items()},
                    last: float(candidate),
                }
    return {**{term: float(part) for term, part in rounded.items()}, last: float(value - before)}


def _nudged(parts: dict[str, np.float32]) -> Iterator[dict[str, np.float32]]:
    """The parts, then with one of them a float32 step away: where half a step is left over, sums
    round to even and no largest part reaches the others."""
    yield parts
    for term, part in parts.items():
        yield from ({**parts, term: near} for near in _neighbours(part) if near >= 0)


def _neighbours(value: np.float32) -> tuple[np.float32, np.float32]:
    return np.nextafter(value, np.float32(-np.inf)), np.nextafter(value, np.float32(np.inf))
