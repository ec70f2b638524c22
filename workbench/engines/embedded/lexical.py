"""BM25 over one field: scores made ahead at indexing, memory-mapped, summed term by term.

The index is built by streaming term counts from the store into bm25s' own file format, block by
block: its memory does not grow with the corpus, which building through bm25s does.
The formula is that of `engines.bm25`. Every posting of a query's terms is added: 2 ns each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.faults import damaged, reserve
from workbench.corpus.store import Store
from workbench.engines.bm25 import idf, saturation

BLOCK = 2048
"""Rows scored at a time while building."""

Scores = NDArray[np.float32]


def build_field(store: Store, field: str, rows: int, folder: Path, k1: float, b: float) -> None:
    """Write the bm25s files of one field (`body` or `title`) of `rows` rows into a new folder."""
    folder.mkdir(parents=True)
    terms = store.term_count
    frequency = np.zeros(terms, dtype=np.int64)
    documents = length = 0
    for living, _, numbers, counts in postings_from(store, field, 0, rows, terms):
        frequency += np.bincount(numbers, minlength=terms)
        length += int(counts.sum())
        documents += living
    rarity = idf(documents, frequency)
    average = length / max(documents, 1) or 1.0
    pointers = np.concatenate([[0], np.cumsum(frequency)])
    shape = (max(int(pointers[-1]), 1),)
    data, indices, counted = new_postings(folder, shape)
    lengths = np.zeros(rows, dtype=np.int32)
    free = pointers[:-1].copy()
    for _, row_of, numbers, counts in postings_from(store, field, 0, rows, terms):
        if not len(row_of):
            continue
        np.add.at(lengths, row_of, counts)
        scores = rarity[numbers] * saturation(counts, lengths[row_of], average, k1, b)
        _scatter(numbers, free, ((data, scores), (indices, row_of), (counted, counts)))
    for array in (data, indices, counted):
        array.flush()
    save_rest(folder, pointers, lengths, k1, b)


def new_postings(folder: Path, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Mapped arrays for each posting's score, row and count. Raises DiskFull."""
    data = _new_array(folder / "data.csc.index.npy", np.float32, shape)
    indices = _new_array(folder / "indices.csc.index.npy", np.int32, shape)
    return data, indices, _new_array(folder / "counts.npy", np.int32, shape)


def save_rest(
    folder: Path, pointers: NDArray[np.int64], lengths: NDArray[np.int32], k1: float, b: float
) -> None:
    """What belongs to the postings: where each term's begin, and the length of each row."""
    np.save(folder / "indptr.csc.index.npy", pointers)
    np.save(folder / "lengths.npy", lengths)
    _save_parameters(folder, len(lengths), k1, b)


class FieldIndex:
    """The BM25 scores of one field, memory-mapped on first use."""

    def __init__(self, folder: Path) -> None:
        # Plain arrays over the same pages: memmap's subclass costs a call on every slice.
        self._data = np.asarray(np.load(folder / "data.csc.index.npy", mmap_mode="r"))
        self._rows = np.asarray(np.load(folder / "indices.csc.index.npy", mmap_mode="r"))
        # One number a term is small: in memory it takes no file handle.
        self._pointers = np.load(folder / "indptr.csc.index.npy")
        parameters = json.loads((folder / "params.index.json").read_text("utf-8"))
        self._row_count = int(parameters["num_docs"])

    def scores(self, terms: Mapping[int, float]) -> Scores:
        """Score of every row, float32 (rows,), for term numbers and their weights in the query."""
        total = np.zeros(self._row_count, dtype=np.float32)
        for number in _in_order(terms):
            start, stop = self._pointers[number : number + 2]
            values = self._data[start:stop]
            if terms[number] != 1.0:
                values = np.float32(terms[number]) * values
            np.add.at(total, self._rows[start:stop], values)
        return total

    def parts(self, terms: Mapping[int, float], row: int) -> dict[int, float]:
        """Each term's part of one row's score, in the order in which `scores` adds them."""
        return {n: float(np.float32(terms[n]) * self._at(n, row)) for n in _in_order(terms)}

    def frequencies(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """How many rows have each of the terms."""
        counts: NDArray[np.int64] = self._pointers[numbers + 1] - self._pointers[numbers]
        return counts

    def rows_with(self, number: int) -> NDArray[np.int32]:
        """The rows that have the term, ascending."""
        start, stop = self._pointers[number : number + 2]
        return self._rows[start:stop]

    def _at(self, number: int, row: int) -> np.float32:
        rows = self.rows_with(number)
        place = int(np.searchsorted(rows, row))
        if place < len(rows) and rows[place] == row:
            return np.float32(self._data[self._pointers[number] + place])
        return np.float32(0)


def _in_order(terms: Mapping[int, float]) -> list[int]:
    """In which order terms are added: those that weigh 1, then the others."""
    return sorted(terms, key=lambda number: terms[number] != 1.0)


def field_size(store: Store, field: str, rows: int) -> tuple[int, int]:
    """(documents, terms in all of them) of the first `rows` rows of a field, as `build_field`
    counts them."""
    documents = length = 0
    for living, _, _, counts in postings_from(store, field, 0, rows, store.term_count):
        documents += living
        length += int(counts.sum())
    return documents, length


def terms_of(
    store: Store, rows: Sequence[int], terms_known: int
) -> tuple[NDArray[np.int32], list[int], NDArray[np.int64]]:
    """The terms of passage rows one after the other, how many each row has, and each term's count
    in its row. Raises CorpusDamaged."""
    found = store.passage_terms(rows)
    try:
        terms = [np.frombuffer(found[row][0], dtype=np.int32) for row in rows]
        counts = [np.frombuffer(found[row][1], dtype=np.int32) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(store.path, f"postings: {error}") from error
    numbers, sizes = np.concatenate(terms), [len(part) for part in terms]
    known = sizes == [len(part) for part in counts]
    if known and len(numbers):
        known = 0 <= numbers.min() <= numbers.max() < terms_known
    if not known:
        raise damaged(store.path, f"postings of the body rows {list(rows)}")
    return numbers, sizes, np.concatenate(counts).astype(np.int64)


def postings_from(
    store: Store, field: str, first: int, rows: int, terms_known: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]]:
    """How many rows live, and row, term and count of every posting of theirs, a block of rows at a
    time, from the `first` row to the last of `rows`."""
    for start in range(first, rows, BLOCK):
        found = store.postings(field, start, min(start + BLOCK, rows))
        try:
            numbers = np.frombuffer(b"".join(terms for _, terms, _ in found), dtype=np.int32)
            counts = np.frombuffer(b"".join(counts for _, _, counts in found), dtype=np.int32)
        except (ValueError, TypeError) as error:
            raise damaged(store.path, f"postings: {error}") from error
        known = len(numbers) == len(counts)
        if known and len(numbers):
            known = 0 <= numbers.min() <= numbers.max() < terms_known and counts.min() >= 1
        if not known:
            raise damaged(store.path, f"postings of the {field} rows from {start}")
        living = np.array([row for row, _, _ in found], dtype=np.int64)
        sizes = np.array([len(terms) // 4 for _, terms, _ in found], dtype=np.int64)
        yield len(found), np.repeat(living, sizes), numbers, counts


def _scatter(
    numbers: NDArray[np.int32], free: NDArray[np.int64], values: Sequence[tuple[Any, Any]]
) -> None:
    """Put a block's values, each into its array, behind those of earlier blocks, term by term, rows
    ascending."""
    order = np.argsort(numbers, kind="stable")
    grouped = numbers[order]
    starts = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
    sizes = np.diff(np.append(starts, len(grouped)))
    places = np.repeat(free[grouped[starts]] - starts, sizes) + np.arange(len(grouped))
    for array, block in values:
        array[places] = block[order]
    free[grouped[starts]] += sizes


def _new_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A mapped array in a file that the disk certainly holds. Raises DiskFull."""
    header = BytesIO()
    kind = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, kind)
    reserve(path, len(header.getvalue()) + math.prod(shape) * np.dtype(dtype).itemsize)
    with open(path, "r+b") as stream:
        stream.write(header.getvalue())
    return np.lib.format.open_memmap(path, mode="r+")


def _save_parameters(folder: Path, rows: int, k1: float, b: float) -> None:
    parameters = {
        "k1": k1,
        "b": b,
        "delta": 0.5,
        "method": "lucene",
        "idf_method": "lucene",
        "dtype": "float32",
        "int_dtype": "int32",
        "num_docs": rows,
        "backend": "numpy",
    }
    (folder / "params.index.json").write_text(json.dumps(parameters))
