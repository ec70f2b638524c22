"""Filters to a mask over passages, the same for every arm; remembered for the next query."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import fold_name
from workbench.corpus.store import Store
from workbench.engines.generation import Generation
from workbench.errors import FilterError
from workbench.records import Filters

Mask = NDArray[np.bool_]
CACHED = 32


def check_filters(filters: Filters) -> None:
    """Raises FilterError for a filter that cannot be meant."""
    if filters.year is not None:
        first, last = filters.year
        if any(y is not None and not isinstance(y, int | np.integer) for y in (first, last)):
            raise FilterError(f"year is {filters.year!r}; give whole numbers or None")
        if first is not None and last is not None and first > last:
            raise FilterError(f"year range {first} to {last} is empty; put the earlier one first")
    for kind in ("venue", "author", "field"):
        for value in getattr(filters, kind):
            if not isinstance(value, str) or not fold_name(value):
                raise FilterError(f"{kind} {value!r} has no letter or digit; give at least a word")


class PassageMasks:
    """Masks of one generation, kept for the last filters used."""

    def __init__(self, store: Store, generation: Generation) -> None:
        self._store = store
        self._generation = generation
        self._masks: OrderedDict[Filters, Mask] = OrderedDict()
        self._lock = threading.Lock()

    def mask(self, filters: Filters) -> Mask | None:
        """Which passages may be retrieved, bool (passages,), or None where all may."""
        if not filters:
            return None if self._generation.all_alive else self._generation.rows.alive
        with self._lock:
            if filters not in self._masks:
                check_filters(filters)
                rows = self._generation.rows
                self._masks[filters] = self._papers(filters)[rows.paper_of] & rows.alive
                if len(self._masks) > CACHED:
                    self._masks.popitem(last=False)
            return self._masks[filters]

    def _papers(self, filters: Filters) -> Mask:
        mask = np.ones(self._generation.manifest.paper_rows, dtype=bool)
        if filters.year is not None:
            first, last = filters.year
            years = self._generation.rows.years
            mask &= (years > 0) & (years >= (0 if first is None else first))
            mask &= years <= (9999 if last is None else last)
        for kind in ("venue", "author", "field"):
            values = getattr(filters, kind)
            if values:
                mask &= self._any_of(
                    [self._store.papers_named(kind, fold_name(value)) for value in values]
                )
        if filters.ids:
            mask &= self._any_of([self._store.papers_with_ids(filters.ids)])
        return mask

    def _any_of(self, rows: list[NDArray[np.int64]]) -> Mask:
        mask = np.zeros(self._generation.manifest.paper_rows, dtype=bool)
        for part in rows:
            # Papers added since this generation was written are not part of it.
            mask[part[part < len(mask)]] = True
        return mask
