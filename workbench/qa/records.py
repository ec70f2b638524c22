"""The values that pass between the stages of an answer. Frozen; offsets in characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that was found for a question: `text == paper.text[start:end]`.

    `relevance` (0 to 1) does not depend on the other passages, so a threshold means the same for
    every question; `score` is the search's.
    """

    paper_id: str
    number: int
    start: int
    end: int
    text: str
    score: float
    relevance: float
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Quote:
    """One or several sentences of a paper that follow each other: `paper.text[start:end] == text`.

    `score` (0 to 1) is how well it answers, `signals` what that is made of. `verbatim`: the text
    was compared with the corpus when the answer was made.
    """

    id: str
    paper_id: str
    number: int
    start: int
    end: int
    text: str
    score: float = 0.0
    signals: Mapping[str, float] = field(default_factory=dict)
    verbatim: bool = False

    @property
    def words(self) -> int:
        """Words between blanks."""
        return len(self.text.split())


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All sentences of the kept passages, scored: what an answer is chosen from.

    `vectors` is float32 (len(quotes), dimension), rows of unit length: each sentence's meaning
    within its passage. `relevance` (0 to 1) is how far this answers the question at all.
    """

    question: str
    quotes: tuple[Quote, ...]
    vectors: NDArray[np.float32]
    relevance: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A section before it is written: its heading and the quotes that it rests on, in order."""

    title: str
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """What the answer will say: the three quotes that stand first, and the sections."""

    tldr: tuple[Quote, ...]
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer and the ids of the quotes that carry it.

    `support` is "verbatim" (made of its quotes alone), "full" (checked against them) or "none"
    (kept on request; `problem` says what is wrong with it).
    """

    text: str
    citations: tuple[str, ...]
    support: str = "verbatim"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences. `writer` wrote it; `note` says where another one had failed."""

    title: str
    sentences: tuple[Sentence, ...]
    writer: str = "extractive"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that is not in the answer, and why: a sentence, a citation or a section's draft."""

    text: str
    reason: str
    section: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a stage took of a language model. `cost` in the unit of the prices given."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """What a writer made of one plan."""

    section: Section
    dropped: tuple[Dropped, ...] = ()
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """What a reference needs of a paper."""

    id: str
    title: str
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    doi: str = ""
    arxiv_id: str = ""
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}
