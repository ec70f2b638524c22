"""One line of the doctor's report, whichever room looked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and what was found. `remedy` says what to do where `ok` is false."""

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The line as `workbench doctor --json` prints it."""
        return asdict(self)
