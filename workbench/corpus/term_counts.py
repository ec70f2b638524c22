"""How often each term occurs in a text, and the numbers that terms have: in a store for good, or in
a table that the texts of one batch share, where only those terms are looked up that differ."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise

import numpy as np

Counts = Mapping[str, int]
Packed = tuple[bytes, bytes]
"""Terms' numbers and their counts, int32."""


class Vocabulary(dict[str, int]):
    """Terms by number; one that is asked for and not there gets the next, and joins the `new`."""

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        super().__init__(known or {})
        self.new: list[str] = []

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        self.new.append(term)
        return number

    def pack(self, counts: Counts) -> Packed:
        """A text's terms, by number, in their order."""
        numbers = array("i", map(self.__getitem__, counts))
        return numbers.tobytes(), array("i", counts.values()).tobytes()

    def pack_all(self, texts: Sequence[Counts]) -> Iterator[Packed]:
        """Many texts' terms: as if each were packed by itself, one after the other."""
        for _, group in groupby(texts, lambda one: id(getattr(one, "table", None))):
            some = list(group)
            shared = [one for one in some if isinstance(one, TableCounts)]
            if shared:
                yield from self._renumbered(shared[0].table, [one.packed for one in shared])
            else:
                yield from map(self.pack, some)

    def _renumbered(self, table: Sequence[str], texts: Sequence[Packed]) -> Iterator[Packed]:
        """Texts with the numbers of a table, with those of this vocabulary."""
        numbers = np.frombuffer(b"".join(one for one, _ in texts), np.int32)
        first = np.full(len(table), len(numbers))
        first[numbers[::-1]] = np.arange(len(numbers))[::-1]  # of equal places the last one stays
        met = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(numbers))]
        own = np.zeros(len(table), np.int32)
        own[met] = [self[table[number]] for number in met.tolist()]
        every = own[numbers].tobytes()
        ends = accumulate((len(one) for one, _ in texts), initial=0)
        for (start, end), (_, counts) in zip(pairwise(ends), texts, strict=True):
            yield every[start:end], counts


class TableCounts(Mapping[str, int]):
    """Counts of a text whose terms are numbers in a table that it shares with others."""

    __slots__ = ("packed", "table")

    def __init__(self, table: Sequence[str], packed: Packed) -> None:
        self.table = table
        self.packed = packed

    def _columns(self) -> tuple[array[int], array[int]]:
        numbers, counts = array("i"), array("i")
        numbers.frombytes(self.packed[0])
        counts.frombytes(self.packed[1])
        return numbers, counts

    def __iter__(self) -> Iterator[str]:
        return map(self.table.__getitem__, self._columns()[0])

    def __len__(self) -> int:
        return len(self.packed[0]) // array("i").itemsize

    def __getitem__(self, term: str) -> int:
        return dict(zip(self, self._columns()[1], strict=True))[term]
