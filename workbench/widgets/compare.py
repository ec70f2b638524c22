"""Two settings side by side: what each finds, what moved, and how alike the lists are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from workbench.errors import EvaluationError, QueryError, shown
from workbench.evaluation.likeness.list_comparison import ListComparison, compare_lists
from workbench.present.view import View, render
from workbench.profiles import LATE_INTERACTION, NORMALISERS, Profile, as_profile, list_profiles
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import balance_of, with_balance
from workbench.widgets.base import MessageBox, framed, static
from workbench.widgets.live import Live
from workbench.widgets.state import PanelState

if TYPE_CHECKING:
    from workbench.session import Workbench

REMEMBERED = 16
ROW = 46
"""Height of a paper in pixels: the lines between the lists need to know it."""

NO_RERANKER = "none"
FOLLOWED = "as in Search"
"""The name of what the search panel beside it is set to."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One side: which engine, the profile to retrieve with, weights and normaliser to rank with."""

    engine: str
    profile: Profile
    weights: Mapping[str, float]
    normaliser: str


class Side:
    """The controls of one side. Moving them calls `changed`."""

    def __init__(
        self,
        label: str,
        engines: list[str],
        profiles: dict[str, Profile],
        chosen: str,
        changed: Callable[[], None],
    ) -> None:
        self._profiles = profiles
        self._changed = changed
        self._quiet = False
        wide = ipywidgets.Layout(width="auto")
        style = {"description_width": "86px"}
        self.engine = ipywidgets.Dropdown(
            options=engines, description="engine", layout=wide, style=style
        )
        self.profile = ipywidgets.Dropdown(
            options=list(profiles), value=chosen, description="profile", layout=wide, style=style
        )
        self.balance = ipywidgets.FloatSlider(
            min=0, max=1, step=0.01, description="semantic", layout=wide, style=style
        )
        self.normaliser = ipywidgets.Dropdown(
            options=NORMALISERS, description="normaliser", layout=wide, style=style
        )
        self.reranker = ipywidgets.Dropdown(
            options=[NO_RERANKER, LATE_INTERACTION],
            description="reranker",
            layout=wide,
            style=style,
        )
        self._follow_profile()
        for control in (self.engine, self.balance, self.normaliser):
            control.observe(self._moved, "value")
        self.profile.observe(self._choose, "value")
        self.reranker.observe(self._rerank, "value")
        shown = [self.profile, self.balance, self.normaliser, self.reranker]
        if len(engines) > 1:
            shown.insert(0, self.engine)
        for control in shown:
            control.tooltip = f"{label}: {control.description}"
        self.widget = ipywidgets.VBox([ipywidgets.HTML(f"<h3>{label}</h3>"), *shown])
        self.widget.add_class("wb-setting")

    @property
    def setting(self) -> Setting:
        """What the controls say. Weights are the profile's own until the slider is moved."""
        base = self._with_reranker()
        weights: Mapping[str, float] = base.weights
        if abs(self.balance.value - balance_of(weights)) > self.balance.step / 2:
            weights = with_balance(weights, self.balance.value)
        return Setting(self.engine.value, base, weights, self.normaliser.value)

    def take(self, name: str, profile: Profile, choose: bool = False) -> None:
        """Offer a profile under a name, or give that name another; `choose` it, or follow where it
        is chosen. Nothing is told: who calls shows both sides anyway."""
        self._profiles[name] = profile
        self._quiet = True
        chosen = name if choose else self.profile.value  # other options choose the first of them
        if name not in self.profile.options:
            self.profile.options = (name, *self.profile.options)
        self.profile.value = chosen
        self._quiet = False
        if self.profile.value == name:
            self._follow_profile()

    def _with_reranker(self) -> Profile:
        profile = self._profiles[self.profile.value]
        chosen = "" if self.reranker.value == NO_RERANKER else self.reranker.value
        if chosen == profile.reranker:
            return profile
        return profile.replace(reranker=chosen, weights={})

    def _choose(self, _: Any) -> None:
        if not self._quiet:
            self._follow_profile()
            self._changed()

    def _follow_profile(self) -> None:
        """Show the settings of the profile chosen."""
        profile = self._profiles[self.profile.value]
        self._quiet = True
        name = profile.reranker or NO_RERANKER
        if name not in self.reranker.options:
            self.reranker.options = [*self.reranker.options, name]
        self.reranker.value = name
        self.normaliser.value = profile.normaliser
        self.balance.value = balance_of(profile.weights)
        self._quiet = False

    def _rerank(self, _: Any) -> None:
        if not self._quiet:
            self._quiet = True
            self.balance.value = balance_of(self._with_reranker().weights)
            self._quiet = False
            self._changed()

    def _moved(self, _: Any) -> None:
        if not self._quiet:
            self._changed()


class ComparePanel(Live):
    """A and B over one query; shows itself as a cell's result. `comparison` is what is on screen.

    `other` is a second Workbench, e.g. the same corpus on Elasticsearch, or several by name. A
    starts with `profile`, by default the session's; B with `other_profile`, by default the same
    with BM25 alone, or the same on the other engine.
    """

    def __init__(
        self,
        bench: Workbench,
        query: str = "",
        *,
        k: int = 10,
        other: Workbench | Mapping[str, Workbench] | None = None,
        profile: Profile | str | None = None,
        other_profile: Profile | str | None = None,
    ) -> None:
        if not isinstance(query, str):
            raise QueryError(f"the query is {shown(query)}; give a text")
        others = other if isinstance(other, Mapping) else {"other": other}
        others = {name: one for name, one in others.items() if one is not None}
        if wrong := [one for one in others.values() if not hasattr(one, "search")]:
            raise EvaluationError(f"other is {shown(wrong[0])}; give what wb.open returns")
        self.benches: dict[str, Workbench] = {"this": bench, **others}
        self.comparison: ListComparison | None = None
        self.rankings: tuple[Ranking, Ranking] | None = None
        self._settings: dict[str, Any] = {}
        self._followed: Profile | None = None
        self._found: OrderedDict[tuple[Any, ...], Ranking] = OrderedDict()
        first = bench.profile if profile is None else as_profile(profile)
        second = first if other_profile is None else as_profile(other_profile)
        profiles = {name: as_profile(name) for name in list_profiles()}
        profiles |= {first.name: first, second.name: second}
        self.messages = MessageBox()
        self.query = ipywidgets.Text(
            value=query,
            placeholder="What are you looking for?",
            continuous_update=False,
            layout=ipywidgets.Layout(width="100%"),
        )
        self.query.tooltip = "Query"
        self.k = ipywidgets.Dropdown(options=sorted({5, 10, 20, 50, k}), value=k)
        self.k.tooltip = "Number of hits"
        self.k.layout.width = "80px"
        engines = list(self.benches)
        self.a = Side("A", engines, profiles, first.name, self._show)
        self.b = Side("B", engines, profiles, second.name, self._show)
        self.b.engine.value = engines[-1]
        if other is None and other_profile is None:
            self.b.balance.value = 0.0
        self.output = ipywidgets.HTML()
        for control in (self.query, self.k):
            control.observe(lambda _: self._show(), "value")
        top = ipywidgets.HBox([self.query, self.k])
        sides = ipywidgets.HBox([self.a.widget, self.b.widget])
        sides.add_class("wb-sides")
        self._framed = framed(top, sides, self.messages.widget, self.output, label="compare")
        self._show()

    @property
    def widget(self) -> Any:
        """The controls and both lists."""
        return self._framed

    def view(self) -> View:
        """Both lists beside each other, and how alike they are."""
        if self.comparison is None or self.rankings is None:
            return View("nothing compared yet")
        found = self.comparison.view()
        more = {"style": static("style.css"), "lists": self.output.value}
        return View(found.head, found.rows, found.notes, "compared.html", more)

    def close(self) -> None:
        """Take the panel off the page and let go of its rankings."""
        super().close()
        self._found.clear()
        self.benches.clear()
        self.comparison = self.rankings = None

    def search(self, query: str) -> None:
        """Compare both settings on another query."""
        self.query.value = query

    def follow(self, state: PanelState, profile: Profile) -> None:
        """Compare on the query of a search panel, with its filters and edits for both sides; its
        settings are a profile to choose, at first that of A."""
        if profile != self._followed:
            for side in (self.a, self.b):
                side.take(FOLLOWED, profile, choose=side is self.a and self._followed is None)
            self._followed = profile
        self._settings = {"edits": state.edits or None, **state.filters}
        given = self.query.value
        self.query.value = state.query
        if given == self.query.value:
            self._show()

    def _show(self) -> None:
        with self.messages.guard():
            text = self.query.value.strip()
            if not text:
                self.comparison, self.output.value = None, ""
                return
            first, second = self._ranking(text, self.a), self._ranking(text, self.b)
            self.rankings = first, second
            if not len(first) and not len(second):
                self.comparison, self.output.value = None, ""
                self.messages.note("Neither setting finds a paper; try other words.")
                return
            self.comparison = compare_lists(first, second, labels=("A", "B"))
            self.output.value = comparison_html(self.comparison, first, second)

    def _ranking(self, text: str, side: Side) -> Ranking:
        setting = side.setting
        key = (text, setting.engine, setting.profile.fingerprint, str(self._settings))
        if key not in self._found:
            bench = self.benches[setting.engine]
            self._found[key] = bench.search(
                text, self.k.value, profile=setting.profile, **self._settings
            )
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        found = self._found[key]
        weights = {name: setting.weights.get(name, 0.0) for name in found.candidates.signals}
        return found.reweigh(weights, normaliser=setting.normaliser, k=self.k.value)


def comparison_html(comparison: ListComparison, first: Ranking, second: Ranking) -> str:
    """Both lists with lines between a paper's two places."""
    depth = max(len(first), len(second))
    by_id = {move.paper_id: move for move in comparison.moves}
    return render(
        "compare.html",
        comparison=comparison,
        jaccard=comparison.jaccard[max(comparison.jaccard)],
        depth=max(comparison.jaccard),
        sides=(("A", first), ("B", second)),
        moves=by_id,
        lines=[move for move in comparison.moves if move.moved is not None],
        row=ROW,
        height=ROW * depth,
    )
