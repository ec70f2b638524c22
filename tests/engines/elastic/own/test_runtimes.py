"""An index on a cluster whose vectors several runtimes of one model made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import workbench as wb
from tests.corpus.fakes import FakeEmbedder, build, long_record
from workbench.engines.elastic.keepers import MirrorKeeper
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.errors import CorpusMismatch

FIRST, SECOND = (FakeEmbedder(fingerprint=f"ab-mean-int8-{n}") for n in (1, 2))


@pytest.fixture
def spec(elasticsearch_url: str) -> Iterator[wb.Elasticsearch]:
    spec = wb.Elasticsearch(elasticsearch_url, index=f"t-{uuid4().hex[:8]}", replicas=0)
    yield spec
    corpus = ElasticCorpus(spec)
    corpus.remove()
    corpus.connection.close()


def test_another_runtime_opens_adds_and_is_named(spec: wb.Elasticsearch) -> None:
    records = [long_record(n) for n in range(12)]
    keeper = ElasticCorpus(spec)
    keeper.add(records[:10], FIRST)
    with wb.Workbench(Path("x"), embedder=SECOND, keeper=keeper) as bench:
        agreement = bench.info()["agreement"]
        assert 10 < agreement["passages"] <= 64
        assert (agreement["here"], agreement["overlap"]) == ("onnx-int8-2", 1.0)
        keys = bench.engine.sample(8)
        assert len(set(keys)) == 8
        assert keys == bench.engine.sample(8)
        before = bench.engine.fingerprint
        bench.add(records[:10])  # nothing new: nothing was made in another runtime
        assert "runtimes" not in bench.info()
        assert bench.engine.fingerprint == before
        bench.add(records[10:])
        assert set(bench.info()["runtimes"]) == {"onnx-int8-1", "onnx-int8-2"}
        assert bench.engine.fingerprint != before
        assert bench.delete("long0003") == 1  # which leaves them named
        assert set(bench.info()["runtimes"]) == {"onnx-int8-1", "onnx-int8-2"}
    with pytest.raises(CorpusMismatch, match="model_fingerprint 'ab-mean-int8-1', but 'ab-cls"):
        keeper.add(records, FakeEmbedder(fingerprint="ab-cls-int8-1"))


def test_a_mirror_names_the_runtimes_of_its_folder(spec: wb.Elasticsearch, tmp_path: Path) -> None:
    build(tmp_path, [long_record(n) for n in range(10)], FIRST)
    keeper = MirrorKeeper(tmp_path, spec)
    with wb.Workbench(tmp_path, embedder=FIRST, keeper=keeper) as bench:
        assert "runtimes" not in bench.info()
    build(tmp_path, [long_record(10)], SECOND)
    with wb.Workbench(tmp_path, embedder=FIRST, keeper=keeper) as bench:
        assert set(bench.info()["runtimes"]) == {"onnx-int8-1", "onnx-int8-2"}
