"""The whole workbench in one cell: search, two settings side by side, profiles, memory, judging."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from workbench.errors import EvaluationError
from workbench.present.view import View
from workbench.profiles import Profile, as_profile
from workbench.widgets.base import MessageBox, framed
from workbench.widgets.compare import ComparePanel
from workbench.widgets.judged import Judged
from workbench.widgets.judging import JudgingWidget
from workbench.widgets.live import Live, close_widget
from workbench.widgets.profile_picker import ProfilePicker
from workbench.widgets.search_panel import SearchPanel
from workbench.widgets.weight_tuner import weight_tuner

if TYPE_CHECKING:
    from workbench.session import Workbench


class Panel(Live):
    """Tabs, each built when first looked at. Shows itself as a cell's result.

    `search` is the search panel; `code()` the cell that gives its ranking again. A profile picked
    in its tab is the one that the next search follows.
    """

    _lets_go = ("bench",)

    def __init__(self, bench: Workbench, search: SearchPanel, tabs: dict[str, Build]) -> None:
        self.bench = bench
        self.search = search
        self._builds: dict[str, Build] = {"Search": lambda: search} | tabs
        self._parts: list[Live] = []
        self._boxes = [ipywidgets.VBox() for _ in self._builds]
        self._tabs = ipywidgets.Tab(children=self._boxes, titles=list(self._builds))
        self._tabs.observe(lambda change: self._build(change["new"]), "selected_index")
        self._framed = framed(self._tabs, label="panel")
        self._build(0)
        search.on_settled(self.keep)

    def code(self) -> str:
        """The cell that gives the ranking on screen again; "" before the first search."""
        return self.search.code()

    @property
    def widget(self) -> Any:
        """The tabs."""
        return self._framed

    def view(self) -> View:
        """What its search shows."""
        return self.search.view()

    def close(self) -> None:
        """Take the panel off the page, with all its tabs."""
        for part in (self.search, *self._parts):
            part.close()
        self._builds.clear()
        self._parts.clear()
        super().close()

    def _build(self, place: int | None) -> None:
        if place is None or self._boxes[place].children:
            return
        box, messages = self._boxes[place], MessageBox()
        box.children = [ipywidgets.HTML("<p>One moment&hellip;</p>"), messages.widget]
        waiting = box.children
        with messages.guard():
            part = list(self._builds.values())[place]()
            self._parts.append(part)
            box.children = [part.widget]
            for shown in waiting:
                close_widget(shown)


Build = Callable[[], Live]


def _judging(bench: Workbench, search: SearchPanel, queries: Any, judged: Judged) -> Live:
    """The judging widget over the cards' file; either shows what is graded in the other."""
    assert judged.file is not None
    widget: JudgingWidget = bench.judge(queries, judged.file, known=judged.given)
    if search.grades is not None:
        widget.on_grade(search.grades.follow)
        search.grades.on_grade(widget.follow_grade)
    return widget


def panel(
    bench: Workbench,
    queries: Any = None,
    judgments: Any = None,
    *,
    query: str = "",
    k: int = 10,
    profile: Profile | str | None = None,
    metric: str = "nDCG@10",
    other: Any = None,
    grades: str | Path | None = None,
) -> Panel:
    """The workbench as a panel.

    With `queries` and `judgments` (as in `tune`) the exact curve of `metric` over the slider from
    BM25 to semantic stands beside it. `other` is a second Workbench to compare with.
    `grades` is the file that grades are written to, on the cards and in the tab that judges;
    without it there is no such tab.
    Raises EvaluationError for judgments or grades without queries, and what `tune` raises.
    """
    if queries is None and (judgments is not None or grades is not None):
        raise EvaluationError("judgments or grades are given without queries; give them too")
    if queries is not None and judgments is None and grades is None:
        raise EvaluationError(
            "queries are given without judgments; give those, or a file as grades"
        )
    base = bench.profile if profile is None else as_profile(profile)
    if queries is None:
        search = SearchPanel(bench, query, k=k, profile=base)
    else:
        search = weight_tuner(
            bench, queries, judgments, metric, k=k, profile=base, query=query, grades=grades
        )
    judged = search.judged

    def compare() -> ComparePanel:
        found = ComparePanel(bench, k=k, profile=base, other=other)
        found.follow(search.state, search.profile)
        search.on_settled(lambda: found.follow(search.state, search.profile))
        return found

    def profiles() -> Live:
        picker: ProfilePicker = bench.profile_picker(state=lambda: search.profile)
        picker.on_pick(search.use)
        return picker

    tabs: dict[str, Build] = {
        "Side by side": compare,
        "Profiles": profiles,
        "Memory": bench.memory_plot,
    }
    if judged is not None and judged.file is not None:
        tabs["Judge"] = lambda: _judging(bench, search, queries, judged)
    return Panel(bench, search, tabs)
