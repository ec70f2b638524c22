"""Formats of tagged lines: RIS, MEDLINE (nbib), Web of Science, EndNote, each in its dialects.

One scanner a dialect cuts a file into records of (tag -> values); `tagged_fields` reads those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workbench.corpus.cleaning.encoding import text_lines
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.tagged_fields import (
    endnote_record,
    medline_record,
    ris_record,
    wos_record,
)

Tags = dict[str, list[str]]

_RIS = re.compile(r"\s{0,3}([A-Z][A-Z0-9]) {0,3}-(?: +(.*)|)$")
_MEDLINE = re.compile(r"([A-Z]{2,5}) {0,4}-(?: ?(.*))$")
_WOS = re.compile(r"([A-Z][A-Z0-9])(?: (.*)|)$")
_ENDNOTE = re.compile(r"%(\S)(?:\s(.*)|)$")


@dataclass(slots=True)
class Record:
    """Tags of a record as they come."""

    line: int = 0
    tags: Tags = field(default_factory=dict)
    last: str = ""

    def add(self, number: int, tag: str, value: str) -> None:
        """A further tag, or a further value of one."""
        self.line = self.line or number
        self.tags.setdefault(tag, []).append(value.strip())
        self.last = tag

    def extend(self, text: str) -> None:
        """A further line of the value before."""
        if self.last and text.strip():
            values = self.tags[self.last]
            values[-1] = f"{values[-1]}\n{text.strip()}".strip()


def read_ris(path: Path) -> Iterator[Entry]:
    """RIS from TY to ER, also without either; what stands between records is not one."""
    yield from read_tagged(path, "RIS", _scan_ris, ris_record)


def read_medline(path: Path) -> Iterator[Entry]:
    """MEDLINE or nbib: records set apart by blank lines, or by their PMID."""
    yield from read_tagged(path, "MEDLINE", _scan_medline, medline_record)


def read_wos(path: Path) -> Iterator[Entry]:
    """Web of Science's plain text: PT to ER, continuations after three blanks."""
    yield from read_tagged(path, "Web of Science", _scan_wos, wos_record)


def read_endnote(path: Path) -> Iterator[Entry]:
    """EndNote's own (.enw): `%0` to a blank line or the next `%0`."""
    yield from read_tagged(path, "EndNote", _scan_endnote, endnote_record)


def read_tagged(
    path: Path,
    name: str,
    scan: Callable[[Iterator[tuple[int, str]]], Iterator[Record]],
    record_of: Callable[[Tags], dict[str, object]],
) -> Iterator[Entry]:
    """An entry of every record that `scan` cuts the lines into."""
    for record in scan(text_lines(path)):
        raw = {
            tag: values[0] if len(values) == 1 else values for tag, values in record.tags.items()
        }
        fields = record_of(record.tags)
        yield Entry(str(path), record.line, fields, "", "", raw, name)


def _scan_ris(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = _RIS.match(line)
        if match is None or (match[1] == "ER" and (match[2] or "").strip()):
            record.extend(line)
            continue
        tag, value = match[1], match[2] or ""
        if tag in ("ER", "TY") and record.tags:
            yield record
            record = Record()
        if tag != "ER":
            record.add(number, tag, value)
    if record.tags:
        yield record


def _scan_medline(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = _MEDLINE.match(line)
        if not line.strip():
            if record.tags:
                yield record
            record = Record()
        elif match is None:
            record.extend(line)
        else:
            if match[1] == "PMID" and "PMID" in record.tags:
                yield record
                record = Record()
            record.add(number, match[1], match[2] or "")
    if record.tags:
        yield record


def _scan_wos(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = None if line.startswith("   ") else _WOS.match(line)
        if match is None:
            record.extend(line)
            continue
        tag, value = match[1], match[2] or ""
        if tag in ("ER", "EF", "PT") and record.tags:
            yield record
            record = Record()
        if tag not in ("ER", "EF", "FN", "VR"):
            record.add(number, tag, value)
    if record.tags:
        yield record


def _scan_endnote(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    record = Record()
    for number, line in lines:
        match = _ENDNOTE.match(line.lstrip("\ufeff"))
        if match is None:
            if line.strip():
                record.extend(line)
            elif record.tags:
                yield record
                record = Record()
            continue
        if match[1] == "0" and record.tags and set(record.tags) != {"0"}:
            yield record
            record = Record()
        record.add(number, match[1], match[2] or "")
    if record.tags:
        yield record
