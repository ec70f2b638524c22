"""BM25 of a field after a change, from the field of the generation before.

Every score changes with every paper (the idf, the average length), but not what it is made of: the
old postings are taken over with their counts, those of dead rows left out, those of new rows put
behind them, and all are scored anew, many at a time. The files are byte for byte those of
`build_field`, which reads every posting from the store, sorts and scatters them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.store import Store
from workbench.engines.bm25 import idf, saturation
from workbench.engines.embedded.lexical import new_postings, postings_from, save_rest

CHUNK = 2**21
"""Old postings taken over at a time."""

Alive = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Postings:
    """Term, row and count of each, terms ascending, rows of a term ascending."""

    terms: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.int32]

    def of(self, first: int, stop: int) -> _Postings:
        """Those of the terms first <= term < stop."""
        part = slice(*np.searchsorted(self.terms, [first, stop]))
        return _Postings(self.terms[part], self.rows[part], self.counts[part])

    def and_then(self, new: _Postings) -> _Postings:
        """Both; of a term, the new ones behind."""
        at = np.searchsorted(self.terms, new.terms, side="right")
        return _Postings(
            np.insert(self.terms, at, new.terms),
            np.insert(self.rows, at, new.rows),
            np.insert(self.counts, at, new.counts),
        )


def can_update(before: Path, k1: float, b: float) -> bool:
    """Whether a field of the generation before has what is needed: those of versions that kept no
    counts lack it."""
    if not all((before / name).is_file() for name in ("counts.npy", "lengths.npy")):
        return False
    made = json.loads((before / "params.index.json").read_text("utf-8"))
    return bool((made["k1"], made["b"]) == (k1, b))


def update_field(
    store: Store, field: str, alive: Alive, folder: Path, k1: float, b: float, before: Path
) -> None:
    """Write the files of a field into a new folder, from those in `before`; `alive` says of each
    row whether it counts."""
    folder.mkdir(parents=True)
    terms, known = store.term_count, np.load(before / "lengths.npy")
    died = (known > 0) & ~alive[: len(known)]
    lengths = np.zeros(len(alive), dtype=np.int32)
    lengths[: len(known)] = np.where(died, 0, known)
    new = _new_postings_of(store, field, len(known), len(alive), terms)
    np.add.at(lengths, new.rows, new.counts)
    old = _Old(before, terms, died)
    frequency = old.frequencies() + np.bincount(new.terms, minlength=terms)
    documents = int(alive.sum())
    rarity = idf(documents, frequency)
    average = int(lengths.sum(dtype=np.int64)) / max(documents, 1) or 1.0
    pointers = np.concatenate([[0], np.cumsum(frequency)])
    data, indices, counted = new_postings(folder, (max(int(pointers[-1]), 1),))
    for first, stop, kept in old.parts():
        every = kept.and_then(new.of(first, stop))
        place = slice(pointers[first], pointers[stop])
        worth = saturation(every.counts, lengths[every.rows], average, k1, b)
        data[place] = rarity[every.terms] * worth
        indices[place], counted[place] = every.rows, every.counts
    for array in (data, indices, counted):
        array.flush()
    save_rest(folder, pointers, lengths, k1, b)


class _Old:
    """The postings of the generation before, those of rows that died left out."""

    def __init__(self, folder: Path, terms: int, died: Alive) -> None:
        self._rows = np.asarray(np.load(folder / "indices.csc.index.npy", mmap_mode="r"))
        self._counts = np.asarray(np.load(folder / "counts.npy", mmap_mode="r"))
        pointers = np.load(folder / "indptr.csc.index.npy")
        new = np.full(terms + 1 - len(pointers), pointers[-1])  # terms that came since
        self._pointers: NDArray[np.int64] = np.concatenate([pointers, new])
        self._died = died if died.any() else None

    def frequencies(self) -> NDArray[np.int64]:
        """How many postings each term has."""
        if self._died is None:
            return np.diff(self._pointers)
        counts = [np.bincount(part.terms - first, minlength=stop - first) for first, stop, part in
                  self.parts()]  # fmt: skip
        return np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64)

    def parts(self) -> Iterator[tuple[int, int, _Postings]]:
        """(first term, stop, postings) of all terms, some CHUNK postings at a time."""
        first, last = 0, len(self._pointers) - 1
        while first < last:
            most = self._pointers[first] + CHUNK
            stop = max(first + 1, int(np.searchsorted(self._pointers, most, side="right")) - 1)
            sizes = np.diff(self._pointers[first : stop + 1])
            place = slice(self._pointers[first], self._pointers[stop])
            found: Any = (
                np.repeat(np.arange(first, stop), sizes), self._rows[place], self._counts[place],
            )  # fmt: skip
            if self._died is not None:
                keep = ~self._died[found[1]]
                found = [array[keep] for array in found]
            yield first, stop, _Postings(*found)
            first = stop


def _new_postings_of(store: Store, field: str, first: int, rows: int, terms: int) -> _Postings:
    blocks = list(postings_from(store, field, first, rows, terms))
    if not blocks:
        nothing = np.zeros(0, dtype=np.int32)
        return _Postings(nothing.astype(np.int64), nothing, nothing)
    numbers = np.concatenate([block[2] for block in blocks])
    order = np.argsort(numbers, kind="stable")
    row_of = np.concatenate([block[1] for block in blocks])[order].astype(np.int32)
    counts = np.concatenate([block[3] for block in blocks])[order]
    return _Postings(numbers[order].astype(np.int64), row_of, counts)
