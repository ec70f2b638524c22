"""What a file is, told by its content; its name is never asked."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.corpus.cleaning.encoding import encoding_of, head_bytes, head_text
from workbench.corpus.formats.bibtex import read_bibtex
from workbench.corpus.formats.catalogue_xml import (
    read_endnote_xml,
    read_marc_xml,
    read_mods,
    read_word_sources,
)
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_files import is_json_lines, read_json
from workbench.corpus.formats.pdf import read_pdf
from workbench.corpus.formats.pubmed_xml import read_pubmed_xml
from workbench.corpus.formats.reports import read_inspec, read_nep, read_ovid, read_redif
from workbench.corpus.formats.tables import (
    first_row_known,
    read_csv,
    read_parquet,
    read_xlsx,
    separator_of,
)
from workbench.corpus.formats.tagged import read_endnote, read_medline, read_ris, read_wos
from workbench.corpus.formats.zotero import is_zotero, read_zotero

SUPPORTED = (
    "BibTeX, RIS, EndNote, MEDLINE (nbib), Web of Science, PubMed XML, MODS, MARC XML, Ovid, "
    "Inspec, RePEc, Word's sources, CSV, TSV, XLSX, Parquet, JSON (lines or arrays; OpenAlex, "
    "Crossref, Semantic Scholar, arXiv, CSL-JSON, Zotero), zotero.sqlite, PDF"
)
_AS_RIS = "export it again as RIS, BibTeX or CSV"

ZIP = "ZIP archive"
"""Whose files are read one by one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A file's format with its reader; `problem` and `cure` instead where it is none of ours.
    `guessed`: nothing in the file tells its encoding."""

    name: str
    reader: Callable[[Path, Columns], Iterator[Entry]] | None = None
    encoding: str = ""
    guessed: bool = False
    problem: str = ""
    cure: str = ""


_TEXTS: tuple[tuple[str, re.Pattern[str], Callable[[Path], Iterator[Entry]]], ...] = (
    ("RIS", re.compile(r"^\s{0,3}TY {1,3}- +\S", re.M), read_ris),
    ("MEDLINE", re.compile(r"^(?:PMID ?- ?\d|PMC - |OWN - |STAT- )", re.M), read_medline),
    ("EndNote", re.compile(r"^%[0AET] +\S", re.M), read_endnote),
    ("Web of Science", re.compile(r"^(?:FN .+\nVR |PT [A-Z]\n[A-Z][A-Z0-9] )", re.M), read_wos),
    (
        "BibTeX",
        re.compile(r"^[^\n]{0,80}?@\s*[A-Za-z]+\s*[{(]\s*[^\s{}\"]*\s*[,=\n}]", re.M),
        read_bibtex,
    ),
)
_REPORTS: tuple[tuple[str, re.Pattern[str], Callable[[Path], Iterator[Entry]]], ...] = (
    ("Ovid", re.compile(r"^<\d+>\s*\n(?:Score|Author|Title|Accession)", re.M), read_ovid),
    ("Ovid", re.compile(r"^Accession Number\n|^Title\n  \S", re.M), read_ovid),
    ("Inspec", re.compile(r"^Record\.?.*INSPEC", re.M), read_inspec),
    ("ReDIF", re.compile(r"^Template-Type:\s*ReDIF-", re.M | re.I), read_redif),
    ("RePEc NEP", re.compile(r"nep\.repec\.org|NEP: New Economics Papers"), read_nep),
)
_XML: tuple[tuple[str, re.Pattern[str], Callable[[Path], Iterator[Entry]]], ...] = (
    ("PubMed XML", re.compile(r"<Pubmed(?:Book)?Article(?:Set)?[\s>]"), read_pubmed_xml),
    ("MODS", re.compile(r"<(?:\w+:)?mods(?:Collection)?[\s>]"), read_mods),
    ("MARC XML", re.compile(r"<(?:\w+:)?datafield\s"), read_marc_xml),
    ("Word sources", re.compile(r"<(?:\w+:)?Sources\s[^>]*officeDocument"), read_word_sources),
    ("EndNote XML", re.compile(r"<xml>\s*<records>|<records>\s*<record>"), read_endnote_xml),
)
"""Name, sign in the first 64 KiB, and reader."""

_ROOTS = (("html", "a web page", "save the page's export of records (RIS, BibTeX), and give that"),
          ("citaviExchangeData", "Citavi's XML, which is all of a project", _AS_RIS),
          ("TEI", "TEI XML, which is a text and no list of papers", "give the PDF instead"),
          ("rdf", "RDF", _AS_RIS), ("collection", "XML of no known kind", _AS_RIS))  # fmt: skip


def sniff(path: Path) -> Kind:
    """What a file is. Raises OSError where it cannot be read."""
    if path.stat().st_size == 0:
        return Kind("empty", problem="an empty file", cure="export it again")
    head = head_bytes(path)
    return _binary(path, head) or _text(path)


def _plain(reader: Callable[[Path], Iterator[Entry]]) -> Callable[[Path, Columns], Iterator[Entry]]:
    return lambda path, columns: reader(path)


def _binary(path: Path, head: bytes) -> Kind | None:
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if b"%PDF-" in head[:1024]:
        return Kind("PDF", _plain(read_pdf))
    if head.startswith(b"SQLite format 3\0"):
        if is_zotero(path):
            return Kind("Zotero", _plain(read_zotero))
        return Kind("SQLite", problem="an SQLite database, but not Zotero's", cure=_AS_RIS)
    return Kind("Parquet", read_parquet) if head.startswith(b"PAR1") else None


def _archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return Kind("ZIP", problem="a cut-off ZIP archive", cure="fetch the file again")
    if any(name.startswith("xl/") for name in names):
        return Kind("XLSX", read_xlsx)
    for start, what in (("word/", "a Word document"), ("ppt/", "a PowerPoint file")):
        if any(name.startswith(start) for name in names):
            return Kind("ZIP", problem=what, cure="save it as PDF, and give that")
    return Kind(ZIP, problem="a ZIP archive in another one", cure="unpack it, and give the folder")


def _text(path: Path) -> Kind:
    encoding, guessed = encoding_of(path)
    text = head_text(path)
    if not text.strip():
        return Kind("empty", problem="a file without text", cure="export it again")
    if text.count("\0") or sum(c < " " and c not in "\t\n\f" for c in text[:4000]) > 40:
        return Kind("binary", problem="not text, and no binary format that is known",
                    cure=f"give one of {SUPPORTED}")  # fmt: skip
    kind = _kind(text, encoding)
    return replace(kind, guessed=guessed) if guessed else kind


def _kind(text: str, encoding: str) -> Kind:
    start = text.lstrip()
    if start.startswith("<") and not re.match(r"<\d+>", start):
        return _xml(start, encoding)
    if is_json_lines(text):
        return Kind("JSON", read_json, encoding)
    if start[0] in "{[" and re.match(r'\{\s*["}]|\[\s*[{\]]', start):
        return Kind("JSON", read_json, encoding)
    return _tagged(text, encoding) or _table(text, encoding)


def _tagged(text: str, encoding: str) -> Kind | None:
    """The format whose first sign comes first; a table may quote an entry, after its header."""
    hits = [
        (match.start(), name, reader)
        for name, pattern, reader in _TEXTS
        if (match := pattern.search(text))
    ]
    if not hits:
        return None
    position, name, reader = min(hits, key=lambda hit: hit[0])
    quoted = name == "BibTeX" and position > text.find("\n") and separator_of(text)[1] > 1
    return None if quoted else Kind(name, _plain(reader), encoding)


def _table(text: str, encoding: str) -> Kind:
    for name, pattern, reader in _REPORTS:
        if pattern.search(text[:4000]):
            return Kind(name, _plain(reader), encoding)
    if re.match(r"\d{5}[acdnp][a-z]{2}[ a]", text) and "\x1e" in text:
        return Kind("MARC", problem="MARC in its binary form", cure="export it as MARC XML")
    if re.match(r"\ufeff?\s*(?:@(?:comment|preamble|string)\b|%)", text, re.I):
        return Kind("BibTeX", _plain(read_bibtex), encoding)
    separator, known = separator_of(text)
    named = known > 1 or (known == 1 and first_row_known(text, separator))
    if named or _is_table(text, separator):
        return Kind("CSV", read_csv, encoding)
    return Kind("text", problem="text in no format that is known", cure=f"give one of {SUPPORTED}")


def _is_table(text: str, separator: str) -> bool:
    """Whether the first lines have the same number of separators, and more than one."""
    lines = [line for line in text.split("\n")[:6] if line.strip()]
    counts = {line.count(separator) for line in lines}
    return len(lines) > 1 and len(counts) == 1 and counts.pop() > 0


def _xml(start: str, encoding: str) -> Kind:
    for name, sign, reader in _XML:
        if sign.search(start):
            return Kind(name, _plain(reader), encoding)
    root = re.search(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)[\s>/]", re.sub(r"<[!?][^>]*>", "", start))
    name = root[1] if root else ""
    for tag, what, cure in _ROOTS:
        if name.lower() == tag.lower():
            return Kind("XML", problem=f"{what}, which is not read", cure=cure)
    return Kind("XML", problem=f"XML with root <{name}>, which is not read", cure=_AS_RIS)
