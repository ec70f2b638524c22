"""The search panel: settings come from the browser, rankings go back.

The browser ranks the candidates at hand while a slider moves (`static/rank.js`, the rule of
`fusion.fuse` and `rank_papers`); the ranking made here is the one that counts, and the browser
shows it wherever its own should differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from workbench.corpus.analysis import Analyser
from workbench.errors import WorkbenchError
from workbench.present.view import View
from workbench.profiles import NORMALISERS, Profile, as_profile
from workbench.ranking.details import paper_details
from workbench.ranking.editing import query_terms
from workbench.ranking.ranking import Ranking
from workbench.ranking.suggestions import suggest_terms
from workbench.ranking.weights import check_k
from workbench.widgets import cards
from workbench.widgets.base import error_content, static
from workbench.widgets.judged import Judged
from workbench.widgets.live import Live
from workbench.widgets.state import PanelState, code_of, variable_of

if TYPE_CHECKING:
    from workbench.session import Workbench

KS = (5, 10, 20, 50)
REMEMBERED = 16
"""Rankings kept, so that what was typed ahead, or undone, is there at once."""

SCRIPTS = ("dom", "rank", "cards", "chips", "weights", "plane", "curve", "search", "layout")
MESSAGE = {"kind": "", "title": "", "text": "", "details": ""}


class SearchView(anywidget.AnyWidget):
    """What the browser and the kernel tell each other; `settings` is the browser's alone, except
    where code sets the panel. `answered` is the number of the last settings dealt with."""

    _esm = static(*(f"{name}.js" for name in SCRIPTS))
    _css = static("style.css", "search.css")
    options = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True, echo_update=False)
    result = traitlets.Dict().tag(sync=True)
    order = traitlets.Dict().tag(sync=True)
    more = traitlets.Dict().tag(sync=True)
    judged = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)


class SearchPanel(Live):
    """Search, query tuning and weights in one view; shows itself as a cell's result.

    `ranking` is what is on screen, `profile` the settings as a profile, `code()` the cell that
    gives the ranking again. With `judged`, the metric at every weight stands beside the sliders.
    """

    def __init__(
        self,
        bench: Workbench,
        query: str = "",
        *,
        k: int = 10,
        profile: Profile | str | None = None,
        judged: Judged | None = None,
    ) -> None:
        k = check_k(k)
        self.bench = bench
        self.base = bench.profile if profile is None else as_profile(profile)
        self.judged = judged
        self.state = PanelState()
        self.ranking: Ranking | None = None
        self._found: OrderedDict[tuple[Any, ...], Ranking] = OrderedDict()
        self._result = self._sets = 0
        self._curve = judged.key(self.base, judged.ends(self.base.weights)) if judged else ()
        self._listeners: list[Callable[[SearchPanel], None]] = []
        self.page = SearchView(
            options={
                "normalisers": list(NORMALISERS),
                "ks": sorted({*KS, k}),
            },
            settings=_settings(self.base, query, k),
            message=MESSAGE,
            judged=judged.payload(self.base, judged.ends(self.base.weights)) if judged else {},
        )
        self._take(self.page.settings)
        self.page.observe(lambda change: self._take(change["new"]), "settings")
        self.page.on_msg(self._hear)

    @property
    def profile(self) -> Profile:
        """The panel's settings as a profile: its base with the weights and the normaliser."""
        if self.ranking is not None:
            return self.ranking.profile
        return self.base.replace(weights=self.state.weights, normaliser=self.state.normaliser)

    def use(self, profile: Profile) -> None:
        """Search under another profile."""
        self.base = profile
        self._set(weights=_weights(profile), normaliser=profile.normaliser)

    def search(self, query: str, **settings: Any) -> None:
        """Set the query, and any of `k`, `weights`, `normaliser`, `edits`, `filters`."""
        self._set(query=query, **{"edits": {}, **settings})

    def on_ranking(self, listener: Callable[[SearchPanel], None]) -> None:
        """Call `listener(panel)` after each new ranking."""
        self._listeners.append(listener)

    def code(self) -> str:
        """The cell that gives the ranking on screen again; "" before the first search."""
        if self.ranking is None:
            return ""
        name, folder = variable_of(self.bench), getattr(self.bench.engine, "folder", None)
        return code_of(self.state, self.ranking, self.base, folder, name)

    def close(self) -> None:
        """Take the panel off the page and let go of its rankings."""
        super().close()
        self.ranking = None
        self._found.clear()
        self._listeners.clear()

    @property
    def widget(self) -> SearchView:
        """What the page shows."""
        return self.page

    def view(self) -> View:
        """The ranking on screen, as a table."""
        if self.ranking is None:
            return View("no search yet")
        return self.ranking.view()

    # From the browser

    def _set(self, **changes: Any) -> None:
        # The count makes equal settings a change too: a profile is more than what they hold.
        self._sets += 1
        self.page.settings = {**self.page.settings, **changes, "sets": self._sets}

    def _take(self, settings: Mapping[str, Any]) -> None:
        with self.page.hold_sync():
            with self._told():
                self._apply(PanelState.of(settings), int(settings["seq"]))
            self.page.answered = int(settings["seq"])

    def _hear(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        answers = {
            "ahead": self._look_ahead,
            "cards": self._send_cards,
            "details": self._send_details,
            "code": self._send_code,
            "regrets": self._send_regrets,
        }
        with self._told(keep=True):
            answers[message["type"]](message)

    @contextmanager
    def _told(self, keep: bool = False) -> Iterator[None]:
        """What goes wrong is told inside the panel; with `keep` what it says stays otherwise."""
        try:
            yield
        except Exception as error:
            self.page.message = {**MESSAGE, **error_content(error)}
        else:
            if not keep:
                self.page.message = MESSAGE

    def _apply(self, state: PanelState, seq: int) -> None:
        before = self.state
        if not state.query:
            self.state, self.ranking = state, None
            self._result += 1
            self.page.result = {"id": self._result, "seq": seq, "normaliser": state.normaliser}
            return
        found = self._retrieved(state)
        ranking = state.rank(found)
        same = self.ranking is not None and self.ranking.candidates is found.candidates
        self.state, self.ranking = state, ranking
        if same and state.normaliser == before.normaliser:
            self._send_order(seq)
        else:
            self._send_result(seq, found)
            if self.judged:
                self._send_curve(self.judged.ends(ranking.profile.weights))
        for listener in self._listeners:
            listener(self)

    def _retrieved(self, state: PanelState) -> Ranking:
        """The ranking under the profile's own weights; kept for a while."""
        key = (state.retrieval, self.base.fingerprint, self.bench.engine.fingerprint)
        if key not in self._found:
            self._found[key] = state.retrieve(self.bench, self.base)
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        return self._found[key]

    # To the browser

    def _send_order(self, seq: int) -> None:
        assert self.ranking is not None
        self.page.order = {
            "result": self._result,
            "seq": seq,
            "order": self.ranking.rows.tolist(),
            "fingerprint": self.ranking.fingerprint,
        }

    def _send_result(self, seq: int, found: Ranking) -> None:
        assert self.ranking is not None
        ranking, candidates = self.ranking, self.ranking.candidates
        self._result += 1
        starts = candidates.paper_starts
        edits, analyser = self.state.edits, Analyser()
        terms = query_terms(ranking.query, edits, analyser, ranking.engine)
        self.page.result = {
            "id": self._result,
            "seq": seq,
            "query": ranking.query,
            "signals": list(candidates.signals),
            "colours": cards.colours(candidates.signals),
            "normaliser": ranking.profile.normaliser,
            "rows": len(candidates),
            "papers": ranking.papers_found,
            "columns": [column.tobytes() for column in ranking.normalised.T],
            "starts": starts.astype(np.int32).tobytes(),
            "ids": candidates.paper_ids[starts].tolist(),
            "order": ranking.rows.tolist(),
            "fingerprint": ranking.fingerprint,
            "cards": cards.cards(ranking),
            "terms": [cards.term_chip(term) for term in terms],
            "suggestions": [cards.suggestion_chip(s) for s in suggest_terms(found)],
            "notes": list(ranking.notes),
            "profile": f"{self.base.name}, {ranking.profile.normaliser}",
            "ms": f"{found.timings_ms['total']:.1f}",
            "grades": self.judged.grades_of(ranking.query) if self.judged else None,
        }

    def _send_curve(self, ends: tuple[Mapping[str, float], Mapping[str, float]]) -> None:
        """The curve between the weights at both ends of the main slider, where it is another."""
        if self.judged and self._curve != self.judged.key(self.profile, ends):
            self._curve = self.judged.key(self.profile, ends)
            self.page.judged = self.judged.payload(self.profile, ends)

    def _send_cards(self, message: Mapping[str, Any]) -> None:
        """Cards of rows that the browser lacks."""
        if self.ranking is None or message["result"] != self._result:
            return
        rows = [int(row) for row in message["rows"]]
        self.page.more = {"result": self._result, "cards": cards.cards(self.ranking, rows)}

    def _send_details(self, message: Mapping[str, Any]) -> None:
        if self.ranking is None or message["result"] != self._result:
            return
        hits = zip(self.ranking.rows.tolist(), self.ranking.hits, strict=True)
        hit = next((hit for row, hit in hits if row == message["row"]), None)
        if hit is None:  # it fell off the list meanwhile
            return
        found = paper_details(self.ranking, hit)
        content = cards.details(found, self.ranking.candidates.query.terms)
        self.page.send({**message, "details": content})

    def _send_code(self, _: Mapping[str, Any]) -> None:
        self.page.send({"type": "code", "code": self.code()})

    def _send_regrets(self, message: Mapping[str, Any]) -> None:
        """Which queries the present weights cost what; the browser knows the slider's ends."""
        if self.judged and self.ranking is not None:
            ends = message["start"], message["stop"]
            self._send_curve(ends)
            rows = self.judged.regrets(float(message["weight"]), self.profile, ends)
            self.page.send({"type": "regrets", "weight": message["weight"], "rows": rows})

    def _look_ahead(self, message: Mapping[str, Any]) -> None:
        """Retrieve what is being typed; an error of half a query is not worth telling."""
        settings = {**self.page.settings, "query": message["query"], "edits": {}}
        with suppress(WorkbenchError):
            if str(message["query"]).strip():
                self._retrieved(PanelState.of(settings))


def _settings(profile: Profile, query: str, k: int) -> dict[str, Any]:
    return {
        "seq": 0,
        "query": query,
        "k": k,
        "edits": {},
        "filters": {},
        "weights": _weights(profile),
        "normaliser": profile.normaliser,
    }


def _weights(profile: Profile) -> dict[str, float]:
    return {name: float(weight) for name, weight in profile.weights.items()}
