"""The Engine protocol: all that search, tuning and explanation may ask of a back end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import Manifest
from workbench.engines.paper_digests import PaperDigests
from workbench.errors import CorpusError, CorpusNotFound, ProfileError
from workbench.records import Candidates, Filters, Paper, Passage, Query

SIGNALS = ("bm25", "title", "dense")
"""Signals of every engine: BM25 over title and body, BM25 over the title, cosine."""

FEEDBACK = ("bm25_feedback", "dense_feedback")
"""Further signals where a query comes with its expansion: its BM25 and its cosine."""

LOWER: Mapping[str, float] = MappingProxyType(
    {"bm25": 0.0, "title": 0.0, "dense": -1.0, "bm25_feedback": 0.0, "dense_feedback": -1.0}
)
"""The least value that each signal can have: nothing matched, opposite vectors."""


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
class Occurrences:
    """The terms of some passages, the papers' titles included.

    One entry a term of a passage, passage after passage: `passages` intp, its place among those
    asked for; `terms` intp, the term's place in `frequencies`; `counts` int64. By term:
    `frequencies` int64, in how many of the corpus's `documents` passages it occurs (0 where the
    engine does not know it); `names` gives the terms of places.
    """

    passages: NDArray[np.intp]
    terms: NDArray[np.intp]
    counts: NDArray[np.int64]
    frequencies: NDArray[np.int64]
    documents: int
    names: Callable[[NDArray[np.intp]], list[str]]


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
    """A back end over one corpus. Safe to share between threads.

    To make one, inherit from this class and write what has no body here; what has one is an answer
    that fits an exact engine which says no more of itself.
    """

    @property
    @abstractmethod
    def manifest(self) -> Manifest:
        """Settings and counts of the index; `model` is "" where it is not known."""
        ...

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """Names of the columns of its candidates."""
        ...

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for two exact engines over the same papers and settings; that of an approximate one
        may say behind a "+" which rows it reads. Engines with equal ones give equal candidates."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the dense arm certainly finds the best vectors."""
        return True

    def exactly(self) -> Engine:
        """The same with an exact dense arm. Raises ProfileError where it cannot have one."""
        if self.exact:
            return self
        raise ProfileError(
            f"dense is 'exact', but {self.fingerprint!r} finds vectors approximately; give "
            "dense='auto', or make its index with flat vectors"
        )

    def facts(self) -> dict[str, Any]:
        """What a person may ask of how it searches, for `Workbench.info`."""
        return {"dense": {"search": "exact" if self.exact else "approximate"}}

    @property
    def deleted(self) -> int | None:
        """Deleted documents that BM25 still counts; None where that cannot be known."""
        return 0

    @property
    def papers_error(self) -> float:
        """Share by which the manifest's number of papers may be off."""
        return 0.0

    @abstractmethod
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

    @abstractmethod
    def vectors(self, keys: Sequence[tuple[str, int]]) -> NDArray[np.float32]:
        """The vectors of passages by (paper id, number), float32 (len(keys), dimension)."""
        ...

    @abstractmethod
    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        """In how many passages (title included) each known index term occurs, and how many
        passages there are; a term that none has is left out."""
        ...

    def occurrences(self, keys: Sequence[tuple[str, int]]) -> Occurrences | None:
        """The terms of passages by (paper id, number), where the engine keeps them; None where
        texts have to be analysed."""
        return None

    @abstractmethod
    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these paper ids that the corpus has."""
        ...

    @abstractmethod
    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Papers in the order of `ids`."""
        ...

    @abstractmethod
    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        """Passages by (paper id, number), in order."""
        ...

    @abstractmethod
    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        """Per lexical signal, each query term's part of one passage's value.

        The parts of a signal, added in order in float32, are its value.
        """
        ...

    def passage_keys(self) -> list[tuple[str, int]]:
        """(paper id, number) of every passage. Raises CorpusError where they cannot be listed."""
        raise CorpusError(
            f"engine {self.fingerprint!r} cannot list its passages; their token vectors are "
            "kept as queries meet them"
        )

    def sample(self, n: int) -> list[tuple[str, int]]:
        """(paper id, number) of up to `n` passages, spread over the corpus, the same each time.
        Raises CorpusError where they cannot be listed."""
        keys = self.passage_keys()
        return keys[:: max(1, -(-len(keys) // n))]

    def paper_ids(self) -> Iterator[str]:
        """The id of every paper, each once. Raises CorpusError where they cannot be listed."""
        return iter(dict.fromkeys(paper_id for paper_id, _ in self.passage_keys()))

    def counted(self, signal: str, terms: Sequence[str]) -> Counted | None:
        """What the BM25 of "bm25" or "title" counts; None where the engine does not tell."""
        return None

    def scored_text(self, query: str, title: str, text: str) -> Mapping[str, float] | None:
        """By signal what a document with this title and text would get under a query; None where
        that cannot be known."""
        return None

    def paper_digests(self) -> PaperDigests | None:
        """Digests of the papers, passages and vectors that are searched; None where the engine
        cannot tell."""
        return None

    @property
    def version(self) -> str:
        """The name of this state for `papers_at`, also in another process; "" where an engine keeps
        no earlier ones."""
        return ""

    def papers_at(self, version: str, ids: Sequence[str]) -> list[Paper | None]:
        """Papers as an earlier state of the corpus had them, None where it had none of that id.
        Raises CorpusNotFound for a state that is gone."""
        raise CorpusNotFound(f"no earlier state {version[:100]!r} is kept")

    def replaced(self) -> bool:
        """Whether a newer state is live where this one was read; False where only files say so.
        Raises CorpusNotFound where none is, and what the engine's connection raises."""
        return False

    def refresh(self) -> None:
        """Take note of what others have written since: `fingerprint` is another then. Nothing for
        an engine whose states never change. Raises what the engine's connection raises."""
        return None

    def close(self) -> None:
        """Let go of files and connections."""
