"""The experiments of a corpus in a notebook: filters, two of them compared, the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget

from workbench.errors import ExperimentError
from workbench.experiments.listing import ExperimentTable
from workbench.experiments.store import Summary
from workbench.widgets.base import error_content, static

if TYPE_CHECKING:
    from workbench.session import Workbench

ROWS = 500
"""Sent to the page at most; filters look at all."""

METRICS = 6


class ExperimentsPanel(anywidget.AnyWidget):
    """A table that the page sorts and filters, a history with the notes on it, and for two chosen
    rows why their numbers differ. `refresh()` reads the records again."""

    _lets_go = ("_bench",)
    _esm = static("page_keys.js", "dom.js", "kernel.js", "experiments.js")
    _css = static("style.css", "experiments.css")

    def __init__(self, bench: Workbench, metric: str = "") -> None:
        super().__init__()
        self._bench = bench
        self._metric = metric
        self.on_msg(self._hear)

    def refresh(self, text: str = "", kind: str = "", tag: str = "", metric: str = "") -> None:
        """Read the records and send those that fit, newest first."""
        every = self._bench.experiments(metric or self._metric)
        found = every.filter(text=text, kind=kind, tag=tag)
        names = list(dict.fromkeys(name for row in every.rows for name in row.metrics))
        best = found.best
        self.send(
            {
                "type": "rows",
                "metric": found.metric,
                "metrics": names[:METRICS],
                "kinds": sorted({row.kind for row in every.rows}),
                "tags": sorted({tag for row in every.rows for tag in row.tags}),
                "best": best.id if best else "",
                "rows": [_row(row) for row in found.rows[:ROWS]],
                "found": len(found),
                "whole": len(every),
                "history": _history(found),
            }
        )

    def _hear(self, _: Any, content: dict[str, Any], __: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "filter": self._filter,
            "diff": self._diff,
            "note": self._note,
            "tag": self._note,
        }
        try:
            actions[content["type"]](content)
        except Exception as error:  # a callback must not end in a traceback under the widget
            self.send({"type": "message", "message": error_content(error)})

    def _filter(self, content: dict[str, Any]) -> None:
        self.refresh(**{name: str(content.get(name) or "") for name in _FILTERS})

    def _diff(self, content: dict[str, Any]) -> None:
        ids = [str(name) for name in content["ids"]]
        if len(ids) != 2:
            raise ExperimentError(f"{len(ids)} experiments are chosen; choose two")
        every = self._bench.experiments(self._metric)
        first, second = (every[name] for name in ids)
        self.send({"type": "diff", "html": first.diff(second).view().html()})

    def _note(self, content: dict[str, Any]) -> None:
        experiment = self._bench.experiments(self._metric)[str(content["id"])]
        keep = experiment.tag if content["type"] == "tag" else experiment.note
        keep(str(content["text"]))
        self._filter(content.get("filter") or {})


def experiments_panel(bench: Workbench, metric: str = "") -> ExperimentsPanel:
    """The panel for a session; `metric` is the one by which the best is marked."""
    return ExperimentsPanel(bench, metric)


_FILTERS = ("text", "kind", "tag", "metric")


def _row(row: Summary) -> dict[str, Any]:
    return {
        "id": row.id,
        "when": f"{row.when:%Y-%m-%d %H:%M}",
        "started": row.started,
        "name": row.name,
        "kind": row.kind,
        "tags": list(row.tags),
        "notes": list(row.notes),
        "metrics": dict(row.metrics),
        "seconds": row.seconds,
        "error": row.error,
    }


def _history(found: ExperimentTable) -> list[dict[str, Any]]:
    """The metric in the order of time, with the notes that annotate it."""
    rows = sorted((r for r in found.rows if found.metric in r.metrics), key=lambda r: r.started)
    return [
        {"id": row.id, "name": row.name, "value": row.metrics[found.metric],
         "note": "; ".join(row.notes)}
        for row in rows[-ROWS:]
    ]  # fmt: skip
