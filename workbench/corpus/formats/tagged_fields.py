"""What the tags of RIS, MEDLINE, Web of Science and EndNote mean, in all their dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.corpus.cleaning.identifiers import doi_of
from workbench.corpus.cleaning.record import paper_fields

Tags = Mapping[str, list[str]]

_EID = re.compile(r"\b(2-s2\.0-\d+)\b")
_URL = re.compile(r"https?://\S+")
_AFFILIATED = re.compile(r"\s+(?:\([^)]*\)|\d+(?:,\d+)*)$")


def ris_record(tags: Tags) -> dict[str, Any]:
    """RIS as Zotero, EndNote, Mendeley, Scopus, Ovid, ProQuest, Cochrane, Embase, ERIC write it."""
    kind = _first(tags, "TY").upper()
    part = kind in ("CHAP", "CONF", "CPAPER", "ECHAP", "ENCYC", "DICT")
    title = _first(tags, "TI", "T1", "CT") or _first(tags, "BT", "T2" if not part else "", "ST")
    container = ("T2", "JO", "JF", "JA", "J2", "BT", "T3", "J1")
    venue = _first(tags, *(("JF", "JO") if "JF" in tags and "T2" not in tags else ()), *container)
    urls = [url for tag in ("UR", "L2", "LK", "L1") for value in tags.get(tag, ()) for url in
            _URL.findall(value)]  # fmt: skip
    doi_places = [*tags.get("DO", ()), *tags.get("DI", ()), *tags.get("M3", ()),
                  *tags.get("L3", ()), *tags.get("AN", ()), *urls, *tags.get("N1", ()),
                  *tags.get("C1", ())[:1]]  # fmt: skip
    database = " ".join([*tags.get("DB", ()), *tags.get("DP", ())]).lower()
    number = _first(tags, "AN")
    pubmed = number if "pubmed" in database or "nlm" in database else _first(tags, "C5", "PM")
    return paper_fields(
        title=title,
        abstract=_joined(tags, "AB") or _joined(tags, "N2"),
        authors=_people(tags, "AU") or _people(tags, "A1") or _people(tags, "A2", "ED"),
        year=_dates(tags, "PY", "Y1", "YR", "DA", "Y2"),
        venue=venue if venue != title else "",
        keywords=[word for value in tags.get("KW", ()) for word in _words(value)],
        doi=next((doi for place in doi_places if (doi := doi_of(place))), ""),
        arxiv=next((url for url in [*urls, number, venue] if "arxiv" in url.lower()), ""),
        pmid=pubmed if pubmed.isdigit() else "",
        url=next((url for url in urls if "doi.org" not in url), urls[0] if urls else ""),
        comments="\n".join(tags.get("N1", ())),
        eid=next((match[1] for url in urls if (match := _EID.search(url))), ""),
    )


def medline_record(tags: Tags) -> dict[str, Any]:
    """MEDLINE's tags: PubMed's and ERIC's."""
    ids = [*tags.get("LID", ()), *tags.get("AID", ()), *tags.get("SO", ())]
    kinds = " ".join(tags.get("PT", ())).lower()
    abstract = _first(tags, "AB", "OAB")
    return paper_fields(
        title=_first(tags, "TI", "BTI", "TT").strip("[]"),
        abstract="" if abstract.startswith("Publisher: Abstract available") else abstract,
        authors=[*(tags.get("FAU") or tags.get("AU") or tags.get("FED") or ()), *_bodies(tags)],
        year=_dates(tags, "DP", "DEP", "EDAT", "SO"),
        venue=_first(tags, "JT", "TA", "BTI"),
        keywords=[*(word.replace("*", "") for word in tags.get("MH", ())), *tags.get("OT", ())],
        doi=next((value for value in ids if "10." in value and "[pii]" not in value), ""),
        pmid=_first(tags, "PMID"),
        url=next((url for value in tags.get("LID", ()) for url in _URL.findall(value)), ""),
        status="retracted" if "retracted publication" in kinds else "",
        pmcid=_first(tags, "PMC"),
        eric=_first(tags, "OID"),
    )


def wos_record(tags: Tags) -> dict[str, Any]:
    """Web of Science's field tags."""
    people = [name for tag in ("AF", "AU", "BE", "BF") for name in _lines(tags, tag)[:1]]
    names = next((_lines(tags, tag) for tag in ("AF", "AU", "BF", "BE") if tags.get(tag)), people)
    return paper_fields(
        title=_first(tags, "TI"),
        abstract=_first(tags, "AB"),
        authors=names or _lines(tags, "CA"),
        year=_dates(tags, "PY", "EA", "PD"),
        venue=_first(tags, "SO", "BS", "SE"),
        keywords=[
            " ".join(word.split())
            for tag in ("DE", "ID")
            for word in " ".join(tags.get(tag, ())).split(";")
        ],
        doi=_first(tags, "DI", "D2"),
        pmid=_first(tags, "PM"),
        status="retracted" if "Retracted" in _first(tags, "DT") else "",
        wos=_first(tags, "UT"),
    )


def endnote_record(tags: Tags) -> dict[str, Any]:
    """EndNote's percent tags; an entry may hold several of a tag."""
    places = [*tags.get("R", ()), *tags.get("U", ()), *tags.get("M", ())]
    title = _first(tags, "T", "B")
    return paper_fields(
        title=title,
        abstract=_first(tags, "X"),
        authors=tags.get("A") or tags.get("E") or [],
        year=_dates(tags, "D", "8"),
        venue=next((v for v in (_first(tags, t) for t in "JBSI") if v and v != title), ""),
        keywords=[word for value in tags.get("K", ()) for word in _words(value)],
        doi=next((doi for place in places if (doi := doi_of(place))), ""),
        url=_first(tags, "U"),
    )


def _first(tags: Tags, *names: str) -> str:
    """The first value of the first tag that has one; lines of a value are joined by blanks."""
    for name in names:
        for value in tags.get(name, ()):
            if value:
                return value
    return ""


def _joined(tags: Tags, name: str) -> str:
    return "\n\n".join(value for value in tags.get(name, ()) if value)


def _lines(tags: Tags, name: str) -> list[str]:
    return [line for value in tags.get(name, ()) for line in value.split("\n") if line]


def _people(tags: Tags, *names: str) -> list[str]:
    """One a tag; some tools put all of them into one, between semicolons."""
    values = [value.replace("\n", " ") for name in names for value in tags.get(name, ())]
    people = [name for value in values for name in value.split(";")]
    return [_AFFILIATED.sub("", name.strip()) for name in people if name.strip()]


def _bodies(tags: Tags) -> list[str]:
    """Groups that sign a paper, where no person does."""
    return [] if tags.get("FAU") or tags.get("AU") else list(tags.get("CN", ()))


def _words(value: str) -> list[str]:
    return [word for line in value.split("\n") for word in line.split(";")]


def _dates(tags: Tags, *names: str) -> list[str]:
    """Dates in order of trust, for `year_of`, which takes the first with a year."""
    return [value for name in names for value in tags.get(name, ())]
