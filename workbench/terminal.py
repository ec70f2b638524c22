"""`__str__` of results whose texts come from papers and people: nothing that a terminal obeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from workbench.present.words import printable

Shown = TypeVar("Shown")


def terminal_safe(render: Callable[[Shown], str]) -> Callable[[Shown], str]:
    """For `__str__`: what it gives, printable."""

    def shown(self: Shown) -> str:
        return printable(render(self))

    return shown
