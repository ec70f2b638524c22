"""A corpus folder with the embedded engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.corpus.ingest import IngestReport
from workbench.engines.base import Engine
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.indexing import Indexer
from workbench.engines.keeper import Regrouping
from workbench.models.embedders.base import Embedder
from workbench.system.progress import Progress


class FolderKeeper:
    """A corpus folder with the embedded engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return str(self.folder)

    def open(self, *, progress: bool = False) -> Engine:
        return EmbeddedEngine(self.folder)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: Progress = False,
    ) -> IngestReport:
        indexer = Indexer(self.folder, embedder, progress=progress, existing=True)
        return indexer.add(source, strict=strict, columns=columns)

    def refresh(
        self, embedder: Embedder, *, prune: bool = False, progress: Progress = False
    ) -> IngestReport:
        return Indexer(self.folder, embedder, progress=progress, existing=True).refresh(prune=prune)

    def regroup(self, change: Regrouping, embedder: Embedder) -> None:
        Indexer(self.folder, embedder, existing=True).regroup(change)

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        return Indexer(self.folder, embedder, existing=True).delete(list(ids))

    def facts(self) -> dict[str, Any]:
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return {"bytes": size}
