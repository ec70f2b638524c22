"""Which column of a table is what: known names of exports first, then a guess."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.corpus.cleaning.record import paper_fields
from workbench.errors import UnsupportedSource

_KNOWN: dict[str, str] = {
    "title": "title articletitle documenttitle itemtitle papertitle primarytitle displayname "
    "titleoriginal titleprimary ti originaltitle",
    "abstract": "abstract abstractnote abstracttext abstracts ab summary text contents description "
    "notesabstract n2",
    "body": "body fulltext",
    "authors": "authorfullnames authorshipsauthordisplayname authorsfullnames fullauthornames "
    "authors authornames author authorlist creators creator firstauthors authorshipsrawauthorname "
    "au af a1 firstauthor",
    "year": "publicationyear year pubyear yearpublished publishedyear py datepublished "
    "publicationdate dateofpublication coverdate published date pubdate y1 onlinedate issued",
    "venue": "publicationtitle sourcetitle journalbook journal journaltitle venue booktitle "
    "primarylocationsourcedisplayname containertitle secondarytitle publicationname publication "
    "conferencename hostvenuedisplayname source so jf t2",
    "keywords": "keywords authorkeywords manualtags fieldsofstudy fields categories "
    "topicsdisplayname keyword tags de indexkeywords emtreemedicalindextermsmajorfocus",
    "doi": "doi itemdoi documentdoi di doilink digitalobjectidentifier",
    "pmid": "pmid pubmedid medlinepmid idspmid pm",
    "arxiv": "arxivid arxiv",
    "url": "url urls link itemurl documentlink externalurl pdflink doiurl",
    "eid": "eid",
    "id": "id paperid key lensid docno corpusid embaseaccessionid pui utuniquewosid uniquewosid ut "
    "eid accessionnumber internalid recordid refid citationkey",
    "retracted": "isretracted retracted",
}
ROLES = tuple(name for name in _KNOWN if name != "retracted")
"""What a column may be declared as in `columns={"title": "Paper name"}`."""

_BY_NAME = {
    name: (role, rank)
    for role, names in _KNOWN.items()
    for rank, name in reversed(list(enumerate(names.split())))
}
_GUESSES = (
    ("title", re.compile(r"title|headline|papername|^name$|nameofpaper|study$")),
    ("abstract", re.compile(r"abstract|summary|description|^content$|^text")),
    ("authors", re.compile(r"author|creator|writer|^people$")),
    ("year", re.compile(r"year|publ.*date|^date|published")),
    ("doi", re.compile(r"\bdoi|doi$|^doi")),
    ("venue", re.compile(r"journal|conference|venue|proceeding|publishedin")),
    ("keywords", re.compile(r"keyword|topics?$|subjects?$|^tags?$")),
    ("id", re.compile(r"^(record|paper|article|study|doc)?(id|key|number|no)$")),
)
_CITED = re.compile(r"(.{3,}?) \((\d{4})\)(?: |$)")
"""Embase's Source without a column for the year: `Gut (2019) 68:1 (12-19). Date of ...`."""

_YES = frozenset({"true", "1", "yes"})


@dataclass(frozen=True, slots=True)
class Columns:
    """Roles of a table's columns. `given` is what the user said; `mapping` all that is known."""

    given: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [role for role in self.given if role not in ROLES]
        if unknown:
            raise UnsupportedSource(
                f"columns: {unknown[0]!r} is no field of a paper; name {', '.join(ROLES)}"
            )

    def guess(self, header: Sequence[str]) -> Columns:
        """The roles of these columns. Raises UnsupportedSource where `given` names none of them."""
        for role, name in self.given.items():
            if name not in header:
                raise UnsupportedSource(
                    f"columns: {role}={name!r} is not a column; there are {', '.join(header)}"
                )
        mapping = {**known_columns(header), **self.given}
        guessed = []
        taken = set(mapping.values())
        for role, pattern in _GUESSES:
            if role not in mapping:
                hit = next((n for n in header if n not in taken and pattern.search(plain(n))), None)
                if hit is not None:
                    mapping[role] = hit
                    taken.add(hit)
                    guessed.append(role)
        return Columns(self.given, mapping, tuple(guessed))

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The paper's fields in a row."""
        roles = self.mapping or self.given

        def value(role: str) -> str:
            found = row.get(roles.get(role, ""))
            return "" if found is None or _is_nan(found) else _text(found)

        authors = row.get(roles.get("authors", ""))
        people = authors if isinstance(authors, list | tuple) else None
        doi, url = value("doi"), value("url")
        year, venue = _year(row.get(roles.get("year", ""))), value("venue")
        cited = _CITED.match(venue)
        if cited:
            venue, year = cited[1], year or cited[2]
        return paper_fields(
            paper_id=_number(value("id")).removeprefix("https://openalex.org/"),
            title=value("title"),
            abstract=value("abstract"),
            body=value("body"),
            authors=value("authors") if people is None else [str(name) for name in people],
            year=year,
            venue=venue,
            keywords=value("keywords"),
            doi=doi or (url if "doi.org" in url else ""),
            arxiv=value("arxiv") or (url if "arxiv.org" in url else ""),
            pmid=value("pmid"),
            url=next((part for part in re.split(r"[;|\s]+", url) if part.startswith("http")), ""),
            eid=value("eid"),
            status="retracted" if value("retracted").lower() in _YES else "",
        )


def known_columns(header: Iterable[str]) -> dict[str, str]:
    """Role -> column, for columns with names that exports use; the most trusted of each role."""
    best: dict[str, tuple[int, str]] = {}
    for name in header:
        simple = plain(name)
        role, rank = _BY_NAME.get(simple, ("", 0))
        if simple == "eid":  # Scopus' is both its id and an identifier for duplicates
            best.setdefault("eid", (0, name))
            role, rank = "id", 9
        if role and (role not in best or rank < best[role][0]):
            best[role] = (rank, name)
    return {role: name for role, (_, name) in best.items()}


def plain(name: str) -> str:
    """A column's name in lower-case letters and digits alone."""
    return re.sub(r"[\W_]+", "", str(name).lower())


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(_text(item) for item in value)
    text = str(value).strip()
    # Spreadsheets keep digits as ="123", and formula-safe exports put ' before them.
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text[1:] if text[:2] in ("'=", "'+", "'-", "'@") else text


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _number(text: str) -> str:
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _year(value: Any) -> Any:
    return value if isinstance(value, int | float) or value is None else str(value)
