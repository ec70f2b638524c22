"""Filters to a mask over passages, the same for every arm; remembered for the next query."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import fold_name
from workbench.corpus.store import Store
from workbench.engines.embedded.generation import Generation
from workbench.engines.filters import check_filters
from workbench.records import Filters
from workbench.system.fork import Lock

Mask = NDArray[np.bool_]
CACHED = 32


class PassageMasks:
    """Masks of one generation, kept for the last filters used."""

    def __init__(self, store: Store, generation: Generation) -> None:
        self._store = store
        self._generation = generation
        self._masks: OrderedDict[Filters, Mask] = OrderedDict()
        self._lock = Lock()

    def mask(self, filters: Filters) -> Mask | None:
        """Which passages may be retrieved, bool (passages,), or None where all may."""
        if not filters:
            return None if self._generation.all_alive else self._generation.rows.alive
        with self._lock:
            if filters not in self._masks:
                check_filters(filters)
                rows = self._generation.rows
                mask = self._papers(filters)[rows.paper_of] & rows.alive
                self._masks[filters] = mask & self._with_terms(filters.terms)
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

    def _with_terms(self, terms: tuple[str, ...]) -> Mask:
        """Passages that have every one of the index terms."""
        mask = np.ones(self._generation.manifest.passage_rows, dtype=bool)
        known = self._store.term_numbers(terms)
        for term in terms:
            number = known.get(term, self._generation.manifest.terms)
            has = np.zeros_like(mask)
            if number < self._generation.manifest.terms:
                has[self._generation.body.rows_with(number)] = True
            mask &= has
        return mask

    def _any_of(self, rows: list[NDArray[np.int64]]) -> Mask:
        mask = np.zeros(self._generation.manifest.paper_rows, dtype=bool)
        for part in rows:
            # Papers added since this generation was written are not part of it.
            mask[part[part < len(mask)]] = True
        return mask
