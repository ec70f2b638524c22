"""BM25 that an attached index would give a text: the server's own analysis and statistics.

What the default similarity computes (k1 1.2, b .75; lengths in one byte), so that a difference of
analysis can be told from one of text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workbench.engines.elastic.attached.fields import ForeignIndex
from workbench.engines.elastic.counting import rounded_length, term_vectors
from workbench.engines.elastic.wire.connection import Connection

K1, B = 1.2, 0.75


def scored_text(
    connection: Connection, index: ForeignIndex, query: str, title: str, text: str
) -> dict[str, float] | None:
    """By signal ("bm25", "title") the value of a document with this title and text under a query
    that goes to the server whole. None where that cannot be known: several shards, or several
    fields that the text could be spread over."""
    fields = [index.title_field, *index.shown_fields]
    if connection.several_shards or len(index.shown_fields) > 1:
        return None
    texts = {name: t for name, t in zip(fields, (title, text), strict=False) if name}
    asked = term_vectors(connection, index.name, dict.fromkeys(texts, query))
    there = term_vectors(connection, index.name, texts)
    values = {
        name: _bm25(asked.get(name, {}).get("terms", {}), there.get(name, {})) for name in texts
    }
    total = sum(index.text_fields[name] * value for name, value in values.items())
    return {"bm25": total, "title": values.get(index.title_field, 0.0)}


def _bm25(query: Mapping[str, Any], document: Mapping[str, Any]) -> float:
    if not query or not document:
        return 0.0
    terms, sums = document["terms"], document["field_statistics"]
    documents = sums["doc_count"]
    length = rounded_length(sum(found["term_freq"] for found in terms.values()))
    total = 0.0
    for term, asked in query.items():
        found = terms.get(term)
        if found is None or "doc_freq" not in found:
            continue
        idf = math.log(1 + (documents - found["doc_freq"] + 0.5) / (found["doc_freq"] + 0.5))
        tf = found["term_freq"]
        norm = K1 * (1 - B + B * length * documents / sums["sum_ttf"])
        total += asked["term_freq"] * (K1 + 1) * idf * tf / (tf + norm)
    return total
