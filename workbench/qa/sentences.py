"""Text to sentences, as spans into the text itself."""

from __future__ import annotations

import itertools
import re

MAX_SENTENCE = 1_000
"""Characters. What is longer (a table, a list of references) is cut at a blank and quoted in parts:
nobody reads a quote of a page."""

_INNER_BREAK = re.compile(r"\n[^\S\n]*\n")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) in characters of each sentence, in order, without white space around.

    Spans do not overlap and leave out white space only; none crosses a blank line.
    """
    import sentencex

    ends = {0, len(text)}
    ends.update(m.end() for m in _INNER_BREAK.finditer(text))
    if text.strip():
        found = sentencex.get_sentence_boundaries("en", text)
        ends.update(min(b["end_index"], len(text)) for b in found)
    marks = sorted(ends)
    spans: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(marks):
        spans += _cut(text, start, end)
    return spans


def _cut(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """One sentence without the white space around it, in parts where it is too long."""
    spans = []
    start, end = _trim(text, start, end)
    while end - start > MAX_SENTENCE:
        blank = text.rfind(" ", start, start + MAX_SENTENCE)
        stop = blank if blank > start else start + MAX_SENTENCE
        spans.append(_trim(text, start, stop))
        start, _ = _trim(text, stop, end)
    if end > start:
        spans.append((start, end))
    return spans


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))
