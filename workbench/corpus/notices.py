"""What the package tells beside its answers: what it mended, kept or removed by itself."""

from __future__ import annotations

import logging

from workbench.present.words import printable


def notice(text: str) -> None:
    """Tell the person; goes to standard error unless the logger `workbench` is set otherwise."""
    logging.getLogger("workbench").warning("%s", printable(text))
