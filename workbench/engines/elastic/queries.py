"""Search bodies: each arm, the completion of the union, filters. No scripts anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import fold_name
from workbench.engines.elastic.own.mapping import token
from workbench.records import Filters

LIMIT = 10_000
"""Elasticsearch's bound on results of one search and on kNN candidates."""

BY_SCORE: list[dict[str, str]] = [{"_score": "desc"}, {"paper_id": "asc"}, {"number": "asc"}]
"""The order of an arm: without the last two, equal scores would stand as segments happen to lie."""

_INT = 2**31 - 1
Clause = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VectorArm:
    """How the cluster searches vectors: the field, its index type, how many it rescores."""

    field: str
    kind: str
    oversample: float

    @property
    def exact(self) -> bool:
        """Whether every vector is looked at."""
        return self.kind == "flat"

    def query(self, vector: NDArray[np.float32], n: int, filters: Sequence[Clause]) -> Clause:
        """The `n` nearest under the filters. A quantised type is rescored with full vectors."""
        least = n if self.exact else max(100, int(n * self.oversample))
        knn: Clause = {
            "field": self.field,
            "query_vector": vector.tolist(),
            "k": n,
            "num_candidates": min(LIMIT, max(n, least)),
        }
        if filters:
            knn["filter"] = list(filters)
        if not self.exact:
            knn["rescore_vector"] = {"oversample": min(self.oversample, max(1.0, LIMIT / n))}
        return {"knn": knn}

    def scores(self, vector: NDArray[np.float32], keys: Sequence[str], field: str) -> Clause:
        """True scores of the passages with these keys, whatever the index type."""
        knn: Clause = {
            "field": self.field,
            "query_vector": vector.tolist(),
            "k": len(keys),
            "num_candidates": len(keys),
            "filter": [{"terms": {field: list(keys)}}],
        }
        if not self.exact:
            knn["rescore_vector"] = {"oversample": 1.0}
        return {"knn": knn}


def lexical(
    field: str, terms: Mapping[str, float], k1: float, filters: Sequence[Clause], *, named: bool
) -> Clause:
    """Weighted BM25 over one field. Elasticsearch multiplies BM25 by (k1 + 1); we do not."""
    should = [_term(field, term, weight / (k1 + 1), named) for term, weight in terms.items()]
    return {"bool": {"should": should, "minimum_should_match": 1, "filter": list(filters)}}


def _term(field: str, term: str, boost: float, named: bool) -> Clause:
    clause: Clause = {"value": token(term), "boost": boost}
    if named:
        clause["_name"] = term
    return {"term": {field: clause}}


def page(query: Clause, size: int, key_field: str) -> Clause:
    """A search whose hits are a key from the doc values and a score, nothing read from disk."""
    return {
        "query": query,
        "size": size,
        "stored_fields": "_none_",
        "docvalue_fields": [key_field],
        "track_total_hits": False,
    }


def filter_clauses(filters: Filters) -> list[Clause]:
    """The filters of the embedded engine as clauses; values must have passed `check_filters`."""
    clauses: list[Clause] = []
    if filters.year is not None:
        clauses.append({"range": {"year": year_bounds(*filters.year)}})
    for kind in ("venue", "author", "field"):
        values = getattr(filters, kind)
        if values:
            phrases = [_phrase(f"{kind}_words", fold_name(value)) for value in values]
            clauses.append({"bool": {"should": phrases, "minimum_should_match": 1}})
    if filters.ids:
        clauses.append({"terms": {"paper_id": list(filters.ids)}})
    clauses += [{"term": {"tokens": token(term)}} for term in filters.terms]
    return clauses


def _phrase(field: str, folded: str) -> Clause:
    return {"match_phrase": {field: {"query": folded}}}


def year_bounds(first: int | None, last: int | None) -> dict[str, int]:
    """A range clause's bounds; years beyond any integer field become its ends."""
    bounds = {}
    if first is not None:
        bounds["gte"] = max(-_INT, min(_INT, int(first)))
    if last is not None:
        bounds["lte"] = max(-_INT, min(_INT, int(last)))
    return bounds
