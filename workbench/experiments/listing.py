"""All experiments of a corpus in one table: sorted, filtered, the best marked, their history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.errors import ExperimentError, shown
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.store import Summary
from workbench.present.view import Shown, View
from workbench.present.words import aligned, count

if TYPE_CHECKING:
    import pandas as pd

ROWS = 50
"""Shown at most; `.to_frame()` has all."""

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 60

Open = Callable[[str], KeptExperiment]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExperimentTable(Shown):
    """What `bench.experiments()` returns, newest first. `table[0]` or `table["20261126-..."]` is
    an experiment; `metric` is the one by which the best is marked."""

    rows: tuple[Summary, ...]
    metric: str
    _open: Open

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[KeptExperiment]:
        return (self._open(row.id) for row in self.rows)

    def __getitem__(self, which: int | str) -> Any:
        if isinstance(which, str):
            return self._open(which)
        try:
            return self._open(self.rows[which].id)
        except (IndexError, TypeError):
            raise ExperimentError(
                f"no experiment {shown(which)} among {len(self)}; give a place from 0, or an id"
            ) from None

    @property
    def best(self) -> Summary | None:
        """The experiment with the highest value of the metric; of equal ones the first made."""
        measured = [row for row in self.rows if row.measured and self.metric in row.metrics]
        return max(reversed(measured), key=lambda row: row.metrics[self.metric], default=None)

    def sort(self, by: str, *, ascending: bool = False) -> ExperimentTable:
        """In the order of a metric, of "started", "seconds", "name" or "kind"; those without a
        value last. Raises ExperimentError for what no experiment has."""
        fields = ("started", "seconds", "name", "kind")
        if by not in fields and not any(by in row.metrics for row in self.rows):
            raise ExperimentError(
                f"no experiment has {shown(by)}; sort by a metric, or by {fields}"
            )

        def value(row: Summary) -> Any:
            return getattr(row, by) if by in fields else row.metrics[by]

        having = [row for row in self.rows if by in fields or by in row.metrics]
        without = [row for row in self.rows if not (by in fields or by in row.metrics)]
        ordered = sorted(having, key=value, reverse=not ascending)
        metric = self.metric if by in fields else by
        return replace(self, rows=(*ordered, *without), metric=metric)

    def filter(
        self, *, kind: str = "", tag: str = "", text: str = "", failed: bool | None = None
    ) -> ExperimentTable:
        """Those of a kind, with a tag, with a text in name, tags or notes, that failed or not."""
        wanted = text.casefold()
        rows = tuple(
            row
            for row in self.rows
            if (not kind or row.kind == kind)
            and (not tag or tag in row.tags)
            and (failed is None or bool(row.error) == failed)
            and wanted in " ".join((row.id, row.name, *row.tags, *row.notes)).casefold()
        )
        return replace(self, rows=rows)

    def history(self) -> list[tuple[float, float]]:
        """(when in seconds since 1970, value of the metric) of what measured, in time's order."""
        found = [
            (row.started, row.metrics[self.metric])
            for row in self.rows
            if row.measured and self.metric in row.metrics
        ]
        return sorted(found)

    def sparkline(self, most: int = _HISTORY) -> str:
        """The metric over time as a line of blocks, the last `most` values."""
        values = [value for _, value in self.history()][-most:]
        if not values:
            return ""
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        return "".join(_BARS[min(7, int(8 * (value - low) / span))] for value in values)

    def to_frame(self) -> pd.DataFrame:
        """One row an experiment, one column a metric."""
        import pandas as pd

        rows = self.rows
        names = list(dict.fromkeys(name for row in rows for name in row.metrics))
        columns: dict[str, Any] = {
            "started": pd.to_datetime([row.started for row in rows], unit="s", utc=True),
            **{n: [getattr(row, n) for row in rows] for n in ("kind", "name", "parent")},
            **{name: [row.metrics.get(name) for row in rows] for name in names},
            "queries": [row.queries for row in rows],
            "seconds": [row.seconds for row in rows],
            "tags": [", ".join(row.tags) for row in rows],
            "notes": ["; ".join(row.notes) for row in rows],
            "error": [row.error for row in rows],
        }
        return pd.DataFrame(columns, index=pd.Index([row.id for row in rows], name="id"))

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values; what `workbench experiments --json` prints."""
        return [
            row._asdict()
            | {"metrics": dict(row.metrics), "tags": list(row.tags), "notes": list(row.notes)}
            for row in self.rows
        ]

    def __repr__(self) -> str:
        best = self.best
        said = f", best {best.id} {self.metric} {best.metrics[self.metric]:.4f}" if best else ""
        return f"ExperimentTable({count(len(self), 'experiment')}{said})"

    def view(self) -> View:
        """The first rows, the best in bold, and the history of the metric."""
        first, best = self.rows[:ROWS], self.best
        names = list(dict.fromkeys(name for row in first for name in row.metrics))[:6]
        columns = ["", "id", "when (UTC)", "what", "kind", "tags", *names, "s"]
        cells = [_cells(row, names, row is best) for row in first]
        lines = aligned([columns, *cells])
        head = f"{count(len(self), 'experiment')}"
        if history := self.sparkline():
            head += f", {self.metric} over time {history}"
        notes = []
        if len(self.rows) > ROWS:
            notes.append(f"{len(self.rows) - ROWS:,} more are not shown; `.to_frame()` has all")
        table = [(row is best, line) for row, line in zip(first, cells, strict=True)]
        more = {"columns": columns, "table": table, "words": 6}
        return View(head, tuple(lines), tuple(notes), "table.html", more)


def experiment_table(rows: Sequence[Summary], metric: str, opener: Open) -> ExperimentTable:
    """Newest first. Without a metric the one of the newest measurement. Raises ExperimentError."""
    if not isinstance(metric, str):
        raise ExperimentError(f"metric is {shown(metric)}; give the name of one, like nDCG@10")
    newest = tuple(reversed(rows))
    chosen = metric or next((next(iter(_main(row))) for row in newest if row.metrics), "")
    return ExperimentTable(newest, chosen, opener)


def _main(row: Summary) -> list[str]:
    return ["nDCG@10"] if "nDCG@10" in row.metrics else list(row.metrics)


def _cells(row: Summary, names: Sequence[str], best: bool) -> list[str]:
    values = [f"{row.metrics[name]:.4f}" if name in row.metrics else "" for name in names]
    what = row.name if not row.error else f"{row.name} (failed: {row.error})"
    mark = "*" if best else ""
    when = f"{row.when:%Y-%m-%d %H:%M}"
    tags = ", ".join(row.tags)
    return [mark, row.id, when, what[:60], row.kind, tags, *values, f"{row.seconds:.1f}"]
