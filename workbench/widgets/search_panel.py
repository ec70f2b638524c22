"""The search panel: settings come from the browser, rankings go back.

The browser ranks the candidates at hand while a slider moves (`static/rank.js`, the rule of
`fusion.fuse` and `rank_papers`); the ranking made here is the one that counts, and the browser
shows it wherever its own should differ. Settings that cannot be meant are refused: the browser gets
the last good ones back, so that what is on screen is always `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from workbench.errors import QueryError, WorkbenchError
from workbench.present.view import View
from workbench.profiles import Profile, as_profile
from workbench.ranking.editing import edits_for
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import check_k
from workbench.widgets import cards, names, payloads
from workbench.widgets.card_grades import CardGrades
from workbench.widgets.exports import export_text, write_export
from workbench.widgets.judged import Judged
from workbench.widgets.live import Live
from workbench.widgets.pinned import Pinned
from workbench.widgets.rankings import Rankings
from workbench.widgets.search_view import MESSAGE, SearchView
from workbench.widgets.state import KINDS, PanelState, code_of, variable_of
from workbench.widgets.steps import Steps

if TYPE_CHECKING:
    from workbench.session import Workbench


class SearchPanel(Live):
    """Search, query tuning, weights and grades in one view; shows itself as a cell's result.

    `state` is what it is set to and `ranking` what is on screen; `profile` the settings as a
    profile, `code()` the cell that gives the ranking again, `steps` what was done. With `judged`,
    the metric at every weight stands beside the sliders, and its queries' hits can be graded.
    """

    _lets_go = ("bench", "rankings", "judged")

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
        base = bench.profile if profile is None else as_profile(profile)
        self.bench = bench
        self.judged = judged
        self.state = PanelState.start(base, k)
        self.steps = Steps()
        self.ranking: Ranking | None = None
        self.pinned: Pinned | None = None
        self.rankings = Rankings(bench)
        self._lock = RLock()  # a cell runs beside what the page says: JupyterLab has subshells
        self._result = self._sets = 0
        self._seq = -1  # of the last settings or move that was dealt with
        self._setting = False
        self._curve: tuple[Any, ...] = ()
        self._listeners: list[Callable[[SearchPanel], None]] = []
        self._keepers: list[Callable[[], None]] = [self.keep]
        settings = {**replace(self.state, query=query).settings(), "seq": 0}
        options = payloads.options(judged, k)
        self.page = SearchView(options=options, settings=settings, message=MESSAGE)
        self.grades = CardGrades(self.page, judged, self._lock, self._regraded) if judged else None
        if judged:
            with self.page.told():
                self._send_curve(judged.ends(base.weights))
        self._take(settings)
        self._settle()
        self.page.observe(lambda change: self._take(change["new"]), "settings")
        self.page.on_msg(self._hear)

    @property
    def base(self) -> Profile:
        """The profile that candidates are retrieved with."""
        return self.state.profile

    @property
    def profile(self) -> Profile:
        """The panel's settings as a profile: its base with the weights and the normaliser."""
        if self.ranking is not None:
            return self.ranking.profile
        return self.base.replace(weights=self.state.weights, normaliser=self.state.normaliser)

    def use(self, profile: Profile) -> None:
        """Search under another profile."""
        self._change(self.state.under(profile))

    def search(self, query: str, **settings: Any) -> None:
        """Set the query, and any of `k`, `weights`, `normaliser`, `edits`, `filters`."""
        given = {**self.state.settings(), "query": query, "edits": {}, **settings}
        with self._lock, self.page.told():
            self._change(PanelState.of(given, self.base))

    def undo(self) -> None:
        """Back to the step before; the first one stays."""
        self._go(self.steps.moved(-1))

    def redo(self) -> None:
        """On to the step that was undone last."""
        self._go(self.steps.moved(1))

    def go(self, number: int) -> None:
        """To a step by its number. Raises QueryError for one that is not here."""
        self._go(self.steps.gone_to(number))

    def pin(self) -> None:
        """Keep what is on screen as A; what comes is B, and is shown against it."""
        if self.ranking is not None and self.steps.current is not None:
            self.pinned = Pinned(self.steps.current, self.ranking)
            self._send_pinned()

    def unpin(self) -> None:
        """Forget A."""
        self.pinned = None
        self.page.pinned = {}

    def on_ranking(self, listener: Callable[[SearchPanel], None]) -> None:
        """Call `listener(panel)` after each new ranking."""
        self._listeners.append(listener)

    def on_settled(self, keeper: Callable[[], None]) -> None:
        """Call `keeper()` when a move is over: what a saved notebook should show has changed."""
        self._keepers.append(keeper)

    def code(self, step: int | None = None) -> str:
        """The cell that gives the ranking on screen again, or that of a step; "" where it has
        none."""
        with self._lock:
            state, ranking = self._of_step(step)
        if ranking is None:
            return ""
        name, folder = variable_of(self.bench), getattr(self.bench.engine, "folder", None)
        return code_of(state, ranking, folder, name)

    def export(self, path: str | Path, step: int | None = None) -> Path:
        """Write the ranking on screen, or that of a step: `.py` its cell, `.toml` its profile,
        `.html` how it looks, `.csv`, `.bib`, `.ris` and `.json` its papers. Raises
        UnsupportedSource for another ending, QueryError where there is no ranking."""
        return write_export(Path(path), self.code(step), self._of_step(step)[1])

    def close(self) -> None:
        """Take the panel off the page and let go of its rankings."""
        super().close()
        self.ranking = self.pinned = None
        self.steps = Steps()
        self._listeners.clear()
        self._keepers.clear()
        self.grades = None

    @property
    def widget(self) -> SearchView:
        """What the page shows."""
        return self.page

    def view(self) -> View:
        """The ranking on screen under the steps that led to it."""
        if self.ranking is None:
            return View("no search yet")
        return payloads.panel_view(self.ranking, self.steps, self.judged)

    # What changes the state

    def _change(self, state: PanelState, steps: Steps | None = None) -> None:
        """Another state, from here; the browser follows."""
        with self._lock, self.page.hold_sync():
            with self.page.told():
                self._apply(state, self._seq, steps or self.steps.record(state))
                self._settle()
            self._send_settings({**self.page.settings, "seq": self._seq})
            self.page.answered = self._seq

    def _go(self, steps: Steps) -> None:
        if steps.current is not None:
            self._change(steps.current.state, steps)

    def _move(self, message: Mapping[str, Any]) -> None:
        """To another step, as the page asks, which numbers that like its settings."""
        self._seq = max(self._seq, int(message.get("seq", self._seq)))
        try:
            if message["type"] == "go":
                self.go(int(message["step"]))
            else:
                self._go(self.steps.moved(-1 if message["type"] == "undo" else 1))
        except QueryError:  # such a step is no more; the page stays where it is
            self._send_settings({**self.page.settings, "seq": self._seq})
            self.page.answered = self._seq
            raise

    def _take(self, settings: Mapping[str, Any]) -> None:
        """Settings from the browser."""
        seq, wanted = int(settings["seq"]), None
        with self._lock, self.page.hold_sync():
            if self._setting or seq <= self._seq:  # our own, known, or of a step left meanwhile
                return
            self._seq, before = seq, (self.steps.current, self._result)
            with self.page.told():
                wanted = self._kept_edits(PanelState.of(settings, self.base))
                self._apply(wanted, seq, self.steps.record(wanted, settings.get("gesture")))
            if self.state != wanted or wanted.edits.to_dict() != (settings.get("edits") or {}):
                self._send_settings(settings)
                self._send_order(seq)
            # Of moved weights the strip hears when the move is over: it may be long.
            if self._result != before[1] and self.steps.current != before[0]:
                self.page.steps = payloads.strip(self.steps, self.judged)
            self.page.answered = seq

    def _kept_edits(self, wanted: PanelState) -> PanelState:
        """Edits of words that another query still has, so that a changed word drops no more."""
        if wanted.query == self.state.query or not wanted.edits:
            return wanted
        return replace(wanted, edits=edits_for(wanted.query, wanted.edits))

    def _apply(self, state: PanelState, seq: int, steps: Steps) -> None:
        """Make this the state; nothing is changed by one that cannot be searched."""
        found = self.rankings.of(state) if state.query else None
        ranking = None if found is None else state.rank(found)
        before = self.state, self.ranking, self.steps
        self.state, self.ranking, self.steps = state, ranking, steps
        try:
            another = self._send(seq, found, *before[:2])
        except Exception:
            self.state, self.ranking, self.steps = before
            raise
        if another and self.judged and ranking is not None:
            self._send_curve(self.judged.ends(ranking.profile.weights))
        for listener in self._listeners:
            listener(self)

    def _send(
        self, seq: int, found: Ranking | None, before: PanelState, last: Ranking | None
    ) -> bool:
        """Tell the page of the state, all or nothing; whether it is another result."""
        if found is None:
            self._result += 1
            self.page.result = {"id": self._result, "seq": seq, "normaliser": self.state.normaliser}
            return False
        same = last is not None and last.candidates is found.candidates
        if same and self.state.normaliser == before.normaliser:
            self._send_order(seq)
            return False
        self._send_result(seq, found)
        return True

    def _of_step(self, number: int | None) -> tuple[PanelState, Ranking | None]:
        if number is None:
            return self.state, self.ranking
        state = self.steps.step(number).state
        return state, state.rank(self.rankings.of(state)) if state.query else None

    # What the browser says

    def _hear(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        answers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "ahead": self._look_ahead,
            "cards": self._send_cards,
            "details": self._send_details,
            "code": lambda m: self.page.send({"type": "code", "code": self.code(m.get("step"))}),
            "regrets": self._send_regrets,
            "names": self._send_names,
            "settle": lambda _: self._settle(),
            **dict.fromkeys(("undo", "redo", "go"), self._move),
            "rename": self._rename,
            "export": self._send_export,
            "pin": lambda _: self.pin(),
            "unpin": lambda _: self.unpin(),
            **(self.grades.answers if self.grades else {}),
            "next": self._send_next,
        }
        with self._lock, self.page.told(keep=True):
            # A message overtakes settings that ipywidgets holds back, so it brings them along: what
            # is undone, copied, pinned or written is what was on screen.
            if message.get("settings"):
                self._take(message["settings"])
            answers[message["type"]](message)

    def _settle(self) -> None:
        """A move is over: its step has a value, and the notebook keeps what is on screen."""
        value = None
        if self.judged is not None and self.ranking is not None:
            value = self.judged.value(self.ranking)
        self.steps = self.steps.with_current(value)
        self.page.steps = payloads.strip(self.steps, self.judged)
        if self.pinned is not None:
            self._send_pinned()
        for keeper in self._keepers:
            keeper()

    def _rename(self, message: Mapping[str, Any]) -> None:
        self.steps = self.steps.renamed(int(message["step"]), str(message["name"]))
        self._settle()

    def _regraded(self) -> None:
        if self.judged is not None:
            self._send_curve(self.judged.ends(self.profile.weights))
            self._settle()

    def _look_ahead(self, message: Mapping[str, Any]) -> None:
        """Retrieve what is being typed; an error of half a query is not worth telling."""
        settings = {**self.page.settings, "query": message["query"]}
        with suppress(WorkbenchError):
            if str(message["query"]).strip():
                self.rankings.of(self._kept_edits(PanelState.of(settings, self.base)))

    # To the browser

    def _send_settings(self, settings: Mapping[str, Any]) -> None:
        """The state as settings, in the place of those given."""
        self._sets += 1
        self._setting = True
        try:
            self.page.settings = {**settings, **self.state.settings(), "sets": self._sets}
        finally:
            self._setting = False

    def _send_order(self, seq: int) -> None:
        if self.ranking is not None:
            self.page.order = payloads.order(self.ranking, self._result, seq, self.steps)

    def _send_result(self, seq: int, found: Ranking) -> None:
        assert self.ranking is not None
        self._result += 1
        grades = self.judged.grades_of(self.ranking.query) if self.judged else None
        self.page.result = {
            "id": self._result,
            "seq": seq,
            **payloads.result(self.state, self.ranking, found),
            "grades": grades,
            "hints": [] if len(self.ranking) else names.hints(self.state, self.rankings),
        }

    def _send_names(self, message: Mapping[str, Any]) -> None:
        kind, text = str(message["kind"]), str(message["text"])
        if self.ranking is not None and kind in KINDS:
            rows = names.names_like(self.rankings.unfiltered(self.state), kind, text)
            self.page.send({"type": "names", "kind": kind, "names": rows})

    def _send_curve(self, ends: tuple[Mapping[str, float], Mapping[str, float]]) -> None:
        """The curve between the weights at both ends of the main slider, where it is another."""
        if self.judged and self._curve != self.judged.key(self.profile, ends):
            self._curve = self.judged.key(self.profile, ends)
            self.page.judged = self.judged.payload(self.profile, ends)

    def _send_pinned(self) -> None:
        if self.pinned is not None:
            self.page.pinned = self.pinned.payload(self.steps.current, self.ranking, self.judged)

    def _send_cards(self, message: Mapping[str, Any]) -> None:
        """Cards of rows that the browser lacks."""
        if self.ranking is None or message["result"] != self._result:
            return
        rows = [int(row) for row in message["rows"]]
        self.page.more = {"result": self._result, "cards": cards.cards(self.ranking, rows)}

    def _send_details(self, message: Mapping[str, Any]) -> None:
        if self.ranking is None or message["result"] != self._result:
            return
        content = payloads.details(self.ranking, int(message["row"]), self.page.result)
        if content is not None:
            self.page.send({**message, "details": content})

    def _send_regrets(self, message: Mapping[str, Any]) -> None:
        """Which queries the present weights cost what; the browser knows the slider's ends."""
        if self.judged and self.ranking is not None:
            ends = message["start"], message["stop"]
            self._send_curve(ends)
            rows = self.judged.regrets(float(message["weight"]), self.profile, ends)
            self.page.send({"type": "regrets", "weight": message["weight"], "rows": rows})

    def _send_export(self, message: Mapping[str, Any]) -> None:
        step, ending = message.get("step"), str(message["ending"])
        text = export_text(ending, self.code(step), self._of_step(step)[1])
        self.page.send({"type": "export", "name": f"ranking{ending}", "text": text})

    def _send_next(self, _: Mapping[str, Any]) -> None:
        """Papers on screen whose grade could most change which weights win, and the best of all."""
        if self.judged is not None:
            self.page.send({"type": "next", "suggestions": self.judged.suggest(self.ranking)})
