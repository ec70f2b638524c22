"""`wb.Elasticsearch`, and where it keeps papers: beside a folder, on the cluster alone, or in
somebody else's index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.ingest import IngestReport
from workbench.engines.elastic.attached.engine import AttachedEngine
from workbench.engines.elastic.own.corpus import ElasticCorpus, kept_beside
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.spec import ClusterSpec
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.embedded.keeper import FolderKeeper
from workbench.engines.keeper import Keeper
from workbench.errors import ClusterError, CorpusMismatch
from workbench.models.embedders.base import Embedder
from workbench.system.progress import Progress


@dataclass(frozen=True, slots=True)
class Elasticsearch(ClusterSpec):
    """A cluster and an index on it, for `wb.open` and `wb.index`.

    `url` may be several with commas; empty, WORKBENCH_ES_URL or the cloud id is used. `index` is
    the name of an alias over versioned indices that the workbench makes. `vectors` is their type:
    "flat" (exact), "int8_hnsw" or "bbq_hnsw" (approximate). `shards` of an index; `replicas` None
    leaves it to the cluster, one where it has a second node. `timeout` in seconds a request.
    `oversample` vectors a candidate are rescored where the type is approximate. `bulk_bytes` is the
    size of a request that loads papers, None 2 MiB; where a proxy takes less, requests are split
    and stay smaller.

    Credentials come from WORKBENCH_ES_API_KEY, or _USER and _PASSWORD; _CLOUD_ID, _CA_CERTS; or
    from `credentials`, a TOML file of the same names in lower case. They are never printed.

    With `text_fields` (field and boost), `vector_field`, `id_field` or `paper_field` the index is
    somebody else's: it is searched as it is, by the server's analysers, and never written to.

    Raises ProfileError for a setting that cannot be.
    """

    def keeper(self, folder: Path | None) -> Keeper:
        """Where this index keeps papers; those of a folder are brought there. Raises CorpusMismatch
        for a folder and somebody else's index at once."""
        if not self.attached:
            return ElasticCorpus(self) if folder is None else MirrorKeeper(folder, self)
        if folder is not None:
            raise CorpusMismatch(
                f"{folder}: a folder is given, and fields of somebody else's index {self.index!r}; "
                "leave out the one or the other"
            )
        return AttachedKeeper(self)


class MirrorKeeper(FolderKeeper):
    """A corpus folder, and the same papers on a cluster that answers the searches. Changes are
    made to the folder; opening brings them to the cluster."""

    def __init__(self, folder: Path, spec: ClusterSpec) -> None:
        super().__init__(folder)
        self.corpus = ElasticCorpus(spec)

    @property
    def spec(self) -> ClusterSpec:
        return self.corpus.spec

    @property
    def name(self) -> str:
        return self.corpus.name

    def open(self, *, progress: bool = False) -> ElasticEngine:
        self.corpus.mirror(self.folder, progress=progress)
        return self.corpus.open()

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), **self.corpus.facts()}


class AttachedKeeper:
    """Somebody else's index: read only."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self._connection = Connection(spec)

    @property
    def name(self) -> str:
        return self._connection.where

    @property
    def folder(self) -> Path:
        return kept_beside(self.spec)

    def open(self, *, progress: bool = False) -> AttachedEngine:
        return AttachedEngine(self._connection)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: Progress = False,
    ) -> IngestReport:
        raise self._refusal()

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        raise self._refusal()

    def facts(self) -> dict[str, Any]:
        return {"url": ", ".join(self._connection.urls), "index": self.spec.index}

    def _refusal(self) -> ClusterError:
        return ClusterError(
            f"{self.name}: this index is attached to and never written; change it where it is "
            "made, or give wb.open a folder and another index name"
        )
