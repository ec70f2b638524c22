"""JSON: one object a line, an array, or the answer of a service with its works inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from workbench.corpus.cleaning.encoding import (
    HEAD,
    MAX_LINE,
    TOO_LONG,
    head_text,
    open_text,
    text_lines,
)
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import json_entry

_WRAPPERS = ("items", "results", "data", "docs", "papers", "records", "hits", "works")
"""Names under which services and tools put their list."""

_ON_THE_WAY = frozenset({*_WRAPPERS, "message"})
_BEGINS = re.compile(rf'"(?:{"|".join(sorted(_ON_THE_WAY))})"\s*:\s*[\[{{]')


def is_json_lines(head: str) -> bool:
    """Whether a text that begins so has one object a line: one of the first lines is a whole one.

    A document with indents has no such line; a document in one line is read as a line.
    """
    lines = [line for line in head.lstrip().split("\n")[:20] if line.startswith("{")]
    if lines and lines[0] == head.lstrip() and len(head) >= HEAD // 4:
        return True  # the first line is longer than what was read of it
    return any(_is_object(line) for line in lines)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read_json(path: Path, columns: Columns | None = None) -> Iterator[Entry]:
    """Records of a JSON file of any known shape; `columns` names fields of an unknown one."""
    head = head_text(path)
    if is_json_lines(head):
        yield from _read_lines(path, columns or Columns())
    elif head.lstrip().startswith("["):
        yield from _read_array(path, columns or Columns())
    else:
        yield from _read_document(path, columns or Columns())


def _read_lines(path: Path, columns: Columns) -> Iterator[Entry]:
    file = str(path)
    for number, line in text_lines(path):
        if line == TOO_LONG and number == 1 and _BEGINS.search(head_text(path)):
            yield from _stream_document(path, columns)  # a service's answer in one line
            return
        if line == TOO_LONG:
            yield Entry(file, number, None, f"line over {MAX_LINE // 2**20} MiB", "shorten it")
            continue
        if not line or line.isspace():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Entry(file, number, None, f"not JSON: {error}", "one JSON object a line")
            continue
        for place, record in enumerate(_unwrap(value), number):  # a service's answer in one line
            yield from _entries(file, place, record, columns)


def _read_array(path: Path, columns: Columns) -> Iterator[Entry]:
    """The array's elements, one at a time: memory is bounded by the largest element."""
    file, decoder = str(path), json.JSONDecoder()
    with open_text(path) as stream:
        buffer, number, ended = stream.read(HEAD).lstrip()[1:], 0, False
        while True:
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(buffer)
                if end == len(buffer) and not ended:
                    raise ValueError  # a number might go on
            except (ValueError, RecursionError) as error:
                more = stream.read(max(HEAD, len(buffer)))
                ended = not more
                buffer += more
                if ended or len(buffer) > 8 * MAX_LINE:
                    place = f"not JSON after {number} records: {error or 'the array never ends'}"
                    yield Entry(file, number + 1, None, place, "export or fetch the file again")
                    return
                continue
            number += 1
            yield from _entries(file, number, value, columns)
            buffer = buffer[end:]


def _read_document(path: Path, columns: Columns) -> Iterator[Entry]:
    with open_text(path) as stream:
        text = stream.read(MAX_LINE + 1)
    if len(text) > MAX_LINE:
        yield from _stream_document(path, columns)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield Entry(str(path), 1, None, f"not JSON: {error}", "export or fetch the file again")
        return
    for number, value in enumerate(_unwrap(document), start=1):
        yield from _entries(str(path), number, value, columns)


def _stream_document(path: Path, columns: Columns) -> Iterator[Entry]:
    """The records of a large document, one at a time: memory is bounded by the largest."""
    import ijson

    number = 0
    try:
        place = _list_in(path)
        if place is None:
            cure = "export it as JSON lines, one object a line"
            limit = f"a JSON document over {MAX_LINE // 2**20} MiB without a list of records"
            yield Entry(str(path), 1, None, limit, cure)
            return
        with open_text(path) as stream:
            for number, value in enumerate(ijson.items(_Utf8(stream), place, use_float=True), 1):
                yield from _entries(str(path), number, value, columns)
    except (ijson.JSONError, ArithmeticError) as error:
        problem = f"not JSON after {number} records: {error}"
        yield Entry(str(path), number + 1, None, problem, "export or fetch the file again")


def _list_in(path: Path) -> str | None:
    """Where the records of a document stand, as ijson names it; None where nobody's list is."""
    import ijson

    begun = ""
    with open_text(path) as stream:
        for place, event, _ in ijson.parse(_Utf8(stream)):
            if event == "start_map" and begun and place == f"{begun}.item":
                return str(place)
            known = event == "start_array" and _ON_THE_WAY.issuperset(place.split("."))
            begun = place if known else ""
    return None


class _Utf8:
    """Text as the bytes that ijson reads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._stream.read(size).encode()


def _unwrap(document: Any) -> list[Any]:
    """The records in a document: the document itself where it is one."""
    if isinstance(document, Mapping) and "title" not in document:
        message = document.get("message")
        if "message-type" in document and isinstance(message, Mapping):  # Crossref
            return _unwrap(message)
        for name in _WRAPPERS:
            inner = document.get(name)
            if isinstance(inner, list) and all(isinstance(item, Mapping) for item in inner):
                return inner
            if name == "hits" and isinstance(inner, Mapping):
                return _unwrap(inner)
        return [document]
    return document if isinstance(document, list) else [document]


def _entries(file: str, number: int, value: Any, columns: Columns) -> Iterator[Entry]:
    if not isinstance(value, dict):
        problem = f"expected an object, got {type(value).__name__}"
        yield Entry(file, number, None, problem, "one object for each paper")
        return
    entry = json_entry(file, number, value, columns)
    if entry is not None:  # attachments and notes of a library are no papers
        yield entry
