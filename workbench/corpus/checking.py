"""What an entry's record must be, and how the library keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from workbench.corpus.cleaning.record import status_of
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import OWN
from workbench.corpus.identity.keys import derived_id
from workbench.corpus.parsing import MAX_ID, checked_id, parse_paper
from workbench.errors import RecordError
from workbench.records import Paper

_FIELDS = tuple(one.name for one in fields(Paper))

_OWN_IDS = ("id", "_id", "paper_id", "paperId", "corpusid", "docno")


def checked(entry: Entry) -> tuple[dict[str, Any], Paper]:
    """The fields of an entry's paper as the library keeps them, with an id only where the entry
    names itself; and the paper that they make alone. Raises RecordError for what makes none."""
    if entry.record is None:
        raise RecordError(entry.problem)
    record: dict[str, Any] = dict(entry.record)
    if entry.format != OWN:
        if not _is_id(record.get("id", "")):
            record.pop("id", None)
        paper = parse_paper({**record, "id": record.get("id") or derived_id(record)})
    else:
        named = has_id(record)
        paper = parse_paper(record if named else {**record, "id": "none"})
        record = values_of(paper)
        if not named:
            del record["id"]
            paper = replace(paper, id=checked_id(derived_id(record)))
        if status := status_of(paper.title):
            record["status"] = status
    if record.get("status"):
        paper = replace(paper, fields=(*paper.fields, record["status"]))
    return record, paper


def values_of(paper: Paper) -> dict[str, Any]:
    """The fields that a paper has."""
    return {name: value for name in _FIELDS if (value := getattr(paper, name))}


def is_own(entry: Entry) -> bool:
    """Whether it is one of the workbench's own records with an id, which holds in all files."""
    return entry.format == OWN and entry.record is not None and has_id(entry.record)


def has_id(record: Mapping[str, Any]) -> bool:
    """Whether a record names itself, well or badly."""
    return any(record.get(name) is not None for name in _OWN_IDS)


def _is_id(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_ID and name.isprintable()
