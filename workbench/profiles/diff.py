"""What two profiles differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.terminal import terminal_safe

if TYPE_CHECKING:
    import pandas as pd

    from workbench.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class Change:
    """One setting and its two values; None where a weight is in one profile only."""

    setting: str
    mine: Any
    other: Any


@dataclass(frozen=True, slots=True)
class ProfileDiff:
    """The settings that differ, in the order of the fields; a weight is `weights.SIGNAL`."""

    mine: str
    other: str
    changes: tuple[Change, ...]

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """By setting: {"mine": value, "other": value}."""
        return {c.setting: {"mine": c.mine, "other": c.other} for c in self.changes}

    def to_frame(self) -> pd.DataFrame:
        """One row a setting, one column a profile; the first column is the setting."""
        import pandas as pd

        rows = [(c.setting, c.mine, c.other) for c in self.changes]
        other = self.other if self.other != self.mine else f"{self.other} (other)"
        return pd.DataFrame(rows, columns=["setting", self.mine, other])

    @terminal_safe
    def __str__(self) -> str:
        if not self.changes:
            return f"{self.mine} and {self.other} have the same settings"
        lines = [f"{c.setting}: {shown(c.mine)} -> {shown(c.other)}" for c in self.changes]
        return "\n".join([f"{self.mine} -> {self.other}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return str(_template().render(diff=self, shown=shown))


def diff(mine: Profile, other: Profile) -> ProfileDiff:
    """`Profile.diff`."""
    one, two = _flat(mine), _flat(other)
    order = list(mine.to_dict())
    names = sorted({*one, *two}, key=lambda name: (order.index(name.partition(".")[0]), name))
    pairs = [(name, one.get(name), two.get(name)) for name in names]
    changes = tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])
    return ProfileDiff(mine.name, other.name, changes)


def shown(value: Any) -> str:
    """A setting's value for a person."""
    return "-" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def _flat(profile: Profile) -> dict[str, Any]:
    """Settings by name without the profile's own; weights of nothing are left out."""
    flat: dict[str, Any] = {}
    for name, value in profile.to_dict().items():
        if isinstance(value, dict):
            flat |= {f"{name}.{signal}": weight for signal, weight in value.items() if weight}
        elif name != "name":
            flat[name] = value
    return flat


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("workbench.profiles")
    return Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("diff.html")
