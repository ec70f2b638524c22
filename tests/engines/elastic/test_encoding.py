"""SMILE as Elasticsearch's own parser reads it, names of documents, rounding of parts, breaker."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.engines.elastic.own.mapping import (
    LONGEST,
    document_id,
    key,
    marks,
    parsed_key,
    spelled,
    summed,
    token,
)
from workbench.engines.elastic.terms import parts_of
from workbench.engines.elastic.wire.breaker import Breaker
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


# Names


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.integers(0, 10**6))
def test_keys_are_read_back(paper_id: str, number: int) -> None:
    assert parsed_key(key(paper_id, number)) == (paper_id, number)
    assert len(document_id(key(paper_id, number)).encode()) <= 512


@pytest.mark.parametrize("length", [1, LONGEST, LONGEST + 1, 100_000])
def test_long_terms_stay_apart_and_short(length: int) -> None:
    one, other = "a" * length, "a" * (length - 1) + "b"
    assert token(one) != token(other)
    assert len(token(one)) <= LONGEST
    assert token(one) == (one if length <= LONGEST else token("a" * length))


def test_terms_are_spelled_as_often_as_they_occur() -> None:
    assert spelled({"a": 2, "b": 1}).split() == ["a", "a", "b"]
    assert spelled({}) == ""


def test_marks_add_up_in_any_order() -> None:
    papers = [(f"p{n}", bytes([n] * 16)) for n in range(50)]
    assert summed(papers) == summed(reversed(papers))
    assert summed(papers) != summed(papers[:-1])
    assert all(0 <= mark < 2**31 for mark in marks("a", b"x"))


# Parts


@given(st.lists(st.floats(0, 30, width=32), min_size=1, max_size=12))
def test_rounded_parts_add_up_to_the_servers_sum(parts: list[float]) -> None:
    named = {f"t{n}": part for n, part in enumerate(parts)}
    score = float(np.float32(sum(parts)))  # Lucene adds in float64 and rounds once
    hit = {"_score": score, "matched_queries": named}
    found = parts_of({"hits": {"hits": [hit]}}, list(named))
    assert set(found) == set(named)
    total = np.float32(0)
    for part in found.values():
        total += np.float32(part)
    assert total == np.float32(score)
    assert found == pytest.approx(named, rel=1e-5, abs=1e-5)


# Breaker


def test_a_breaker_opens_lets_one_try_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(limit=2, pause=1.0, clock=lambda: now[0])
    breaker.failed()
    assert breaker.refused_for() == 0
    breaker.failed()
    assert breaker.refused_for() == 1.0
    now[0] = 1.5
    assert breaker.refused_for() == 0  # this caller tries
    assert breaker.refused_for() == 1.0  # the others wait
    breaker.succeeded()
    assert breaker.refused_for() == breaker.refused_for() == 0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "no cluster is named"),
        ({"WORKBENCH_ES_URL": "ftp://x"}, "give one like http"),
        ({"WORKBENCH_ES_URL": "http://u:p4ss@x:1"}, "holds credentials"),
        (
            {"WORKBENCH_ES_URL": "http://x", "WORKBENCH_ES_API_KEY": "a", "WORKBENCH_ES_USER": "b"},
            "give one",
        ),
        ({"WORKBENCH_ES_CREDENTIALS": "/nowhere.toml"}, "not a readable TOML file"),
    ],
)
def test_settings_from_outside_are_checked(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], named: str
) -> None:
    monkeypatch.delenv("WORKBENCH_ES_URL", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(wb.WorkbenchError, match=named) as caught:
        Connection(wb.Elasticsearch())
    assert "p4ss" not in str(caught.value)


def test_a_secrets_file_with_an_error_is_not_quoted(tmp_path: Any) -> None:
    file = tmp_path / "elastic.toml"
    file.write_text('api_key = "s3cret\n')
    with pytest.raises(wb.WorkbenchError) as caught:
        Connection(wb.Elasticsearch("http://x:1", credentials=str(file)))
    assert "s3cret" not in str(caught.value)
    file.write_text(json.dumps({"x": 1}).replace(":", "=").strip("{}").replace('"', ""))
    with pytest.raises(wb.WorkbenchError, match="x is not a text of these"):
        Connection(wb.Elasticsearch("http://x:1", credentials=str(file)))
