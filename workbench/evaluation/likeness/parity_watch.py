"""What two engines answered to the same queries, collected query by query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.evaluation.likeness.causes import Asked, Causes, alike, tally
from workbench.evaluation.likeness.lost import Lists, keys_of
from workbench.evaluation.likeness.overlap import rbo
from workbench.profiles import Profile
from workbench.ranking.ranking import Ranking
from workbench.records import Candidates

EXAMINED = 40
"""Differences of a signal whose cause is looked for, a query; the largest ones."""


@dataclass(frozen=True, slots=True)
class SignalParity:
    """One signal on the passages that are candidates of both engines.

    `mean` and `largest` absolute difference, `equal` the share of equal values, `causes` of the
    differences that were examined.
    """

    name: str
    passages: int
    mean: float
    largest: float
    equal: float
    causes: Mapping[str, int] = field(default_factory=dict)


class Watch:
    """Collects what is seen, query by query."""

    def __init__(self, causes: Causes, profile: Profile, k: int) -> None:
        self.overlap: dict[str, float] = {}
        self.rbo: dict[str, float] = {}
        self.lost: list[str] = []
        self.recall: dict[str, list[float]] = {}
        self._tested = causes
        self._profile = profile
        self._k = k
        self._differences: dict[str, list[float]] = {}
        self._equal: dict[str, int] = {}
        self._causes: dict[str, list[str]] = {}

    def compare(self, name: str, first: Ranking, second: Ranking) -> None:
        """Take in one query's two rankings."""
        one, other = first.paper_ids, second.paper_ids
        self.overlap[name] = len(set(one) & set(other)) / max(len(one), len(other), 1)
        self.rbo[name] = rbo(one, other) if one and other else float(one == other)
        self._arms(first.candidates, set(keys_of(second.candidates)))
        queries = first.candidates.query, second.candidates.query
        asked = Asked(*queries, first.expanded, second.expanded)
        exact = self._tested.facts.exact
        lists = Lists(first, second, asked, self._profile, self._k, exact)
        self.lost += [lists.cause(paper_id) for paper_id in one if paper_id not in set(other)]
        self._values(asked, first.candidates, second.candidates)

    def signals(self) -> tuple[SignalParity, ...]:
        """Each signal over all queries."""
        return tuple(
            SignalParity(
                name=name,
                passages=len(values),
                mean=float(np.mean(values)) if values else 0.0,
                largest=max(values, default=0.0),
                equal=self._equal[name] / max(len(values), 1),
                causes=tally(self._causes.get(name, [])),
            )
            for name, values in self._differences.items()
        )

    def _arms(self, first: Candidates, rows: set[tuple[str, int]]) -> None:
        """How much of each arm's best the other has among its candidates."""
        keys = keys_of(first)
        for signal in ("bm25", "dense"):
            values = first.column(signal)
            order = np.argsort(-values, kind="stable")[: self._profile.n_retrieval]
            best = [keys[row] for row in order if values[row] > (0 if signal == "bm25" else -1)]
            if best:
                share = sum(key in rows for key in best) / len(best)
                self.recall.setdefault(signal, []).append(share)

    def _values(self, asked: Asked, first: Candidates, second: Candidates) -> None:
        place = {key: row for row, key in enumerate(keys_of(second))}
        shared = [(row, place[key], key) for row, key in enumerate(keys_of(first)) if key in place]
        for signal in (name for name in first.signals if name in second.signals):
            one, other = first.column(signal), second.column(signal)
            differences = [abs(float(one[a] - other[b])) for a, b, _ in shared]
            self._differences.setdefault(signal, []).extend(differences)
            equal = sum(alike(float(one[a]), float(other[b])) for a, b, _ in shared)
            self._equal[signal] = self._equal.get(signal, 0) + equal
            largest = np.argsort(-np.array(differences), kind="stable")[:EXAMINED]
            for a, b, key in (shared[at] for at in largest):
                cause = self._tested.of(asked, key, signal, float(one[a]), float(other[b]))
                self._causes.setdefault(signal, []).append(cause)
