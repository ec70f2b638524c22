"""Filters as a person gives them, and what none can be. Pure; every engine reads the result."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

import numpy as np

from workbench.corpus.analysis import fold_name
from workbench.errors import FilterError, shown
from workbench.records import Filters

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
    filters: Filters | None = None,
    *,
    year: Years = None,
    venue: Texts = None,
    author: Texts = None,
    field: Texts = None,
    ids: Texts = None,
    terms: Texts = None,
) -> Filters:
    """Filters from what a person types: one value or several of each kind; `filters` gives the
    kinds that are left out. Raises FilterError for what cannot be meant, and a kind given twice."""
    if filters is not None:
        if not isinstance(filters, Filters):
            raise FilterError(f"filters are {shown(filters)}; give a Filters")
        given: dict[str, Any] = {
            "year": year, "venue": venue, "author": author, "field": field, "ids": ids,
            "terms": terms,
        }  # fmt: skip
        for name, value in given.items():
            ready = getattr(filters, name)
            ready = None if ready == () else ready
            if value is not None and ready is not None:
                raise FilterError(f"{name} is given, and filters has it too; give it in one place")
            given[name] = ready if value is None else value
        return make_filters(**given)
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
    try:
        if isinstance(year, bool):
            raise TypeError
        return operator.index(year)
    except TypeError:
        raise FilterError(f"year is {shown(year)}; give whole numbers or None") from None
