"""BibTeX and BibLaTeX: macros, `#`, crossref, entries without key, broken ones between good ones.

Entries are found by their lines, so a file streams and one unclosed brace costs one entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.encoding import text_lines
from workbench.corpus.cleaning.names import split_bibtex_names
from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.formats.attached import files_of
from workbench.corpus.formats.entry import Entry
from workbench.present.latex import latex_to_text

MAX_ENTRY = 4 * 2**20
"""Characters. A longer entry is an unclosed one."""

_START = re.compile(r"@\s*([^\W\d][\w-]*)\s*([{(])")
_LINE_START = re.compile(r"\s*@\s*[^\W\d][\w-]*\s*[{(]")
_BRACE = re.compile(r"[{}]")
_KEY = re.compile(r"\s*([^,={}\"#]*?)\s*(,|$)")
_NAME = re.compile(r"[\s,]*([^\s,={}\"#'()%]+(?: [^\s,={}\"#'()%]+)*)\s*=\s*")
_BARE = re.compile(r"[^\s,{}\"#=]+")
_MACROS = {m: m for m in "jan feb mar apr may jun jul aug sep oct nov dec".split()}  # noqa: SIM905
_NOT_PAPERS = frozenset({"comment", "preamble", "string", "control", "set", "xdata"})
_INHERITED = {"title": "booktitle", "subtitle": "booksubtitle"}
_NOT_INHERITED = frozenset(
    "crossref xref key ids label keywords abstract doi url eprint shorttitle".split()  # noqa: SIM905
)


@dataclass(slots=True)
class _Raw:
    """An entry as text, from `@` to its closing brace, or to where the next begins."""

    line: int
    kind: str
    closing: str
    text: str
    whole: bool


@dataclass(slots=True)
class _Parsed:
    line: int
    kind: str
    key: str
    fields: dict[str, str] = field(default_factory=dict)


def read_bibtex(path: Path) -> Iterator[Entry]:
    """Entries of a .bib file, in order; those that inherit by crossref come last."""
    macros = dict(_MACROS)
    parents: dict[str, dict[str, str]] = {}
    waiting: list[_Parsed] = []
    for raw in _raw_entries(path):
        kind = raw.kind.lower()
        if kind == "string":
            macros.update(_fields(raw.text, 0, macros))
        if kind in _NOT_PAPERS - {"xdata"}:
            continue
        parsed = _parse(raw, macros)
        if parsed is None:
            yield _reject(path, raw)
            continue
        if kind == "xdata" or kind in ("proceedings", "book", "collection") or kind[:2] == "mv":
            parents[parsed.key.lower()] = parsed.fields
        if "crossref" in parsed.fields or "xdata" in parsed.fields:
            waiting.append(parsed)
        elif kind != "xdata":
            yield _entry(path, parsed, parsed.fields)
    keys = {parsed.key.lower(): parsed.fields for parsed in waiting}
    for parsed in waiting:
        yield _entry(path, parsed, _inherit(parsed, {**keys, **parents}))


def _raw_entries(path: Path) -> Iterator[_Raw]:
    current: _Raw | None = None
    parts: list[str] = []
    size = depth = 0
    for number, line in text_lines(path):
        position = 0
        if current is not None and depth > 0 and _LINE_START.match(line) and _is_entry(line):
            # A new entry at the start of a line: the one before was never closed.
            current.text, current.whole = "\n".join(parts), False
            yield current
            current = None
        while True:
            if current is None:
                start = _START.search(line, position)
                if start is None or line.lstrip().startswith("%"):
                    break
                closing = "}" if start[2] == "{" else ")"
                current = _Raw(number, start[1], closing, "", True)
                parts, size, depth, position = [], 0, 1, start.end()
            end, depth = _find_end(line, position, depth, current.closing)
            if end is None:
                size += len(line)
                parts.append(line[position:])
                if size > MAX_ENTRY:
                    current.text, current.whole = "", False
                    yield current
                    current = None
                break
            parts.append(line[position:end])
            current.text = "\n".join(parts)
            yield current
            current, position = None, end + 1
    if current is not None:
        current.text, current.whole = "\n".join(parts), False
        yield current


def _is_entry(line: str) -> bool:
    """`@article{key,` begins an entry; `@gmail.com` or `@Inproceedings (in a note)` does not."""
    return bool(re.match(r"\s*@\s*[^\W\d][\w-]*\s*[{(]\s*[^\s{}\"]*\s*(,|=|$|[\w-]+\s*=)", line))


def _find_end(line: str, position: int, depth: int, closing: str) -> tuple[int | None, int]:
    """Where the entry's closing mark stands in the line, and the depth after the line."""
    for match in _BRACE.finditer(line, position):
        if match.group() == "{":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return match.start(), 0
    if closing == ")" and depth == 1 and line.rstrip().endswith(")") and position < len(line):
        return len(line.rstrip()) - 1, 0
    return None, depth


def _parse(raw: _Raw, macros: Mapping[str, str]) -> _Parsed | None:
    key = _KEY.match(raw.text)
    start = key.end() if key else 0
    parsed = _Parsed(raw.line, raw.kind.lower(), key[1] if key else "")
    parsed.fields = _fields(raw.text, start, macros)
    return parsed if parsed.fields or (raw.whole and not raw.text[start:].strip()) else None


def _fields(text: str, position: int, macros: Mapping[str, str]) -> dict[str, str]:
    """`name = value` pairs; of a name given twice the first counts, but names of people add up."""
    found: dict[str, str] = {}
    while match := _NAME.search(text, position):
        name = match[1].lower()
        value, position = _value(text, match.end(), macros)
        if name in ("author", "editor") and name in found and value:
            found[name] += f" and {value}"
        elif value and not found.get(name):
            found[name] = value
    return found


def _value(text: str, position: int, macros: Mapping[str, str]) -> tuple[str, int]:
    """A value and where it ends: `{...}`, `"..."`, a number or a macro, joined by `#`."""
    parts: list[str] = []
    while position < len(text):
        mark = text[position]
        if mark in '{"':
            end = _closing(text, position)
            parts.append(text[position + 1 : end])
            position = end + 1
        elif bare := _BARE.match(text, position):
            parts.append(macros.get(bare.group().lower(), bare.group()))
            position = bare.end()
        joined = re.compile(r"\s*#\s*").match(text, position)
        if joined is None or joined.end() == position:
            break
        position = joined.end()
    return " ".join("".join(parts).split()) if parts else "", max(position, 0)


def _closing(text: str, start: int) -> int:
    """Index of the mark that closes the one at `start`; the text's end where none does."""
    quoted, depth = text[start] == '"', 0
    for match in re.compile(r'[{}"]').finditer(text, start + 1):
        mark = match.group()
        if mark == "{":
            depth += 1
        elif mark == "}":
            if depth == 0:
                return match.start()
            depth -= 1
        elif quoted and depth == 0:
            return match.start()
    return len(text)


def _inherit(parsed: _Parsed, parents: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The fields with those of the ancestors, which `crossref` and `xdata` name."""
    fields = dict(parsed.fields)
    for source in ("crossref", "xdata"):
        for name in parsed.fields.get(source, "").split(","):
            current, seen = name.strip().lower(), {parsed.key.lower()}
            while current and current not in seen and (above := parents.get(current)):
                seen.add(current)
                for key, value in above.items():
                    if key in _NOT_INHERITED and source == "crossref":
                        continue
                    target = _INHERITED.get(key, key) if source == "crossref" else key
                    fields.setdefault(target, value)
                current = above.get("crossref", "").strip().lower()
    return fields


def _reject(path: Path, raw: _Raw) -> Entry:
    start = " ".join(raw.text.split())[:60]
    problem = f"@{raw.kind}{{{start}: no field `name = value` in it"
    if not raw.whole:
        problem = f"@{raw.kind}{{{start}: braces that never close"
    return Entry(str(path), raw.line, None, problem, "close the entry's braces", None, "BibTeX")


def _entry(path: Path, parsed: _Parsed, fields: dict[str, str]) -> Entry:
    raw = {"ENTRYTYPE": parsed.kind, "ID": parsed.key, **fields}
    files = files_of(fields["file"], path.parent) if "file" in fields else ()
    return Entry(str(path), parsed.line, bibtex_record(raw), "", "", raw, "BibTeX", files)


def bibtex_record(raw: Mapping[str, str]) -> dict[str, Any]:
    """The paper's fields in an entry's, which are LaTeX source."""

    def first(*names: str) -> str:
        return next((raw[name] for name in names if raw.get(name)), "")

    title, subtitle = first("title", "booktitle", "maintitle"), first("subtitle")
    if subtitle and raw.get("title"):
        title = f"{title}: {subtitle}" if title[-1:].isalnum() or title.endswith("}") else title
    archive = first("eprinttype", "archiveprefix", "archive").lower()
    eprint = first("eprint", "arxivid", "arxiv")
    is_arxiv = "arxiv" in archive or not archive
    note = first("note", "howpublished")
    venue = first("journal", "journaltitle", "booktitle", "school", "institution", "series")
    if venue == title:
        venue = first("journal", "series", "publisher")
    return paper_fields(
        paper_id=raw.get("ID", ""),
        title=title,
        abstract=first("abstract", "summary"),
        authors=[_name(name) for name in split_bibtex_names(first("author", "editor"))],
        year=_date(first("year", "date", "eventdate", "origdate")),
        venue=venue,
        keywords=latex_to_text(first("keywords", "keyword", "author_keywords")),
        doi=latex_to_text(first("doi")) or first("url", "ee", "note"),
        arxiv=eprint if is_arxiv else "",
        pmid=first("pmid") or (eprint if archive in ("pubmed", "pmid") else ""),
        url=latex_to_text(first("url", "ee", "link", "howpublished" if "http" in note else "url")),
        comments=note,
        latex=True,
        eid=first("eid") if first("eid").startswith("2-s2.0") else "",
    )


def _name(name: str) -> str:
    """A name in one pair of braces is no person: its commas and words stay."""
    if name.startswith("{") and name.endswith("}") and _closing(name, 0) == len(name) - 1:
        return name.replace(",", " ") if "," in name else name
    match = re.fullmatch(r"(?:(?:given|family|prefix|suffix)\s*=\s*[^,]+,?\s*)+", name)
    if match:  # biblatex's own: family=Hamm, given=Ann
        parts = dict(re.findall(r"(\w+)\s*=\s*([^,]+)", name))
        names = ("given", "prefix", "family", "suffix")
        return " ".join(parts[part].strip("{} ") for part in names if part in parts)
    return name


def _date(value: str) -> str:
    return latex_to_text(value) if "\\" in value else value.replace("{", "").replace("}", "")
