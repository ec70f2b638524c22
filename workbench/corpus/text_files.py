"""Small text files read whole: packed or not, with any byte order mark, told by content."""

from __future__ import annotations

import codecs
from pathlib import Path

from workbench.corpus.cleaning.encoding import DAMAGE, open_bytes
from workbench.errors import CorpusNotFound, RecordError, UnsupportedSource

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or UTF-16 with its mark; .gz, .xz and .bz2 are unpacked.

    Raises CorpusNotFound where no file is, UnsupportedSource for a damaged archive or a file that
    cannot be read, RecordError with line and byte for other encodings: Latin-1 read as UTF-8 would
    melt ids together.
    """
    if not path.is_file():
        raise CorpusNotFound(f"{path}: no such file or folder; check the path")
    try:
        with open_bytes(path) as stream:
            content = stream.read()
    except DAMAGE as problem:
        raise UnsupportedSource(
            f"{path}: damaged or cut-off archive ({problem}); fetch the file again"
        ) from problem
    except OSError as problem:
        raise UnsupportedSource(f"{path}: cannot be read ({problem}); check the path") from problem
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise RecordError(
            f"{path} line {line}: not UTF-8 (byte {content[problem.start]:#04x}); convert it, for "
            "example with `iconv -f latin1 -t utf-8`"
        ) from problem
