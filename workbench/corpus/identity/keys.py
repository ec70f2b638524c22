"""What identifies a paper, and whether two records are the same one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from workbench.corpus.cleaning.identifiers import PREPRINT_DOIS

Record = Mapping[str, Any]

MAX_DERIVED = 200
"""Characters of an identifier that may become an id; longer ones are hashed."""

_LONG_TITLE, _SHORT_TITLE = 24, 12
"""Letters. A long title with a common author is one paper; a short one ("Introduction of ...")
must also have the year in common; shorter ones tell nothing."""

_YEARS = 2
"""How far the years of a preprint and its published version may lie apart."""

_WORD = re.compile(r"\w+")
_NO_LETTER = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """Letters and digits alone, lower-case, without accents."""
    return _NO_LETTER.sub("", unicodedata.normalize("NFKD", text).casefold())


def identifiers(record: Record) -> dict[str, str]:
    """{kind: value} of identifiers that no two papers share."""
    found = {kind: str(value).casefold() for kind, value in record.get("identifiers", {}).items()}
    if record.get("doi"):
        found["doi"] = str(record["doi"]).casefold()
    if record.get("arxiv_id"):
        found["arxiv"] = str(record["arxiv_id"]).casefold()
    return found


def keys_of(record: Record) -> list[str]:
    """Keys under which records of the same paper can be found."""
    keys = [f"{kind}:{value}" for kind, value in identifiers(record).items()]
    title = folded(record.get("title", ""))
    return [*keys, f"title:{title[:200]}"] if len(title) >= _SHORT_TITLE else keys


def derived_id(record: Record) -> str:
    """An id for a record that has none: DOI, PMID, arXiv id, another identifier, else a hash of
    title, year and first author. The same record always gets the same."""
    known = identifiers(record)
    for kind in ("doi", "pmid", "arxiv", *sorted(known)):
        if kind in known and len(known[kind]) <= MAX_DERIVED:
            return f"{kind}:{known[kind]}"
    authors = record.get("authors") or [""]
    text = folded(record.get("title", "")) or folded(
        record.get("abstract", "") or record.get("body", "")
    )
    content = f"{text}|{record.get('year', '')}|{last_name(authors[0])}"
    return f"hash:{blake2b(content.encode(), digest_size=8).hexdigest()}"


def last_name(name: str) -> str:
    """The folded last word of a name that is no suffix."""
    words = [
        word for word in name.split() if word.casefold().strip(".") not in ("jr", "sr", "ii", "iii")
    ]
    return folded(words[-1]) if words else ""


def is_preprint(record: Record) -> bool:
    """Whether the DOI is a preprint server's, or there is an arXiv id and no DOI."""
    doi = str(record.get("doi", "")).casefold()
    return doi.startswith(PREPRINT_DOIS) or (not doi and bool(record.get("arxiv_id")))


def same_paper(one: Record, other: Record) -> str:
    """Why two records are the same paper; "" where they are not, or it cannot be told."""
    if conflict(one, other):
        return ""
    left, right = identifiers(one), identifiers(other)
    for kind in left.keys() & right.keys():
        if left[kind] == right[kind] and _alike(one.get("title", ""), other.get("title", "")):
            return f"same {_NAMES.get(kind, kind)} {left[kind]}"
    return _same_title(one, other)


_NAMES = {"doi": "DOI", "pmid": "PMID", "arxiv": "arXiv id", "eid": "Scopus id", "pmcid": "PMCID"}


def conflict(one: Record, other: Record) -> str:
    """What says that two records are different papers, whatever their titles; "" for nothing."""
    left, right = identifiers(one), identifiers(other)
    for kind in left.keys() & right.keys():
        if left[kind] == right[kind]:
            continue
        if kind == "doi" and is_preprint(one) != is_preprint(other):
            continue
        return f"{_NAMES.get(kind, kind)} {left[kind]} and {right[kind]}"
    return ""


def _same_title(one: Record, other: Record) -> str:
    title = folded(one.get("title", ""))
    if len(title) < _SHORT_TITLE or title != folded(other.get("title", "")):
        return ""
    names = ({last_name(n) for n in r.get("authors") or ()} - {""} for r in (one, other))
    left, right = names
    years = [r.get("year") for r in (one, other)]
    known = None not in years
    if left and right and not left & right:
        return ""
    if known and abs(years[0] - years[1]) > _YEARS:  # type: ignore[operator]
        return ""
    certain = bool(left & right) or (known and years[0] == years[1])
    if len(title) < _LONG_TITLE:
        certain = bool(left & right) and known and years[0] == years[1]
    if not certain:
        return ""
    return "same title and authors" if left & right else "same title and year"


def _alike(one: str, other: str) -> bool:
    """Whether titles can be one paper's: a book's identifier on all its chapters is no proof."""
    if not one or not other or folded(one) in folded(other) or folded(other) in folded(one):
        return True
    left, right = (set(_WORD.findall(text.casefold())) for text in (one, other))
    return len(left & right) >= 0.3 * len(left | right)
