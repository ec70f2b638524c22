"""One generation of an embedded index: the arrays that a search reads, all memory-mapped."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.faults import damaged, disk_error, disk_faults
from workbench.corpus.manifest import VECTORS, Manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import map_vectors, read_blocks
from workbench.engines.embedded.dense import PROJECTION, DenseIndex, write_dense
from workbench.engines.embedded.lexical import FieldIndex, build_field
from workbench.engines.embedded.lexical_update import can_update, update_field
from workbench.engines.embedded.projection import is_approximate
from workbench.engines.embedded.seal import Blocks, Shape, broken, sealed_before, write_seal
from workbench.errors import CorpusDamaged, CorpusMismatch
from workbench.system.files import sync_folder
from workbench.system.fork import Lock

# numpy parses headers with `ast`, which in CPython 3.11 fails when two threads do (gh-106905).
_OPENING = Lock()


def write_generation(store: Store, folder: Path, manifest: Manifest, blocks: Blocks = ()) -> None:
    """Write a generation's folder beside the others; it appears in one step, complete and on the
    disk, sealed together with the vectors' `blocks`. Raises DiskFull, with nothing left behind."""
    unfinished = folder / f"{manifest.folder}.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with disk_faults(unfinished):
            _write(store, folder, manifest, unfinished, _carried(folder, manifest, blocks))
            write_seal(unfinished, folder / VECTORS, blocks, _shape(manifest))
            shutil.rmtree(folder / manifest.folder, ignore_errors=True)
            os.replace(unfinished, folder / manifest.folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    sync_folder(folder)


def _write(
    store: Store, folder: Path, manifest: Manifest, there: Path, before: Path | None
) -> None:
    there.mkdir()
    rows = _write_rows(store, there, before)
    living = {"body": rows.alive, "title": rows.alive[rows.first_passage]}
    for field, alive in living.items():
        field_before = None if before is None else before / field
        settings = there / field, manifest.k1, manifest.b
        if field_before is not None and can_update(field_before, manifest.k1, manifest.b):
            update_field(store, field, alive, *settings, field_before)
        else:
            build_field(store, field, len(alive), *settings)
    shape = manifest.passage_rows, manifest.dimension
    vectors = np.asarray(map_vectors(folder / VECTORS, *shape))
    known = None if before is None else before / "dense"
    write_dense(partial(read_blocks, folder / VECTORS, *shape), vectors, there / "dense", known)


def _carried(folder: Path, manifest: Manifest, blocks: Blocks) -> Path | None:
    """The newest generation before, whose arrays may be taken over: whole, of rows and vectors that
    are the first ones of what is published now."""
    number = newest_generation(folder)
    before = folder / f"generation-{number:06d}"
    if not 0 < number < manifest.generation:
        return None
    shape = sealed_before(before, blocks)
    if shape is None or shape.get("dimension") != manifest.dimension:
        return None
    grown = all(shape.get(name, 0) <= count for name, count in _shape(manifest).items())
    return before if grown else None


def newest_generation(folder: Path) -> int:
    """The highest number of a generation's folder, 0 where there is none."""
    names = (path.name.removeprefix("generation-") for path in folder.glob("generation-*"))
    return max((int(name) for name in names if name.isdecimal()), default=0)


def remove_old_generations(folder: Path, keep_from: int) -> None:
    """Delete generations before `keep_from`; processes that mapped them keep their pages."""
    for path in folder.glob("generation-*"):
        number = path.name.removeprefix("generation-").removesuffix(".partial")
        if number.isdecimal() and int(number) < keep_from:
            shutil.rmtree(path, ignore_errors=True)


def _write_rows(store: Store, folder: Path, before: Path | None) -> RowArrays:
    """What each row is; of the rows of the generation before, only whether they live is read."""
    known = _no_rows() if before is None else RowArrays.load(before)
    first = len(known.years)  # of no papers there is one empty id
    rows = list(store.paper_rows(first))
    new_ids = np.array([row[1] for row in rows], dtype=np.str_)
    ids = np.concatenate([known.ids[:first], new_ids]) if first or rows else np.array([""])
    new_years = np.array([row[2] or 0 for row in rows], dtype=np.int16)
    new_places = np.fromiter(
        (value for place in store.passage_places(len(known.paper_of)) for value in place),
        dtype=np.int32,
    ).reshape(-1, 2)
    paper_of = np.concatenate([known.paper_of, new_places[:, 0]])
    papers_alive = np.ones(first + len(rows), dtype=bool)
    papers_alive[store.dead_papers()] = False
    arrays = RowArrays(
        ids=ids,
        order=_order(ids, known.order[:first]),
        years=np.concatenate([known.years[:first], new_years]),
        first_passage=np.searchsorted(paper_of, np.arange(len(papers_alive))).astype(np.int32),
        paper_of=paper_of,
        number_of=np.concatenate([known.number_of, new_places[:, 1]]),
        alive=papers_alive[paper_of],
    )
    for name, array in asdict(arrays).items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array))
    return arrays


def _order(ids: NDArray[np.str_], known: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rank of each id among all, of equal ones by row; that of the first among themselves is
    `known`."""
    first, rest = len(known), ids[len(known) :]
    ascending = np.empty(first, dtype=np.intp)
    ascending[known] = np.arange(first)
    added = np.argsort(rest, kind="stable")
    places = np.searchsorted(ids[:first], rest[added], side="right", sorter=ascending)
    ascending = np.insert(ascending, places, added + first)
    order = np.empty(len(ids), dtype=np.int32)
    order[ascending] = np.arange(len(ids), dtype=np.int32)
    return order


@dataclass(frozen=True, slots=True)
class RowArrays:
    """What each row is, memory-mapped.

    By paper: `ids` <U, `order` int32 (rank of the id among all), `years` int16 (0 unknown),
    `first_passage` int32. By passage: `paper_of` int32, `number_of` int32, `alive` bool.
    """

    ids: NDArray[np.str_]
    order: NDArray[np.int32]
    years: NDArray[np.int16]
    first_passage: NDArray[np.int32]
    paper_of: NDArray[np.int32]
    number_of: NDArray[np.int32]
    alive: NDArray[np.bool_]

    @staticmethod
    def load(folder: Path) -> RowArrays:
        """Map the arrays that `write_generation` wrote."""
        names = [field.name for field in fields(RowArrays)]
        return RowArrays(*(_load(folder / f"{name}.npy", name in _WIDE) for name in names))


def _no_rows() -> RowArrays:
    ints, nothing = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int16)
    no_ids, none_alive = np.zeros(0, dtype=np.str_), np.zeros(0, dtype=np.bool_)
    return RowArrays(no_ids, ints, nothing, ints, ints, ints, none_alive)


_WIDE = {"ids"}
"""Arrays that are mapped; the others are small enough for memory, and take no file handle."""


def _load(path: Path, mapped: bool) -> Any:
    array = np.load(path, mmap_mode="r" if mapped else None)
    # A plain ndarray over the same pages: memmap's subclass costs a call on every slice.
    return np.asarray(array)


class Generation:
    """The files of one generation, each opened on first use."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self._folder = folder
        self._arrays = folder / manifest.folder
        self._kept: dict[str, Any] = {}
        if problem := problem_of(folder, manifest):
            raise CorpusDamaged(
                f"{folder}: {problem}; open it with `wb.open`, or run `workbench index` again: it "
                "is made anew from the stored papers, which are kept"
            )

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made on first use, by one thread."""
        if name not in self._kept:
            with self._readable():
                if name not in self._kept:
                    self._kept[name] = make()
        return self._kept[name]

    @property
    def rows(self) -> RowArrays:
        """What each paper and passage row is."""
        arrays: RowArrays = self._once("rows", lambda: RowArrays.load(self._arrays))
        return arrays

    @property
    def all_alive(self) -> bool:
        """Whether no row is of a replaced or deleted paper."""
        return bool(self._once("all_alive", self.rows.alive.all))

    @property
    def projected(self) -> bool:
        """Whether vectors are found approximately; told without opening them."""
        return bool(
            self._once("projected", lambda: is_approximate(self._arrays / "dense" / PROJECTION))
        )

    @property
    def dense(self) -> DenseIndex:
        """The passages' vectors."""
        index: DenseIndex = self._once("dense", self._load_dense)
        return index

    def _load_dense(self) -> DenseIndex:
        shape = self.manifest.passage_rows, self.manifest.dimension
        vectors = np.asarray(map_vectors(self._folder / VECTORS, *shape))
        return DenseIndex.load(vectors, self._arrays / "dense")

    @property
    def body(self) -> FieldIndex:
        """BM25 of passages, the paper's title included."""
        index: FieldIndex = self._once("body", lambda: FieldIndex(self._arrays / "body"))
        return index

    @property
    def title(self) -> FieldIndex:
        """BM25 of titles, by paper."""
        index: FieldIndex = self._once("title", lambda: FieldIndex(self._arrays / "title"))
        return index

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Files can be damaged, or removed by later builds before they were first needed."""
        try:
            with _OPENING:
                yield
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise disk_error(error, self._arrays) from error
            if not self._arrays.is_dir():
                raise CorpusMismatch(
                    f"{self._arrays}: newer generations took its place since this corpus was "
                    "opened; open it again"
                ) from error
            raise CorpusDamaged(
                f"{self._arrays}: not readable ({error}); run `workbench index` again: it is made "
                "anew from the stored papers, which are kept"
            ) from error


def check_counts(store: Store, manifest: Manifest) -> None:
    """Raises CorpusDamaged where the store has fewer papers or passages than were published: an
    older copy of the file, or another one."""
    found = store.paper_count, store.passage_count
    if found[0] < manifest.paper_rows or found[1] < manifest.passage_rows:
        raise damaged(
            store.path,
            f"{found[0]:,} papers and {found[1]:,} passages, but {manifest.paper_rows:,} and "
            f"{manifest.passage_rows:,} were published",
        )


def problem_of(folder: Path, manifest: Manifest, *, deep: bool = False) -> str:
    """What of the current generation or its vectors is missing or changed, in words; empty where
    nothing is. `deep` reads every byte, otherwise only files whose time is not the sealed one."""
    return broken(folder / manifest.folder, folder / VECTORS, _shape(manifest), deep=deep)


def _shape(manifest: Manifest) -> Shape:
    names = ("paper_rows", "passage_rows", "terms", "dimension")
    return {name: getattr(manifest, name) for name in names}
