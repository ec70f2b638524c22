"""A PDF file to one paper: title, abstract and full text, with the place of every line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.identifiers import arxiv_of, doi_of
from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.cleaning.years import year_of
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.pdf_text import (
    Line,
    Span,
    join_lines,
    read_pages,
    without_running_heads,
)
from workbench.errors import MissingDependency

_ABSTRACT = re.compile(r"\W*(abstract|summary)\b\W*", re.IGNORECASE)
_AFTER = re.compile(
    r"\W*(?:[1I]\.?\s+introduction\b|introduction\s*$|key\s?words|index terms|ccs concepts|"
    r"categories and|general terms|1\.?\s+[A-Z]|background\s*$|acm reference|corresponding author)",
    re.IGNORECASE,
)
_BAD_TITLE = re.compile(
    r"microsoft word|untitled|\.(?:docx?|tex|dvi|pdf|indd|qxd|ps)$|^(?:title|paper|manuscript)$|"
    r"^[\w.-]*\d[\w.-]*$|^lncs|template",
    re.IGNORECASE,
)
_STAMP = re.compile(r"arXiv:\s*(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})")


def read_pdf(path: Path) -> Iterator[Entry]:
    """One entry: a paper, or why there is no text. Its raw record holds `lines`, one
    [start, end, page, left, bottom, right, top] a printed line; offsets count in `Paper.text`."""
    try:
        import pypdfium2
    except ImportError:
        raise MissingDependency(
            f"{path}: reading PDF needs pypdfium2; pip install pypdfium2"
        ) from None
    try:
        document = pypdfium2.PdfDocument(path)
    except (pypdfium2.PdfiumError, OSError) as error:
        yield _reject(path, *_why_closed(str(error)))
        return
    try:
        pages = read_pages(document)
        metadata = document.get_metadata_dict(skip_empty=True)
    except pypdfium2.PdfiumError as error:
        yield _reject(path, f"a page cannot be read ({error})", "print it to a new PDF")
        return
    finally:
        document.close()
    yield _entry(path, pages, metadata)


def _why_closed(message: str) -> tuple[str, str]:
    if "password" in message.lower():
        return "protected by a password", "save a copy without password, and index that"
    return f"not a readable PDF ({message})", "download the file again"


def _entry(path: Path, pages: list[list[Line]], metadata: Mapping[str, str]) -> Entry:
    letters = sum(c.isalpha() for lines in pages for line in lines for c in line.text)
    if letters < 3 * len(pages):
        count = f"{len(pages)} page{'s' * (len(pages) != 1)}"
        return _reject(path, f"no text in {count}: a scan, or empty", "run OCR on it (ocrmypdf)")
    front = pages[0]
    title = _title(front, metadata.get("Title", ""))
    lines = [line for page in without_running_heads(pages) for line in page]
    abstract, body, spans = _cut(lines)
    opening = "\n".join(line.text for line in front)
    stamp = _STAMP.search(opening)
    record = paper_fields(
        title=title or path.stem.replace("_", " "),
        authors=_authors(metadata.get("Author", "")),
        year=_year(opening, stamp, metadata),
        doi=doi_of(metadata.get("doi", "")) or doi_of(opening),
        arxiv=stamp[1] if stamp else arxiv_of(metadata.get("arXivID", "")),
        url=path.absolute().as_uri(),
    )
    # Already clean; cleaning it again would move the offsets.
    record.update({"abstract": abstract, "body": body})
    raw = {
        "metadata": dict(metadata),
        "pages": len(pages),
        "lines": [[span.start, span.end, span.page, *span.box] for span in spans],
    }
    return Entry(str(path), 1, record, "", "", raw, "PDF")


def _reject(path: Path, problem: str, cure: str) -> Entry:
    return Entry(str(path), 1, None, problem, cure, None, "PDF")


def _cut(lines: Sequence[Line]) -> tuple[str, str, list[Span]]:
    """(abstract, body, spans in `abstract + blank line + body`). Without a heading "Abstract" all
    is body; with one, what stands before it (title, authors, addresses) is left out."""
    start = next((i for i, line in enumerate(lines[:80]) if _ABSTRACT.match(line.text)), None)
    stop = None
    if start is not None:
        near = range(start + 1, min(start + 60, len(lines)))
        stop = next((i for i in near if _AFTER.match(lines[i].text)), None)
    if start is None or stop is None:
        body, spans = join_lines(lines)
        return "", body, spans
    head = lines[start]
    rest = head.text[_ABSTRACT.match(head.text).end() :]  # type: ignore[union-attr]
    first = [Line(rest, head.page, head.box, head.size, head.hyphen)] if rest.strip() else []
    abstract, above = join_lines([*first, *lines[start + 1 : stop]])
    body, below = join_lines(lines[stop:])
    shift = len(abstract) + 2 if abstract else 0
    moved = [Span(s.start + shift, s.end + shift, s.page, s.box) for s in below]
    return abstract, body, [*above, *moved]


def _title(front: Sequence[Line], metadata: str) -> str:
    """The metadata's title where it looks like one, else the largest letters of the first page."""
    known = " ".join(metadata.split())
    if len(known.split()) >= 3 and not _BAD_TITLE.search(known):
        return known
    upper = [line for line in front[:40] if sum(c.isalpha() for c in line.text) > 3]
    upper = [line for line in upper if not _STAMP.search(line.text)]
    if not upper:
        return known
    largest = max(line.size for line in upper)
    body = sorted(line.size for line in front)[len(front) // 2]
    if largest <= 1.05 * body:
        return known or upper[0].text
    start = next(i for i, line in enumerate(upper) if line.size >= 0.95 * largest)
    words: list[str] = []
    for line in upper[start : start + 5]:
        if line.size < 0.95 * largest:
            break
        words.append(line.text + ("" if line.hyphen else " "))
    return "".join(words).strip()


def _authors(metadata: str) -> str:
    plausible = len(metadata.split()) > 1 and len(metadata) < 2000 and "@" not in metadata
    return metadata if plausible else ""


def _year(opening: str, stamp: re.Match[str] | None, metadata: Mapping[str, str]) -> int | None:
    if stamp and stamp[1][:4].isdigit():
        return 2000 + int(stamp[1][:2])
    printed = re.search(r"(?:©|\(c\)|copyright|published|accepted|vol)[^\n]{0,60}", opening, re.I)
    written = re.sub(r"\D", "", metadata.get("CreationDate", ""))[:4]
    return (year_of(printed.group()) if printed else None) or year_of(written)


def line_spans(raw: Mapping[str, Any]) -> list[Span]:
    """The spans in a PDF's raw record."""
    return [Span(s, e, page, (a, b, c, d)) for s, e, page, a, b, c, d in raw.get("lines", ())]
