"""Several records of one paper to one: the best of each field, and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.corpus.identity.keys import is_preprint

Record = Mapping[str, Any]

FIELDS = ("title", "abstract", "body", "authors", "year", "venue", "doi", "arxiv_id", "url")
"""Fields of which one record's value is taken. `fields`, `identifiers` and `status` are united."""

_SERVERS = ("arxiv", "biorxiv", "medrxiv", "ssrn", "corr", "preprint", "research square")


def merge(records: Sequence[Record]) -> tuple[dict[str, Any], dict[str, int]]:
    """(the merged record, {field: index of the record that it came from}).

    `records` stand in the order in which they came; where two values are as good, the first wins.
    A record on its own stays as it is.
    """
    if len(records) == 1:
        only = dict(records[0])
        return only, {name: 0 for name in FIELDS if only.get(name)}
    merged: dict[str, Any] = {}
    origins: dict[str, int] = {}
    for name in FIELDS:
        having = [i for i, record in enumerate(records) if record.get(name)]
        if having:
            score = _SCORES[name]
            best = max(having, key=lambda i: (score(records[i]), -i))
            merged[name], origins[name] = records[best][name], best
    words = [word for record in records for word in record.get("fields") or ()]
    merged["fields"] = list({word.casefold(): word for word in reversed(words)}.values())[::-1]
    merged["identifiers"] = {
        kind: value
        for record in reversed(records)
        for kind, value in record.get("identifiers", {}).items()
    }
    merged["status"] = next((r["status"] for r in records if r.get("status")), "")
    return {name: value for name, value in merged.items() if value}, origins


def _case(text: str) -> bool:
    """Whether a text is not in capitals alone, as Web of Science writes titles and journals."""
    return not text.isupper()


def _published(record: Record) -> bool:
    return not is_preprint(record)


def _journal(record: Record) -> tuple[bool, bool]:
    venue = record["venue"]
    return not any(name in venue.casefold() for name in _SERVERS), _case(venue)


_SCORES: dict[str, Callable[[Record], Any]] = {
    "title": lambda record: (_case(record["title"]), _published(record)),
    "abstract": lambda record: len(record["abstract"]),
    "body": lambda record: len(record["body"]),
    # Full given names beat initials, a complete list one that was cut off.
    "authors": lambda record: (len(record["authors"]), sum(map(len, record["authors"]))),
    "year": _published,
    "venue": _journal,
    "doi": _published,
    "arxiv_id": lambda record: 0,
    "url": _published,
}
