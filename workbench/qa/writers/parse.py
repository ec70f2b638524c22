"""What a language model wrote to sentences with quote ids, whatever form it chose.

Expected is {"sentences": [{"text": ..., "quotes": ["q1"]}]}. Understood as well: that inside prose,
code fences or after thinking; cut off in the middle; a list; other names of the fields; prose with
marks like [q1] or [1].
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from workbench.qa.sentences import sentence_spans

MOST = 24
"""Sentences of a section that are looked at; a model that repeats itself would not end."""

MOST_FAILURES = 100
"""Brackets that begin nothing, after which no further one is tried: each costs the whole text."""

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_LATE_THINKING = re.compile(r"\A.*?</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_MARK = re.compile(r"\s*[\[(]\s*((?:[qQ]?\d+\s*[,;]?\s*)+)[\])]")
_ID = re.compile(r"[qQ]?(\d+)")
_TEXT = ("text", "sentence", "content", "claim")
_QUOTES = ("quotes", "quote_ids", "citations", "ids", "sources", "quote", "cites", "references")

Written = tuple[str, tuple[str, ...]]


def parse_sentences(answer: str) -> list[Written]:
    """(text, ids of quotes) in order, each text once; empty where there is nothing to read."""
    plain = _LATE_THINKING.sub("", _THINKING.sub("", answer)).strip()
    found = list(_from_json(plain)) or list(_from_prose(plain))
    once: dict[str, Written] = {}
    for text, ids in found:
        clean = " ".join(text.split())
        if clean and any(map(str.isalpha, clean)):
            once.setdefault(clean.casefold(), (clean, ids))
    return list(once.values())[:MOST]


def _from_json(text: str) -> Iterator[Written]:
    """Every object with a text and ids, outermost first; those of a cut-off list too."""
    decoder = json.JSONDecoder(strict=False)
    at = failures = 0
    while (start := _next_bracket(text, at)) >= 0 and failures < MOST_FAILURES:
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            failures += 1
            continue
        yield from _sentences(value)


def _next_bracket(text: str, at: int) -> int:
    places = [place for c in "{[" if (place := text.find(c, at)) >= 0]
    return min(places, default=-1)


def _sentences(value: Any, depth: int = 0) -> Iterator[Written]:
    if depth > 8:
        return
    if isinstance(value, list):
        for item in value:
            yield from _sentences(item, depth + 1)
    elif isinstance(value, dict):
        text = next((value[n] for n in _TEXT if isinstance(value.get(n), str)), None)
        if text is None:
            for item in value.values():
                yield from _sentences(item, depth + 1)
        else:
            ids: Any = next((value[name] for name in _QUOTES if name in value), [])
            bare, marked = _marks(text)
            yield bare, (*_ids(ids), *(m for m in marked if m not in _ids(ids)))


def _ids(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else [value]
    found = [
        f"q{n}" for part in parts if isinstance(part, str | int) for n in _ID.findall(str(part))
    ]
    return tuple(dict.fromkeys(found))


def _from_prose(text: str) -> Iterator[Written]:
    """Sentences of prose; marks after the full stop belong to the sentence before."""
    pending: Written | None = None
    for start, end in sentence_spans(re.sub(r"```\w*", " ", text)):
        bare, ids = _marks(re.sub(r"```\w*", " ", text)[start:end])
        if pending and ids and not any(map(str.isalpha, bare)):
            pending = (pending[0], (*pending[1], *ids))
            continue
        if pending:
            yield pending
        pending = (bare, ids)
    if pending:
        yield pending


def _marks(text: str) -> Written:
    """The text without its marks, and the ids that they name."""
    ids = [f"q{n}" for mark in _MARK.findall(text) for n in _ID.findall(mark)]
    return _MARK.sub("", text).strip(), tuple(dict.fromkeys(ids))
