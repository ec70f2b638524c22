"""What two engines answered to the same queries, collected query by query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.evaluation.likeness.causes import EQUAL, Facts, Lengths, tally
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

    def __init__(self, lengths: Lengths, facts: Facts, profile: Profile, k: int) -> None:
        self.overlap: dict[str, float] = {}
        self.rbo: dict[str, float] = {}
        self.lost: list[str] = []
        self.recall: dict[str, list[float]] = {}
        self._lengths = lengths
        self._facts = facts
        self._n = profile.n_retrieval
        self._k = k
        self._differences: dict[str, list[float]] = {}
        self._equal: dict[str, int] = {}
        self._causes: dict[str, list[str]] = {}

    def compare(self, name: str, first: Ranking, second: Ranking) -> None:
        """Take in one query's two rankings."""
        one, other = first.paper_ids, second.paper_ids
        self.overlap[name] = len(set(one) & set(other)) / max(len(one), len(other), 1)
        self.rbo[name] = rbo(one, other) if one and other else float(one == other)
        rows = _keys(second.candidates)
        self._arms(first.candidates, set(rows))
        known = {paper_id for paper_id, _ in rows}
        for paper_id in set(one) - set(other):
            if paper_id in known:
                self.lost.append("score differences")
            else:
                self.lost.append("cut of an arm" if self._facts.exact else "approximate kNN")
        self._values(first.candidates, second.candidates)

    def signals(self) -> tuple[SignalParity, ...]:
        """Each signal over all queries."""
        return tuple(
            SignalParity(
                name=name,
                passages=len(values),
                mean=float(np.mean(values)) if values else 0.0,
                largest=max(values, default=0.0),
                equal=self._equal[name] / max(len(values), 1),
                causes=tally(self._causes[name]),
            )
            for name, values in self._differences.items()
        )

    def _arms(self, first: Candidates, rows: set[tuple[str, int]]) -> None:
        """How much of each arm's best the other has among its candidates."""
        keys = _keys(first)
        for signal in ("bm25", "dense"):
            values = first.column(signal)
            order = np.argsort(-values, kind="stable")[: self._n]
            best = [keys[row] for row in order if values[row] > (0 if signal == "bm25" else -1)]
            if best:
                share = sum(key in rows for key in best) / len(best)
                self.recall.setdefault(signal, []).append(share)

    def _values(self, first: Candidates, second: Candidates) -> None:
        place = {key: row for row, key in enumerate(_keys(second))}
        shared = [(row, place[key], key) for row, key in enumerate(_keys(first)) if key in place]
        for signal in (name for name in first.signals if name in second.signals):
            one, other = first.column(signal), second.column(signal)
            differences = [abs(float(one[a] - other[b])) for a, b, _ in shared]
            self._differences.setdefault(signal, []).extend(differences)
            alike = sum(
                d <= EQUAL * max(1.0, abs(one[a]))
                for d, (a, _, _) in zip(differences, shared, strict=True)
            )
            self._equal[signal] = self._equal.get(signal, 0) + alike
            causes = self._causes.setdefault(signal, [])
            if signal.endswith("_feedback"):
                causes += ["own feedback"] * (len(shared) - alike)
                continue
            largest = np.argsort(-np.array(differences), kind="stable")[:EXAMINED]
            for at in largest:
                a, b, key = shared[at]
                causes.append(
                    self._lengths.cause(first.query, key, signal, float(one[a]), float(other[b]))
                )


def _keys(candidates: Candidates) -> list[tuple[str, int]]:
    numbers = candidates.numbers.tolist()
    return list(zip(candidates.paper_ids.tolist(), numbers, strict=True))
