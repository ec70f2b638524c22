"""Ranking: what a search returns. Holds its candidates, so other weights need no retrieval."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from workbench.engines.base import Engine
from workbench.errors import QueryError, shown
from workbench.present.view import Shown, View
from workbench.profiles import Profile
from workbench.ranking.explain import Explanation, explain
from workbench.ranking.fusion import (
    Matrix,
    fuse,
    normalise,
    rank_papers,
    weight_vector,
)
from workbench.ranking.retriever import Retrieved
from workbench.ranking.view import hits_view
from workbench.ranking.weights import Weights, check_k, check_vectors, complete_weights
from workbench.records import Hit, Query, SignalShare

if TYPE_CHECKING:
    import pandas as pd


LEXICAL = ("bm25", "title")
"""Signals that a query without a searchable word has no value in."""


class Ranking(Shown, Sequence[Hit]):
    """The best `k` papers for a query under a profile.

    A sequence of hits: `ranking[0]` is the first. Ranks count from 1, as `hit.rank` does, and are
    what `hit` and `explain` take. In a notebook it shows as a table; `str()` gives plain text.
    """

    def __init__(
        self,
        retrieved: Retrieved,
        profile: Profile,
        engine: Engine,
        k: int,
        normalised: Matrix | None = None,
        read: bool = True,
    ) -> None:
        """Without `read` the texts are read when they are first asked for."""
        started = time.perf_counter()
        check_k(k)
        self.profile = profile
        self.candidates = retrieved.candidates
        self._retrieved = retrieved
        self._engine = engine
        self._k = k
        # What is added: a tiny weight in the profile is 0 here.
        self._weights = weight_vector(profile.weights, self.candidates.signals)
        self._check_searchable()
        check_vectors(
            self.candidates, dict(zip(self.candidates.signals, self._weights, strict=True))
        )
        if normalised is None:
            normalised = normalise(self.candidates, profile.normaliser)
        self._normalised = normalised
        self.scores = fuse(normalised, self._weights)
        self._rows, self.papers_found = rank_papers(self.candidates, self.scores, k)
        fused = time.perf_counter()
        times = {"fusion": (fused - started) * 1e3}
        if read:
            self.hits = tuple(self._hits())
            times["texts"] = (time.perf_counter() - fused) * 1e3
        self.timings_ms = {**retrieved.timings_ms, **times}
        self.timings_ms["total"] = sum(self.timings_ms.values())

    @cached_property
    def hits(self) -> tuple[Hit, ...]:
        """The papers with their texts, best first."""
        return tuple(self._hits())

    @property
    def query(self) -> str:
        """The query as the person wrote it."""
        return self.candidates.query.text

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person should know about this result, in sentences."""
        return self._retrieved.notes

    @property
    def expanded(self) -> Query | None:
        """The query after feedback; None where the profile has none."""
        return self._retrieved.expanded

    @property
    def engine(self) -> Engine:
        """The engine that found the candidates and holds the texts."""
        return self._engine

    @property
    def normalised(self) -> Matrix:
        """The candidates' signals as they are added, float64 (n, signals)."""
        return self._normalised

    @property
    def rows(self) -> NDArray[np.intp]:
        """Each hit's row among the candidates, shape (hits,): the best passage of its paper."""
        return self._rows

    @property
    def paper_ids(self) -> list[str]:
        """Ids of the hits, best first; no text is read."""
        ids: list[str] = self.candidates.paper_ids[self._rows].tolist()
        return ids

    def best_ids(self, k: int) -> list[str]:
        """Ids of the best `k` papers, whatever the ranking's own k; no text is read."""
        rows, _ = rank_papers(self.candidates, self.scores, check_k(k))
        return [str(name) for name in self.candidates.paper_ids[rows]]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for equal papers in equal order with equal scores (to 9 digits)."""
        scores = self.scores[self._rows].tolist()
        content = [(n, f"{score:.9g}") for n, score in zip(self.paper_ids, scores, strict=True)]
        return sha256(repr(content).encode()).hexdigest()[:16]

    def reweigh(
        self,
        weights: Weights | None = None,
        *,
        normaliser: str | None = None,
        k: int | None = None,
    ) -> Ranking:
        """The same candidates under other weights; nothing is retrieved again, and the texts of
        its hits are read when they are first asked for.

        `weights` as in `Workbench.search`. Raises WeightError or ProfileError.
        """
        profile, changes = self.profile, dict[str, Any]()
        if weights is not None:
            full = complete_weights(weights, profile.weights, self.candidates.signals)
            changes["weights"] = full
        if normaliser is not None:
            changes["normaliser"] = normaliser
        if changes:
            profile = profile.replace(**changes)
        same = profile.normaliser == self.profile.normaliser
        known = self._normalised if same else None
        retrieved = replace(self._retrieved, timings_ms={})
        count = self._k if k is None else k
        return Ranking(retrieved, profile, self._engine, count, known, read=False)

    def hit(self, rank: Hit | SupportsIndex | str) -> Hit:
        """The hit of a rank, which counts from 1, or of a paper id; `ranking[0]` is that of rank 1.

        Raises QueryError for what is no hit of this ranking.
        """
        found: Hit | None = None
        if isinstance(rank, Hit):
            found = rank if rank in self.hits else None
        elif isinstance(rank, str):
            found = next((hit for hit in self.hits if hit.paper.id == rank), None)
        else:
            with suppress(TypeError):
                place = operator.index(rank) - 1
                found = self.hits[place] if 0 <= place < len(self.hits) else None
        if found is None:
            raise QueryError(
                f"{shown(rank)} is none of the {len(self.hits)} hits; give a hit of this ranking, "
                "a rank from 1, or the id of a paper in it (raise k for more)"
            )
        return found

    def explain(self, rank: Hit | SupportsIndex | str) -> Explanation:
        """Why a paper stands where it does: its rank from 1, its id, or a hit of this ranking.

        Raises QueryError for what is no hit of this ranking.
        """
        query, expanded = self.candidates.query, self._retrieved.expanded
        return explain(query, self.hit(rank), self._engine, expanded)

    def to_frame(self) -> pd.DataFrame:
        """One row a hit: rank, paper_id, title, ..., and NAME_value, NAME_share a signal."""
        import pandas as pd

        return pd.DataFrame([_row(hit) for hit in self.hits])

    def to_dict(self) -> dict[str, Any]:
        """What `workbench search --json` prints; a contract: fields are only added."""
        return {
            "query": self.query,
            "profile": self.profile.name,
            "weights": dict(self.profile.weights),
            "normaliser": self.profile.normaliser,
            "papers_found": self.papers_found,
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
            "hits": [hit.to_dict() for hit in self.hits],
            "timings_ms": {name: round(ms, 3) for name, ms in self.timings_ms.items()},
        }

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        first = f", first {self.hits[0].paper.id!r} {self.hits[0].score:.3f}" if self.hits else ""
        return f"Ranking({self.query[:60]!r}, {len(self)} of {self.papers_found} papers{first})"

    def view(self) -> View:
        """The table that a notebook shows."""
        return hits_view(
            self.query,
            self.hits,
            self.papers_found,
            self.candidates.query.terms,
            self.profile,
            self.notes,
            self.timings_ms["total"],
        )

    def _check_searchable(self) -> None:
        """An order needs at least one weighted signal that the query can have a value in."""
        if self.candidates.query.terms or not len(self.candidates):
            return
        weighted = zip(self.candidates.signals, self._weights, strict=True)
        if not any(weight for name, weight in weighted if name not in LEXICAL):
            raise QueryError(
                f"the query {self.query[:60]!r} has no searchable word, and only lexical signals "
                "have a weight; use other words, or give dense a weight"
            )

    def _hits(self) -> Iterator[Hit]:
        ids = [str(self.candidates.paper_ids[row]) for row in self._rows]
        keys = [(i, int(self.candidates.numbers[r])) for i, r in zip(ids, self._rows, strict=True)]
        papers = self._engine.papers(ids)
        passages = self._engine.passages(keys)
        scores = self.scores[self._rows].tolist()
        found = zip(scores, papers, passages, self._shares(), strict=True)
        for rank, (score, paper, passage, shares) in enumerate(found, start=1):
            yield Hit(rank, score, paper, passage, shares)

    def _shares(self) -> Iterator[dict[str, SignalShare]]:
        """What each signal is of each hit."""
        signals, weights = self.candidates.signals, self._weights.tolist()
        normalised = self._normalised[self._rows]
        parts = normalised * self._weights
        whole = np.abs(parts).sum(axis=1, keepdims=True)
        shares = np.abs(parts) / np.where(whole > 0, whole, 1.0)
        columns = (self.candidates.values[self._rows], normalised, parts, shares)
        for values in zip(*(column.tolist() for column in columns), strict=True):
            each = zip(signals, *values[:2], weights, *values[2:], strict=True)
            yield {name: SignalShare(*of_signal) for name, *of_signal in each}


def _row(hit: Hit) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rank": hit.rank,
        "paper_id": hit.paper.id,
        "title": hit.paper.title,
        "authors": "; ".join(hit.paper.authors),
        "year": hit.paper.year,
        "venue": hit.paper.venue,
        "score": hit.score,
        "passage": hit.passage.text,
    }
    for name, signal in hit.signals.items():
        row[f"{name}_value"] = signal.value
        row[f"{name}_share"] = signal.share
    return row
