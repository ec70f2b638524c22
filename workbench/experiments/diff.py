"""Why two experiments give different numbers: the chain from the first byte that differs, through
the causes by name, to the queries that moved and the part of each cause in the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ExperimentError
from workbench.evaluation.statistics import ROUNDING
from workbench.experiments.causes import INPUTS, STAGES, Cause, find_causes, first_stage
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.swapping import FIRST, SECOND, Step, Swapping, shared_queries
from workbench.present.view import Shown, View
from workbench.present.words import aligned, count, setting

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]

LOOKED_AT = 10
"""Papers of a ranking that are compared to find the signal that moved them."""

_LISTED = 5
_ONE_SIDED = "queries asked in one of the two only"


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """What swapping some `inputs` did: `causes` in words, by metric the `difference` of the mean,
    and how many queries `moved` in the first metric."""

    inputs: tuple[str, ...]
    causes: tuple[str, ...]
    difference: Mapping[str, float]
    moved: int

    def __repr__(self) -> str:
        metric, value = next(iter(self.difference.items()))
        return f"Part({' and '.join(self.inputs)}: {metric} {value:+.4f}, {self.moved} moved)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExperimentDiff(Shown):
    """What `Experiment.diff` returns; a difference above 0 means that the second is higher.

    `stage` is the first whose bytes differ, of STAGES; "" where none do. `parts` and `unexplained`
    add up to `difference`, metric by metric. `moved`: one row a query of `queries` that moved in
    the first metric: first, second, difference, the inputs that moved it most, and `by`: the
    signal, "tie" or "judgment". `notes` say what could not be taken apart, and in what machine and
    code the two differ.
    """

    first: str
    second: str
    stage: str
    causes: tuple[Cause, ...]
    difference: Mapping[str, float]
    parts: tuple[Part, ...]
    unexplained: Mapping[str, float]
    moved: pd.DataFrame
    queries: int
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every stage of both has the same bytes."""
        return not self.stage

    def to_frame(self) -> pd.DataFrame:
        """One row a part, the last what is left unexplained; one column a metric."""
        import pandas as pd

        rows = [
            {"inputs": ", ".join(p.inputs), "causes": "; ".join(p.causes), "moved": p.moved}
            | dict(p.difference)
            for p in self.parts
        ]
        rest = {"inputs": "unexplained", "causes": "", "moved": 0, **self.unexplained}
        return pd.DataFrame([*rows, rest])

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "first": self.first,
            "second": self.second,
            "stage": self.stage,
            "causes": [
                {"input": c.input, "stage": c.stage, "what": c.what} for c in self.causes
            ],
            "difference": dict(self.difference),
            "parts": [
                {"inputs": list(p.inputs), "causes": list(p.causes), "moved": p.moved}
                | {"difference": dict(p.difference)}
                for p in self.parts
            ],
            "unexplained": dict(self.unexplained),
            "moved": self.moved.reset_index().to_dict("records"),
            "queries": self.queries,
            "notes": list(self.notes),
        }  # fmt: skip

    def __repr__(self) -> str:
        metric, value = next(iter(self.difference.items()))
        where = f"first at {self.stage}" if self.stage else "identical"
        return f"ExperimentDiff({self.first} -> {self.second}: {where}, {metric} {value:+.4f})"

    def view(self) -> View:
        """The chain: stage, causes, parts of the difference, queries."""
        metrics = list(self.difference)
        head = f"{self.first} -> {self.second}: "
        head += f"the first stage that differs is {self.stage}" if self.stage else "identical"
        columns = [f"over {count(self.queries, 'query')}", *metrics, "moved"]
        parts = [
            ("difference", self.difference, len(self.moved)),
            *((" and ".join(p.inputs), p.difference, p.moved) for p in self.parts),
            ("unexplained", self.unexplained, 0),
        ]
        cells = [
            [said, *(f"{change[name]:+.4f}" for name in metrics), f"{moved:,}"]
            for said, change, moved in parts
        ]
        causes = [f"{cause.stage}: {cause.what}" for cause in self.causes]
        moved = [
            f"{query}: {metrics[0]} {row['first']:.4f} -> {row['second']:.4f}, by {row['by']} "
            f"({row['inputs']})"
            for query, row in self.moved.head(_LISTED).iterrows()
        ]
        if (more := len(self.moved) - _LISTED) > 0:
            moved.append(f"and {more:,} more; `.moved` has all")
        lines = [*causes, *aligned([columns, *cells]), *moved]
        values = {
            "columns": columns, "words": 1, "causes": causes, "moved": moved,
            "table": [(place == 0, row) for place, row in enumerate(cells)],
        }  # fmt: skip
        rows = tuple(f"  {line}" for line in lines)
        return View(head, rows, self.notes, "experiment_diff.html", values)


def diff(a: KeptExperiment, b: KeptExperiment) -> ExperimentDiff:
    """What `Experiment.diff` does. Raises ExperimentError where the two share no query or no
    metric, or one ranked nothing."""
    queries = shared_queries(a, b)
    metrics = [name for name in a.metrics if name in b.metrics]
    if not queries or not metrics:
        what = "metric" if queries else "query"
        raise ExperimentError(
            f"experiments {a.id} and {b.id} share no {what}, so nothing can be compared; measure "
            "both on the same queries, with the same metrics"
        )
    causes = find_causes(a, b)
    swapping = Swapping(a, b, queries, metrics)
    differing = {cause.input for cause in causes}
    if swapping.own_ties[FIRST] != swapping.own_ties[SECOND]:
        what = "equal scores are ordered otherwise than by paper id"
        where = "first" if swapping.own_ties[FIRST] else "second"
        causes.append(Cause("ties", "ranking", f"in the {where} {what}"))
        causes.sort(key=lambda cause: STAGES.index(cause.stage))
        differing.add("ties")
    start, end = swapping.recorded(FIRST), swapping.recorded(SECOND)
    begun = swapping.values(dict.fromkeys(INPUTS, FIRST))
    before = begun if begun is not None else start
    unexplained = before - start
    parts, changes = [], []
    steps = list(swapping.path(tuple(differing)))
    for step in steps:
        changes.append(step.values - before)
        parts.append(_part(step.swapped, causes, changes[-1], metrics))
        before = step.values
    unexplained = unexplained + (end - before)
    alone = _one_sided(a, b, queries, metrics)
    if np.abs(alone).max() > 0:
        difference = dict(zip(metrics, alone.tolist(), strict=True))
        parts.append(Part((_ONE_SIDED,), (), difference, 0))
    total = (end - start).mean(axis=0) + alone
    rest = unexplained.mean(axis=0)
    return ExperimentDiff(
        first=a.id,
        second=b.id,
        stage=first_stage(a, b),
        causes=tuple(causes),
        difference=dict(zip(metrics, total.tolist(), strict=True)),
        parts=tuple(parts),
        unexplained=dict(zip(metrics, rest.tolist(), strict=True)),
        moved=_moved(swapping, start, end, steps, changes),
        queries=len(queries),
        notes=tuple(_notes(a, b, steps, begun is not None)),
    )


def _part(
    swapped: tuple[str, ...], causes: Sequence[Cause], change: Vector, metrics: Sequence[str]
) -> Part:
    said = tuple(cause.what for cause in causes if cause.input in swapped)
    means = dict(zip(metrics, change.mean(axis=0).tolist(), strict=True))
    return Part(swapped, said, means, int((np.abs(change[:, 0]) > ROUNDING).sum()))


def _one_sided(
    a: KeptExperiment, b: KeptExperiment, queries: Sequence[str], metrics: Sequence[str]
) -> Vector:
    """What the means owe to queries that the other lacks, (metrics,)."""
    names = list(metrics)
    first, second = (
        e.per_query[names].to_numpy().mean(axis=0)
        - e.per_query.loc[list(queries), names].to_numpy().mean(axis=0)
        if len(e.per_query) > len(queries)
        else np.zeros(len(names))
        for e in (a, b)
    )
    found: Vector = second - first
    return found


def _moved(
    swapping: Swapping, start: Vector, end: Vector, steps: Sequence[Step], changes: Sequence[Vector]
) -> pd.DataFrame:
    """The queries that moved in the first metric, the largest difference first."""
    import pandas as pd

    rows = []
    states = [dict.fromkeys(INPUTS, FIRST), *(step.state for step in steps)]
    for row, query in enumerate(swapping.queries):
        change = end[row, 0] - start[row, 0]
        if abs(change) <= ROUNDING:
            continue
        sizes = [abs(each[row, 0]) for each in changes]
        place = int(np.argmax(sizes)) if sizes and max(sizes) > ROUNDING else -1
        by, inputs = "unexplained", ""
        if place >= 0:
            inputs = " and ".join(steps[place].swapped)
            by = _mover(swapping, query, states[place], steps[place])
        rows.append((query, start[row, 0], end[row, 0], change, inputs, by))
    columns = ["query", "first", "second", "difference", "inputs", "by"]
    frame = pd.DataFrame(rows, columns=columns).set_index("query")
    return frame.sort_values("difference", key=lambda d: -d.abs(), kind="stable")


def _mover(swapping: Swapping, query: str, before: Mapping[str, int], step: Step) -> str:
    """The signal whose contributions changed most for one query's first papers."""
    if step.swapped == ("judgments",):
        return "judgment"
    if step.swapped == ("ties",):
        return "tie"
    found = swapping.candidates(before)
    if found is None or step.candidates is None:
        return "what is not at hand"
    pair = found[query], step.candidates[query]
    parts = [
        swapping.contributions(state, each)
        for state, each in zip((before, step.state), pair, strict=True)
    ]
    heads = [
        swapping.ranked(state, query, each)[0][:LOOKED_AT]
        for state, each in zip((before, step.state), pair, strict=True)
    ]
    sizes: dict[str, float] = {}
    for paper in dict.fromkeys((*heads[0], *heads[1])):
        for sign, own, each in zip((-1, 1), parts, pair, strict=True):
            for signal, value in zip(each.signals, own.get(paper, ()), strict=False):
                key = f"{paper}\0{signal}"
                sizes[key] = sizes.get(key, 0.0) + sign * float(value)
    signals: dict[str, float] = {}
    for key, value in sizes.items():
        name = key.rpartition("\0")[2]
        signals[name] = signals.get(name, 0.0) + abs(value)
    return max(signals, key=lambda name: signals[name]) if any(signals.values()) else "tie"


def _notes(a: KeptExperiment, b: KeptExperiment, steps: Sequence[Step], begun: bool) -> list[str]:
    notes = []
    if not begun:
        notes.append(
            "the first cannot be computed again (its corpus is not open here as it was, and its "
            "candidates are not kept): that it would give its numbers is taken as it is"
        )
    for step in steps:
        if not step.computed:
            notes.append(
                f"{' and '.join(step.swapped)} could not be swapped alone: its part is what the "
                "others leave, open the second's corpus to see it checked"
            )
        elif len(step.swapped) > 1:
            notes.append(f"{' and '.join(step.swapped)} could be swapped only together")
    notes += [
        f"other {name}: {setting(mine)} -> {setting(other)}"
        for name, mine, other in _machines(a.document["machine"], b.document["machine"])
    ]
    return notes


def _machines(
    mine: Mapping[str, Any], other: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    """(name, one's, the other's) of what differs between two machines."""
    flat = [
        {
            (f"{name} {key}".removeprefix("versions ")): part
            for name, value in each.items()
            for key, part in (value.items() if isinstance(value, Mapping) else [("", value)])
        }
        for each in (mine, other)
    ]
    names = dict.fromkeys((*flat[0], *flat[1]))
    return [
        (name.strip(), flat[0].get(name), flat[1].get(name))
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]
