"""One generation of an embedded index: the arrays that a search reads, all memory-mapped."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import Manifest
from workbench.corpus.store import Store
from workbench.corpus.vectors import map_vectors, read_blocks
from workbench.engines.dense import DenseIndex, write_codes
from workbench.engines.lexical import FieldIndex, build_field
from workbench.errors import CorpusDamaged, CorpusMismatch

# numpy parses headers with `ast`, which in CPython 3.11 fails when two threads do (gh-106905).
_OPENING = threading.RLock()

STORE = "corpus.sqlite"
VECTORS = "vectors.f32"


def write_generation(store: Store, folder: Path, manifest: Manifest) -> None:
    """Write a generation's folder beside the others; it appears in one step, complete."""
    partial = folder / f"{manifest.folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    build_field(store, "body", manifest.passage_rows, partial / "body", manifest.k1, manifest.b)
    build_field(store, "title", manifest.paper_rows, partial / "title", manifest.k1, manifest.b)
    shape = manifest.passage_rows, manifest.dimension
    write_codes(read_blocks(folder / VECTORS, *shape), *shape, partial / "dense")
    _write_rows(store, partial)
    shutil.rmtree(folder / manifest.folder, ignore_errors=True)
    os.replace(partial, folder / manifest.folder)


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


def _write_rows(store: Store, folder: Path) -> None:
    rows = list(store.paper_rows())
    ids = np.array([row[1] for row in rows] or [""], dtype=np.str_)
    order = np.empty(len(ids), dtype=np.int32)
    order[np.argsort(ids, kind="stable")] = np.arange(len(ids), dtype=np.int32)
    places = np.fromiter(
        (value for place in store.passage_places() for value in place), dtype=np.int32
    ).reshape(-1, 2)
    papers_alive = np.array([row[3] for row in rows], dtype=bool)
    arrays = RowArrays(
        ids=ids,
        order=order,
        years=np.array([row[2] or 0 for row in rows], dtype=np.int16),
        first_passage=np.searchsorted(places[:, 0], np.arange(len(rows))).astype(np.int32),
        paper_of=places[:, 0],
        number_of=places[:, 1],
        alive=papers_alive[places[:, 0]],
    )
    for name, array in asdict(arrays).items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array))


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
        # Plain ndarrays over the same pages: memmap's subclass costs a call on every slice.
        return RowArrays(
            *(np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in names)
        )


class Generation:
    """The files of one generation, each opened on first use."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self._folder = folder
        self._arrays = folder / manifest.folder
        if not self._arrays.is_dir():
            raise CorpusDamaged(
                f"{self._arrays}: missing; run `workbench index` again, stored papers are kept"
            )

    @cached_property
    def rows(self) -> RowArrays:
        """What each paper and passage row is."""
        with self._readable():
            return RowArrays.load(self._arrays)

    @cached_property
    def all_alive(self) -> bool:
        """Whether no row is of a replaced or deleted paper."""
        return bool(self.rows.alive.all())

    @cached_property
    def dense(self) -> DenseIndex:
        """The passages' vectors."""
        shape = self.manifest.passage_rows, self.manifest.dimension
        with self._readable():
            vectors = np.asarray(map_vectors(self._folder / VECTORS, *shape))
            return DenseIndex.load(vectors, self._arrays / "dense")

    @cached_property
    def body(self) -> FieldIndex:
        """BM25 of passages, the paper's title included."""
        with self._readable():
            return FieldIndex(self._arrays / "body")

    @cached_property
    def title(self) -> FieldIndex:
        """BM25 of titles, by paper."""
        with self._readable():
            return FieldIndex(self._arrays / "title")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Files can be damaged, or removed by later builds before they were first needed."""
        try:
            with _OPENING:
                yield
        except (OSError, ValueError) as error:
            if not self._arrays.is_dir():
                raise CorpusMismatch(
                    f"{self._arrays}: newer generations took its place since this corpus was "
                    "opened; open it again"
                ) from error
            raise CorpusDamaged(
                f"{self._arrays}: not readable ({error}); delete this folder and run "
                "`workbench index` again, stored papers are kept"
            ) from error
