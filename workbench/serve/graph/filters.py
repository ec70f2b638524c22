"""The API's filters as the workbench's. One without data in a corpus is refused, never ignored."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from workbench.engines.filters import make_filters
from workbench.records import Filters
from workbench.serve.faults import Refused

NO_FILTERS = Filters()

UNKNOWN = {
    "minCitationCount": "citation counts",
    "publicationTypes": "publication types",
    "insertedBefore": "dates of insertion",
}
"""Filters whose data no corpus here has."""

_YEARS = re.compile(r"(\d{4})?(-)?(\d{4})?")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What may be found: filters, and what only the catalogue can tell. `nothing` where no paper
    can pass, like a range of dates without a first of January."""

    filters: Filters = NO_FILTERS
    open_access: bool = False
    paper_ids: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    nothing: bool = False


def read_filters(given: dict[str, Any]) -> Wanted:
    """Filters from the values of parameters, those that were left out being None. Raises Refused
    (400) for what cannot be meant, and for what the corpus has no data on."""
    for name, data in UNKNOWN.items():
        if given.get(name) is not None:
            raise Refused(400, f"{name} cannot be used: this corpus has no {data}")
    years = None if given.get("year") is None else read_years(given["year"])
    dates = given.get("publicationDateOrYear")
    if dates is not None:
        years = _both(years, read_dates(dates))
    nothing = years is not None and None not in years and years[0] > years[1]  # type: ignore[operator] # None is excluded
    filters = make_filters(
        year=None if nothing else years,
        venue=listed(given.get("venue")) or None,
        field=listed(given.get("fieldsOfStudy")) or None,
    )
    return Wanted(
        filters=filters,
        open_access=given.get("openAccessPdf") is not None,
        paper_ids=_at_most("paperIds", listed(given.get("paperIds")), 100),
        authors=_at_most("authors", listed(given.get("authors")), 10),
        nothing=nothing,
    )


def with_ids(filters: Filters, ids: tuple[str, ...]) -> Filters:
    """The same filters for these papers only."""
    return replace(filters, ids=ids)


def listed(text: str | None) -> tuple[str, ...]:
    """The values of a list with commas; empty ones are left out."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _at_most(name: str, values: tuple[str, ...], most: int) -> tuple[str, ...]:
    if len(values) > most:
        raise Refused(400, f"{name} has {len(values)} values, the limit is {most}")
    return values


def read_years(text: str) -> tuple[int | None, int | None]:
    """`2019`, `2016-2020`, `2010-` or `-2015`."""
    found = _YEARS.fullmatch(text.strip())
    if not found or not (found[1] or found[3]) or (found[1] and found[3] and not found[2]):
        raise Refused(400, f"year is {text[:40]!r}; write 2019, 2016-2020, 2010- or -2015")
    first, last = (int(part) if part else None for part in (found[1], found[3]))
    return (first, first if not found[2] else last)


def read_dates(text: str) -> tuple[int | None, int | None]:
    """`2019-03-05`, `2019-03`, `2019`, or a range with a colon and open ends, as years.

    A paper whose year alone is known counts as published on the first of January, as the API has
    it; so a range holds the years whose first of January is in it.
    """
    first, colon, last = text.strip().partition(":")
    if not (first or last):
        raise Refused(400, _no_date(text))
    start = _day(first, text, end=False) if first else None
    end = _day(last if colon else first, text, end=True) if (last or not colon) else None
    from_year = None if start is None else start.year + ((start.month, start.day) != (1, 1))
    return from_year, None if end is None else end.year


def _day(text: str, whole: str, *, end: bool) -> date:
    found = _DATE.fullmatch(text.strip())
    if not found:
        raise Refused(400, _no_date(whole))
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        month = month if found[2] is not None else (12 if end else 1)
        if found[3] is None:
            day = calendar.monthrange(year, month)[1] if end else 1
        return date(year, month, day)
    except (ValueError, calendar.IllegalMonthError):
        raise Refused(400, _no_date(whole)) from None


def _no_date(text: str) -> str:
    return (
        f"publicationDateOrYear is {text[:40]!r}; write 2019-03-05, 2019-03, 2019, or a range like "
        "2016-03-05:2020, 1981-08-25: or :2015-01"
    )


def _both(
    one: tuple[int | None, int | None] | None, other: tuple[int | None, int | None]
) -> tuple[int | None, int | None]:
    if one is None:
        return other
    firsts = [year for year in (one[0], other[0]) if year is not None]
    lasts = [year for year in (one[1], other[1]) if year is not None]
    return max(firsts, default=None), min(lasts, default=None)
