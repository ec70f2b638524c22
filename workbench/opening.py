"""Making a corpus and opening one: `wb.open` and `wb.index`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

from workbench.corpus.faults import as_path, disk_faults, exists, is_folder
from workbench.corpus.ingest import IngestReport
from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import NAME, read_manifest, write_manifest
from workbench.corpus.notices import notice
from workbench.corpus.readers import find_source
from workbench.engines.elastic.spec import Elasticsearch
from workbench.engines.generation import problem_of
from workbench.engines.indexing import Indexer
from workbench.engines.keeper import Keeper
from workbench.errors import CorpusError, CorpusMismatch, CorpusNotFound, CorpusReadOnly
from workbench.models.embedders.base import LazyEmbedder
from workbench.models.embedders.make import RUNTIMES, make_embedder, settings_of
from workbench.models.weights.find import DEFAULT_MODEL
from workbench.profiles import Profile, cache_folder
from workbench.session import Workbench

RUNTIME = RUNTIMES[0]
INDEX = "index"
"""Folder of the index inside a folder that holds a source."""


def open_corpus(
    path: str | Path | None = None,
    *,
    engine: Elasticsearch | None = None,
    profile: Profile | str | None = None,
    model: str | None = None,
    runtime: str | None = None,
    prune: bool = False,
    progress: bool = True,
) -> Workbench:
    """Open a corpus folder. A folder with a source (papers.jsonl or BEIR's corpus.jsonl) is
    indexed on first use into its `index` folder, and brought up to date when the source changed.

    Papers that came from the source and are gone from it are removed, up to a fifth of them; more
    only with `prune`, since a source may be half-written. Papers that were added, replaced or
    deleted by other means stay as they are. What derives from the stored papers (vectors, arrays)
    is made anew where it is missing or damaged. A message says what was done.

    With `engine=wb.Elasticsearch(...)` the folder's papers and vectors are brought to the cluster,
    where that differs, and searched there. Without a path, the cluster's index is opened as it is:
    one that the workbench made, or somebody else's with the fields that the engine names.

    `profile` is a Profile or the name of one; without it the environment decides
    (`profile_from_environment`). `model` is a name or a folder; without it a new index takes the
    default and an existing one the model it was made with. `runtime` says how it is run:
    "onnx-int8" (default), "onnx-fp32", "torch", "sentence-transformers" or "auto"; an existing
    index keeps its own, since other arithmetic gives other vectors. Raises CorpusNotFound,
    CorpusMismatch (also for a model other than the index's), CorpusDamaged (papers that cannot be
    read), CorpusLocked, CorpusUnavailable, DiskFull, ModelNotFound, ProfileError, and with an
    engine ClusterError.
    """
    if path is None or (engine is not None and engine.attached):
        return _open_cluster(path, engine, profile, model, runtime)
    folder, embedder = _ready_folder(as_path(path), model, runtime, prune, progress)
    keeper = None if engine is None else _keeper(engine, folder, progress)
    return Workbench(folder, profile=profile, embedder=embedder, keeper=keeper)


def _open_cluster(
    path: str | Path | None,
    engine: Elasticsearch | None,
    profile: Profile | str | None,
    model: str | None,
    runtime: str | None,
) -> Workbench:
    """An index as it is on the cluster, without a folder here."""
    if engine is None:
        raise CorpusNotFound("nothing to open; give a corpus folder, or engine=wb.Elasticsearch()")
    if path is not None:
        raise CorpusMismatch(
            f"{path}: a folder is given, and fields of somebody else's index {engine.index!r}; "
            "leave out the one or the other"
        )
    from workbench.engines.elastic.keepers import keeper_for

    known = model is None and runtime is None and not engine.attached
    embedder = None if known else make_embedder(model or DEFAULT_MODEL, runtime=runtime or RUNTIME)
    folder = cache_folder() / "elastic" / engine.index  # for what a session keeps beside papers
    return Workbench(folder, profile=profile, embedder=embedder, keeper=keeper_for(engine, None))


def _keeper(engine: Elasticsearch, folder: Path, progress: bool) -> Keeper:
    from workbench.engines.elastic.keepers import keeper_for

    return keeper_for(engine, folder, progress=progress)


def _ready_folder(
    folder: Path, model: str | None, runtime: str | None, prune: bool, progress: bool
) -> tuple[Path, LazyEmbedder]:
    """The folder of an index that is whole and up to date, and the model it was made with."""
    if exists(folder / NAME):
        embedder = _embedder(folder, model, runtime)
        _repair(folder, embedder, progress)
        return folder, embedder
    source = find_source(folder) if is_folder(folder) else None
    if source is None:
        raise CorpusNotFound(
            f"{folder}: neither an index nor a source (papers.jsonl, corpus.jsonl) is there; "
            "run `workbench index SOURCE --into DIR` first, or check the path"
        )
    index = folder / INDEX
    embedder = _embedder(index, model, runtime)
    known = read_manifest(index).source if exists(index / NAME) else None
    state = _source_state(source, known)
    if known is None or prune or state.get("content") != known.get("content"):
        _follow(Indexer(index, embedder, progress=progress), source, state, known, prune)
    elif state != known:
        with suppress(CorpusError), write_lock(index):  # so that it is not read again next time
            write_manifest(index, replace(read_manifest(index), source=state))
    _repair(index, embedder, progress)
    return index, embedder


def _follow(
    indexer: Indexer,
    source: Path,
    state: dict[str, Any],
    known: dict[str, Any] | None,
    prune: bool,
) -> None:
    """Bring an index up to date, and say what became of papers that it had."""
    try:
        report = indexer.follow(source, state, prune=prune)
    except CorpusReadOnly as error:
        if known is None:
            raise
        notice(f"{source} changed, but the index stays as it was: {error}")
        return
    if known is not None and (report.replaced or report.deleted or report.notes):
        notice(f"{source} changed: {report}")


def _repair(index: Path, embedder: LazyEmbedder, progress: bool) -> None:
    """Make anew what is damaged of all that derives from the stored papers."""
    if problem_of(index, read_manifest(index)):
        Indexer(index, embedder, progress=progress, existing=True).repair()


def _embedder(index: Path, model: str | None, runtime: str | None = None) -> LazyEmbedder:
    """What is asked for, else what an index was made with, else the default."""
    settings: dict[str, Any] = {"runtime": runtime} if runtime else {}
    if exists(index / NAME):
        manifest = read_manifest(index)
        model = model or manifest.model
        settings = settings or settings_of(manifest.model_fingerprint)
    return make_embedder(model or DEFAULT_MODEL, **settings)


def index(
    source: Any,
    into: str | Path | Elasticsearch,
    *,
    model: str | None = None,
    runtime: str | None = None,
    strict: bool = False,
    columns: Mapping[str, str] | None = None,
    progress: bool = True,
) -> IngestReport:
    """Index papers as you have them into a corpus folder, new or existing.

    `source` is a file of any format that is told by its content (see `workbench inspect`), a
    folder of them (PDFs, BEIR, Zotero's), a pandas frame, records, or a list of these. `columns`
    names columns of a table that are not known, {"title": "Paper name"}. Records of one paper
    are merged: `bench.duplicates()`.

    Run it again after an interruption and it continues. Bad records are skipped and listed in
    the folder's rejects.jsonl, or with `strict` the first one raises RecordError. `model` and
    `runtime` as in `open`. `into` may be `wb.Elasticsearch(...)`: papers then go to the cluster
    alone, as they are read.
    """
    if isinstance(into, Elasticsearch):
        from workbench.engines.elastic.own.corpus import ElasticCorpus

        embedder = make_embedder(model or DEFAULT_MODEL, runtime=runtime or RUNTIME)
        return ElasticCorpus(into).add(
            source, embedder, strict=strict, columns=columns, progress=progress
        )
    folder = as_path(into)
    indexer = Indexer(folder, _embedder(folder, model, runtime), progress=progress)
    return indexer.add(source, strict=strict, columns=columns)


def _source_state(source: Path, known: dict[str, Any] | None) -> dict[str, Any]:
    """What tells whether a source changed: its contents, read only where name, size or time differ
    from what is known; a checkout or a copy changes the time alone."""
    with disk_faults(source):
        stat = source.stat()
        state = {"name": source.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        if known is not None and state.items() <= known.items():
            return known
        with open(source, "rb") as stream:
            return {**state, "content": file_digest(stream, "sha256").hexdigest()}
