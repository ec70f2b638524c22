"""XML of libraries and of programs: MODS, MARC XML, EndNote's, and Word's sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.xml_stream import every, found, xml_records

_ENDS = " /:;,="
"""Marks of cataloguing rules between the parts of a record."""


def read_mods(path: Path) -> Iterator[Entry]:
    """The records of a MODS collection: https://www.loc.gov/standards/mods/."""
    return _read(path, "mods", "MODS", _mods)


def read_marc_xml(path: Path) -> Iterator[Entry]:
    """The records of a MARC XML collection, or of a catalogue's answer (SRU):
    https://www.loc.gov/marc/bibliographic/."""
    return _read(path, "record", "MARC XML", _marc, inner="datafield")


def read_endnote_xml(path: Path) -> Iterator[Entry]:
    """The records of EndNote's XML export."""
    return _read(path, "record", "EndNote XML", _endnote)


def read_word_sources(path: Path) -> Iterator[Entry]:
    """The sources of Word's bibliography, sources.xml (ECMA-376, shared bibliography)."""
    return _read(path, "Source", "Word sources", _word)


def _read(
    path: Path,
    name: str,
    format_name: str,
    record_of: Callable[[ET.Element], dict[str, Any]],
    inner: str = "",
) -> Iterator[Entry]:
    def entry(number: int, element: ET.Element) -> Entry:
        raw = {name: ET.tostring(element, encoding="unicode")}
        node = element
        if inner:  # a catalogue's answer puts a record into a record
            holders = element.iter()
            node = next((e for e in holders if e.find(f"{{*}}{inner}") is not None), element)
        return Entry(str(path), number, record_of(node), "", "", raw, format_name)

    return xml_records(path, (name,), format_name, entry)


def _mods(record: ET.Element) -> dict[str, Any]:
    host = "{*}relatedItem[@type='host']"
    names = [*record.iterfind("{*}name")]
    authors = [name for name in names if _role(name) in ("", "aut", "author", "cre", "creator")]
    identifiers = {
        node.get("type", ""): (node.text or "").strip() for node in record.iterfind("{*}identifier")
    }
    urls = every(record, "{*}location/{*}url")
    dates = ("dateIssued", "copyrightDate", "dateCreated", "dateOther")
    places = ["{*}originInfo/*[@keyDate='yes']", *(f"{{*}}originInfo/{{*}}{d}" for d in dates)]
    places += [f"{host}/{{*}}originInfo/{{*}}dateIssued", f"{host}/{{*}}part/{{*}}date"]
    return paper_fields(
        paper_id=identifiers.get("citekey", ""),
        title=_mods_title(record),
        abstract="\n\n".join(every(record, "{*}abstract")),
        authors=[text for name in authors or names if (text := _mods_person(name))],
        year=[text for place in places for text in every(record, place)],
        venue=found(record, f"{host}/{{*}}titleInfo/{{*}}title"),
        keywords=every(record, "{*}subject/{*}topic"),
        doi=identifiers.get("doi", ""),
        pmid=identifiers.get("pmid", ""),
        url=urls[0] if urls else "",
    )


def _mods_title(record: ET.Element) -> str:
    infos = [*record.iterfind("{*}titleInfo")]
    plain = [info for info in infos if not info.get("type")] or infos
    if not plain:
        return ""
    parts = [found(plain[0], f"{{*}}{name}") for name in ("nonSort", "title")]
    title, subtitle = " ".join(part for part in parts if part), found(plain[0], "{*}subTitle")
    return f"{title}: {subtitle}" if subtitle else title


def _role(name: ET.Element) -> str:
    """What a name is in a record, by code where there is one."""
    code = found(name, "{*}role/{*}roleTerm[@type='code']")
    return (code or found(name, "{*}role/{*}roleTerm")).lower()


def _mods_person(name: ET.Element) -> str:
    parts = {
        node.get("type", ""): (node.text or "").strip() for node in name.iterfind("{*}namePart")
    }
    family, given = parts.get("family", ""), parts.get("given", "")
    return f"{given} {family}".strip() or parts.get("", "").strip(" ,")


def _marc(record: ET.Element) -> dict[str, Any]:
    def field(tag: str, codes: str = "a") -> list[str]:
        """The subfields of each field of a tag, joined, without the cataloguers' marks."""
        values = []
        for node in record.iterfind(f"{{*}}datafield[@tag='{tag}']"):
            parts = [
                (sub.text or "").strip()
                for sub in node.iterfind("{*}subfield")
                if sub.get("code", "") in codes
            ]
            values.append(" ".join(part for part in parts if part).strip(_ENDS))
        return [value for value in values if value]

    def first(*places: tuple[str, str]) -> str:
        return next((values[0] for place in places if (values := field(*place))), "")

    title, subtitle = first(("245", "a")), first(("245", "b"))
    authors = [*field("100"), *field("700")] or [*field("110"), *field("710")]
    dates = [*field("264", "c"), *field("260", "c")]
    fixed = found(record, "{*}controlfield[@tag='008']")
    handles = field("024")
    return paper_fields(
        title=f"{title}: {subtitle}" if subtitle else title,
        abstract="\n\n".join(field("520")),
        authors=authors or field("111"),
        year=[*dates, *field("773", "g"), fixed[7:11]],
        venue=first(("773", "t"), ("773", "a"), ("490", "a"), ("830", "a")),
        keywords=[word for tag in ("650", "653", "655", "689") for word in field(tag)],
        doi=next((handle for handle in handles if handle.startswith("10.")), ""),
        url=first(("856", "u")),
        marc=_marc_number(record),
    )


def _marc_number(record: ET.Element) -> str:
    """The record's number with the catalogue that gave it, which makes it unique."""
    number = found(record, "{*}controlfield[@tag='001']")
    catalogue = found(record, "{*}controlfield[@tag='003']")
    return f"{catalogue} {number}" if number and catalogue else ""


def _endnote(record: ET.Element) -> dict[str, Any]:
    urls = [*every(record, "urls/related-urls/url"), *every(record, "urls/web-urls/url")]
    people = "contributors/{}/author"
    return paper_fields(
        title=found(record, "titles/title"),
        abstract=found(record, "abstract", "research-notes"),
        authors=every(record, people.format("authors"))
        or every(record, people.format("secondary-authors")),
        year=[found(record, "dates/year"), *every(record, "dates/pub-dates/date")],
        venue=found(
            record, "periodical/full-title", "titles/secondary-title", "alt-periodical/full-title"
        ),
        keywords=every(record, "keywords/keyword"),
        doi=found(record, "electronic-resource-num"),
        url=urls[0] if urls else "",
    )


def _word(source: ET.Element) -> dict[str, Any]:
    def value(*names: str) -> str:
        return found(source, *(f"{{*}}{name}" for name in names))

    roles = ("Author", "Inventor", "Performer", "Director", "Composer", "Editor", "BookAuthor")
    people: list[str] = []
    for role in roles:
        for node in source.iterfind(f"{{*}}Author/{{*}}{role}"):
            people += [_word_person(person) for person in node.iter() if _is_person(person)]
            people += every(node, "{*}Corporate")
        if people:
            break
    return paper_fields(
        paper_id=value("Tag"),
        title=value("Title", "ShortTitle"),
        abstract=value("Abstract", "BIBTEX_Abstract"),
        authors=people,
        year=value("Year"),
        venue=value(
            "JournalName", "ConferenceName", "BookTitle", "PublicationTitle", "Institution"
        ),
        keywords=value("BIBTEX_KeyWords"),
        doi=value("DOI", "StandardNumber"),
        url=value("URL"),
    )


def _is_person(element: ET.Element) -> bool:
    return element.find("{*}Last") is not None or element.find("{*}First") is not None


def _word_person(person: ET.Element) -> str:
    names = (found(person, f"{{*}}{part}") for part in ("First", "Middle", "Last"))
    return re.sub(r"\s+", " ", " ".join(names)).strip()
