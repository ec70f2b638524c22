"""Building an embedded index: read, encode, score, publish. Each step resumes after a kill.

Papers are committed in small transactions, vectors block by block, and readers see none of it
until the manifest names the new generation.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.faults import damaged, disk_faults, exists, is_file
from workbench.corpus.ingest import IngestReport
from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import (
    LIBRARY,
    NAME,
    STORE,
    Manifest,
    check_settings,
    read_manifest,
    write_manifest,
)
from workbench.corpus.notices import notice
from workbench.corpus.syncing import SourceIngestor
from workbench.corpus.vectors import rows_by_runtime
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded.encoding import PassageEncoder, runs_of
from workbench.engines.embedded.generation import (
    check_counts,
    newest_generation,
    problem_of,
    remove_old_generations,
    write_generation,
)
from workbench.engines.embedder import made_with
from workbench.errors import CorpusDamaged, CorpusMismatch, CorpusNotFound
from workbench.models.embedders.base import Embedder
from workbench.system.progress import Progress
from workbench.system.stages import Stages

if TYPE_CHECKING:
    from workbench.corpus.identity.library import Library
    from workbench.corpus.intake import Intake
    from workbench.records import Paper


class Indexer:
    """Writes to one index folder, under its write lock. `existing`: there must be one already."""

    def __init__(
        self,
        folder: str | Path,
        embedder: Embedder,
        *,
        progress: Progress = False,
        existing: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self._existing = existing
        self._embedder = embedder
        self._progress = progress
        self._analyser = Analyser()
        self._found: Manifest | None = None
        self._encoder: PassageEncoder | None = None
        self._stages = Stages()

    def add(
        self,
        source: Any,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        shard: tuple[int, int] | None = None,
    ) -> IngestReport:
        """Add a source's papers, replacing those that changed.

        `columns` says which column of a table is what, {"title": "Paper name"}. `shard` (i, n) adds
        every n-th record alone, from the i-th.

        Raises CorpusLocked, CorpusMismatch, CorpusDamaged, DiskFull, RecordError (strict), and
        what the reader raises.
        """
        from workbench.corpus.formats.reading import read_source

        if isinstance(source, str | Path | list | tuple):  # what may be read twice
            read_source(source, columns)  # a wrong path is told before there is a folder
        with self._writing() as (store, settings), self._library() as library:
            intake = self._intake(store, library, strict=strict, columns=columns, shard=shard)
            self._adopt(intake, store)
            report = intake.ingest(source, self.folder, progress=self._progress)
            self._publish(store, settings, None)
        return replace(report, seconds=dict(self._stages.seconds))

    def follow(
        self, source: Any, source_state: dict[str, Any], *, prune: bool = False
    ) -> IngestReport:
        """Bring the index up to date with its folder's own source, as `SourceIngestor` says;
        `source_state` is kept in the manifest. Raises what `add` does."""
        with self._writing() as (store, settings):
            ingestor = SourceIngestor(store, self._analyser, self._embedder, prune=prune)
            ingestor.stages = self._stages
            report = ingestor.ingest(source, self.folder, progress=self._progress)
            if is_file(self.folder / LIBRARY):  # records of other files may be the same papers
                with self._library() as library:
                    self._adopt(self._intake(store, library), store, source)
            self._publish(store, settings, source_state)
        return replace(report, seconds=dict(self._stages.seconds))

    def refresh(self, *, prune: bool = False) -> IngestReport:
        """Read again the files and folders that papers came from, as `Intake.follow` says."""
        with self._writing() as (store, settings), self._library() as library:
            intake = self._intake(store, library)
            self._adopt(intake, store)
            report = intake.follow(self.folder, prune=prune, progress=self._progress)
            self._publish(store, settings, None)
        return replace(report, seconds=dict(self._stages.seconds))

    def regroup(self, change: Callable[[Library], set[str]]) -> None:
        """Merge or separate papers: `change` says which ids are to be made anew or are gone."""
        with self._writing() as (store, settings), self._library() as library:
            intake = self._intake(store, library)
            self._adopt(intake, store)
            intake.regroup(change)
            self._publish(store, settings, None)

    def _adopt(self, intake: Intake, store: StoreWriter, source: Path | None = None) -> None:
        """Papers of the folder's own source, and of versions without a library, into it."""
        if source is None and self._found is not None and self._found.source:
            source = self.folder.parent / self._found.source["name"]

        def read(name: str) -> Paper | None:
            found = store.paper(name, store.paper_count)
            return None if found is None else found[1]

        where = str(source or self.folder)
        intake.adopt(store.living_digests, read, where, lambda: store.stamp)

    def _library(self) -> closing[Library]:
        """The records that papers were made of; under the write lock."""
        from workbench.corpus.identity.library import Library

        return closing(Library(self.folder / LIBRARY))

    def _intake(self, store: StoreWriter, library: Library, **options: Any) -> Intake:
        from workbench.corpus.intake import Intake  # a search needs none of the formats
        from workbench.engines.embedded.preparing import ProcessPreparer

        assert self._encoder is not None
        waits = self._encoder.waits
        preparer = ProcessPreparer(self._analyser, self._embedder, self._stages, waits)
        options["preparer"] = preparer
        intake = Intake(store, self._analyser, self._embedder, library, **options)
        intake.stages = self._stages
        return intake

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; returns how many there were. Raises CorpusLocked."""
        with self._writing() as (store, settings), self._library() as library:
            names = list(ids)
            count = store.delete(names)
            library.remove(names)
            library.commit()
            self._publish(store, settings, None)
        return count

    def repair(self) -> None:
        """Make anew what is missing or damaged of all that derives from the stored papers."""
        with self._writing() as (store, settings):
            self._publish(store, settings, None)

    @contextmanager
    def _writing(self) -> Iterator[tuple[StoreWriter, Manifest]]:
        """The store and the settings to publish, under the write lock; passages are encoded as
        they come."""
        if self._existing and not exists(self.folder / NAME):
            raise CorpusNotFound(
                f"{self.folder}: the corpus that was opened is gone; restore the folder, or make "
                "a new one with `workbench index SOURCE`"
            )
        with write_lock(self.folder), disk_faults(self.folder):
            settings = self._settings()
            self._check_store()
            with closing(StoreWriter(self.folder / STORE)) as store:
                if self._found is not None:
                    check_counts(store, self._found)
                claimed = self._claimed(store, settings)
                made = claimed.model_fingerprint
                self._encoder = PassageEncoder(
                    store, self.folder, self._embedder, made, self._stages
                )
                with self._encoder.running():
                    yield store, claimed

    def _check_store(self) -> None:
        """Where something was published, its papers must be there: an empty store in their place
        would be published next."""
        path = self.folder / STORE
        published = self._found is not None and self._found.paper_rows > 0
        if (published or newest_generation(self.folder)) and not (
            is_file(path) and path.stat().st_size
        ):
            raise damaged(path, "empty" if exists(path) else "missing")

    def _settings(self) -> Manifest:
        """What this indexer would write; checked against what is there."""
        wanted = replace(made_with(self._embedder), versions=_versions())
        try:
            self._found = read_manifest(self.folder)
        except CorpusNotFound:
            return wanted
        except CorpusDamaged:
            return replace(wanted, generation=newest_generation(self.folder))
        wanted = self._begun_with(self._found.model_fingerprint, wanted)
        check_settings(self._found, wanted, self.folder)
        return replace(wanted, generation=self._found.generation, source=self._found.source)

    def _begun_with(self, found: str, wanted: Manifest) -> Manifest:
        made = made_with(self._embedder, found).model_fingerprint
        return replace(wanted, model_fingerprint=made)

    def _publish(
        self, store: StoreWriter, settings: Manifest, source_state: dict[str, Any] | None
    ) -> None:
        assert self._encoder is not None
        self._encoder.finish(self._progress)
        papers, passages = store.living_counts()
        manifest = replace(
            settings,
            papers=papers,
            passages=passages,
            paper_rows=store.paper_count,
            passage_rows=store.passage_count,
            terms=store.term_count,
            source=settings.source if source_state is None else source_state,
            runtimes=rows_by_runtime(
                runs_of(store), settings.model_fingerprint, store.passage_count
            ),
        )
        manifest = replace(manifest, fingerprint=_fingerprint(store, manifest))
        if manifest == self._found:
            problem = problem_of(self.folder, manifest, deep=True)
            if not problem:
                return
            notice(f"{self.folder}: {problem}; made anew from the stored papers")
        manifest = replace(manifest, generation=settings.generation + 1)
        with self._stages("publish"):
            self._write(store, manifest)

    def _write(self, store: StoreWriter, manifest: Manifest) -> None:
        """A new generation, and the manifest that names it."""
        write_generation(store, self.folder, manifest, store.vector_blocks())
        store.checkpoint()
        write_manifest(self.folder, manifest)
        # The generation before stays for processes that opened it and have not mapped it yet.
        remove_old_generations(self.folder, manifest.generation - 1)

    def _claimed(self, store: StoreWriter, settings: Manifest) -> Manifest:
        """The settings to publish. An unfinished build has no manifest yet; what is stored must be
        of the same settings."""
        found = store.state("settings")
        if isinstance(found, list) and len(found) == 3:
            settings = self._begun_with(str(found[2]), settings)
        wanted = [settings.analyser, settings.chunking, settings.model_fingerprint]
        if found is None:
            store.set_state("settings", wanted)
        elif found != wanted:
            raise CorpusMismatch(
                f"{self.folder}: an unfinished build was made with {found}, now {wanted} is asked "
                "for; use the same settings, or index into a new folder"
            )
        return settings


def _fingerprint(store: StoreWriter, manifest: Manifest) -> str:
    """16 hex digits over every living paper and every setting that decides a result."""
    hashed = sha256()
    for name, content in store.living_digests():
        hashed.update(name.encode() + b"\0" + content)
    settings = ("analyser", "chunking", "model_fingerprint", "k1", "b")
    hashed.update(repr([getattr(manifest, name) for name in settings]).encode())
    if manifest.runtimes:
        hashed.update(repr(runs_of(store)).encode())
    return hashed.hexdigest()[:16]


def _versions() -> dict[str, str]:
    packages = ("bm25s", "numpy", "onnxruntime", "PyStemmer", "tokenizers")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
