"""The Engine protocol: all that search, tuning and explanation may ask of a back end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.records import Candidates, Filters, Paper, Passage, Query

SIGNALS = ("bm25", "title", "dense")
"""Signals of every engine: BM25 over title and body, BM25 over the title, cosine."""

FEEDBACK = ("bm25_feedback", "dense_feedback")
"""Further signals where a query comes with its expansion: its BM25 and its cosine."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What BM25 counts in the field of a lexical signal: `documents`, their `average` length in
    terms, in how many each term occurs, and whether lengths are kept in one byte, as Lucene does.
    """

    documents: int
    average: float
    frequencies: Mapping[str, int]
    rounded: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """What will be asked about candidates next, so that an engine far away may bring it along.

    The texts of the `passages` best under `weights` (by signal); with `feedback` also their
    vectors, and how many passages have each of their terms. A guess: it changes no answer.
    """

    weights: Mapping[str, float]
    passages: int
    feedback: bool = False


class Engine(Protocol):
    """A back end over one corpus. Safe to share between threads."""

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the columns of its candidates."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for two engines that give the same candidates."""
        ...

    def candidates(
        self,
        query: Query,
        n: int,
        filters: Filters = Filters(),
        *,
        n_keyword: int | None = None,
        expanded: Query | None = None,
        ahead: Ahead | None = None,
    ) -> Candidates:
        """The union of each arm's best passages, with every signal's true value for each.

        `n` from the bm25 and the dense arm, `n_keyword` papers (`n` where None) from the title
        arm. With `expanded`, the same query after relevance feedback, its bm25 and its dense arm
        retrieve `n` more each, and the columns FEEDBACK follow the SIGNALS. An arm leaves out
        passages that match nothing of it. Of equal values at an arm's end the least (paper id,
        number) are in. Raises FilterError.
        """
        ...

    def vectors(self, keys: Sequence[tuple[str, int]]) -> NDArray[np.float32]:
        """The vectors of passages by (paper id, number), float32 (len(keys), dimension)."""
        ...

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        """In how many passages (title included) each known index term occurs, and how many
        passages there are; a term that none has is left out."""
        ...

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these paper ids that the corpus has."""
        ...

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Papers in the order of `ids`."""
        ...

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        """Passages by (paper id, number), in order."""
        ...

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        """Per lexical signal, each query term's part of one passage's value.

        The parts of a signal, added in order in float32, are its value.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
