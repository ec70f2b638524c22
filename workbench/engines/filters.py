"""Filters to a mask over passages, the same for every arm; remembered for the next query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import fold_name
from workbench.corpus.store import Store
from workbench.engines.generation import Generation
from workbench.errors import FilterError
from workbench.forking import Lock
from workbench.records import Filters

Mask = NDArray[np.bool_]
CACHED = 32

Texts = str | Iterable[str] | None
Years = int | tuple[int | None, int | None] | None


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


def make_filters(
    *,
    year: Years = None,
    venue: Texts = None,
    author: Texts = None,
    field: Texts = None,
    ids: Texts = None,
    terms: Texts = None,
) -> Filters:
    """Filters from what a person types: one value or several of each kind."""
    years = (year, year) if isinstance(year, SupportsIndex) else year
    if years is not None and (not isinstance(years, tuple | list) or len(years) != 2):
        raise FilterError(f"year is {year!r}; give one year or (first, last)")
    bounds = None if years is None else (_whole(years[0]), _whole(years[1]))
    filters = Filters(
        year=None if bounds == (None, None) else bounds,
        venue=_several("venue", venue),
        author=_several("author", author),
        field=_several("field", field),
        ids=_several("ids", ids),
        terms=_several("terms", terms),
    )
    check_filters(filters)
    return filters


def _several(name: str, values: Texts) -> tuple[str, ...]:
    if values is None:
        return ()
    given = (values,) if isinstance(values, str) or not isinstance(values, Iterable) else values
    texts = tuple(given)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise FilterError(f"{name} is {values!r}; give a text or several, or leave it out")
    return texts


def _whole(year: Any) -> int | None:
    if year is None:
        return None
    if isinstance(year, bool) or not isinstance(year, SupportsIndex):
        raise FilterError(f"year is {year!r}; give whole numbers or None")
    return int(year)


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
