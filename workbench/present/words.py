"""Numbers, names and counts as a person reads them: pure functions, shared by all views."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from workbench.present.latex import readable

__all__ = [
    "authors_line",
    "clock",
    "coefficient",
    "count",
    "first_ids",
    "human_bytes",
    "p_value",
    "printable",
    "setting",
    "signed",
]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with visible signs for control characters (␛ for ESC), but for line ends and tabs:
    a terminal would obey them. Overrides of the direction of writing and lone surrogates become
    U+FFFD."""
    return _CONTROL.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def count(number: int, noun: str, plural: str = "") -> str:
    """The number with its noun: "1 query", "1,200 queries"."""
    if number != 1:
        noun = plural or (noun[:-1] + "ies" if noun.endswith("y") else noun + "s")
    return f"{number:,} {noun}"


def first_ids(ids: Sequence[str], most: int = 5) -> str:
    """Ids with commas; after `most` of them how many more there are."""
    more = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {more:,} more" if more > 0 else "")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns, one line a row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def authors_line(authors: Sequence[str], most: int = 4) -> str:
    """Names with commas; after `most` of them how many more there are."""
    return readable(first_ids(authors, most))


def p_value(p: float) -> str:
    """Four decimals, or that it is below them."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def signed(value: float) -> str:
    """Two decimals with sign; a dash where undefined."""
    return "–" if math.isnan(value) else f"{value:+.2f}"


def coefficient(value: float) -> str:
    """Three decimals; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def setting(value: object) -> str:
    """A setting's value; a dash for none."""
    return "-" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def human_bytes(size: float | None) -> str:
    """ "1.25 GiB": three digits; "unknown" for None."""
    if size is None:
        return "unknown"
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(size) >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    whole = units[0] == "B" or abs(size) >= 100
    return f"{size:.0f} {units[0]}" if whole else f"{size:.3g} {units[0]}"


def clock(moment: float) -> str:
    """Time of day in UTC, to the tenth of a second."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S.%f}"[:-5]
