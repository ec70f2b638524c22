"""Zotero's database, zotero.sqlite: items of all libraries without the trash. Zotero may run."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.pdf import read_pdf
from workbench.corpus.formats.zotero_items import NOT_PAPERS, zotero_record

_ITEMS = """
SELECT items.itemID, items.key, itemTypes.typeName FROM items
JOIN itemTypes USING (itemTypeID)
WHERE items.itemID NOT IN (SELECT itemID FROM deletedItems) ORDER BY items.itemID
"""
_FIELDS = """
SELECT itemData.itemID, fieldName, value FROM itemData
JOIN fields USING (fieldID) JOIN itemDataValues USING (valueID)
"""
_PEOPLE = """
SELECT itemID, creatorType, firstName, lastName FROM itemCreators
JOIN creators USING (creatorID) JOIN creatorTypes USING (creatorTypeID) ORDER BY itemID, orderIndex
"""
_FILES = """
SELECT coalesce(parentItemID, itemAttachments.itemID), items.key, linkMode, path
FROM itemAttachments JOIN items USING (itemID)
WHERE itemID NOT IN (SELECT itemID FROM deletedItems) AND path IS NOT NULL
AND (contentType = 'application/pdf' OR lower(path) LIKE '%.pdf') ORDER BY itemID
"""
_TAGS = "SELECT itemID, name FROM itemTags JOIN tags USING (tagID) ORDER BY itemID, name"

_LINKED = 2
"""Zotero's linkMode of a file that stays where it is."""


def is_zotero(path: Path) -> bool:
    """Whether an SQLite file has Zotero's tables."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as db:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        return False
    return {"items", "itemData", "itemCreators", "deletedItems"} <= names


def read_zotero(path: Path) -> Iterator[Entry]:
    """Items of a copy, since Zotero locks its database while it runs; `line`: the item's number."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "zotero.sqlite"
        for ending in ("", "-journal", "-wal"):  # what Zotero is in the middle of belongs to it
            source = path.with_name(path.name + ending)
            if source.is_file():
                shutil.copy(source, copy.with_name(copy.name + ending))
        try:
            with closing(sqlite3.connect(copy)) as db:
                yield from _read(path, db)
        except sqlite3.Error as error:
            cure = "close Zotero and try again, or export the library as BibTeX"
            yield Entry(
                str(path), 1, None, f"not a readable database ({error})", cure, None, "Zotero"
            )


def _read(path: Path, db: sqlite3.Connection) -> Iterator[Entry]:
    fields: dict[int, dict[str, Any]] = defaultdict(dict)
    for item, name, value in db.execute(_FIELDS):
        fields[item][name] = value
    people: dict[int, list[dict[str, str]]] = defaultdict(list)
    for item, role, first, last in db.execute(_PEOPLE):
        names = {"firstName": first or "", "lastName": last or ""}
        people[item].append({"creatorType": role, **names})
    tags: dict[int, list[dict[str, str]]] = defaultdict(list)
    for item, name in db.execute(_TAGS):
        tags[item].append({"tag": name})
    files = _files(path, db)
    for item, key, kind in db.execute(_ITEMS):
        if kind == "attachment" and item in files:  # a PDF without an item of its own
            for name in files[item]:
                yield from _alone(Path(name))
        if kind in NOT_PAPERS:
            continue
        raw = {"itemType": kind, "key": key, **fields[item]}
        raw |= {"creators": people[item], "tags": tags[item]}
        attached = tuple(files.get(item, ()))
        yield Entry(str(path), item, zotero_record(raw), "", "", raw, "Zotero", attached)


def _files(path: Path, db: sqlite3.Connection) -> dict[int, list[str]]:
    """PDFs by item: in Zotero's own storage, or linked to where they are."""
    found: dict[int, list[str]] = defaultdict(list)
    try:
        rows = db.execute(_FILES).fetchall()
    except sqlite3.OperationalError:  # a database that somebody stripped of its attachments
        return found
    for item, key, mode, name in rows:
        if name.startswith("storage:"):
            found[item].append(str(path.parent / "storage" / key / name.removeprefix("storage:")))
        elif mode == _LINKED:
            # "attachments:" is relative to a folder that Zotero's settings name, not its database.
            found[item].append(str(path.parent / name.removeprefix("attachments:")))
    return found


def _alone(path: Path) -> Iterator[Entry]:
    if path.is_file():
        yield from read_pdf(path)
    else:
        cure = "restore it, or delete it in Zotero"
        yield Entry(str(path), 1, None, "an attachment that is not there", cure, None, "PDF")
