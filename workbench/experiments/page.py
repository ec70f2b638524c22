"""An experiment as one HTML page that needs no Python, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.store import Summary
from workbench.present.view import render

SHOWN = 20
"""Queries listed, the worst first, each with its first papers."""

PAPERS = 5
_WIDTH, _HEIGHT = 720, 150


def page(experiment: KeptExperiment, siblings: Sequence[Summary] = ()) -> str:
    """The page. `siblings` are the experiments of the same corpus, for the history."""
    searched = "tables" in experiment.document
    metrics = list(experiment.metrics)
    values: dict[str, Any] = {
        "experiment": experiment,
        "metrics": [
            {"name": name, "value": v, "left": 100 * v.low, "mean": 100 * v.mean,
             "width": 100 * max(v.high - v.low, 0.002)}
            for name, v in experiment.metrics.items()
        ],
        "document": experiment.document,
        "stages": experiment.stages,
        "queries": _queries(experiment) if searched else [],
        "bars": _bars(experiment) if searched and metrics else [],
        "metric": metrics[0] if metrics else "",
        "history": _history(siblings, metrics[0], experiment.id) if metrics else [],
        "size": (_WIDTH, _HEIGHT),
        "settings": experiment.document.get("settings", {}),
        "tags": experiment.tags,
        "notes": experiment.notes,
    }  # fmt: skip
    return render("experiment_page.html", **values)


def _bars(experiment: KeptExperiment) -> list[dict[str, Any]]:
    """One bar a query in the first metric, the lowest first."""
    frame = experiment.per_query
    column = frame[frame.columns[0]]
    ordered = column.sort_values(kind="stable")
    width = _WIDTH / max(len(ordered), 1)
    top = max(float(ordered.max()), 1e-9)
    return [
        {"x": i * width, "w": max(width - 0.5, 0.3), "h": _HEIGHT * value / top,
         "y": _HEIGHT - _HEIGHT * value / top, "query": query, "value": value}
        for i, (query, value) in enumerate(ordered.items())
    ]  # fmt: skip


def _history(siblings: Sequence[Summary], metric: str, own: str) -> list[dict[str, Any]]:
    """Points of the metric over the experiments in the order of time."""
    found = [row for row in siblings if row.measured and metric in row.metrics][-200:]
    if len(found) < 2:
        return []
    values = np.array([row.metrics[metric] for row in found])
    span = float(np.ptp(values)) or 1.0
    return [
        {"x": 64 + (_WIDTH - 70) * i / (len(found) - 1),
         "y": 5 + (_HEIGHT - 10) * (1 - (value - values.min()) / span),
         "value": float(value), "name": row.name, "id": row.id, "own": row.id == own}
        for i, (row, value) in enumerate(zip(found, values, strict=True))
    ]  # fmt: skip


def _queries(experiment: KeptExperiment) -> list[dict[str, Any]]:
    """The worst queries in the first metric, with their first papers, titles and grades."""
    texts = {query.id: query.text for query in experiment.queries}
    grades = experiment.collection.grades
    frame = experiment.per_query
    worst = frame.sort_values(frame.columns[0], kind="stable").head(SHOWN)
    first = {str(query): experiment.ranked[str(query)][0][:PAPERS] for query in worst.index}
    titles = _titles(experiment, {paper for papers in first.values() for paper in papers})
    return [
        {
            "id": query,
            "text": texts.get(str(query), ""),
            "values": [f"{value:.3f}" for value in row],
            "papers": [
                {
                    "id": paper,
                    "title": titles.get(paper, ""),
                    "grade": grades.get(str(query), {}).get(paper),
                }
                for paper in first[str(query)]
            ],
        }
        for query, row in worst.iterrows()
    ]


def _titles(experiment: KeptExperiment, papers: set[str]) -> dict[str, str]:
    """Titles as the corpus has them now; none where it is not at hand, since a page is of the
    record, which holds ids."""
    try:
        subject = experiment.subject()
        if subject is None:
            return {}
        known = sorted(subject.engine.known(papers))
        return {paper.id: paper.title for paper in subject.engine.papers(known)}
    except WorkbenchError:
        return {}
