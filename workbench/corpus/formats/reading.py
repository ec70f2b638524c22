"""Any source to a stream of entries: files, folders, frames, records, several at once."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.encoding import DAMAGE
from workbench.corpus.faults import as_path, disk_error, disk_faults, exists, is_file, is_folder
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.ir_collections import IR_DATASETS, read_ir_dataset
from workbench.corpus.formats.json_shapes import json_entry
from workbench.corpus.formats.sniffing import ZIP, sniff
from workbench.corpus.formats.tables import read_frame
from workbench.corpus.manifest import STORE
from workbench.corpus.readers import find_source
from workbench.errors import CorpusError, CorpusNotFound, UnsupportedSource
from workbench.records import Paper

_ADDRESS = re.compile(r"(?:https?|ftp):/")
_IGNORED = (".git", "__pycache__", "node_modules", ".ipynb_checkpoints", "__MACOSX")

MOST_UNPACKED = 4 * 2**30
"""Bytes of one file of an archive: a small archive may hold an endless one."""


def read_source(source: Any, columns: Mapping[str, str] | None = None) -> Iterator[Entry]:
    """Entries of anything: a path of a file or folder, a pandas frame, a `Paper`, a dict, or an
    iterable of these; "ir_datasets:vaswani" reads a collection that ir_datasets knows by name.

    `columns` says which column (or JSON field) is what, {"title": "Paper name"}, where names are
    unknown. Raises CorpusNotFound where a path is not there and UnsupportedSource for something
    that is no source, both before anything is read. Files that are none of the formats in a
    folder, and broken ones, give a reject.
    """
    named = Columns(columns or {})
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return read_frame(source, named)
    if isinstance(source, str) and source.startswith(IR_DATASETS):
        return read_ir_dataset(source.removeprefix(IR_DATASETS))
    if isinstance(source, str | Path):
        return _read_path(as_path(source), named)
    if isinstance(source, Mapping) or is_dataclass(source):
        return _read_records([source], named)
    if isinstance(source, Iterable):
        return _read_many(source, named)
    raise UnsupportedSource(
        f"{type(source).__name__}: no papers; give a path, a pandas frame, records, or a list"
    )


def _read_many(sources: Iterable[Any], columns: Columns) -> Iterator[Entry]:
    """Several sources, or many records; which, the first one tells."""
    rest = iter(sources)
    first = next(rest, None)
    if first is None:
        return iter(())
    every = chain([first], rest)
    if isinstance(first, Mapping) or is_dataclass(first):
        return _read_records(every, columns)
    # Paths are looked up now, so a wrong one stops before anything is written.
    return chain.from_iterable([read_source(item, columns.given) for item in every])


def _read_records(records: Iterable[Any], columns: Columns) -> Iterator[Entry]:
    for number, item in enumerate(records, start=1):
        raw = _fields(item) if isinstance(item, Paper) else item
        if not isinstance(raw, Mapping):
            problem = f"expected a dict or a Paper, got {type(item).__name__}"
            yield Entry("records", number, None, problem, "one dict for each paper")
            continue
        entry = json_entry("records", number, raw, columns)
        if entry is not None:
            yield entry


def _fields(paper: Paper) -> dict[str, Any]:
    return {field.name: getattr(paper, field.name) for field in fields(paper)}


def _read_path(path: Path, columns: Columns) -> Iterator[Entry]:
    if is_folder(path):
        files = folder_files(path)
        if not files:
            raise CorpusNotFound(f"{path}: an empty folder; put papers into it, or check the path")
        return chain.from_iterable(_read_inside(file, columns) for file in files)
    if is_file(path):
        return read_file(path, columns)
    if exists(path):
        raise UnsupportedSource(f"{path}: a pipe or device, not a file; write it to a file first")
    if _ADDRESS.match(str(path)):
        raise CorpusNotFound(f"{path}: an address; download it, and give the file")
    raise CorpusNotFound(f"{path}: no such file or folder; check the path")


def source_files(source: Any) -> list[Path]:
    """The files that `read_source` reads of a path, or of several; none for what is no path."""
    if isinstance(source, str) and source.startswith(IR_DATASETS):
        return []
    if isinstance(source, str | Path):
        path = as_path(source)
        return folder_files(path) if is_folder(path) else [path] if is_file(path) else []
    if isinstance(source, list | tuple):
        return [file for item in source for file in source_files(item)]
    return []


def folder_files(folder: Path) -> list[Path]:
    """The files to read in a folder and those inside it, in order of their names."""
    source = find_source(folder)
    if source is not None:
        return [source]
    corpus = sorted(path for path in folder.glob("corpus*") if _is_corpus(path))
    if corpus:  # BEIR's and MTEB's layout: queries and judgments beside it are no papers
        inside = (
            file for path in corpus for file in ([path] if path.is_file() else path.iterdir())
        )
        return sorted(file for file in inside if file.is_file())
    database = folder / "zotero.sqlite"
    if database.is_file():  # a data directory of Zotero: the attachments belong to its items
        return [database]
    corpora = [path.parent for path in folder.rglob(STORE)]  # what we wrote is no source
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part.startswith(".") or part in _IGNORED for part in path.relative_to(folder).parts
        )
        and not any(path.is_relative_to(corpus) for corpus in corpora)
    )


def _is_corpus(path: Path) -> bool:
    """A folder `corpus` that is none of ours, or a table of that name: `corpus.parquet`,
    `corpus-00000-of-2.parquet`."""
    if path.is_dir():
        return path.name == "corpus" and not (path / STORE).exists()
    ending = path.name.lower().rpartition(".")[2]
    return ending in ("parquet", "csv", "tsv", "jsonl")


def _read_inside(path: Path, columns: Columns) -> Iterator[Entry]:
    """One file of a folder: what keeps it from being read does not keep the others."""
    try:
        yield from read_file(path, columns)
    except CorpusError as error:
        yield Entry(str(path), 1, None, str(error), "mend this file, or take it away")


def _guessed(path: Path, encoding: str) -> str:
    return f"{path}: read as {encoding}, a guess; if letters look wrong, save it as UTF-8"


def _read_zip(path: Path, columns: Columns) -> Iterator[Entry]:
    """The files of an archive, unpacked one at a time; each stands as ARCHIVE/NAME."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        for number, info in enumerate(sorted(archive.infolist(), key=lambda info: info.filename)):
            parts = Path(info.filename).parts
            if info.is_dir() or any(p.startswith(".") or p in _IGNORED for p in parts):
                continue
            name, file = f"{path}/{info.filename}", Path(folder) / str(number) / parts[-1]
            file.parent.mkdir()
            if info.file_size > MOST_UNPACKED:
                limit = f"over {MOST_UNPACKED // 2**30} GiB unpacked"
                yield Entry(name, 1, None, limit, "unpack it, and give the file")
                continue
            try:
                with archive.open(info) as packed, open(file, "wb") as stream:
                    shutil.copyfileobj(packed, stream, 2**20)
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile, *DAMAGE) as error:
                yield Entry(name, 1, None, f"cannot be unpacked ({error})", "unpack it by hand")
                continue
            for entry in read_file(file, columns, packed=True):
                note = entry.note.replace(str(file), name)
                record = entry.record
                if record is not None and record.get("url") == file.as_uri():
                    record = {key: value for key, value in record.items() if key != "url"}
                yield replace(entry, file=name, record=record, note=note, files=())
            file.unlink()


def read_file(
    path: Path, columns: Columns | Mapping[str, str] | None = None, *, packed: bool = False
) -> Iterator[Entry]:
    """Entries of one file; a reject where it is none of the formats. `packed`: it was in an
    archive, and archives in it are not looked into."""
    if not isinstance(columns, Columns):
        columns = Columns(columns or {})
    try:
        with disk_faults(path):
            kind = sniff(path)
        if kind.name == ZIP and not packed:
            yield from _read_zip(path, columns)
            return
        if kind.reader is None:
            yield Entry(str(path), 1, None, kind.problem, kind.cure, None, kind.name)
            return
        entries = kind.reader(path, columns)
        first = next(entries, None)
        if first is not None:
            yield replace(first, note=_guessed(path, kind.encoding)) if kind.guessed else first
            yield from entries
        else:
            yield Entry(str(path), 1, None, f"{kind.name} without a record", "export it again",
                        None, kind.name)  # fmt: skip
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_error(error, path) from error  # bz2's damage has no number
        problem = f"damaged or cut-off archive ({error}); what came before is taken"
        yield Entry(str(path), 1, None, problem, "fetch the file again")
