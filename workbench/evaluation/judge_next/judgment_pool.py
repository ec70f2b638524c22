"""Judgment pools: which papers of a query are worth judging, so that no arm is favoured.

Depth-k pooling (Sparck Jones and van Rijsbergen, 1975): the union of the first k papers of the
ranking as it is and of each of its signals alone. Everything is ranked from the candidates at
hand; nothing is retrieved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from workbench.errors import EvaluationError
from workbench.profiles import Profile
from workbench.ranking.weights import ranked_ids
from workbench.records import Candidates

WHOLE = "ranking"
"""Name of the ranking under all weights together, beside the signals' own names."""


@dataclass(frozen=True, slots=True)
class PooledPaper:
    """A paper of a judgment pool: `ranks` from 1 in each arm that has it among its first k."""

    paper_id: str
    ranks: Mapping[str, int]


def judgment_pool(candidates: Candidates, profile: Profile, depth: int) -> tuple[PooledPaper, ...]:
    """The papers to judge for one query: those of the ranking first, then what arms add.

    Raises EvaluationError for a depth below 1, and what ranking raises.
    """
    if depth < 1:
        raise EvaluationError(f"depth is {depth}; judge at least 1 paper a query")
    ranks: dict[str, dict[str, int]] = {}
    for arm, weights in _arms(candidates, profile).items():
        ids = ranked_ids(candidates, profile.replace(weights=weights), depth)
        for rank, paper_id in enumerate(ids, start=1):
            ranks.setdefault(paper_id, {})[arm] = rank
    return tuple(PooledPaper(paper_id, found) for paper_id, found in ranks.items())


def shuffled(papers: Sequence[PooledPaper], query_id: str, seed: int) -> tuple[PooledPaper, ...]:
    """The same papers in an order that tells nothing of their ranks: by a hash of the seed, the
    query and the paper, so it is the same every time, also when the pool grows."""

    def lot(paper: PooledPaper) -> str:
        return sha256(f"{seed}\0{query_id}\0{paper.paper_id}".encode()).hexdigest()

    return tuple(sorted(papers, key=lot))


def _arms(candidates: Candidates, profile: Profile) -> dict[str, Mapping[str, float]]:
    """The profile's weights, and each weighted signal by itself, where it tells papers apart."""
    arms: dict[str, Mapping[str, float]] = {WHOLE: profile.weights}
    for name in candidates.signals:
        values = candidates.column(name)
        if profile.weights.get(name, 0.0) > 0 and len(values) and values.max() > values.min():
            arms[name] = {name: 1.0}
    return arms
