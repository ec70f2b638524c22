"""Seeded damage to bytes, and values that no file should hold."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

from workbench.errors import WorkbenchError

CASES = int(os.environ.get("WORKBENCH_FUZZ_CASES", "700"))
"""Cases of each kind of input; more where WORKBENCH_FUZZ_CASES says so."""

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -(10**400), 1e308, float("inf"),
    float("-inf"), float("nan"), 0.5, "", " ", "x", "\x1b[31m", "\ud800", "../..", "\0", "=1+1",
    [], [[]], {}, {"": None}, [1, "a", None], "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "1e400", "NaN",
)  # fmt: skip


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled, or replaced by what parsers stumble over."""
    pieces = (
        b"",
        b"\0",
        b"[" * 3000,
        b"{",
        b'"',
        b"1e999",
        b"9" * 5000,
        b"\\ud800",
        b"\xff",
        b"\n",
    )
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(content) + 1)
        to = min(len(content), at + chance.choice((0, 1, 1, 5, 40)))
        content = content[:at] + chance.choice(pieces) + content[to:]
    return content


def odd_json(value: Any, chance: random.Random) -> Any:
    """The same with one value, somewhere in it, that it should not have."""
    value = json.loads(json.dumps(value))
    place = value
    while True:
        if not isinstance(place, dict | list) or not place:
            return chance.choice(ODD)
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or chance.random() < 0.3:
            break
        place = place[key]
    if chance.random() < 0.2:
        del place[key]
    else:
        place[key] = chance.choice(ODD)
    return value


def refused(use: Callable[[], object]) -> WorkbenchError | None:
    """What of the package's own errors a use raised, None where it went well. Anything else that
    is raised is the failure that the fuzzers look for."""
    try:
        use()
    except WorkbenchError as error:
        found = error
    else:
        return None
    assert str(found).strip()
    return found
