"""Rankings that a panel asked for lately."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.ranking.ranking import Ranking
from workbench.widgets.state import KINDS, PanelState

if TYPE_CHECKING:
    from workbench.session import Workbench

REMEMBERED = 16
"""Rankings kept, so that what was typed ahead, or undone, is there at once."""


class Rankings:
    """The candidates of states, under their profile's own weights; the last ones are kept."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._found: OrderedDict[tuple[Any, ...], Ranking] = OrderedDict()

    def of(self, state: PanelState) -> Ranking:
        """Raises what `search` raises."""
        key = (state.retrieval, self._bench.engine.fingerprint)
        if key not in self._found:
            self._found[key] = state.retrieve(self._bench)
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        return self._found[key]

    def unfiltered(self, state: PanelState) -> Ranking:
        """The same search without names that papers must have."""
        bare: dict[str, Any] = dict.fromkeys(KINDS, ())
        return self.of(replace(state, **bare))

    def __len__(self) -> int:
        return len(self._found)
