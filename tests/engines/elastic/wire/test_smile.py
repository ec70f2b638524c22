"""SMILE as Elasticsearch's own parser reads it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.smile import END, document, float_rows

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
names = st.text("abcdefghijklmnop_", min_size=1, max_size=64)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def test_what_is_encoded_is_what_elasticsearch_reads(elasticsearch_url: str) -> None:
    """Jackson, which the server reads SMILE with, is the independent implementation."""
    name = f"smile-{uuid4().hex[:8]}"
    connection = Connection(wb.Elasticsearch(elasticsearch_url, index=name, timeout=60))
    mappings = {"properties": {"v": {"type": "object", "enabled": False}}}
    connection.call("PUT", f"/{name}", {"mappings": mappings})

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=6))
    def check(bodies: list[dict[str, Any]]) -> None:
        parts = [
            document({"index": {"_id": str(number)}}) + document({"v": body})
            for number, body in enumerate(bodies)
        ]
        answer = connection.bulk(parts, name)
        assert not answer["errors"]
        ids = [str(number) for number in range(len(bodies))]
        found = connection.call("POST", f"/{name}/_mget", {"ids": ids})["docs"]
        assert [item["_source"]["v"] for item in found] == bodies

    check()
    connection.call("DELETE", f"/{name}")
    connection.close()


def test_vectors_arrive_bit_by_bit(elasticsearch_url: str) -> None:
    name = f"smile-{uuid4().hex[:8]}"
    connection = Connection(wb.Elasticsearch(elasticsearch_url, index=name, timeout=60))
    connection.call(
        "PUT", f"/{name}", {"mappings": {"properties": {"v": {"type": "object", "enabled": False}}}}
    )
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((20, 384)).astype(np.float32)
    rows[0, :4] = [0.0, -0.0, 1e-38, -3.4e38]
    parts = [
        document({"index": {"_id": str(n)}}) + document({"v": {"row": row}})
        for n, row in enumerate(float_rows(rows))
    ]
    connection.bulk(parts, name)
    for number, row in enumerate(rows):
        source = connection.call("GET", f"/{name}/_doc/{number}")["_source"]
        assert np.array_equal(np.array(source["v"]["row"], dtype=np.float32), row)
    connection.call("DELETE", f"/{name}")
    connection.close()


@given(st.dictionaries(names, values, max_size=4))
def test_the_separator_occurs_at_the_end_alone(body: dict[str, Any]) -> None:
    encoded = document(body)
    assert encoded.index(END) == len(encoded) - 1


def test_what_has_no_place_in_a_document_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no place"):
        document({"a": {1}})
