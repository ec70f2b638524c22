"""A query's terms: which count, how many documents have them, what each adds to a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.engines.elastic.mapping import token
from workbench.records import Query


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


def parts_of(answer: Mapping[str, Any], known: Sequence[str]) -> dict[str, float]:
    """Each known term's part, so ordered and rounded that float32 adds them up to the score."""
    parts = dict.fromkeys(known, 0.0)
    hits = answer["hits"]["hits"]
    if not hits:
        return parts
    parts.update(hits[0].get("matched_queries", {}))
    last = max(parts, key=lambda term: parts[term])
    rest = [term for term in parts if term != last]
    before = np.float32(0)
    for term in rest:
        before += np.float32(parts[term])
    # The server adds in float64: the largest part takes up the rounding, at most some 1e-7 of it.
    value = np.float32(hits[0]["_score"])
    remainder = value - before
    for candidate in (remainder, *(np.nextafter(remainder, np.float32(e)) for e in (0, np.inf))):
        if before + candidate == value:
            remainder = candidate
            break
    return {**{term: float(np.float32(parts[term])) for term in rest}, last: float(remainder)}
