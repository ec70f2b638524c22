"""Shards of a source, merged: the same corpus as from the source at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from workbench.engines.embedded.shards import KnownVectors
from workbench.errors import CorpusError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.opening import index, merge, open_corpus
from workbench.session import Workbench

SOURCE = ROOT / "data" / "landmarks" / "papers.jsonl"


def test_merged_shards_are_the_whole(
    landmarks: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [tmp_path / f"shard-{n}" for n in (1, 2, 3)]
    for number, folder in enumerate(shards, start=1):
        report = index(SOURCE, folder, shard=(number, 3), progress=False)
        assert report.added == 58
    encoded: list[str] = []
    monkeypatch.setattr(OnnxEmbedder, "encode", lambda _, texts, **__: encoded.extend(texts))
    report = merge(shards, tmp_path / "whole", progress=False)
    assert report.added == 174
    assert encoded == []  # every vector was known
    again = merge(shards, tmp_path / "whole", progress=False)
    assert (again.added, again.replaced) == (0, 0)
    monkeypatch.undo()
    with open_corpus(tmp_path / "whole", progress=False) as whole:
        assert whole.engine.fingerprint == landmarks.engine.fingerprint
        found = whole.search("late interaction retrieval")
        assert found.fingerprint == landmarks.search("late interaction retrieval").fingerprint


def test_vectors_that_no_shard_has_are_computed(
    landmarks: Workbench, embedder: OnnxEmbedder
) -> None:
    known = KnownVectors(embedder, [landmarks.folder])
    new = known.encode(["a text that is in no shard"])
    assert (new == embedder.encode(["a text that is in no shard"])).all()


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_that_is_none(tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(CorpusError, match="shard"):
        index(SOURCE, tmp_path / "x", shard=shard, progress=False)
