"""Where papers are kept on a cluster: beside a folder, there alone, or in somebody else's index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.corpus.ingest import IngestReport
from workbench.engines.elastic.attached.engine import AttachedEngine
from workbench.engines.elastic.own.corpus import ElasticCorpus
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.spec import Elasticsearch
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.indexing import Indexer
from workbench.engines.keeper import FolderKeeper, Keeper
from workbench.errors import ClusterError
from workbench.models.embedders.onnx_embedder import Embedder


def keeper_for(spec: Elasticsearch, folder: Path | None, *, progress: bool = False) -> Keeper:
    """The keeper that a spec means: with a folder, its papers are brought to the cluster."""
    if spec.attached:
        return AttachedKeeper(spec)
    return ClusterKeeper(spec) if folder is None else MirrorKeeper(folder, spec, progress=progress)


def _no_sources(name: str) -> ClusterError:
    return ClusterError(
        f"{name}: a cluster keeps papers, not the records that they came from; index into a "
        "folder, and open that with engine=wb.Elasticsearch(...)"
    )


class ClusterKeeper:
    """Papers that are on the cluster alone."""

    def __init__(self, spec: Elasticsearch) -> None:
        self.corpus = ElasticCorpus(spec)

    @property
    def name(self) -> str:
        return self.corpus.connection.where

    def open(self) -> ElasticEngine:
        return self.corpus.open()

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        return self.corpus.add(source, embedder, strict=strict, columns=columns, progress=progress)

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        return self.corpus.delete(ids, embedder)

    def indexer(self, embedder: Embedder, *, progress: bool = False) -> Indexer:
        raise _no_sources(self.name)

    def facts(self) -> dict[str, Any]:
        return self.corpus.facts()


class MirrorKeeper(ClusterKeeper):
    """A corpus folder, and the same papers on a cluster that answers the searches."""

    def __init__(self, folder: Path, spec: Elasticsearch, *, progress: bool = False) -> None:
        super().__init__(spec)
        self._folder = FolderKeeper(folder)
        self._progress = progress

    def open(self) -> ElasticEngine:
        self.corpus.mirror(self._folder.folder, progress=self._progress)
        return self.corpus.open()

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        return self._folder.add(source, embedder, strict=strict, columns=columns, progress=progress)

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        return self._folder.delete(ids, embedder)

    def indexer(self, embedder: Embedder, *, progress: bool = False) -> Indexer:
        return self._folder.indexer(embedder, progress=progress)

    def facts(self) -> dict[str, Any]:
        return {**self._folder.facts(), **super().facts()}


class AttachedKeeper:
    """Somebody else's index: read only."""

    def __init__(self, spec: Elasticsearch) -> None:
        self._spec = spec
        self._connection = Connection(spec)

    @property
    def name(self) -> str:
        return self._connection.where

    def open(self) -> AttachedEngine:
        return AttachedEngine(self._connection)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        raise self._refusal()

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        raise self._refusal()

    def indexer(self, embedder: Embedder, *, progress: bool = False) -> Indexer:
        raise self._refusal()

    def facts(self) -> dict[str, Any]:
        return {"url": ", ".join(self._connection.urls), "index": self._spec.index}

    def _refusal(self) -> ClusterError:
        return ClusterError(
            f"{self.name}: this index is attached to and never written; change it where it is "
            "made, or give wb.open a folder and another index name"
        )
