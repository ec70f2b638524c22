"""What two profiles differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.present.view import Shown, View
from workbench.present.words import setting

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
class ProfileDiff(Shown):
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

    def view(self) -> View:
        """The settings that differ, one a line."""
        rows = [f"  {c.setting}: {setting(c.mine)} -> {setting(c.other)}" for c in self.changes]
        head = f"{self.mine} -> {self.other}"
        if not rows:
            head = f"{self.mine} and {self.other} have the same settings"
        more = {"mine": self.mine, "other": self.other, "changes": self.changes}
        return View(head, tuple(rows), template="diff.html", more=more)


def diff(mine: Profile, other: Profile) -> ProfileDiff:
    """`Profile.diff`."""
    one, two = _flat(mine), _flat(other)
    order = list(mine.to_dict())
    names = sorted({*one, *two}, key=lambda name: (order.index(name.partition(".")[0]), name))
    pairs = [(name, one.get(name), two.get(name)) for name in names]
    changes = tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])
    return ProfileDiff(mine.name, other.name, changes)


def _flat(profile: Profile) -> dict[str, Any]:
    """Settings by name without the profile's own; weights of nothing are left out."""
    flat: dict[str, Any] = {}
    for name, value in profile.to_dict().items():
        if isinstance(value, dict):
            flat |= {f"{name}.{signal}": weight for signal, weight in value.items() if weight}
        elif name != "name":
            flat[name] = value
    return flat
