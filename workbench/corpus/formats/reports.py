"""What databases write for people to read: Ovid's and Inspec's reports, RePEc's newsletters; and
RePEc's own ReDIF."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.tagged import Record, read_tagged

Tags = Mapping[str, list[str]]
Lines = Iterator[tuple[int, str]]

_NUMBER = re.compile(r"<\d+>\s*$")
_DEGREES = re.compile(
    r"[\s,;]+(?:MD|PhD|Ph\.?D|RN|FAAN|MSc|BSc|MPH|MBA|MS|MA|BA|BS|DO|DDS|DVM|PharmD|FRCS|FRCP)\.?"
    r"(?=[\s,;]|$)"
)
_MARKS = re.compile(r"(?:\s+(?:\d+|[*+#])(?:,\s*\d+)*|\s*\[Eds?\])+$", re.IGNORECASE)
_KIND = re.compile(r"\.?\s*\[[^\[\]]*\]\.?$")
_BEFORE = re.compile(r"^[^.]{0,80}\(\d{4}\)\.\s*")
_INSPEC = re.compile(r"([A-Z]{2}) ?~ ?(.*)$")
_NEP_TITLE = re.compile(r"\d+\.\s+(\S.*)$")
_NEP_FIELD = re.compile(r"(Date|By|URL|Keywords|JEL):\s*(.*)$")
_REDIF = re.compile(r"([A-Za-z][\w-]*):\s*(.*)$")


def read_ovid(path: Path) -> Iterator[Entry]:
    """Ovid's report: names of fields at the margin, their values indented."""
    return read_tagged(path, "Ovid", _scan_ovid, _ovid_record)


def read_inspec(path: Path) -> Iterator[Entry]:
    """Inspec's report: `TI ~ Title`."""
    return read_tagged(path, "Inspec", _scan_inspec, _inspec_record)


def read_nep(path: Path) -> Iterator[Entry]:
    """RePEc's newsletter "New Economics Papers": numbered titles, then dates, authors, abstract."""
    return read_tagged(path, "RePEc NEP", _scan_nep, _nep_record)


def read_redif(path: Path) -> Iterator[Entry]:
    """RePEc's ReDIF templates: https://ideas.repec.org/t/."""
    return read_tagged(path, "ReDIF", _scan_redif, _redif_record)


def _scan_ovid(lines: Lines) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        if line[:1].isspace():
            record.extend(line)
            continue
        name = line.strip()
        # Without numbers between records, a field that comes again begins the next one.
        if record.tags and (_NUMBER.match(name) or (name in record.tags and name)):
            yield record
            record = Record()
        if name and not _NUMBER.match(name):
            record.add(number, name, "")
    if record.tags:
        yield record


def _ovid_record(tags: Tags) -> dict[str, Any]:
    source = " ".join(_value(tags, "Source").split())
    # Degrees of one person are set apart by "; ", persons by ";  ".
    people = re.split(r";\s{2,}|\n", _value(tags, "Author"))
    title = _KIND.sub("", _value(tags, "Title", "Chapter Title"))
    return paper_fields(
        title=title or _BEFORE.sub("", source).partition(".")[0],
        abstract=_value(tags, "Abstract").removeprefix(": "),
        authors=[_DEGREES.sub("", _MARKS.sub("", person.strip())) for person in people],
        year=[
            _value(tags, "Year of Publication", "Publication Year"),
            source,
            _value(tags, "Status"),
        ],
        venue=_BEFORE.sub("", source).partition(".")[0] if title else "",
        keywords=_value(tags, "Author Keywords", "Keyword Heading").rstrip("."),
        doi=_value(tags, "DOI Number", "DOI", "Digital Object Identifier"),
        pmid=_value(tags, "PMID"),
        ovid=_value(tags, "Accession Number").rstrip("."),
    )


def _scan_inspec(lines: Lines) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = _INSPEC.match(line)
        if match is not None:
            record.add(number, match[1], match[2])
        elif line.startswith("Record") and "INSPEC" in line:
            if record.tags:
                yield record
            record = Record()
        else:
            record.extend(line)
    if record.tags:
        yield record


def _inspec_record(tags: Tags) -> dict[str, Any]:
    return paper_fields(
        title=_value(tags, "TI"),
        abstract=_value(tags, "AB"),
        authors=[name for value in tags.get("AU", ()) for name in re.split(r";|\n", value)],
        year=[_value(tags, "PY"), _value(tags, "SO")],
        venue=_value(tags, "JN", "CT"),
        keywords=_value(tags, "DE", "KW"),
        doi=_value(tags, "DO"),
    )


def _scan_nep(lines: Lines) -> Iterator[Record]:
    record, begins = Record(), False
    for number, line in lines:
        title, named = _NEP_TITLE.match(line), _NEP_FIELD.match(line)
        if title is not None:
            if "Date" in record.tags:  # else it was the table of contents
                yield record
            record = Record()
            record.add(number, "title", title[1])
        elif named is not None and "title" in record.tags:
            record.add(number, named[1], named[2])
        elif not line.strip() or line.startswith("----"):
            begins = True
            continue
        elif begins or record.last == "URL":
            # The older form has the authors indented under the title, one a line.
            people = line[:1].isspace() and record.last == "title"
            record.add(number, "By" if people else "text", line)
        else:
            record.extend(line)
        begins = False
    if "Date" in record.tags:
        yield record


def _nep_record(tags: Tags) -> dict[str, Any]:
    people = [line for value in tags.get("By", ()) for line in value.split("\n")]
    return paper_fields(
        title=_value(tags, "title"),
        abstract="\n\n".join(tags.get("text", ())),
        authors=[name for line in people for name in line.split(";")],
        year=_value(tags, "Date"),
        keywords=_value(tags, "Keywords"),
        url=_value(tags, "URL"),
    )


def _scan_redif(lines: Lines) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = None if line[:1].isspace() else _REDIF.match(line)
        if match is None:
            record.extend(line)
            continue
        if match[1].lower() == "template-type" and record.tags:
            yield record
            record = Record()
        record.add(number, match[1].lower(), match[2])
    if record.tags:
        yield record


def _redif_record(tags: Tags) -> dict[str, Any]:
    return paper_fields(
        paper_id=_value(tags, "handle"),
        title=_value(tags, "title"),
        abstract=_value(tags, "abstract"),
        authors=tags.get("author-name", ()),
        year=[
            _value(tags, "year"),
            _value(tags, "publication-date"),
            _value(tags, "creation-date"),
        ],
        venue=_value(tags, "journal", "series", "publication-status"),
        keywords=_value(tags, "keywords"),
        doi=_value(tags, "doi"),
        url=_value(tags, "file-url"),
    )


def _value(tags: Tags, *names: str) -> str:
    return next((value for name in names for value in tags.get(name, ()) if value), "")
