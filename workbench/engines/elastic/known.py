"""Which of some values a keyword field of an index has."""

from __future__ import annotations

from collections.abc import Collection

from workbench.engines.elastic.wire.connection import Connection

CHUNK = 5_000
"""Values asked for at once; clusters allow 65,536 terms, and 10,000 hits."""


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
