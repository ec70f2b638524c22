"""Inner products whose value depends on the two vectors alone.

A matrix product of a BLAS adds up in another order for another number of rows, threads or
processor cores, so its last bits change, and with them ties and rankings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def products(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """The inner product of every row of one with every row of the other, float64 (n, m)."""
    import simsimd

    if not len(rows) or not len(columns):
        return np.zeros((len(rows), len(columns)))
    one, two = (np.ascontiguousarray(each, dtype=np.float32) for each in (rows, columns))
    found: Any = simsimd.cdist(one, two, metric="dot")
    return np.asarray(found, dtype=np.float64).reshape(len(rows), len(columns))
