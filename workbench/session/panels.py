"""The widgets of a corpus, as methods."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.evaluation.inputs import JudgmentInput, QueryInput
from workbench.session.measuring import Measuring


class Panels(Measuring):
    """A session with its widgets. They compute nothing: they call the session."""

    def panel(self, queries: Any = None, judgments: Any = None, **options: Any) -> Any:
        """The workbench in a notebook: search, two settings side by side and, with judged queries,
        the metric at every weight. `options` as in `widgets.panel`. Raises what `tune` raises."""
        return _widget("panel", "panel")(self, queries, judgments, **options)

    def search_panel(self, query: str = "", **options: Any) -> Any:
        """Search, query tuning and weights in a notebook; `k` and `profile` as in `search`."""
        return _widget("search_panel", "SearchPanel")(self, query, **options)

    def weight_tuner(self, queries: QueryInput, judgments: JudgmentInput, **options: Any) -> Any:
        """The sliders beside a metric's exact curve. Options: `metric`, `k`, `profile`, `query`.

        Raises what `tune` raises.
        """
        return _widget("weight_tuner", "weight_tuner")(self, queries, judgments, **options)

    def compare_panel(self, query: str = "", **options: Any) -> Any:
        """Two settings, or two engines, side by side in a notebook; `other` is a Workbench."""
        return _widget("compare", "ComparePanel")(self, query, **options)

    def memory_plot(self, pool: Any = None, *, recording: str | Path | None = None) -> Any:
        """Memory by model over time, live, with buttons to release; or a recording, played. `pool`
        is a ModelPool, by default the one of this session's models."""
        pool = pool or getattr(self._embedder, "pool", None)
        return _widget("memory_plot", "memory_plot")(pool, recording=recording)

    def judge(self, queries: QueryInput, judgments: Any, **options: Any) -> Any:
        """Grade papers for queries with the keys 0 to 3 into a file of judgments. `options` as in
        `widgets.judging.judge`. Raises EvaluationError, MissingDependency."""
        return _widget("judging", "judge")(self, queries, judgments, **options)

    def profile_picker(self, **options: Any) -> Any:
        """The profiles, what each changes and costs; picks one or saves one. `options` as in
        `widgets.profile_picker`. Raises MissingDependency."""
        return _widget("profile_picker", "profile_picker")(self, **options)


def _widget(module: str, name: str) -> Any:
    """The one door up to the widgets: opened when called, so that a search needs no ipywidgets."""
    return getattr(import_module(f"workbench.widgets.{module}"), name)
