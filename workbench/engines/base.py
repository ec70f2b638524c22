"""The Engine protocol: all that search, tuning and explanation may ask of a back end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from workbench.records import Candidates, Filters, Paper, Passage, Query

SIGNALS = ("bm25", "title", "dense")
"""Signals of every engine: BM25 over title and body, BM25 over the title, cosine."""


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

    def candidates(self, query: Query, n: int, filters: Filters = Filters()) -> Candidates:
        """The union of each arm's best `n` passages, with every signal's true value for each.

        An arm leaves out passages that match nothing of it. Raises FilterError.
        """
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
