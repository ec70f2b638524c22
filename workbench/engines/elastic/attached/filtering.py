"""Filters on the fields of somebody else's index, whatever their types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.engines.elastic.attached.fields import KEYWORDS, NUMBERS, TEXT, ForeignIndex
from workbench.errors import FilterError
from workbench.records import Filters

Clause = dict[str, Any]

_DATED = {"date": (0, 9999), "date_nanos": (1970, 2262)}
"""The years that a type can hold, as four digits."""

DATES = set(_DATED)
_NUMBERS = {*NUMBERS, "float", "half_float", "double", "scaled_float", "unsigned_long"}

_YEARS = ("year", "publication_year", "publication_date", "published")
_NAMES = {
    "venue": ("venue", "journal", "booktitle"),
    "author": ("authors", "author"),
    "field": ("fields", "categories", "fieldsOfStudy"),
}
"""Fields under which others keep what the filters ask for."""

_EDGE = "[^a-zA-Z0-9]"


def clauses_of(where: str, index: ForeignIndex, filters: Filters) -> list[Clause]:
    """Clauses for year, venue, author and field. Raises FilterError where the index has no field
    that can answer, saying what it has; `where` names URL and index."""
    clauses: list[Clause] = []
    if filters.year is not None:
        name = year_field(index.fields, {*DATES, *_NUMBERS, *KEYWORDS})
        if not name:
            raise _missing(where, index, "year", _YEARS)
        clauses.append(_years(name, index.fields[name], *filters.year))
    for kind, names in _NAMES.items():
        if values := getattr(filters, kind):
            field = _named(index.fields, names)
            if not field:
                raise _missing(where, index, kind, names)
            one_of = [_phrase(field, index.fields[field], value) for value in values]
            clauses.append({"bool": {"should": one_of, "minimum_should_match": 1}})
    return clauses


def year_field(fields: Mapping[str, str], kinds: set[str]) -> str:
    """The field that says when a paper appeared, if it is of one of these types, else ""."""
    return next((name for name in _YEARS if fields.get(name) in kinds), "")


def _named(fields: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of the names that is text or a keyword, or has a multi-field or a part `name`
    that is; text rather than keyword."""
    for first in names:
        multi = fields.get(first) in {*TEXT, *KEYWORDS}
        below = f"{first}." if multi else f"{first}.name"
        found = [name for name in fields if name == first or name.startswith(below)]
        for kinds in (TEXT, KEYWORDS):
            fitting = [name for name in found if fields[name] in kinds]
            if fitting:
                return fitting[0]
    return ""


def _years(name: str, kind: str, first: int | None, last: int | None) -> Clause:
    low, high = _DATED.get(kind, (0, 9999))
    start, end = low if first is None else int(first), high if last is None else int(last)
    if start > high or end < low:
        return {"match_none": {}}
    bounds: dict[str, Any] = {}
    if kind in _DATED:
        # Whole years: a bound without month and day would mean its first moment.
        if start > low:
            bounds["gte"] = f"{start:04d}-01-01"
        if end < high:
            bounds["lt"] = f"{end + 1:04d}-01-01"
        return {"range": {name: {**bounds, "format": "uuuu-MM-dd"}}}
    start, end = max(low, start), min(high, end)
    if kind in KEYWORDS:  # compared as text
        return {"range": {name: {"gte": f"{start:04d}", "lte": f"{end:04d}"}}}
    return {"range": {name: {"gte": start, "lte": end}}}


def _phrase(name: str, kind: str, value: str) -> Clause:
    """The value's words in a row. In a keyword, which is not analysed, between other signs."""
    if kind in TEXT:
        return {"match_phrase": {name: {"query": value}}}
    words = [re.sub(r"(\W|_)", r"\\\1", word) for word in re.findall(r"\w+", value)]
    inside = f"{_EDGE}+".join(words)
    pattern = f"(.*{_EDGE})?{inside}({_EDGE}.*)?"
    return {"regexp": {name: {"value": pattern, "case_insensitive": True}}}


def _missing(where: str, index: ForeignIndex, kind: str, names: Sequence[str]) -> FilterError:
    kinds = {**index.fields, **dict.fromkeys(index.nested, "nested")}
    other = [f"{name!r} is of type {kinds[name]}" for name in names if name in kinds]
    found = f" ({'; '.join(other)}, which cannot answer it)" if other else ""
    return FilterError(
        f"{where}: no field for the filter {kind}{found}; it would be one of {', '.join(names)}"
    )
