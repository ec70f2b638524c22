"""Candidates of many queries, ranked together: a setting costs a few passes over one matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.collection import naming
from workbench.experiments.evaluating import Ranked
from workbench.profiles import Profile
from workbench.ranking.fusion import fuse, normalise, weight_vector
from workbench.ranking.weights import check_k, check_vectors, is_semantic
from workbench.records import Candidates, Query


class CandidateBatch:
    """What one retrieval found, its queries below each other; `rank` gives of each, bit by bit,
    what `ranked_papers` gives of it alone. All have the same signals, as one retriever's do."""

    def __init__(self, found: Sequence[tuple[Query, Candidates]]) -> None:
        self._found = list(found)
        sizes = [len(candidates) for _, candidates in found]
        rows = np.cumsum([0, *sizes])
        starts = [c.paper_starts + row for (_, c), row in zip(found, rows[:-1], strict=True)]
        self._starts = np.concatenate([*starts, np.zeros(0, np.intp)]).astype(np.intp)
        self._papers = np.cumsum([0, *map(len, starts)]).tolist()
        # One text a paper and query, whatever the number of rankings that it is in.
        self._names = [c.paper_ids[c.paper_starts].astype(object) for _, c in found]
        self._normalised: tuple[str, NDArray[np.float64]] = ("", np.zeros((0, 0)))

    def __repr__(self) -> str:
        return f"CandidateBatch({len(self._found)} queries, {len(self._starts):,} papers)"

    def rank(self, profile: Profile, k: int) -> dict[str, Ranked]:
        """By query the ids and scores of its best `k` papers, best first. Raises what
        `ranked_papers` raises; a QueryError names the query."""
        check_k(k)
        if not self._found:
            return {}
        if all(is_semantic(name) for name, weight in profile.weights.items() if weight):
            for query, candidates in self._found:
                with naming(query):
                    check_vectors(candidates, profile.weights)
        weights = weight_vector(profile.weights, self._found[0][1].signals)
        scores = fuse(self._parts(profile.normaliser), weights)
        best = np.maximum.reduceat(scores, self._starts) if len(self._starts) else scores
        falling = -best
        ranked: dict[str, Ranked] = {}
        for place, (query, _) in enumerate(self._found):
            first, last = self._papers[place], self._papers[place + 1]
            order = np.argsort(falling[first:last], kind="stable")[:k]
            ranked[query.id] = self._names[place][order].tolist(), best[first:last][order]
        return ranked

    def _parts(self, normaliser: str) -> NDArray[np.float64]:
        """Normalised signals of all rows, kept from one setting to the next."""
        if self._normalised[0] != normaliser:
            parts = [normalise(candidates, normaliser) for _, candidates in self._found]
            self._normalised = normaliser, np.asfortranarray(np.concatenate(parts))
        return self._normalised[1]
