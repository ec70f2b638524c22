"""What was done in a panel, step by step: undone, gone back to, named, written to files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from workbench.errors import QueryError
from workbench.present.view import Shown, View
from workbench.ranking.editing import QueryEdits
from workbench.ranking.weights import balance_of
from workbench.widgets.state import KINDS, PanelState

MOST = 200
"""Steps kept. The first stays, so that undo leads back to where all began, and so do those that a
person named; of the others the oldest go."""


@dataclass(frozen=True, slots=True)
class Step:
    """A state that the panel was in. `number` counts from 1 and stays; `name` says what changed,
    until a person names it; `value` is the metric of its ranking, where the query is judged.
    `gesture` is the move of a hand that made it: one pull of a slider is one step."""

    number: int
    name: str
    state: PanelState
    value: float | None = None
    gesture: int | None = None
    named: bool = False

    def __repr__(self) -> str:
        return f"Step({self.number}, {self.name!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Steps(Shown):
    """The steps and the place in them, which undo and redo move. Frozen: a change is another."""

    done: tuple[Step, ...] = ()
    at: int = -1

    @property
    def current(self) -> Step | None:
        """The step that the panel is in; None before the first."""
        return self.done[self.at] if self.done else None

    def record(self, state: PanelState, gesture: int | None = None) -> Steps:
        """With one more step, after which what was undone is gone. The same gesture goes on in its
        step, and an equal state is none."""
        now = self.current
        if now is None:
            return Steps((Step(1, change_of(None, state), state, gesture=gesture),), 0)
        if state == now.state:
            return self
        kept = self.done[: self.at + 1]
        if gesture is not None and gesture == now.gesture and self.at == len(self.done) - 1:
            before = kept[-2].state if len(kept) > 1 else None
            step = replace(now, state=state, name=change_of(before, state), value=None)
            return Steps((*kept[:-1], step), self.at)
        step = Step(now.number + 1, change_of(now.state, state), state, gesture=gesture)
        kept = _without_old((*kept, step))
        return Steps(kept, len(kept) - 1)

    def with_current(self, value: float | None) -> Steps:
        """With the current step's value known, and its gesture over."""
        if not self.done:
            return self
        done = list(self.done)
        done[self.at] = replace(done[self.at], value=value, gesture=None)
        return Steps(tuple(done), self.at)

    def renamed(self, number: int, name: str) -> Steps:
        """With another name for a step. Raises QueryError for one that is not here."""
        place, name = self._place(number), name.strip()[:200]
        done = list(self.done)
        if name:
            done[place] = replace(done[place], name=name, named=True)
        return Steps(tuple(done), self.at)

    def moved(self, by: int) -> Steps:
        """At the step `by` places further, or as far as there are any."""
        return Steps(self.done, min(max(self.at + by, 0), len(self.done) - 1))

    def gone_to(self, number: int) -> Steps:
        """At the step of this number. Raises QueryError for one that is not here."""
        return Steps(self.done, self._place(number))

    def differences(self) -> list[float | None]:
        """Each step's value less that of the step before, None where one of them has none or
        answers another query."""
        pairs = zip((None, *self.done), self.done, strict=False)
        return [_difference(before, step) for before, step in pairs]

    def step(self, number: int) -> Step:
        """The step of this number. Raises QueryError for one that is not here."""
        return self.done[self._place(number)]

    def view(self) -> View:
        """A line a step."""
        lines = [
            (str(step.number), step.name, "" if step.value is None else f"{step.value:.4f}")
            for step in self.done
        ]
        table = [(place == self.at, line) for place, line in enumerate(lines)]
        more = {"table": table, "columns": ("step", "what", "value"), "words": 2}
        rows = tuple("  ".join(line) for line in lines)
        return View(f"{len(self.done)} steps", rows, template="table.html", more=more)

    def __len__(self) -> int:
        return len(self.done)

    def __repr__(self) -> str:
        return f"Steps({len(self.done)}, at {self.current!r})"

    def _place(self, number: int) -> int:
        places = [place for place, step in enumerate(self.done) if step.number == number]
        if not places:
            known = f"{self.done[0].number} to {self.done[-1].number}" if self.done else "none yet"
            raise QueryError(f"there is no step {number}; the steps are {known}")
        return places[0]


def _without_old(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """One step less where there are too many."""
    if len(steps) <= MOST:
        return steps
    old = range(1, len(steps) - 1)
    place = next((place for place in old if not steps[place].named), 1)
    return steps[:place] + steps[place + 1 :]


def _difference(before: Step | None, after: Step) -> float | None:
    if before is None or before.state.query != after.state.query:
        return None
    if before.value is None or after.value is None:
        return None
    return after.value - before.value


def change_of(before: PanelState | None, after: PanelState) -> str:
    """What changed from one state to the next, in few words."""
    if before is None or before.query != after.query:
        return f"“{after.query[:60]}”" if after.query else "no query"
    parts = []
    if before.profile != after.profile:
        parts.append(f"profile {after.profile.name}")
    parts += _edited(before.edits, after.edits)
    if before.year != after.year:
        first, last = ("" if year is None else str(year) for year in after.year)
        parts.append(f"years {first}–{last}" if first or last else "any year")
    for kind in KINDS:
        if getattr(before, kind) != getattr(after, kind):
            parts.append(f"{kind} {', '.join(getattr(after, kind)) or 'any'}")
    if not parts or before.profile == after.profile:
        parts += _weighed(before.weights, after.weights)
    if before.normaliser != after.normaliser:
        parts.append(after.normaliser)
    if before.k != after.k:
        parts.append(f"{after.k} hits")
    return ", ".join(parts) or "as before"


def _edited(before: QueryEdits, after: QueryEdits) -> list[str]:
    parts = []
    for word in (*after.mute, *before.mute):
        if (word in after.mute) != (word in before.mute):
            parts.append(f"{'muted' if word in after.mute else 'unmuted'} {word}")
    for word in (*after.require, *before.require):
        if (word in after.require) != (word in before.require):
            parts.append(f"{'required' if word in after.require else 'no longer required'} {word}")
    for word in {**before.boost, **after.boost}:
        if before.boost.get(word, 1.0) != after.boost.get(word, 1.0):
            parts.append(f"{word} ×{after.boost.get(word, 1.0):g}")
    for word in {**before.added, **after.added}:
        if before.added.get(word) != after.added.get(word):
            parts.append(f"added {word}" if word in after.added else f"removed {word}")
    return parts


def _weighed(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """One or two signals by name; more are a move of the balance."""
    moved = [name for name in after if abs(before.get(name, 0.0) - after[name]) > 5e-7]
    if len(moved) > 2:
        return [f"semantic {balance_of(before):.2f} → {balance_of(after):.2f}"]
    return [f"{name} {before.get(name, 0.0):.2f} → {after[name]:.2f}" for name in moved]
