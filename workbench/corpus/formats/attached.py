"""PDFs that a record names: a reference manager's record with the text of its paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from workbench.corpus.faults import is_file
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.pdf import line_spans, read_pdf
from workbench.errors import CorpusError

_PART = re.compile(r"(?<!\\):")
_SEVERAL = re.compile(r"(?<!\\);|,\s*(?=:)")
_ESCAPE = re.compile(r"\{\\([_&%#$])\}|\\([\\:;,_{}&%#$ ])")


def with_text(entry: Entry) -> Entry:
    """The entry with the text of the first of its `files` that is there and has one; else with a
    `note` that says why there is none. Offsets in raw["lines"] count from the body's start."""
    if not entry.files or entry.record is None:
        return entry
    problems = []
    for name in entry.files:
        try:
            found = next(read_pdf(Path(name)), None) if is_file(Path(name)) else None
        except (CorpusError, OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
            continue
        if found is None:
            problems.append(f"{name}: not there")
        elif found.record is None:
            problems.append(f"{name}: {found.problem}")
        else:
            return _joined(entry, found)
    named = entry.record.get("id") or entry.record.get("title", "")
    note = f"{named}: its PDF cannot be read ({'; '.join(problems)})"
    return replace(entry, note=f"{entry.note}; {note}" if entry.note else note)


def _joined(entry: Entry, pdf: Entry) -> Entry:
    """The record's own fields, and of the PDF what it lacks. With an abstract of its own, the
    PDF's is left out, and with it the places of its lines."""
    record, text, raw = dict(entry.record or {}), dict(pdf.record or {}), dict(pdf.raw or {})
    lines = line_spans(raw)
    if record.get("abstract") and text.get("abstract"):
        shift = len(text["abstract"]) + 2
        lines = [
            replace(line, start=line.start - shift, end=line.end - shift)
            for line in lines
            if line.start >= shift
        ]
    record["body"] = text.get("body", "")
    for name in ("abstract", "doi", "arxiv_id"):
        if text.get(name):
            record.setdefault(name, text[name])
    more = {
        "pdf": pdf.file,
        "pages": raw.get("pages"),
        "lines": [[line.start, line.end, line.page, *line.box] for line in lines],
    }
    return replace(entry, record=record, raw={**(entry.raw or {}), **more})


def files_of(value: str, folder: Path) -> tuple[str, ...]:
    r"""The PDFs in a BibTeX field `file`, relative ones from the folder of the .bib file.

    `a.pdf`, `Full Text:files/12/a.pdf:application/pdf`, `:home/me/a.pdf:pdf`, several between ";";
    with `\:` for a colon.
    """
    found = []
    for one in _SEVERAL.split(value):
        parts = [_ESCAPE.sub(_unescaped, part).strip() for part in _PART.split(one)]
        if len(parts) > 2:
            kind, name = parts[-1], ":".join(parts[1:-1])
        else:
            kind, name = "", ":".join(parts)
        if "pdf" in kind.lower() or name.lower().endswith(".pdf"):
            found.append(name)
    return tuple(_paths(found, folder))


def _unescaped(match: re.Match[str]) -> str:
    return str(match[1] or match[2])


def _paths(names: Iterable[str], folder: Path) -> Iterator[str]:
    for name in names:
        if name.startswith("file:"):
            yield url2pathname(unquote(urlsplit(name).path))
            continue
        near, rooted = folder / name, Path("/") / name  # Mendeley leaves the first "/" out
        yield str(rooted if is_file(rooted) and not is_file(near) else near)
