"""The rival of the benchmark is what it says it is."""

from __future__ import annotations

import pytest

import workbench as wb
from benchmarks.single_request import single_request
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.errors import WeightError
from workbench.records import Filters


def test_a_single_request_gives_papers_with_named_parts(spec: wb.Elasticsearch) -> None:
    with wb.open(engine=spec) as there:
        compare(there)


def compare(there: wb.Workbench) -> None:
    engine = there.engine
    assert isinstance(engine, ElasticEngine)
    query = there._retriever.prepare("late interaction retrieval")
    groups = single_request(engine, query, 5, weights={"bm25": 0.3, "dense": 2.0})
    assert len({group.paper_id for group in groups}) == 5
    assert [g.score for g in groups] == sorted((g.score for g in groups), reverse=True)
    full = engine.candidates(query, 1000)
    rows = {
        (name, no): row
        for name, no, row in zip(
            full.paper_ids.tolist(), full.numbers.tolist(), full.values, strict=True
        )
    }
    for group in groups:
        bm25, _, cosine = rows[group.paper_id, group.number]
        assert group.parts.get("bm25", 0) == pytest.approx(0.3 * bm25, rel=1e-5)
        assert group.parts["dense"] == pytest.approx(2.0 * (1 + cosine) / 2, rel=1e-5)
        assert group.score == pytest.approx(sum(group.parts.values()), rel=1e-5)
        others = [v for (name, _), v in rows.items() if name == group.paper_id]
        best = max(0.3 * v[0] + (1 + v[2]) for v in others)
        assert group.score == pytest.approx(best, rel=1e-5)
    only = single_request(engine, query, 5, filters=Filters(year=(2020, 2020)))
    years = {paper.year for paper in engine.papers([g.paper_id for g in only])}
    assert years == {2020}
    with pytest.raises(WeightError, match="unknown part title"):
        single_request(engine, query, weights={"title": 1.0})
    assert single_request(engine, wb.Query("")) == []
