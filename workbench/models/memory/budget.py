"""Budgets: "80%", "4GiB" or a number of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workbench.errors import ModelError

Budget = str | int | None
UNITS = {"": 1, "B": 1} | {
    f"{letter}{end}": (1024 if end == "iB" else 1000) ** power
    for power, letter in enumerate("KMGT", start=1)
    for end in ("iB", "B")
}
_UNIT_OF = {unit.lower(): size for unit, size in UNITS.items()}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(%|[a-zA-Z]*)\s*")


def check_budget(budget: Budget | Mapping[str, Budget]) -> None:
    """Raises ModelError for a budget that cannot be meant, without asking any device."""
    for value in budget.values() if isinstance(budget, Mapping) else [budget]:
        bytes_of(value, 2**40)


def budget_on(budget: Budget | Mapping[str, Budget], device: str) -> Budget:
    """The budget of one device; None where a table does not name it."""
    return budget.get(device) if isinstance(budget, Mapping) else budget


def bytes_of(budget: Budget, total: int) -> int:
    """A budget in bytes on a device that has `total`; None is all of it.

    Raises ModelError for one that is not positive or not readable.
    """
    if budget is None:
        return total
    if isinstance(budget, int) and not isinstance(budget, bool):
        size = float(budget)
    else:
        found = _SIZE.fullmatch(budget) if isinstance(budget, str) else None
        unit = found[2] if found else "?"
        if found is None or (unit != "%" and unit.lower() not in _UNIT_OF):
            raise ModelError(
                f'budget is {budget!r}; write "80%", "4GiB", a number of bytes or None'
            )
        if unit == "%" and float(found[1]) > 100:
            raise ModelError(f"budget is {budget!r}; the limit is 100%")
        size = float(found[1]) * (total / 100 if unit == "%" else _UNIT_OF[unit.lower()])
    if size < 1:
        raise ModelError(f"budget is {budget!r}; it must be above 0 bytes")
    return int(size)
