"""What a file is, told by its content; its name is never asked."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.corpus.cleaning.encoding import encoding_of, head_bytes, head_text
from workbench.corpus.formats.bibtex import read_bibtex
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_files import is_json_lines, read_json
from workbench.corpus.formats.pdf import read_pdf
from workbench.corpus.formats.pubmed_xml import ARTICLES, read_pubmed_xml
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
    "BibTeX, RIS, EndNote, MEDLINE (nbib), Web of Science, PubMed XML, CSV, TSV, XLSX, Parquet, "
    "JSON (lines or arrays; OpenAlex, Crossref, Semantic Scholar, arXiv, CSL-JSON, Zotero), "
    "zotero.sqlite, PDF"
)
_AS_RIS = "export it again as RIS, BibTeX or CSV"


@dataclass(frozen=True, slots=True)
class Kind:
    """A file's format with its reader; `problem` and `cure` instead where it is none of ours."""

    name: str
    reader: Callable[[Path, Columns], Iterator[Entry]] | None = None
    encoding: str = ""
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
_FOREIGN = (
    (re.compile(r"^<\d+>\s*\n(?:Score|Author|Title|Accession)", re.M), "Ovid's report"),
    (re.compile(r"^Accession Number\n|^Title\n  \S", re.M), "Ovid's report"),
    (re.compile(r"^Record\.?.*INSPEC", re.M), "Inspec's report"),
    (re.compile(r"nep\.repec\.org|NEP: New Economics Papers"), "a RePEc newsletter"),
)
_ROOTS = (("mods", "MODS"), ("searchRetrieveResponse", "MARC XML"), ("Sources", "Word's sources"),
          ("html", "a web page"), ("citaviExchangeData", "Citavi's XML"), ("xml", "EndNote's XML"),
          ("TEI", "TEI XML"))  # fmt: skip


def sniff(path: Path) -> Kind:
    """What a file is. Raises OSError where it cannot be read."""
    if path.stat().st_size == 0:
        return Kind("empty", problem="an empty file", cure="export it again")
    head = head_bytes(path)
    return _binary(path, head) or _text(path, head)


def _plain(reader: Callable[[Path], Iterator[Entry]]) -> Callable[[Path, Columns], Iterator[Entry]]:
    return lambda path, columns: reader(path)


def _binary(path: Path, head: bytes) -> Kind | None:
    if b"%PDF-" in head[:1024]:
        return Kind("PDF", _plain(read_pdf))
    if head.startswith(b"SQLite format 3\0"):
        if is_zotero(path):
            return Kind("Zotero", _plain(read_zotero))
        return Kind("SQLite", problem="an SQLite database, but not Zotero's", cure=_AS_RIS)
    if head.startswith(b"PAR1"):
        return Kind("Parquet", read_parquet)
    return _archive(path) if head.startswith(b"PK\x03\x04") else None


def _archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return Kind("ZIP", problem="a cut-off ZIP archive", cure="fetch the file again")
    if any(name.startswith("xl/") for name in names):
        return Kind("XLSX", read_xlsx)
    office = any(name.startswith("word/") for name in names)
    what = "a Word document" if office else "a ZIP archive"
    return Kind("ZIP", problem=what, cure="unpack it, or save it as PDF, and give that")


def _text(path: Path, head: bytes) -> Kind:
    encoding = encoding_of(head)
    text = head_text(path)
    if not text.strip():
        return Kind("empty", problem="a file without text", cure="export it again")
    if text.count("\0") or sum(c < " " and c not in "\t\n\f" for c in text[:4000]) > 40:
        return Kind("binary", problem="not text, and no binary format that is known",
                    cure=f"give one of {SUPPORTED}")  # fmt: skip
    start = text.lstrip()
    if start.startswith("<") and not re.match(r"<\d+>", start):
        return _xml(start)
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
    for pattern, what in _FOREIGN:
        if pattern.search(text[:4000]):
            return Kind("text", problem=f"{what}, which has no fixed form", cure=_AS_RIS)
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


def _xml(start: str) -> Kind:
    root = re.search(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)[\s>/]", re.sub(r"<[!?][^>]*>", "", start))
    name = root[1] if root else ""
    if name in ARTICLES or name in ("PubmedArticleSet", "PubmedBookArticleSet"):
        return Kind("PubMed XML", _plain(read_pubmed_xml))
    what = next((what for tag, what in _ROOTS if name.lower().startswith(tag.lower())), "")
    problem = f"{what or f'XML with root <{name}>'}, which is not read"
    return Kind("XML", problem=problem, cure=_AS_RIS)
