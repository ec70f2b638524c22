"""One signal of one query: what is asked of the cluster, what came, and the values it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.elastic.own.mapping import ARMS, key, parsed_key
from workbench.engines.elastic.queries import LIMIT
from workbench.engines.elastic.terms import weighted_terms
from workbench.records import Query

MARGIN = 32
"""Vectors asked for beyond an arm's size, so that ties at its end are cut here, by paper id."""

Key = tuple[str, int]


@dataclass(slots=True)
class Arm:
    """`found` are the keys of its best, `scores` the raw values of all that it was asked for;
    where it is `complete`, any other passage has 0."""

    signal: str
    size: int
    query: Query
    width: int = 0
    found: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    complete: bool = False
    answered: bool = False

    def __post_init__(self) -> None:
        self.width = min(LIMIT, self.size + MARGIN) if self.dense else self.size

    @property
    def dense(self) -> bool:
        """Whether its values are cosines."""
        return self.signal.startswith("dense")

    @property
    def field(self) -> str:
        """The field that a lexical arm searches."""
        return ARMS["title" if self.signal == "title" else "bm25"]

    @property
    def wanted(self) -> bool:
        """An arm without terms or without a vector has value 0 everywhere."""
        return self.query.vector is not None if self.dense else bool(weighted_terms(self.query))

    @property
    def open(self) -> bool:
        """Whether it is still to be asked for its best."""
        return self.wanted and self.size > 0 and not self.answered

    def take(self, answer: Mapping[str, Any]) -> bool:
        """Keep the best of an answer. False, with a greater width, where equal vectors may go on
        beyond it: the cluster chose among them, and would choose others on another copy."""
        scores = scores_of(answer)
        names = list(scores)
        if self.dense:
            names.sort(key=lambda name: (-scores[name], parsed_key(name)))
            full = len(names) == self.width < LIMIT
            if full and scores[names[self.size - 1]] == scores[names[-1]]:
                self.width = min(LIMIT, 4 * self.width)
                return False
        self.answered = True
        self.found = names[: self.size]
        self.scores = {name: scores[name] for name in self.found}
        self.complete = not self.dense and len(names) < self.size
        return True

    def missing(self, union: Sequence[Key]) -> list[str]:
        """The passages of the union whose value it does not know. A title's value stands on the
        first passage of its paper."""
        if self.complete:
            return []
        title = self.signal == "title"
        names = dict.fromkeys(key(paper_id, 0 if title else no) for paper_id, no in union)
        return [name for name in names if name not in self.scores]

    def values(self, union: Sequence[Key], absent: float = 0.0) -> NDArray[np.float64]:
        """Its value for each passage, float64 (len(union),); `absent` where it knows none."""
        title = self.signal == "title"
        names = [key(paper_id, 0 if title else no) for paper_id, no in union]
        raw = [self.scores.get(name, np.nan) for name in names]
        values = np.array(raw, dtype=np.float32).astype(np.float64)
        if self.dense:  # Elasticsearch writes a cosine as (1 + cosine) / 2
            values = 2 * values - 1
        known = self.complete or not self.wanted
        return np.where(np.isnan(values), 0.0 if known else absent, values)


def scores_of(answer: Mapping[str, Any]) -> dict[str, float]:
    """Score by key, in the answer's order."""
    return {hit["fields"]["key"][0]: hit["_score"] for hit in answer["hits"]["hits"]}
