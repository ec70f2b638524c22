"""What an engine searches, as digests a paper: equal digests are equal bytes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

PARTS = ("source", "passages", "vectors")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PaperDigests:
    """Digests of a corpus, one row a living paper, ids ascending.

    `paper_ids` <U (n,); `source` (the record as it was stored), `passages` (where each begins and
    ends) and `vectors` (their bytes), uint64 (n,), the first 8 bytes of BLAKE2b.
    """

    paper_ids: NDArray[np.str_]
    source: Words
    passages: Words
    vectors: Words

    def __len__(self) -> int:
        return len(self.paper_ids)

    def __repr__(self) -> str:
        return f"PaperDigests({len(self):,} papers)"

    def digest(self, part: str) -> str:
        """16 hexadecimal digits over all papers, of one of PARTS."""
        ids = "\0".join(self.paper_ids.tolist()).encode("utf-8", "surrogatepass")
        values: Words = getattr(self, part)
        return sha256(ids + values.astype("<u8").tobytes()).hexdigest()[:16]
