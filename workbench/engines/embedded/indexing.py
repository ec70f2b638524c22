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

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import chunking
from workbench.corpus.analysis import Analyser
from workbench.corpus.faults import damaged, disk_faults, exists, is_file
from workbench.corpus.ingest import IngestReport
from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import (
    LIBRARY,
    NAME,
    STORE,
    VECTORS,
    Manifest,
    check_settings,
    read_manifest,
    write_manifest,
)
from workbench.corpus.notices import notice
from workbench.corpus.syncing import SourceIngestor
from workbench.corpus.vectors import (
    Runs,
    append_vectors,
    checksum,
    checksums,
    rewrite_vectors,
    rows_by_runtime,
    whole_rows,
    with_run,
)
from workbench.corpus.writer import StoreWriter
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
from workbench.models.embedders.runtimes import runtime_name
from workbench.system.progress import Progress, progress_bar

if TYPE_CHECKING:
    from workbench.corpus.identity.library import Library
    from workbench.corpus.intake import Intake
    from workbench.records import Paper

BLOCK = 256
"""Passages encoded between two commits."""


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
        return report

    def follow(
        self, source: Any, source_state: dict[str, Any], *, prune: bool = False
    ) -> IngestReport:
        """Bring the index up to date with its folder's own source, as `SourceIngestor` says;
        `source_state` is kept in the manifest. Raises what `add` does."""
        with self._writing() as (store, settings):
            ingestor = SourceIngestor(store, self._analyser, self._embedder, prune=prune)
            report = ingestor.ingest(source, self.folder, progress=self._progress)
            if is_file(self.folder / LIBRARY):  # records of other files may be the same papers
                with self._library() as library:
                    self._adopt(self._intake(store, library), store, source)
            self._publish(store, settings, source_state)
        return report

    def refresh(self, *, prune: bool = False) -> IngestReport:
        """Read again the files and folders that papers came from, as `Intake.follow` says."""
        with self._writing() as (store, settings), self._library() as library:
            intake = self._intake(store, library)
            self._adopt(intake, store)
            report = intake.follow(self.folder, prune=prune, progress=self._progress)
            self._publish(store, settings, None)
        return report

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

        intake.adopt(store.living_digests, read, str(source or self.folder))

    def _library(self) -> closing[Library]:
        """The records that papers were made of; under the write lock."""
        from workbench.corpus.identity.library import Library

        return closing(Library(self.folder / LIBRARY))

    def _intake(self, store: StoreWriter, library: Library, **options: Any) -> Intake:
        from workbench.corpus.intake import Intake  # a search needs none of the formats

        return Intake(store, self._analyser, self._embedder, library, **options)

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
        """The store and the settings to publish, under the write lock."""
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
                yield store, self._claimed(store, settings)

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
        self._encode_missing(store, settings)
        papers, passages = store.living_counts()
        manifest = replace(
            settings,
            papers=papers,
            passages=passages,
            paper_rows=store.paper_count,
            passage_rows=store.passage_count,
            terms=store.term_count,
            source=settings.source if source_state is None else source_state,
            runtimes=rows_by_runtime(_runs(store), settings.model_fingerprint, store.passage_count),
        )
        manifest = replace(manifest, fingerprint=_fingerprint(store, manifest))
        if manifest == self._found:
            problem = problem_of(self.folder, manifest, deep=True)
            if not problem:
                return
            notice(f"{self.folder}: {problem}; made anew from the stored papers")
        manifest = replace(manifest, generation=settings.generation + 1)
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

    def _encode_missing(self, store: StoreWriter, settings: Manifest) -> None:
        made = settings.model_fingerprint
        done, total = self._check_vectors(store, made), store.passage_count
        with progress_bar(self._progress, "Encoding", "passages", total, done) as advance:
            while done < total:
                vectors = self._encoded(store, done, min(done + BLOCK, total), made)
                first, done = done, append_vectors(self.folder / VECTORS, done, vectors)
                store.set_vector_blocks([(first, len(vectors), checksum(vectors))], done)
                advance(len(vectors))

    def _check_vectors(self, store: StoreWriter, made: str) -> int:
        """How many rows of the vectors file are right; encodes anew the blocks that changed since
        they were written. Rows of version 0.1, without checksums, are taken as they are."""
        path, dimension = self.folder / VECTORS, self._embedder.dimension
        written = int(store.state("vectors", 0))
        done = min(written, whole_rows(path, dimension))
        blocks = store.vector_blocks()
        done = next((first for first, rows, _ in blocks if first < done < first + rows), done)
        if done < written:
            notice(
                f"{path}: {written - done:,} of {written:,} rows are missing; encoded anew from "
                "the stored papers"
            )
        known = [block for block in blocks if block[0] + block[1] <= done]
        covered = known[-1][0] + known[-1][1] if known else 0
        fresh = [(row, min(BLOCK, done - row)) for row in range(covered, done, BLOCK)]
        blocks = list(checksums(path, fresh, dimension))
        now = checksums(path, [block[:2] for block in known], dimension)
        for block, current in zip(known, now, strict=True):
            if block != current:
                first, rows, _ = block
                notice(
                    f"{path}: rows {first:,} to {first + rows - 1:,} are not what was written; "
                    "encoded anew from the stored papers"
                )
                vectors = self._encoded(store, first, first + rows, made)
                rewrite_vectors(path, first, vectors)
                blocks.append((first, rows, checksum(vectors)))
        store.set_vector_blocks(blocks, done)
        return done

    def _encoded(self, store: StoreWriter, start: int, stop: int, made: str) -> NDArray[np.float32]:
        """Vectors of rows, in this embedder's runtime, which is noted where others are `made` in
        another: before they are written, so that a kill leaves no row unnoted."""
        before, own = _runs(store), self._embedder.fingerprint
        runs = with_run(before, made, start, stop, own)
        if runs != before:
            store.set_state("runtimes", runs)
            if own not in {made, *(name for _, name in before)}:
                notice(
                    f"{self.folder}: made with {runtime_name(made)}; what is new is encoded with "
                    f"{runtime_name(own)}, and counted"
                )
        rows = list(store.passage_texts(start, stop))
        titles = chunking.short_titles([title for title, _ in rows], self._embedder)
        texts = [
            chunking.embedding_text(title, passage)
            for title, (_, passage) in zip(titles, rows, strict=True)
        ]
        return self._embedder.encode(texts)


def _runs(store: StoreWriter) -> Runs:
    """Which rows another runtime made than the one that the index was begun with."""
    found = store.state("runtimes", [])
    try:
        return [(int(first), str(name)) for first, name in found]
    except (TypeError, ValueError) as error:
        raise damaged(store.path, f"state 'runtimes': {error}") from error


def _fingerprint(store: StoreWriter, manifest: Manifest) -> str:
    """16 hex digits over every living paper and every setting that decides a result."""
    hashed = sha256()
    for name, content in store.living_digests():
        hashed.update(name.encode() + b"\0" + content)
    settings = ("analyser", "chunking", "model_fingerprint", "k1", "b")
    hashed.update(repr([getattr(manifest, name) for name in settings]).encode())
    if manifest.runtimes:
        hashed.update(repr(_runs(store)).encode())
    return hashed.hexdigest()[:16]


def _versions() -> dict[str, str]:
    packages = ("bm25s", "numpy", "onnxruntime", "PyStemmer", "tokenizers")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
