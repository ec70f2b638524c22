"""Why a paper of one engine's list is not in the other's: each cause is swapped in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.engines.base import FEEDBACK
from workbench.errors import CorpusError
from workbench.evaluation.likeness.causes import Asked, Key, alike
from workbench.profiles import Profile
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import ranked_ids
from workbench.records import Candidates

LOST = {
    "approximate kNN": "the second engine's vector index looks at a part of the vectors only; an "
    "exact one would have found the passage",
    "other passages": "the second engine does not hold the passage",
    "cut of an arm": "in the second engine's own values the passage is beyond the end of every arm",
    "score differences": "both have the paper: with the first's values of its own query's signals "
    "the second's list has it too",
    "other candidates": "the second's values give the paper its place among the first's candidates",
}


@dataclass(frozen=True, slots=True)
class Lists:
    """One query on both engines, and how it was ranked."""

    first: Ranking
    second: Ranking
    asked: Asked
    profile: Profile
    k: int
    exact: bool

    def cause(self, paper_id: str) -> str:
        """Why a paper of the first list is not in the second."""
        one, other = self.first.candidates, self.second.candidates
        if not (other.paper_ids == paper_id).any():
            return self._not_retrieved([key for key in keys_of(one) if key[0] == paper_id])
        own = [name for name in one.signals if name not in FEEDBACK and name in other.signals]
        fed = [name for name in one.signals if name in FEEDBACK and name in other.signals]
        for cause, signals in (
            ("score differences", own),
            ("own feedback", fed),
            ("score differences", own + fed),
        ):
            if signals and self._ranked(paper_id, with_values(other, one, signals)):
                return cause
        moved = with_values(one, other, own + fed)
        return "other candidates" if self._ranked(paper_id, moved) else "unexplained"

    def _ranked(self, paper_id: str, candidates: Candidates) -> bool:
        return paper_id in ranked_ids(candidates, self.profile, self.k)

    def _not_retrieved(self, keys: list[Key]) -> str:
        """An arm that should have had a passage is approximate, or no arm should have had it."""
        try:
            beyond = {arm: all(self._beyond(key, arm) for key in keys) for arm in self._arms()}
        except CorpusError:
            return "other passages"
        missed = [arm for arm, held in beyond.items() if not held]
        if not missed:
            return "cut of an arm"
        approximate = not self.exact and all(arm.startswith("dense") for arm in missed)
        return "approximate kNN" if approximate else "unexplained"

    def _arms(self) -> Iterable[str]:
        present = self.second.candidates.signals
        return [name for name in ("bm25", "title", "dense", *FEEDBACK) if name in present]

    def _beyond(self, key: Key, arm: str) -> bool:
        """Whether, by the second engine's own value, others fill the arm before this passage."""
        value = self._value(key, arm)
        if not arm.startswith("dense") and value <= 0:
            return True
        other = self.second.candidates
        column = other.column(arm)
        better = column > value
        better |= np.array([alike(value, float(rival)) for rival in column], dtype=bool)
        if arm == "title":  # an arm of papers
            return len(set(other.paper_ids[better])) >= self.profile.n_keyword
        return int(better.sum()) >= self.profile.n_retrieval

    def _value(self, key: Key, arm: str) -> float:
        engine: Any = self.second.engine
        query = self.asked.of(arm)[1]
        if arm.startswith("dense"):
            vector = query.vector
            return 0.0 if vector is None else float(engine.vectors([key])[0] @ vector)
        parts = engine.term_scores(query, *key)
        return float(sum(parts["title" if arm == "title" else "bm25"].values()))


def keys_of(candidates: Candidates) -> list[Key]:
    """(paper id, number) of each row."""
    numbers = candidates.numbers.tolist()
    return list(zip(candidates.paper_ids.tolist(), numbers, strict=True))


def with_values(candidates: Candidates, others: Candidates, signals: Iterable[str]) -> Candidates:
    """The same candidates, with the values that `others` have for them in these signals."""
    place = {key: row for row, key in enumerate(keys_of(others))}
    shared = [(row, place[key]) for row, key in enumerate(keys_of(candidates)) if key in place]
    rows = [row for row, _ in shared]
    values = candidates.values.copy()
    for signal in signals:
        taken = others.column(signal)[[row for _, row in shared]]
        values[rows, candidates.signals.index(signal)] = taken
    return replace(candidates, values=values)
