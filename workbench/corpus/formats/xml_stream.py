"""Records of an XML file one after the other, and what an element shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET  # expat 2.6 and later bound what entities expand to

from workbench.corpus.cleaning.encoding import HEAD, open_bytes
from workbench.corpus.formats.entry import Entry

_HIDDEN = frozenset({"annotation", "annotation-xml"})
_FORMULA = frozenset(["mi", "mn", "mo", "ms", "mtext"])
_BARE = re.compile(rb"&(?!#?\w{1,30};)")
_LONGEST_ENTITY = 33


def xml_records(
    path: Path,
    names: Collection[str],
    format_name: str,
    entry_of: Callable[[int, ET.Element], Entry],
) -> Iterator[Entry]:
    """An entry of every element with one of these names, without prefix; a broken file gives those
    before the break, then a reject. An element that stands in another one is part of it."""
    number = depth = 0
    with open_bytes(path) as stream:
        try:
            for event, element in ET.iterparse(_Mended(stream), events=("start", "end")):  # noqa: S314
                if local_name(element.tag) not in names:
                    continue
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 0:
                    number += 1
                    yield entry_of(number, element)
                    element.clear()
        except ET.ParseError as error:
            line = error.position[0]
            cure = "fetch the file again; records before this line are taken"
            yield Entry(str(path), line, None, f"not XML: {error}", cure, None, format_name)


class _Mended:
    """The bytes of a stream with what catalogues forget: prefixes that were never declared, and
    `&` that begins no entity."""

    def __init__(self, stream: BinaryIO) -> None:
        head = stream.read(HEAD)
        known = set(re.findall(rb"xmlns:([\w.-]+)\s*=", head))
        missing = sorted(set(re.findall(rb"</?([A-Za-z][\w.-]*):", head)) - known)
        names = b"".join(b' xmlns:%s="urn:%s"' % (name, name) for name in missing)
        self._held = re.sub(rb"<[A-Za-z][\w.:-]*", lambda root: root.group() + names, head, count=1)
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Some of the next bytes; none at the end."""
        more = self._stream.read(size)
        data, self._held = self._held + more, b""
        last = data.rfind(b"&", max(0, len(data) - _LONGEST_ENTITY)) if more else -1
        if last >= 0:  # it may be the first half of an entity
            data, self._held = data[:last], data[last:]
        return _BARE.sub(b"&amp;", data) if data or not more else self.read(size)


def found(element: ET.Element, *paths: str) -> str:
    """What the first of these paths that shows anything shows; paths as in ElementTree."""
    for path in paths:
        for node in element.iterfind(path):
            if text := shown(node):
                return text
    return ""


def every(element: ET.Element, path: str) -> list[str]:
    """What each element of a path shows."""
    return [text for node in element.iterfind(path) if (text := shown(node))]


def shown(element: ET.Element) -> str:
    """All text in an element, tags inside it included; formulas without the blanks of markup."""
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: ET.Element) -> Iterator[str]:
    name = local_name(element.tag)
    if name in _HIDDEN:
        return
    text = element.text or ""
    math = "math" in str(element.tag).lower() or "MathML" in str(element.tag)
    yield text.strip() if math or name in _FORMULA else text
    for child in element:
        yield from _pieces(child)
        yield (child.tail or "").strip() if math else child.tail or ""


def local_name(tag: Any) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
