"""What tuning did not use, or could not learn from: counted, never dropped silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.evaluation.notes import notes_on_queries, unknown_papers_note
from workbench.evaluation.tuning.exact.tuning_set import CurveItem
from workbench.present.words import count
from workbench.records import Query


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Ids stand in the order of the queries.

    - `without_judgments`: nobody judged a paper for them; left out of the mean
    - `without_relevant`: no paper is judged relevant; kept, with value 0 at every weight
    - `without_results`: judged, but nothing was retrieved; kept, with value 0
    - `unknown_queries`: how many judged query ids are not among the queries; left out
    - `negative_grades`: how many judgments of the queries are negative; they count as 0
    - `without_candidates`: a paper is relevant, but none such was retrieved; kept, with value 0
    - `unknown_papers`: judged papers of the queries that the corpus does not have
    - `constant`: signal -> in how many queries it is the same for every candidate; there it orders
      nothing, and its weight only shrinks the others'
    """

    without_judgments: tuple[str, ...] = ()
    without_relevant: tuple[str, ...] = ()
    without_results: tuple[str, ...] = ()
    unknown_queries: int = 0
    negative_grades: int = 0
    constant: Mapping[str, int] = field(default_factory=dict)
    without_candidates: tuple[str, ...] = ()
    unknown_papers: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in sentences; ids of at most five."""
        lists = (
            (self.without_judgments, "without any judgment, left out"),
            (self.without_relevant, "without a relevant paper, counted as 0 at every weight"),
            (self.without_results, "for which nothing was found, counted as 0"),
            (
                self.without_candidates,
                "with no relevant paper among the candidates, counted as 0 at every weight",
            ),
        )
        notes = notes_on_queries(lists, self.unknown_queries, self.negative_grades)
        notes += unknown_papers_note(self.unknown_papers)
        notes += [
            f"{signal} is the same for every candidate of {count(queries, 'query')}: there it "
            "orders nothing"
            for signal, queries in self.constant.items()
            if queries
        ]
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in {**plain, "constant": dict(self.constant)}.items()
        }


def what_is_left_out(
    asked: Sequence[Query],
    grades: Mapping[str, Mapping[str, int]],
    items: Sequence[CurveItem],
    signals: Sequence[str],
    unknown_papers: Sequence[str] = (),
    least: int | None = 1,
) -> LeftOut:
    """`asked` are all queries, `grades` all judgments by query id, `items` the judged queries,
    `unknown_papers` those judged that the corpus does not have, `least` the lowest grade that
    counts, None for any."""
    ids = {query.id for query in asked}
    used = [query.id for query in asked if query.id in grades]
    return LeftOut(
        without_judgments=tuple(query.id for query in asked if query.id not in grades),
        without_relevant=tuple(i for i in used if max(grades[i].values()) <= 0),
        without_results=tuple(item.name for item in items if not len(item.candidates)),
        unknown_queries=len(grades.keys() - ids),
        negative_grades=sum(grade < 0 for i in used for grade in grades[i].values()),
        constant={name: sum(_constant(item, name) for item in items) for name in signals},
        without_candidates=tuple(item.name for item in items if _out_of_reach(item, least)),
        unknown_papers=tuple(unknown_papers),
    )


def _out_of_reach(item: CurveItem, least: int | None) -> bool:
    """Whether papers count for the query, something was retrieved, and none of them is in it."""
    counted = [paper for paper, grade in item.grades.items() if least is None or grade >= least]
    retrieved = item.candidates.paper_ids
    return bool(counted) and len(retrieved) > 0 and not np.isin(retrieved, counted).any()


def _constant(item: CurveItem, signal: str) -> bool:
    """Whether the signal is one number for all candidates, of which there is at least one."""
    if not len(item.candidates):
        return False
    column = item.normalised[:, item.candidates.signals.index(signal)]
    # Most columns differ at once: no need to read them to the end.
    return bool(column[0] == column[-1]) and not np.ptp(column)
