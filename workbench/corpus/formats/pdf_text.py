"""The text of a PDF, line by line, with the box of each line on its page.

Hyphens at line ends are rejoined, ligatures spelled out, running heads and page numbers left out.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Box = tuple[float, float, float, float]
"""(left, bottom, right, top) in points from the page's lower left corner."""

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\ufffe": "-",
     "\xad": "", "\u200b": "", "\ufeff": "", "\xa0": " ", "\u2002": " ", "\u2003": " "}
)  # fmt: skip
_NUMBERS = re.compile(r"\d+|\b[ivxlc]+\b")
_HYPHENS = (0x02, 0xFFFE)
"""What pdfium writes for a hyphen at a line's end."""

_EDGE = 3
"""Lines at the top and bottom of a page among which running heads are looked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line: its text, the page (from 1), its box, and its letters' size in points."""

    text: str
    page: int
    box: Box
    size: float
    hyphen: bool = False  # the line ends inside a word


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of a text stand in `box` on `page`."""

    start: int
    end: int
    page: int
    box: Box


def read_pages(document: Any) -> list[list[Line]]:
    """The lines of every page of a pypdfium2 document."""
    pages = []
    for number in range(len(document)):
        page = document[number]
        text_page = page.get_textpage()
        try:
            pages.append(list(_page_lines(text_page, number + 1)))
        finally:
            text_page.close()
            page.close()
    return pages


def _page_lines(text_page: Any, page: int) -> Iterator[Line]:
    """Lines as pdfium cuts them: it writes a line end where the next character stands lower."""
    import pypdfium2.raw as pdfium

    handle = text_page.raw
    codes = [pdfium.FPDFText_GetUnicode(handle, i) for i in range(text_page.count_chars())]
    start = 0
    for index in range(len(codes) + 1):
        ended = index == len(codes) or codes[index] in (10, 13, *_HYPHENS)
        if not ended:
            continue
        hyphen = index < len(codes) and codes[index] in _HYPHENS
        text = _characters(codes[start:index])
        if text.strip():
            box = _line_box(text_page, start, index - start)
            first = next(i for i in range(start, index) if not chr(codes[i]).isspace())
            size = float(pdfium.FPDFText_GetFontSize(handle, first))
            height = _height(handle, first) or box[3] - box[1]
            # The size may be given in the units of a scaled matrix: then the box tells it.
            size = size if 0.4 * height <= size <= 4 * height else height
            yield Line(text.strip(), page, box, round(size, 1), hyphen)
        start = index + 1


def _height(handle: Any, index: int) -> float:
    import pypdfium2.raw as pdfium

    edges = [ctypes.c_double() for _ in range(4)]
    found = pdfium.FPDFText_GetCharBox(handle, index, *edges)
    return edges[3].value - edges[2].value if found else 0.0


def _line_box(text_page: Any, start: int, count: int) -> Box:
    rects = [text_page.get_rect(i) for i in range(text_page.count_rects(start, count))]
    if not rects:
        return (0.0, 0.0, 0.0, 0.0)
    left, bottom, right, top = zip(*rects, strict=True)
    return (round(min(left), 1), round(min(bottom), 1), round(max(right), 1), round(max(top), 1))


def _characters(codes: Sequence[int]) -> str:
    """Code units to text: surrogate pairs joined, ligatures spelled out, controls dropped."""
    raw = (
        "".join(map(chr, codes)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )
    text = unicodedata.normalize("NFC", raw.translate(_LIGATURES))
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cn", "Co", "Cs") else " " for c in text
    )


def without_running_heads(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """Pages without lines that stand at the top or bottom of many of them, and page numbers."""
    seen = Counter(key for lines in pages for key in {_key(line) for line in _edges(lines)})
    often = max(2, min(4, len(pages) // 3 + 1))
    heads = {key for key, count in seen.items() if count >= often and len(pages) > 1}
    return [
        [line for line in lines if line not in edge or not _is_head(line, heads)]
        for lines in pages
        for edge in [_edges(lines)]
    ]


def _edges(lines: Sequence[Line]) -> list[Line]:
    ordered = sorted(lines, key=lambda line: -line.box[3])
    return [*ordered[:_EDGE], *ordered[-_EDGE:]]


def _key(line: Line) -> str:
    return " ".join(_NUMBERS.sub("#", line.text.lower()).split())


def _is_head(line: Line, heads: Iterable[str]) -> bool:
    return _key(line) in heads or bool(re.fullmatch(r"[-–—|\s]*\d{1,4}[-–—|\s]*", line.text))


def join_lines(lines: Sequence[Line]) -> tuple[str, list[Span]]:
    """(text, where its characters stand): words rejoined, paragraphs set apart by a blank line."""
    vocabulary = Counter(
        word.lower()
        for line in lines
        for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.text)
    )
    parts: list[str] = []
    spans: list[Span] = []
    length = 0
    for index, line in enumerate(lines):
        text = " ".join(line.text.split())
        following = lines[index + 1] if index + 1 < len(lines) else None
        mark = " "
        if following is not None:
            text, mark = _joint(text, line, following, vocabulary)
        spans.append(Span(length, length + len(text), line.page, line.box))
        parts += [text, mark]
        length += len(text) + len(mark)
    return "".join(parts).rstrip(), spans


def _joint(text: str, line: Line, following: Line, vocabulary: Counter[str]) -> tuple[str, str]:
    """(the line's text, what stands between it and the next)."""
    start = re.match(r"[^\W\d_]+", following.text)
    if line.hyphen or text.endswith(("-", "\u2010")):
        stem = text if line.hyphen else text[:-1]
        last = re.search(r"[^\W\d_]+(?:-[^\W\d_]+)*$", stem)
        if last is None or start is None:
            return (f"{stem}-" if stem != text or line.hyphen else text), ""
        first, second = last.group().lower(), start.group().lower()
        kept = vocabulary[f"{first}-{second}"] > vocabulary[first + second]
        upper = start.group()[0].isupper()
        return (f"{stem}-" if kept or upper else stem), ""
    return text, "\n\n" if _ends_paragraph(text, line, following) else " "


def _ends_paragraph(text: str, line: Line, following: Line) -> bool:
    height = max(line.box[3] - line.box[1], 1.0)
    gap = line.box[1] - following.box[3]
    if abs(line.size - following.size) > 0.15 * line.size and line.page == following.page:
        return True
    if line.page != following.page or gap < -2 * height:  # the next page or column
        return text[-1:] in ".:?!" and following.text[:1].isupper()
    return gap > 0.8 * height


def boxes_of(spans: Iterable[Span], start: int, end: int) -> list[tuple[int, Box]]:
    """[(page, box)] that hold the characters start <= i < end: one a page, around its lines."""
    pages: dict[int, list[Box]] = {}
    for span in spans:
        if span.start < end and span.end > start:
            pages.setdefault(span.page, []).append(span.box)
    return [
        (page, (min(b[0] for b in boxes), min(b[1] for b in boxes),
                max(b[2] for b in boxes), max(b[3] for b in boxes)))
        for page, boxes in sorted(pages.items())
    ]  # fmt: skip
