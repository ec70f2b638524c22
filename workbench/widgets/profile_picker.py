"""The profile picker: the profiles, what each would change and cost; use one, save one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget

from workbench.errors import ProfileError, WorkbenchError
from workbench.measurement.measure import read_measurements
from workbench.measurement.measurements import Measured, Measurements, stages_text
from workbench.present.view import View
from workbench.present.words import setting
from workbench.profiles import PRESETS, Profile, list_profiles, profiles_folder
from workbench.widgets.base import error_content, static
from workbench.widgets.live import Live

if TYPE_CHECKING:
    from workbench.session import Workbench

State = Callable[[], Profile]

_UNMEASURED = (
    "Not measured on this corpus as it is. To see quality, latency and memory of each profile: "
    "workbench profile measure DIR --queries Q --qrels R"
)


class ProfilePicker(Live, anywidget.AnyWidget):
    """The package's profiles and the person's own, beside the current one.

    `current()` is what the panel is set to now. Picking a profile makes it the session's, and
    `on_pick` functions are called with it.
    """

    _lets_go = ("_bench",)
    _esm = static("page_keys.js", "dom.js", "kernel.js", "profile_picker.js")
    _css = static("style.css", "profile_picker.css")

    def __init__(self, bench: Workbench, state: State | None = None) -> None:
        super().__init__()
        self._bench = bench
        self._state = state
        self._picked: list[Callable[[Profile], None]] = []
        self.on_msg(self._hear)

    def current(self) -> Profile:
        """The settings that profiles are compared with and that `save` keeps."""
        return self._state() if self._state is not None else self._bench.profile

    def view(self) -> View:
        """The current settings, a line each."""
        facts = [(name, value, "") for name, value in _settings(self.current())]
        rows = tuple(f"{name}: {value}" for name, value, _ in facts)
        head = f"profile {self.current().name}"
        return View(head, rows, template="facts.html", more={"facts": facts})

    def on_pick(self, function: Callable[[Profile], None]) -> None:
        """Call a function with each profile that is picked."""
        self._picked.append(function)

    def refresh(self) -> None:
        """Read the profiles again and show them against what is current now."""
        current = self.current()
        found = read_measurements(self._bench.folder)
        self.send(
            {
                "type": "profiles",
                "current": current.name,
                "profiles": [self._row(name, current, found) for name in list_profiles()],
                "measured": found.caption if found is not None else _UNMEASURED,
                "unsaved": not self._known(current),
                "settings": _settings(current),
            }
        )

    def _hear(self, _: Any, content: dict[str, Any], __: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": lambda _: self.refresh(),
            "pick": self._pick,
            "save": self._save,
        }
        try:
            actions[content["type"]](content)
        except Exception as error:  # a callback must not end in a traceback under the widget
            self.send({"type": "message", "message": error_content(error)})

    def _pick(self, content: dict[str, Any]) -> None:
        profile = Profile.named(content["name"])
        self._bench.profile = profile
        for function in self._picked:
            function(profile)
        self.refresh()
        self._note(f"{profile.name} is in use: the next search follows it.")

    def _save(self, content: dict[str, Any]) -> None:
        name, current = content["name"].strip(), self.current()
        if name in list_profiles() and name not in PRESETS and not content["replace"]:
            changes = _changes(_named(name), current)
            if changes is None or changes:
                self.send({"type": "exists", "name": name})
                return
        path = current.save(name, replace=bool(content["replace"]))
        if self._state is None:
            self._bench.profile = Profile.named(name)
        self.refresh()
        self._note(f"Saved as {name}, in {path}")

    def _row(self, name: str, current: Profile, found: Measurements | None) -> dict[str, Any]:
        own = name not in PRESETS
        row = {"name": name, "own": own, "changes": [], "problem": "", "same": False}
        row |= {"measured": [], "front": False}
        try:
            profile = Profile.named(name)
        except WorkbenchError as error:  # a person's own file that is broken stays to be seen
            return row | {"problem": f"{profiles_folder() / name}.toml: {error}"}
        changes = _changes(current, profile) or []
        row |= {"changes": changes, "same": not changes}
        # Measured under this name with other settings says nothing of these.
        measured = [m for m in found or () if m.fingerprint == profile.fingerprint]
        if found is not None and measured:
            row["measured"] = _costs(measured[0], found.metric)
            row["front"] = measured[0].profile in found.front
        return row

    def _known(self, current: Profile) -> bool:
        """Whether some profile by name has exactly these settings."""
        named = (_named(name) for name in list_profiles())
        return any(profile is not None and not len(current.diff(profile)) for profile in named)

    def _note(self, text: str) -> None:
        self.send({"type": "message", "message": {"kind": "note", "title": "", "text": text}})


def profile_picker(bench: Workbench, state: State | None = None) -> ProfilePicker:
    """The picker for a session. `state` gives a panel's settings, by default the session's."""
    return ProfilePicker(bench, state)


def _named(name: str) -> Profile | None:
    """The profile, None for a file that cannot be read."""
    try:
        return Profile.named(name)
    except ProfileError:
        return None


def _changes(mine: Profile | None, other: Profile) -> list[dict[str, str]] | None:
    """What the other changes, as text; None where there is nothing to compare with."""
    if mine is None:
        return None
    return [
        {"setting": change.setting, "mine": setting(change.mine), "other": setting(change.other)}
        for change in mine.diff(other)
    ]


def _costs(row: Measured, metric: str) -> list[list[str]]:
    """What a profile was measured to give and take, as text."""
    costs = [
        [metric, f"{row.quality:.3f} ({row.low:.3f} to {row.high:.3f})"],
        ["p50", f"{row.p50_ms:.1f} ms"],
        ["p95", f"{row.p95_ms:.1f} ms"],
        ["memory", f"{row.memory_mb:.0f} MB"],
    ]
    costs += [["GPU", f"{row.gpu_mb:.0f} MB"]] if row.gpu_mb else []
    return [*costs, ["stages", stages_text(row)]] if row.stages_ms else costs


def _settings(profile: Profile) -> list[list[str]]:
    """Every setting of a profile for a person; weights of nothing left out."""
    rows = []
    for name, value in profile.to_dict().items():
        if isinstance(value, dict):
            text = ", ".join(f"{signal} {weight:g}" for signal, weight in value.items() if weight)
            rows.append([name, text])
        elif name != "name":
            rows.append([name, setting(value)])
    return rows
