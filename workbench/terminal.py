"""Texts of papers on a terminal: what would move its cursor or change its colours is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

Shown = TypeVar("Shown")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with visible signs for control characters (␛ for ESC), but for line ends and tabs;
    overrides of the direction of writing and lone surrogates become U+FFFD."""
    return _CONTROL.sub(_sign, text)


def terminal_safe(render: Callable[[Shown], str]) -> Callable[[Shown], str]:
    """For `__str__`: what it gives, printable."""

    def shown(self: Shown) -> str:
        return printable(render(self))

    return shown


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
