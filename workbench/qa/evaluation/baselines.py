"""Other ways to choose sentences from the same evidence, to be compared at equal words."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from workbench.models.products import products
from workbench.qa.records import Evidence

Choose = Callable[[Evidence, int], list[int]]


def lead(evidence: Evidence, words: int) -> list[int]:
    """The first sentences of the passages, passage by passage in turns: what a snippet shows."""
    turn: dict[tuple[str, int], int] = {}
    turns = []
    for quote in evidence.quotes:
        key = quote.paper_id, quote.number
        turns.append(turn.get(key, 0))
        turn[key] = turns[-1] + 1
    order = sorted(range(len(turns)), key=lambda row: (turns[row], row))
    return _fill(evidence, order, words)


def nearest(evidence: Evidence, words: int) -> list[int]:
    """The sentences nearest to the question by their vectors."""
    return _fill(evidence, np.argsort(-_dense(evidence), kind="stable").tolist(), words)


def mmr(evidence: Evidence, words: int, balance: float = 0.5) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) on the vectors."""
    relevance = _dense(evidence)
    likeness = products(evidence.vectors, evidence.vectors)
    order: list[int] = []
    left = set(range(len(relevance)))
    closest = np.zeros(len(relevance))
    while left:
        best = max(left, key=lambda i: (balance * relevance[i] - (1 - balance) * closest[i], -i))
        left.remove(best)
        order.append(best)
        closest = np.maximum(closest, likeness[best])
    return _fill(evidence, order, words)


def lexrank(evidence: Evidence, words: int, damping: float = 0.85) -> list[int]:
    """Continuous LexRank (Erkan and Radev, JAIR 2004) over the vectors' cosines."""
    count = len(evidence.quotes)
    if not count:
        return []
    likeness = np.maximum(products(evidence.vectors, evidence.vectors), 0)
    step = likeness / likeness.sum(axis=1, keepdims=True)
    rank = np.full(count, 1 / count)
    for _ in range(100):
        new = (1 - damping) / count + damping * np.einsum("i,ij->j", rank, step)
        if np.abs(new - rank).sum() < 1e-9:
            break
        rank = new
    return _fill(evidence, np.argsort(-rank, kind="stable").tolist(), words)


BASELINES: dict[str, Choose] = {"lead": lead, "nearest": nearest, "mmr": mmr, "lexrank": lexrank}


def _dense(evidence: Evidence) -> NDArray[np.float64]:
    return np.array([quote.signals["dense"] for quote in evidence.quotes])


def _fill(evidence: Evidence, order: Iterable[int], words: int) -> list[int]:
    """Rows in order, each that still fits into the words."""
    rows = []
    for row in order:
        if evidence.quotes[row].words <= words:
            rows.append(row)
            words -= evidence.quotes[row].words
    return rows
