"""What Lucene counts: statistics of fields and terms, deleted documents included, and how."""

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


def rounded_length(length: int) -> int:
    """The length of a document that Lucene counts with, kept in one byte: exact below 24, then 24
    and four significant bits of the rest (org.apache.lucene.util.SmallFloat, `intToByte4`)."""
    rest = max(0, length - 24)
    lost = max(0, rest.bit_length() - 4)
    return length if length < 24 else 24 + (rest >> lost << lost)
