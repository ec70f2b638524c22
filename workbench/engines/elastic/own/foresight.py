"""What a search will read next, asked for in the round trips that it makes anyway.

The guess rests on the values that are known by then. Where it is wrong, what is missing is asked
for when it is needed: a request more, never another answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from workbench.engines.base import Ahead
from workbench.engines.elastic.own.arms import Arm, Key
from workbench.engines.elastic.own.mapping import key

MOST = 500
"""Papers or passages brought along in one round trip."""

SPARE = 4
"""Times as many as will be read: the estimate lacks what an arm did not return."""

NEAREST = "nearest"
"""The aggregation with the tokens of an arm's best."""


def likely(arms: Sequence[Arm], union: Sequence[Key], ahead: Ahead) -> list[Key]:
    """The passages of the union that look best by what is known of them, best first: each signal
    scaled to 0..1 over the known values. Of an unknown one it is known that the arm's least found
    value is above it: a cosine counts as that, BM25, which may be 0, as half of it."""
    scores = np.zeros(len(union))
    for arm in arms:
        weight = ahead.weights.get(arm.signal, 0.0)
        values = arm.values(union, absent=np.nan)
        known = values[~np.isnan(values)]
        if not weight or not len(known):
            continue
        low = float(known.min()) if arm.dense else 0.0
        span = max(float(known.max()) - low, 1e-9)
        unknown = low if arm.dense else float(known.min()) / 2
        scores += weight * (np.nan_to_num(values, nan=unknown) - low) / span
    return [union[row] for row in np.argsort(-scores, kind="stable").tolist()]


def likely_papers(best: Iterable[Key], ahead: Ahead) -> list[str]:
    """Ids of the papers whose records will be read."""
    papers = dict.fromkeys(paper_id for paper_id, _ in best)
    return list(papers)[: min(MOST, SPARE * ahead.passages)]


def tokens_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """A search that gives its hits' tokens too."""
    kept = {name: value for name, value in body.items() if name != "stored_fields"}
    return {**kept, "_source": ["tokens"]}


def with_tokens(body: Mapping[str, Any], count: int) -> dict[str, Any]:
    """A search of nearest vectors that also gives the tokens of the first `count`."""
    top = {"size": count, "_source": ["tokens"], "docvalue_fields": ["key"]}
    return {**body, "aggs": {NEAREST: {"top_hits": top}}}


def tokens_in(answer: Mapping[str, Any]) -> dict[str, set[str]]:
    """The tokens of the passages in an answer, by key."""
    top = answer.get("aggregations", {}).get(NEAREST, {})
    hits = [*answer["hits"]["hits"], *top.get("hits", {}).get("hits", [])]
    return {
        hit["fields"]["key"][0]: set(hit["_source"].get("tokens", "").split())
        for hit in hits
        if "_source" in hit
    }


def material_body(keys: Sequence[Key], field: str) -> dict[str, Any]:
    """A search for the records of the passages' papers and for the passages' vectors."""
    names = dict.fromkeys([*(key(paper_id, 0) for paper_id, _ in keys), *(key(*k) for k in keys)])
    return {
        "query": {"terms": {"key": list(names)}},
        "size": len(names),
        "_source": ["record"],
        "fields": [field, "key"],
        "track_total_hits": False,
    }
