"""A corpus on a cluster: made from a folder or from any source, changed, opened for searching."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.identity.library import Library
from workbench.corpus.ingest import REJECTS, IngestReport
from workbench.corpus.intake import Intake
from workbench.corpus.manifest import Manifest, check_settings, read_manifest
from workbench.corpus.readers import source_file
from workbench.engines.elastic.own.engine import ElasticEngine
from workbench.engines.elastic.own.indices import LiveIndex, Version, Versions, described, sizes
from workbench.engines.elastic.own.layout import Layout, fingerprint, layout_of
from workbench.engines.elastic.own.mapping import summed
from workbench.engines.elastic.own.sources import IndexStore, folder_documents, folder_papers
from workbench.engines.elastic.own.writing import IndexWriter
from workbench.engines.elastic.spec import ClusterSpec
from workbench.engines.elastic.wire.bulk import Reject, merged
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.embedder import made_with
from workbench.errors import (
    ClusterBusy,
    ClusterError,
    ClusterUnavailable,
    CorpusMismatch,
    CorpusNotFound,
    WorkbenchError,
)
from workbench.models.embedders.base import Embedder
from workbench.profiles import cache_folder
from workbench.system.progress import Progress

SMALL_CHANGE = 0.25
"""Of the papers; a larger change is a new build."""

REDONE = 20
"""Times that a change is made again because another writer was first."""


class ElasticCorpus:
    """The keeper of papers in one index that the workbench makes, on the cluster alone or beside a
    folder. Searches see a change whole or not at all."""

    def __init__(self, spec: ClusterSpec) -> None:
        if spec.attached:
            raise CorpusMismatch(
                f"index {spec.index!r} is attached to (text_fields, vector_field, id_field or "
                "paper_field are given); nothing is written to somebody else's index"
            )
        self.connection = Connection(spec)
        self._versions = Versions(self.connection)

    @property
    def spec(self) -> ClusterSpec:
        """Which index on which cluster."""
        return self.connection.spec

    @property
    def name(self) -> str:
        """URL and index, for messages."""
        return self.connection.where

    @property
    def folder(self) -> Path:
        """For what a session keeps about the papers."""
        return kept_beside(self.connection.spec)

    def open(self, *, progress: bool = False) -> ElasticEngine:
        """The engine over what is live. Raises CorpusNotFound, CorpusMismatch, ClusterError."""
        return ElasticEngine(self.connection)

    def mirror(self, folder: Path, *, progress: bool = False) -> LiveIndex:
        """Make the index hold what a corpus folder holds; its vectors are used as they are.

        Continues what a kill or an outage interrupted. A small change is written to a copy that
        the cluster makes, a large one is a new build; the alias switches in one step.
        """
        manifest = read_manifest(folder)
        layout = layout_of(manifest, self.connection.spec.vectors)
        papers = dict(folder_papers(folder))
        wanted = fingerprint(*summed(papers.items()), layout)

        def attempt(live: Version | None) -> LiveIndex | None:
            if live is not None and live.layout == layout:
                there = described(self.connection, live.name, layout)
                if there.manifest.fingerprint == wanted:
                    return there
                changed, gone = self._differences(live, papers)
                if len(changed) + len(gone) <= SMALL_CHANGE * max(there.manifest.papers, 1):

                    def write(writer: IndexWriter) -> None:
                        _copy(folder, manifest, writer, changed, progress)
                        writer.delete(gone)

                    return self._changed(live, write, wanted, layout.runtimes)

            def fill(writer: IndexWriter) -> None:
                _copy(folder, manifest, writer, None, progress)

            return self._built(live, layout, wanted, fill, wanted)

        return self._redone(attempt)

    def add(
        self,
        source: Any,
        embedder: Embedder,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: Progress = False,
    ) -> IngestReport:
        """Add a source's papers, replacing those that changed; without an index, make one.

        Raises CorpusMismatch for other settings than the index's, RecordError (strict), and what
        the reader and the connection raise.
        """
        if isinstance(source, Iterator):
            source = list(source)  # it may be read again
        vectors, where = self.connection.spec.vectors, self.connection.where
        reports: list[IngestReport] = []

        def attempt(live: Version | None) -> LiveIndex | None:
            def write(writer: IndexWriter) -> None:
                # What an interrupted build left is the source's as it was then.
                building = live is None and not writer.fresh
                reports.append(
                    self._ingest(writer, source, embedder, strict, columns, progress, building)
                )

            if live is None:
                layout = layout_of(made_with(embedder), vectors)
                return self._built(None, layout, _source_name(source), write)
            wanted = made_with(embedder, live.layout.model_fingerprint)
            check_settings(live.layout, layout_of(wanted, vectors), where, "vectors")
            return self._changed(live, write, runtimes=_runtimes(live.layout, embedder.fingerprint))

        self._redone(attempt)
        return reports[-1]

    def delete(self, ids: Iterable[str], embedder: Embedder) -> int:
        """Remove papers; returns how many there were."""
        names = list(ids)
        counts: list[int] = []

        def write(writer: IndexWriter) -> None:
            counts.append(IndexStore(writer, embedder).delete(names))

        def attempt(live: Version | None) -> LiveIndex | None:
            if live is None:
                raise CorpusNotFound(
                    f"{self.connection.where}: nothing is live; index a source first"
                )
            return self._changed(live, write)

        self._redone(attempt)
        return counts[-1]

    def remove(self) -> None:
        """Delete the index with all its versions."""
        self._versions.remove()

    def facts(self) -> dict[str, Any]:
        """URL, version and size, for `Workbench.info`."""
        live = self._versions.live()
        if live is None:
            return {"url": ", ".join(self.connection.urls), "index": self.connection.spec.index}
        found = sizes(self.connection, live.name)
        return {
            "url": ", ".join(self.connection.urls),
            "index": live.name,
            "vectors": live.layout.vectors,
            "bytes_on_cluster": found["bytes"],
            "deleted_documents": found["deleted"],
        }

    def _redone(self, attempt: Callable[[Version | None], LiveIndex | None]) -> LiveIndex:
        """What `attempt` makes of the live version; made again from the start where another
        writer published meanwhile, since its papers are not in what this one wrote."""
        for _ in range(REDONE):
            live = self._versions.live()
            try:
                done = attempt(live)
            except (ClusterError, CorpusNotFound) as error:
                # What is overtaken is also deleted under the one who writes it.
                if isinstance(error, ClusterUnavailable) or self._versions.live() == live:
                    raise
                continue
            if done is not None:
                return done
        raise ClusterBusy(
            f"{self.connection.where}: another process published {REDONE} times while this one "
            "wrote; nothing of this change is live: run it again, or let one process write at a "
            "time"
        )

    def _built(
        self,
        live: Version | None,
        layout: Layout,
        build: str,
        write: Callable[[IndexWriter], None],
        wanted: str | None = None,
    ) -> LiveIndex | None:
        """A new version with all that `write` writes, published instead of the live one; None
        where another writer was first. An interrupted build of that name is continued."""
        version, resumed = self._versions.building(layout, build)
        with IndexWriter(self.connection, version.name, fresh=not resumed) as writer:
            write(writer)
            writer.finish()
            writer.refresh()
        return self._published(live, version, writer.rejects, wanted)

    def _changed(
        self,
        live: Version,
        write: Callable[[IndexWriter], None],
        wanted: str | None = None,
        runtimes: tuple[str, ...] | None = None,
    ) -> LiveIndex | None:
        """Write to a copy of what is live, and switch to it: searches see all or nothing. None
        where another writer was first."""
        version = self._versions.copy(live.name, runtimes)
        with self._discarded_on_failure(version):
            with IndexWriter(self.connection, version.name) as writer:
                write(writer)
                writer.finish()
                writer.refresh()
            if writer.wrote:
                return self._published(live, version, writer.rejects, wanted)
        self._versions.discard(version)
        return described(self.connection, live.name, live.layout)

    def _published(
        self, live: Version | None, version: Version, rejects: list[Reject], wanted: str | None
    ) -> LiveIndex | None:
        """The version with the alias, checked and without deleted documents in its statistics.

        Those count as long as the cluster keeps them for its replicas, also where a document was
        only sent twice. A copy has no such history, so its merge forgets them at once.
        """
        over = None if live is None else live.name
        if self._versions.deleted(version) == 0:  # None: not known, so it is made sure
            there = self._checked(version, wanted, rejects)
            if self._versions.publish(version, over):
                return there
            self._versions.discard(version)
            return None
        merging = self._versions.copy(version.name)
        with self._discarded_on_failure(merging):
            with IndexWriter(self.connection, merging.name) as merger:
                merger.expunge()
            there = self._checked(merging, wanted, rejects)
            published = self._versions.publish(merging, over)
        if published:
            return there
        self._versions.discard(version)
        self._versions.discard(merging)
        return None

    @contextmanager
    def _discarded_on_failure(self, version: Version) -> Iterator[None]:
        """A copy that is not published is of no use to anybody."""
        try:
            yield
        except BaseException:
            with suppress(WorkbenchError):
                self._versions.discard(version)
            raise

    def _differences(self, live: Version, papers: dict[str, bytes]) -> tuple[set[str], list[str]]:
        """Ids that are new or changed, and ids that are gone."""
        with IndexWriter(self.connection, live.name) as reader:
            there = dict(reader.papers())
        changed = {i for i, content in papers.items() if there.get(i) != content}
        return changed, [paper_id for paper_id in there if paper_id not in papers]

    def _ingest(
        self,
        writer: IndexWriter,
        source: Any,
        embedder: Embedder,
        strict: bool,
        columns: Mapping[str, str] | None,
        progress: Progress,
        building: bool,
    ) -> IngestReport:
        # A folder a writer: two at once do not take away each other's rejects.
        folder = self.folder / self.connection.session
        folder.mkdir(parents=True, exist_ok=True)
        store = IndexStore(writer, embedder)
        # A cluster keeps papers, not their records: duplicates are found within one source.
        with closing(Library(None)) as library:
            intake = Intake(store, Analyser(), embedder, library, strict=strict, columns=columns)
            report = intake.ingest(source, folder, progress=progress)
            seen = intake.seen
        if building:  # what an interrupted build left, and this source does not have
            store.delete([name for name in store.living_ids() if name not in seen])
        writer.finish()
        report = _with_refused(report, writer.rejects, folder / REJECTS)
        if not report.rejects:
            with suppress(OSError):
                folder.rmdir()
        return report

    def _checked(self, version: Version, wanted: str | None, rejects: list[Reject]) -> LiveIndex:
        """The version, found to hold exactly the papers that it should."""
        there = described(self.connection, version.name, version.layout)
        if wanted is not None and there.manifest.fingerprint != wanted:
            if not rejects:
                self._versions.discard(version)  # so that the next run does not start from it
            detail = merged(rejects) if rejects else "another process may have written to it"
            raise ClusterError(
                f"{self.connection.where}: {version.name} holds {there.manifest.papers} papers "
                f"that do not add up to the corpus ({detail}); run the same again"
            )
        return there


def kept_beside(spec: ClusterSpec) -> Path:
    """For what a session keeps about papers that are on a cluster alone."""
    return cache_folder() / "elastic" / spec.index


def _copy(
    folder: Path, manifest: Manifest, writer: IndexWriter, only: set[str] | None, progress: bool
) -> None:
    from workbench.system.progress import tqdm

    with tqdm(
        total=manifest.paper_rows,
        desc="To Elasticsearch",
        unit=" papers",
        delay=2,
        disable=not progress,
    ) as bar:
        for read, documents in folder_documents(folder, manifest, writer, only):
            if documents:
                writer.add(documents)
            bar.update(read)
        writer.finish()


def _runtimes(layout: Layout, made: str) -> tuple[str, ...]:
    """The layout's runtimes once an embedder writes to the index too."""
    every = {*layout.runtimes, layout.model_fingerprint, made}
    return tuple(sorted(every)) if len(every) > 1 else ()


def _source_name(source: Any) -> str:
    """Equal for the same file in the same state and for an equal frame, so that an unfinished
    build is continued. Raises CorpusNotFound."""
    if isinstance(source, str | Path):
        path = source_file(Path(source)).absolute()
        stat = path.stat()
        rows: Iterable[Any] = [(str(path), stat.st_size, stat.st_mtime_ns)]
    else:
        listed = source if isinstance(source, list | tuple) else [source]
        rows = source.itertuples() if hasattr(source, "itertuples") else listed
    content = blake2b(repr(list(getattr(source, "columns", ()))).encode(), digest_size=8)
    for row in rows:
        content.update(repr(row).encode("utf-8", errors="replace"))
    return content.hexdigest()


def _with_refused(report: IngestReport, refused: list[Reject], path: Path) -> IngestReport:
    """The report with the documents that the cluster refused, one line each in the file."""
    if not refused:
        return report
    with open(path, "a", encoding="utf-8") as stream:
        for item in refused:
            stream.write(json.dumps({"id": item.id, "problem": item.reason}) + "\n")
    return replace(report, rejected=report.rejected + len(refused), rejects=path)
