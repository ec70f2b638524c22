"""What Lucene counts: statistics of fields and terms, deleted documents included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.engines.elastic.wire.connection import Connection


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
