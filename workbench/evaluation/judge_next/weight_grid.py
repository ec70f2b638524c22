"""Ranks of papers under many weights at once: arithmetic on candidates, no judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WeightError
from workbench.ranking.fusion import Matrix, Vector, weight_vector
from workbench.records import Candidates

Ranks = NDArray[np.int64]
Columns = NDArray[np.intp]

STEPS = 100
"""Two signals are compared at weights 0, 0.01, ... 1 of the second."""

SIMPLEX_STEPS = 10
"""More signals: all weights in tenths that sum to 1 (66 for three signals, 286 for four)."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One query under every contender: scores of its papers, float64 (contenders, papers), and
    their ids, (papers,), ascending."""

    scores: Matrix
    paper_ids: NDArray[np.str_]

    def judgment_pool(self, depth: int) -> Columns:
        """The papers that are among the first `depth` under some contender, ascending."""
        count = self.scores.shape[1]
        if count <= depth:
            return np.arange(count)
        least = np.partition(self.scores, count - depth, axis=1)[:, count - depth]
        above: Columns = np.flatnonzero((self.scores >= least[:, None]).any(axis=0))
        if len(above) > depth:
            ranks = self.ranks_within(above)
            above = above[(ranks <= depth).any(axis=0)]
        return above

    def ranks_within(self, columns: Columns) -> Ranks:
        """Ranks among the papers of these columns, int64 (contenders, columns), ties by paper id.

        They are the true ranks of papers that no paper outside the columns precedes.
        """
        order = np.argsort(-self.scores[:, columns], axis=1, kind="stable")
        ranks = np.empty_like(order)
        places = np.arange(1, len(columns) + 1)[None, :]
        np.put_along_axis(ranks, order, np.broadcast_to(places, order.shape), axis=1)
        return ranks

    def ranks(self, columns: Columns) -> Ranks:
        """True ranks of some papers among all, int64 (contenders, columns), ties by paper id."""
        ranks = np.empty((len(self.scores), len(columns)), dtype=np.int64)
        for row, scores in enumerate(-self.scores):
            ordered = np.sort(scores)
            own = scores[columns]
            before = np.searchsorted(ordered, own, side="left")
            if (np.searchsorted(ordered, own, side="right") - before > 1).any():
                place = np.empty(len(scores), dtype=np.int64)
                place[np.argsort(scores, kind="stable")] = np.arange(len(scores))
                before = place[columns]
            ranks[row] = before + 1
        return ranks


def score_table(candidates: Candidates, normalised: Matrix, contenders: Matrix) -> Table:
    """The candidates under contenders, float64 (contenders, signals), scored as `fuse` and
    `rank_papers` do: bit for bit, a paper by its best passage."""
    scores = np.zeros((len(contenders), len(candidates)))
    for column, weights in enumerate(contenders.T):
        if weights.any():
            scores += normalised[:, column][None, :] * weights[:, None]
    starts = candidates.paper_starts
    if len(starts) and len(starts) < len(candidates):
        scores = np.maximum.reduceat(scores, starts, axis=1)
    return Table(scores, candidates.paper_ids[starts])


def spread(signals: Sequence[str]) -> list[dict[str, float]]:
    """Weights over the whole simplex of the signals, ascending in the last one where there are
    two. Raises WeightError for fewer than two signals, or one twice."""
    if len(signals) < 2 or len(set(signals)) < len(signals):
        raise WeightError(f"signals are {', '.join(signals)}; give two or more, each once")
    if len(signals) == 2:
        seconds = [step / STEPS for step in range(STEPS + 1)]
        return [dict(zip(signals, (1.0 - w, w), strict=True)) for w in seconds]
    parts = product(range(SIMPLEX_STEPS + 1), repeat=len(signals) - 1)
    return [
        {
            signals[0]: (SIMPLEX_STEPS - sum(others)) / SIMPLEX_STEPS,
            **{name: o / SIMPLEX_STEPS for name, o in zip(signals[1:], others, strict=True)},
        }
        for others in parts
        if sum(others) <= SIMPLEX_STEPS
    ]


def as_matrix(contenders: Sequence[Mapping[str, float]], signals: Sequence[str]) -> Matrix:
    """Contenders as float64 (contenders, signals). Raises WeightError for an unknown signal, or
    weights that define no order."""
    return np.stack([weight_vector(weights, signals) for weights in contenders])


def middle_of_best(values: Vector, tolerance: float) -> int:
    """The middle of the longest run of the largest value, where equal means to the tolerance."""
    top = np.flatnonzero(values >= values.max() - tolerance)
    cuts = np.flatnonzero(np.diff(top) > 1)
    starts, stops = np.append(0, cuts + 1), np.append(cuts + 1, len(top))
    longest = int(np.argmax(stops - starts))
    run = top[starts[longest] : stops[longest]]
    return int(run[(len(run) - 1) // 2])


def by_distance(contenders: Sequence[Mapping[str, float]], one: int) -> Columns:
    """Numbers of the contenders, the nearest to that one first, itself before all."""
    names = sorted({name for weights in contenders for name in weights})
    places = np.array([[weights.get(name, 0.0) for name in names] for weights in contenders])
    distances = np.abs(places - places[one]).sum(axis=1)
    distances[one] = -1.0
    return np.argsort(np.round(distances, 12), kind="stable")


def weights_text(weights: Mapping[str, Any]) -> str:
    """Of two signals the second's weight, of more all that are not 0."""
    shown = list(weights.items())[1:] if len(weights) == 2 else list(weights.items())
    used = [(name, weight) for name, weight in shown if weight or len(weights) == 2]
    return ", ".join(f"{name} {weight:.4g}" for name, weight in used)
