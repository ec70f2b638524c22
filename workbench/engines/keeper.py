"""Where a session's papers are kept: a corpus folder here; a cluster in `elastic.keepers`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import Manifest
from workbench.engines.base import Engine
from workbench.engines.embedded import EmbeddedEngine
from workbench.engines.indexing import Indexer
from workbench.models.embedders.onnx_embedder import Embedder


class KeptEngine(Engine, Protocol):
    """An engine that says from what its index was made."""

    @property
    def manifest(self) -> Manifest:
        """Settings and counts of the index."""
        ...


class Keeper(Protocol):
    """Opens the engine over its papers, and changes them."""

    @property
    def name(self) -> str:
        """Where the papers are, for messages."""
        ...

    def open(self) -> KeptEngine:
        """The engine as the papers are now."""
        ...

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        """Add or replace papers."""
        ...

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        """Remove papers; returns how many there were."""
        ...

    def facts(self) -> dict[str, Any]:
        """What `Workbench.info` says of the place."""
        ...

    def indexer(self, embedder: Embedder, *, progress: bool = False) -> Indexer:
        """Who writes to the corpus folder. Raises CorpusError where papers are kept without the
        records that they came from."""
        ...


class FolderKeeper:
    """A corpus folder with the embedded engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return str(self.folder)

    def open(self) -> EmbeddedEngine:
        return EmbeddedEngine(self.folder)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = False,
    ) -> IngestReport:
        indexer = Indexer(self.folder, embedder, progress=progress, existing=True)
        return indexer.add(source, strict=strict, columns=columns)

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        return Indexer(self.folder, embedder, existing=True).delete(list(ids))

    def indexer(self, embedder: Embedder, *, progress: bool = False) -> Indexer:
        return Indexer(self.folder, embedder, progress=progress, existing=True)

    def facts(self) -> dict[str, Any]:
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return {"bytes": size}
