"""Bytes of unknown encoding to lines of text, streaming."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from workbench.corpus.cleaning.charsets import guess

HEAD = 64 * 2**10
"""Bytes that tell what a file is."""

MAX_LINE = 8 * 2**20
"""Characters. A longer line is not a paper but a broken export, and is never held whole."""

TOO_LONG = "\0"
"""Stands for a line over the limit."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PACKED = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\x00", lzma.open), (b"BZh", bz2.open))
_DECLARED = re.compile(rb"^\s*%+\s*Encoding:\s*([\w-]+)", re.IGNORECASE)
_RULE = "workbench-cp1252"
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""A letter beyond ASCII."""


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are not UTF-8 read as Windows' Western encoding, the usual other one."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", errors="replace"), error.end


codecs.register_error(_RULE, _as_cp1252)


DAMAGE = (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged archive raises."""


def open_bytes(path: Path) -> io.BufferedReader:
    """The file's bytes; gzip, xz and bzip2, told by content, are unpacked on the way."""
    with open(path, "rb") as stream:
        start = stream.read(6)
    for magic, opener in _PACKED:
        if start.startswith(magic):
            return cast(io.BufferedReader, opener(path, "rb"))
    return open(path, "rb")


def encoding_of(path: Path) -> tuple[str, bool]:
    """(a file's encoding, whether it was guessed): what a byte order mark, a pattern of zero bytes
    or a header tells, else UTF-8, and where no letter beyond ASCII is UTF-8, the likeliest.

    Single bytes that then turn out not to be UTF-8 are read as cp1252.
    """
    told = _told(head_bytes(path))
    if told:
        return told, False
    sample = _sample(path)
    # Incremental, since the sample may end within a letter.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    wrong = text.count("\ufffd")
    right = len(_UTF8.findall(sample))
    return (guess(sample), True) if wrong > right else ("utf-8", False)


def _sample(path: Path) -> bytes:
    """64 KiB from the first byte beyond ASCII, if it comes within 8 MiB."""
    with open_bytes(path) as stream:
        try:
            for _ in range(MAX_LINE // HEAD):
                part = stream.read(HEAD)
                if not part or not part.isascii():
                    return part + stream.read(HEAD) if part else b""
        except DAMAGE:
            return b""  # reading it says so
    return b""


def _told(head: bytes) -> str:
    """The encoding that the first bytes tell; "" for none."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    even, odd = head[:4096:2].count(0), head[1:4096:2].count(0)
    half = max(len(head[:4096]) // 2, 1)
    if odd > 0.4 * half and even < 0.1 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.1 * half:
        return "utf-16-be"
    declared = _DECLARED.match(head)
    if declared:
        name = declared[1].decode("ascii").lower()
        try:
            return (
                codecs.lookup(name).name if name not in ("utf8", "us-ascii", "ascii") else "utf-8"
            )
        except LookupError:
            return "utf-8"
    return ""


def head_bytes(path: Path) -> bytes:
    """The first 64 KiB of a file; of a damaged archive, what comes before the damage."""
    head = b""
    with open_bytes(path) as stream:
        try:
            while len(head) < HEAD and (part := stream.read1(HEAD - len(head))):
                head += part
        except DAMAGE:
            if not head:
                raise
    return head


def head_text(path: Path) -> str:
    """`head_bytes` as text with `\\n` at line ends."""
    head, (encoding, _) = head_bytes(path), encoding_of(path)
    utf8 = encoding.startswith("utf-8") and b"\0" not in head
    text = head.decode(encoding, errors=_RULE if utf8 else "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def open_text(path: Path) -> io.TextIOWrapper:
    """The file as text with `\\n` at line ends, whichever it has."""
    encoding, _ = encoding_of(path)
    errors = _RULE if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline=None)


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file; TOO_LONG for one over MAX_LINE."""
    with open_text(path) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and not line.endswith("\n"):
                while line and not line.endswith("\n"):
                    line = stream.readline(MAX_LINE)
                line = TOO_LONG
            yield number, line.rstrip("\n")
