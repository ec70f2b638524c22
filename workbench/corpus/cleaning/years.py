"""Years out of dates as exports write them."""

from __future__ import annotations

import math
import re
from typing import Any

_YEAR = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?:0[1-9]|1[0-2])(?:[0-3]\d)?(?!\d)")


def year_of(value: Any) -> int | None:
    """The first year between 1400 and 2099 in `2019/03`, `1989//`, `="4/3/2024"`, `20170812`,
    `{"date-parts": [[2020]]}`, 2019.0; None where there is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int | float):
        return int(value) if 1400 <= value <= 2099 else None
    if isinstance(value, dict):
        return year_of(value.get("date-parts") or value.get("raw") or value.get("literal"))
    if isinstance(value, list | tuple):
        return next((year for item in value if (year := year_of(item))), None)
    text = str(value)
    match = _YEAR.search(text) or _COMPACT.search(text)
    return int(match[1]) if match else None
