"""A raw record to a Paper: names under which fields come, and what makes a record bad."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from workbench.errors import RecordError
from workbench.records import Paper

MAX_TITLE = 10_000
"""Characters. A title is indexed with each passage of its paper; a text belongs elsewhere."""

MAX_ID = 256
"""Characters. Ids are held for every passage; a longer one is a mistake in the export."""

_ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("id", "_id", "paper_id", "paperId", "corpusid", "docno"),
    "title": ("title",),
    "abstract": ("abstract", "text", "summary", "contents"),
    "body": ("body", "full_text", "fulltext"),
    "authors": ("authors", "author"),
    "year": ("year", "publication_year"),
    "venue": ("venue", "journal", "booktitle"),
    "fields": ("fields", "fieldsOfStudy", "categories"),
    "doi": ("doi", "DOI"),
    "arxiv_id": ("arxiv_id", "arxivId", "arxiv"),
    "url": ("url",),
}
_ARXIV = re.compile(r"(\d\d)(0[1-9]|1[0-2])\.\d{4,5}(v\d+)?")
_WHOLE = re.compile(r"(\d{1,20})(?:\.0+)?", flags=re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_paper(record: Mapping[str, Any]) -> Paper:
    """The paper in a raw record. Raises RecordError that says which field is bad, and how.

    A record without a year whose id is a new-style arXiv id takes the year from it.
    """
    if not isinstance(record, Mapping):
        raise RecordError(f"expected an object with fields, got {type(record).__name__}")
    try:
        return _parsed(record)
    except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        # Values of any foreign type may come: whatever they do, they make one bad record.
        raise RecordError(f"cannot be read ({type(error).__name__}: {error})") from error


def id_of(record: Mapping[str, Any]) -> str | None:
    """The id in a raw record, also where the rest of it is bad; None without a good one."""
    try:
        return checked_id(_first(record, _ALIASES["id"]))
    except (RecordError, ValueError, TypeError, ArithmeticError, AttributeError):
        return None


def _parsed(record: Mapping[str, Any]) -> Paper:
    raw = {name: _first(record, names) for name, names in _ALIASES.items()}
    for name, value in _external_ids(record).items():
        raw[name] = raw[name] if raw[name] is not None else value
    paper = Paper(
        id=checked_id(raw["id"]),
        title=_title(raw["title"]),
        abstract=_text("abstract", raw["abstract"]),
        body=_text("body", raw["body"]),
        authors=_names("authors", raw["authors"]),
        year=_year(raw["year"]) or _arxiv_year(raw["arxiv_id"] or raw["id"]),
        venue=_text("venue", _named(raw["venue"])),
        fields=_names("fields", raw["fields"]),
        doi=_text("doi", raw["doi"]),
        arxiv_id=_text("arxiv_id", raw["arxiv_id"]),
        url=_text("url", raw["url"]),
    )
    if not paper.text:
        raise RecordError("no text: title, abstract and body are all empty")
    return paper


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = record.get(name)
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            return value
    return None


def _external_ids(record: Mapping[str, Any]) -> dict[str, Any]:
    """Semantic Scholar's nested identifiers."""
    ids = record.get("externalIds")
    if not isinstance(ids, Mapping):
        return {}
    return {"doi": ids.get("DOI"), "arxiv_id": ids.get("ArXiv")}


def _named(value: Any) -> Any:
    """Semantic Scholar's journal and authors are objects with a name."""
    return value.get("name") if isinstance(value, Mapping) else value


def checked_id(value: Any) -> str:
    """A value as an id. Raises RecordError where it is none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RecordError(f"no id: give one of {', '.join(_ALIASES['id'])}")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RecordError(f"id: expected text or a whole number, got {type(value).__name__}")
    text = _encodable("id", str(value).strip())
    if len(text) > MAX_ID:
        raise RecordError(f"id: {len(text)} characters, the limit is {MAX_ID}")
    if _CONTROL.search(text):
        raise RecordError(f"id: control character in {text!r}")
    return text


def _title(value: Any) -> str:
    title = _text("title", value)
    if len(title) > MAX_TITLE:
        raise RecordError(
            f"title: {len(title):,} characters, the limit is {MAX_TITLE:,}; give texts as abstract "
            "or body"
        )
    return title


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError(f"{name}: expected text, got {type(value).__name__}")
    return _encodable(name, value.strip())


def _encodable(name: str, text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RecordError(f"{name}: lone surrogate at character {error.start}") from None
    return text


def _names(name: str, value: Any) -> tuple[str, ...]:
    """A list of names, of objects with a name, or one text with names between semicolons."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split(";")
    if not isinstance(value, list | tuple) and not hasattr(value, "tolist"):
        raise RecordError(f"{name}: expected a list, got {type(value).__name__}")
    items = [item if isinstance(item, str) else _named(item) for item in value]
    for item in items:
        if not isinstance(item, str):
            raise RecordError(f"{name}: expected names, got {type(item).__name__} in the list")
    stripped = (str(item).strip() for item in items)
    return tuple(_encodable(name, item) for item in stripped if item)


def _year(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value.strip())):
        value = int(match.group(1))
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError(f"year: expected a whole number, got {_short(value)}")
    if not 1000 <= value <= 2999:
        raise RecordError(f"year: {_short(value)} is not between 1000 and 2999")
    return value


def _short(value: Any) -> str:
    """A value for a message; a number of thousands of digits has no text in Python."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of over 60 digits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _arxiv_year(value: Any) -> int | None:
    match = _ARXIV.fullmatch(value) if isinstance(value, str) else None
    return 2000 + int(match.group(1)) if match else None
