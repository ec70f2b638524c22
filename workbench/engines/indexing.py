"""Building an embedded index: read, encode, score, publish. Each step resumes after a kill.

Papers are committed in small transactions, vectors block by block, and readers see none of it
until the manifest names the new generation.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.corpus import chunking
from workbench.corpus.analysis import Analyser
from workbench.corpus.identity.library import NAME as SOURCES
from workbench.corpus.identity.library import Library
from workbench.corpus.ingest import Ingestor, IngestReport
from workbench.corpus.intake import Intake
from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import Manifest, check_settings, read_manifest, write_manifest
from workbench.corpus.vectors import append_vectors, whole_rows
from workbench.corpus.writer import StoreWriter
from workbench.engines.generation import (
    STORE,
    VECTORS,
    newest_generation,
    remove_old_generations,
    write_generation,
)
from workbench.errors import CorpusDamaged, CorpusMismatch, CorpusNotFound
from workbench.models.embedders.onnx_embedder import Embedder

K1, B = 0.9, 0.4
"""BM25's parameters as in Anserini's baselines."""

BLOCK = 256
"""Passages encoded between two commits."""


class Indexer:
    """Writes to one index folder, under its write lock. `strict` stops at the first bad record."""

    def __init__(self, folder: str | Path, embedder: Embedder, *, progress: bool = False) -> None:
        self.folder = Path(folder)
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
        sync: bool = False,
        source_state: dict[str, Any] | None = None,
    ) -> IngestReport:
        """Add a source's papers, replacing those that changed; `sync` removes the others.

        `columns` says which column of a table is what, {"title": "Paper name"}.

        Raises CorpusLocked, CorpusMismatch, RecordError (strict), and what the reader raises.
        """
        with write_lock(self.folder):
            settings = self._settings()
            with closing(StoreWriter(self.folder / STORE)) as store:
                self._claim(store, settings)
                if sync:
                    ingestor = Ingestor(store, self._analyser, self._embedder, strict=strict)
                    report = ingestor.ingest(
                        source, self.folder, sync=sync, progress=self._progress
                    )
                else:
                    with closing(Library(self.folder / SOURCES)) as library:
                        intake = self._intake(store, library, strict=strict, columns=columns)
                        report = intake.ingest(source, self.folder, progress=self._progress)
                self._publish(store, settings, source_state)
        return report

    def refresh(self, *, prune: bool = False) -> IngestReport:
        """Read again the files and folders that papers came from, as `Intake.follow` says."""
        with write_lock(self.folder):
            settings = self._settings()
            with (
                closing(StoreWriter(self.folder / STORE)) as store,
                closing(Library(self.folder / SOURCES)) as library,
            ):
                self._claim(store, settings)
                intake = self._intake(store, library)
                report = intake.follow(self.folder, prune=prune, progress=self._progress)
                self._publish(store, settings, None)
        return report

    def regroup(self, change: Callable[[Library], set[str]]) -> None:
        """Merge or separate papers: `change` says which ids are to be made anew or are gone."""
        with write_lock(self.folder):
            settings = self._settings()
            with (
                closing(StoreWriter(self.folder / STORE)) as store,
                closing(Library(self.folder / SOURCES)) as library,
            ):
                self._claim(store, settings)
                self._intake(store, library).regroup(change)
                self._publish(store, settings, None)

    def _intake(self, store: StoreWriter, library: Library, **options: Any) -> Intake:
        return Intake(store, self._analyser, self._embedder, library, **options)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; returns how many there were. Raises CorpusLocked."""
        with write_lock(self.folder):
            settings = self._settings()
            with closing(StoreWriter(self.folder / STORE)) as store:
                self._claim(store, settings)
                names = list(ids)
                count = store.delete(names)
                with closing(Library(self.folder / SOURCES)) as library:
                    library.remove(names)
                    library.commit()
                self._publish(store, settings, None)
        return count

    def _settings(self) -> Manifest:
        """What this indexer would write; checked against what is there."""
        wanted = Manifest(
            analyser=self._analyser.fingerprint,
            chunking=chunking.fingerprint(self._embedder.window),
            model=self._embedder.name,
            model_fingerprint=self._embedder.fingerprint,
            dimension=self._embedder.dimension,
            k1=K1,
            b=B,
            versions=_versions(),
        )
        try:
            self._found = read_manifest(self.folder)
        except CorpusNotFound:
            return wanted
        except CorpusDamaged:
            return replace(wanted, generation=newest_generation(self.folder))
        check_settings(self._found, wanted, self.folder)
        return replace(wanted, generation=self._found.generation, source=self._found.source)

    def _publish(
        self, store: StoreWriter, settings: Manifest, source_state: dict[str, Any] | None
    ) -> None:
        self._encode_missing(store)
        papers, passages = store.living_counts()
        manifest = replace(
            settings,
            papers=papers,
            passages=passages,
            paper_rows=store.paper_count,
            passage_rows=store.passage_count,
            terms=store.term_count,
            source=settings.source if source_state is None else source_state,
        )
        manifest = replace(manifest, fingerprint=_fingerprint(store, manifest))
        if (self.folder / settings.folder).is_dir() and manifest == self._found:
            return
        manifest = replace(manifest, generation=settings.generation + 1)
        write_generation(store, self.folder, manifest)
        write_manifest(self.folder, manifest)
        # The generation before stays for processes that opened it and have not mapped it yet.
        remove_old_generations(self.folder, manifest.generation - 1)

    def _claim(self, store: StoreWriter, settings: Manifest) -> None:
        """An unfinished build has no manifest yet; what is stored must be of the same settings."""
        wanted = [settings.analyser, settings.chunking, settings.model_fingerprint]
        found = store.state("settings")
        if found is None:
            store.set_state("settings", wanted)
        elif found != wanted:
            raise CorpusMismatch(
                f"{self.folder}: an unfinished build was made with {found}, now {wanted} is asked "
                "for; use the same settings, or delete this folder and index again"
            )

    def _encode_missing(self, store: StoreWriter) -> None:
        from tqdm.auto import tqdm

        whole = whole_rows(self.folder / VECTORS, self._embedder.dimension)
        done, total = min(int(store.state("vectors", 0)), whole), store.passage_count
        with tqdm(
            total=total,
            initial=done,
            desc="Encoding",
            unit=" passages",
            delay=2,
            disable=not self._progress,
        ) as bar:
            while done < total:
                rows = list(store.passage_texts(done, min(done + BLOCK, total)))
                titles = chunking.short_titles([title for title, _ in rows], self._embedder)
                texts = [
                    chunking.embedding_text(title, passage)
                    for title, (_, passage) in zip(titles, rows, strict=True)
                ]
                done = append_vectors(self.folder / VECTORS, done, self._embedder.encode(texts))
                store.set_state("vectors", done)
                bar.update(len(texts))


def _fingerprint(store: StoreWriter, manifest: Manifest) -> str:
    """16 hex digits over every living paper and every setting that decides a result."""
    hashed = sha256()
    for name, content in store.living_digests():
        hashed.update(name.encode() + b"\0" + content)
    settings = ("analyser", "chunking", "model_fingerprint", "k1", "b")
    hashed.update(repr([getattr(manifest, name) for name in settings]).encode())
    return hashed.hexdigest()[:16]


def _versions() -> dict[str, str]:
    packages = ("bm25s", "numpy", "onnxruntime", "PyStemmer", "tokenizers")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
