"""Where a session's papers are kept: a corpus folder, a cluster, or what else somebody writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from workbench.corpus.ingest import IngestReport
from workbench.engines.base import Engine
from workbench.models.embedders.base import Embedder
from workbench.system.progress import Progress

Regrouping = Callable[[Any], set[str]]
"""From the library of records to the ids of the papers that are to be made anew, or are gone."""


class Keeper(Protocol):
    """Opens the engine over its papers, and changes them."""

    @property
    def name(self) -> str:
        """Where the papers are, for messages."""
        ...

    @property
    def folder(self) -> Path:
        """Where a session keeps what is about the papers, like measurements of profiles."""
        ...

    def open(self, *, progress: bool = False) -> Engine:
        """The engine as the papers are now."""
        ...

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: Progress = False,
    ) -> IngestReport:
        """Add or replace papers."""
        ...

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        """Remove papers; returns how many there were."""
        ...

    def facts(self) -> dict[str, Any]:
        """What `Workbench.info` says of the place."""
        ...


@runtime_checkable
class EngineSpec(Protocol):
    """What `wb.open(engine=...)` takes: it says where papers are kept."""

    def keeper(self, folder: Path | None) -> Keeper:
        """The keeper of a corpus folder's papers, or without one of those that are there already.
        It neither reads nor connects before it is asked to open."""
        ...


@runtime_checkable
class KeepsRecords(Protocol):
    """A keeper that also has the records that its papers were made of."""

    def refresh(
        self, embedder: Embedder, *, prune: bool = False, progress: Progress = False
    ) -> IngestReport:
        """Read again the files and folders that papers came from."""
        ...

    def regroup(self, change: Regrouping, embedder: Embedder) -> None:
        """Merge or separate papers."""
        ...
