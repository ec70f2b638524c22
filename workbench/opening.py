"""Making a corpus and opening one: `wb.open` and `wb.index`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.corpus.faults import as_path, disk_faults, exists, is_file, is_folder
from workbench.corpus.ingest import IngestReport
from workbench.corpus.lock import write_lock
from workbench.corpus.manifest import NAME, check_settings, read_manifest, write_manifest
from workbench.corpus.notices import notice
from workbench.corpus.readers import find_source
from workbench.engines.embedded.generation import problem_of
from workbench.engines.embedded.indexing import Indexer
from workbench.engines.embedded.shards import KnownVectors
from workbench.engines.embedder import embedder_for
from workbench.engines.keeper import EngineSpec, Keeper
from workbench.errors import (
    CorpusError,
    CorpusNotFound,
    CorpusReadOnly,
    ProfileError,
    shown,
    whole_number,
)
from workbench.models.embedders.base import LazyEmbedder
from workbench.profiles import Profile, as_profile
from workbench.searching import Searching
from workbench.system.progress import Progress

if TYPE_CHECKING:
    from workbench.session import Workbench

INDEX = "index"
"""Folder of the index inside a folder that holds a source."""


def open_corpus(
    path: str | Path | None = None,
    *,
    engine: str | EngineSpec | None = None,
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

    With `engine=wb.Elasticsearch(...)`, or the URL of a cluster, the folder's papers and vectors
    are brought to the cluster, where that differs, and searched there. Without a path, the
    cluster's index is opened as it is: one that the workbench made, or somebody else's with the
    fields that the engine names. Any object with a method `keeper(folder)` (`engines.keeper`) is an
    engine.

    `profile` is a Profile or the name of one; without it the environment decides
    (`profile_from_environment`). `model` is a name or a folder; without it a new index takes the
    default and an existing one the model it was made with. `runtime` says how it is run:
    "onnx-int8" (default), "onnx-fp32", "torch", "sentence-transformers" or "auto", which a profile
    with `device="cuda"` means for a new index. An existing index keeps its own where this machine
    has it; any other of the same model will do (made on a GPU, searched on a laptop), and what that
    changes is measured once and said: `info()["agreement"]`. Raises CorpusNotFound,
    CorpusMismatch (also for a model other than the index's), CorpusDamaged (papers that cannot be
    read), CorpusLocked, CorpusUnavailable, DiskFull, ModelNotFound, ProfileError, and with an
    engine ClusterError.
    """
    # A service opens what is searched alone, without the rooms of judgments and experiments.
    from workbench.experiments.store import FOLDER
    from workbench.session import Workbench

    parts = _parts(path, engine, profile, model, runtime, prune, progress)
    experiments = None if path is None else as_path(path) / FOLDER
    return Workbench(
        parts.folder, profile=profile, embedder=parts.embedder, keeper=parts.keeper,
        experiments=experiments, progress=progress,
    )  # fmt: skip


def open_searching(
    path: str | Path | None,
    *,
    engine: str | EngineSpec | None,
    profile: Profile,
    model: str | None = None,
    runtime: str | None = None,
) -> Searching:
    """A corpus opened to be searched and asked alone. Raises what `open_corpus` raises."""
    parts = _parts(path, engine, profile, model, runtime, False, False)
    return Searching(
        parts.folder, profile=profile, embedder=parts.embedder, keeper=parts.keeper, progress=False
    )


class _Parts(NamedTuple):
    folder: Path
    embedder: LazyEmbedder | None
    keeper: Keeper | None


def _parts(
    path: str | Path | None,
    engine: str | EngineSpec | None,
    profile: Profile | str | None,
    model: str | None,
    runtime: str | None,
    prune: bool,
    progress: bool,
) -> _Parts:
    """What an open corpus is made of, its index up to date."""
    spec = None if engine is None else _spec(engine)
    if path is None:
        if spec is None:
            raise CorpusNotFound(
                "nothing to open; give a corpus folder, or engine=wb.Elasticsearch()"
            )
        there = spec.keeper(None)
        named = model is not None or runtime is not None  # else the index says
        return _Parts(there.folder, embedder_for(None, model, runtime) if named else None, there)
    folder = as_path(path)
    index = folder if exists(folder / NAME) else folder / INDEX
    keeper = None if spec is None else spec.keeper(index)
    new = "auto" if as_profile(profile).device == "cuda" else None
    return _Parts(index, _ready(folder, index, model, runtime, new, prune, progress), keeper)


def _spec(engine: object) -> EngineSpec:
    """What says where papers are kept; the URL of a cluster means its index `papers`."""
    if isinstance(engine, str) and _is_url(engine):
        # Most corpora are folders, and the half of what this module imports would be for clusters.
        from workbench.engines.elastic.keepers import Elasticsearch

        return Elasticsearch(engine)
    if isinstance(engine, EngineSpec) and not isinstance(engine, type):
        return engine
    raise ProfileError(
        f"engine is {shown(engine)}; give wb.Elasticsearch(...), the URL of a cluster, or an "
        "object with a method keeper(folder)"
    )


def _is_url(place: Any) -> bool:
    return isinstance(place, str) and place.startswith(("http://", "https://"))


def _ready(
    folder: Path,
    index: Path,
    model: str | None,
    runtime: str | None,
    new: str | None,
    prune: bool,
    progress: bool,
) -> LazyEmbedder:
    """Bring a folder's index up to date, whole as it must be; the model it was made with."""
    if index == folder:
        embedder = _embedder(folder, model, runtime)
        _repair(folder, embedder, progress)
        return embedder
    source = find_source(folder) if is_folder(folder) else None
    if source is None:
        if is_file(folder):
            raise CorpusNotFound(
                f"{folder} is a file; open the folder that it is in, or make a corpus of it with "
                f"`workbench index {folder} --into DIR`"
            )
        raise CorpusNotFound(
            f"{folder}: neither an index nor a source (papers.jsonl, corpus.jsonl) is there; "
            "run `workbench index SOURCE --into DIR` first, or check the path"
        )
    embedder = _embedder(index, model, runtime, new)
    known = read_manifest(index).source if exists(index / NAME) else None
    state = _source_state(source, known)
    if known is None or prune or state.get("content") != known.get("content"):
        _follow(Indexer(index, embedder, progress=progress), source, state, known, prune)
    elif state != known:
        with suppress(CorpusError), write_lock(index):  # so that it is not read again next time
            write_manifest(index, replace(read_manifest(index), source=state))
    _repair(index, embedder, progress)
    return embedder


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


def _embedder(
    index: Path, model: str | None, runtime: str | None, new: str | None = None
) -> LazyEmbedder:
    made = read_manifest(index) if exists(index / NAME) else None
    return embedder_for(made, model, runtime, new=new)


def index(
    source: Any,
    into: str | Path | EngineSpec,
    *,
    model: str | None = None,
    runtime: str | None = None,
    strict: bool = False,
    columns: Mapping[str, str] | None = None,
    shard: tuple[int, int] | None = None,
    progress: Progress = True,
) -> IngestReport:
    """Index papers as you have them into a corpus folder, new or existing.

    `source` is a file of any format that is told by its content (see `workbench inspect`), a
    folder of them (PDFs, BEIR, Zotero's), a pandas frame, records, or a list of these. `columns`
    names columns of a table that are not known, {"title": "Paper name"}. Records of one paper
    are merged: `bench.duplicates()`.

    Run it again after an interruption and it continues. Bad records are skipped and listed in
    the folder's rejects.jsonl, or with `strict` the first one raises RecordError. `model` and
    `runtime` as in `open`. `into` may be `wb.Elasticsearch(...)` or the URL of a cluster: papers
    then go there alone, as they are read.

    `shard` (i, n) indexes every n-th record, from the i-th, into a folder of its own: one of n jobs
    on as many machines, whose folders `merge` makes one corpus.
    """
    if shard is not None:
        count = whole_number("the number of shards", shard[1], 1, 10_000, CorpusError)
        shard = whole_number("shard", shard[0], 1, count, CorpusError), count
    if isinstance(into, EngineSpec) or _is_url(into):
        if shard is not None:
            raise CorpusError("shard: give a folder; a cluster takes many writers by itself")
        keeper, embedder = _spec(into).keeper(None), embedder_for(None, model, runtime)
        return keeper.add(source, embedder, strict=strict, columns=columns, progress=progress)
    folder = as_path(into)
    indexer = Indexer(folder, _embedder(folder, model, runtime), progress=progress)
    return indexer.add(source, strict=strict, columns=columns, shard=shard)


def merge(shards: Sequence[str | Path], into: str | Path, *, progress: bool = True) -> IngestReport:
    """Make one corpus of several: the shards of a source, or any that were made with one model.

    Their vectors are taken as they are; nothing is embedded again but what merging of duplicates
    changed. Run it again after an interruption and it continues. Of records of one paper in two
    shards one paper is made, as by `index`. Raises CorpusMismatch for shards of different models.
    """
    folders = [_index_in(as_path(shard)) for shard in shards]
    if not folders:
        raise CorpusNotFound("nothing to merge; give the folders of shards")
    target = as_path(into)
    first = read_manifest(folders[0])
    for folder in folders[1:]:
        check_settings(read_manifest(folder), first, folder)
    known = KnownVectors(embedder_for(first), folders)
    return Indexer(target, known, progress=progress).add(known.papers())


def _index_in(folder: Path) -> Path:
    return folder if exists(folder / NAME) else folder / INDEX


def import_panel(into: str | Path) -> Any:
    """A panel in a notebook for dropping files into a corpus folder, new or existing: it shows what
    they are and writes nothing before "Add". `panel.bench` is the corpus's session, None before a
    new one has papers. Raises MissingDependency, and of an existing corpus what `open` raises."""
    folder = as_path(into)
    bench = open_corpus(folder, progress=False) if exists(folder / NAME) else None
    # The door up to the widgets: opened when called, so that a search needs no ipywidgets.
    return import_module("workbench.widgets.import_panel").ImportPanel(bench, into=folder)


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
