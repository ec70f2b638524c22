"""The contracts of the project: frozen records that every room reads and none owns.

This file imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _short(text: str, most: int = 60) -> str:
    """A text's repr, cut off: a record shows on one line."""
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper. Character offsets anywhere in the package refer to `text`.

    `id` is the corpus's own. `title`, `abstract` and `body` are plain text, "" where there is none;
    `authors` full names in order, `venue` a journal or conference, `fields` of study or keywords;
    `year` None where it is not known. `doi` and `arxiv_id` stand without a prefix, `url` leads to
    the paper.
    """

    id: str
    title: str
    abstract: str = ""
    body: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    fields: tuple[str, ...] = ()
    doi: str = ""
    arxiv_id: str = ""
    url: str = ""

    @property
    def text(self) -> str:
        """Abstract and body, separated by a blank line; the title where there is neither."""
        return "\n\n".join(part for part in (self.abstract, self.body) if part) or self.title

    def __repr__(self) -> str:
        year = "" if self.year is None else f", {self.year}"
        return f"Paper({self.id!r}, {_short(self.title or self.text)}{year})"


@dataclass(frozen=True, slots=True)
class Passage:
    """A span of a paper: `text == paper.text[start:end]`, offsets in characters.

    `number` counts the passages of `paper_id` from 0.
    """

    paper_id: str
    number: int
    start: int
    end: int
    text: str

    def __repr__(self) -> str:
        place = f"characters {self.start:,} to {self.end:,}"
        return f"Passage({self.paper_id!r}, {self.number}, {place}: {_short(self.text)})"


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A query made ready for an engine.

    `text` is as it was asked, `id` its name in a collection or "". `terms` maps each analysed term
    to its weight (how often it occurs in the query);
    `vector` is float32 of shape (dimension,), unit length, or None where no dense arm is wanted.
    """

    text: str
    terms: Mapping[str, float] = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None
    id: str = ""

    def __repr__(self) -> str:
        name = f", id={self.id!r}" if self.id else ""
        return f"Query({_short(self.text)}{name})"


@dataclass(frozen=True, slots=True)
class Judgment:
    """How relevant `paper_id` is to `query_id`: `grade` 0 not at all, higher is better (TREC
    qrels)."""

    query_id: str
    paper_id: str
    grade: int


@dataclass(frozen=True, slots=True)
class Filters:
    """What may be retrieved. Applied before retrieval, identically in every arm.

    `year` is an inclusive range, either end open with None. `venue`, `author` and `field` hold
    alternatives; each matches as whole words in sequence, without case and accents ("manning"
    matches "Christopher D. Manning"). `ids` are exact paper ids. `terms` are index terms, as the
    corpus's analyser makes them, all of which a passage or its title must have. Kinds combine with
    AND.
    """

    year: tuple[int | None, int | None] | None = None
    venue: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    field: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.year, self.venue, self.author, self.field, self.ids, self.terms))


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an engine retrieved for one query; the contract between engines and all else.

    One row a passage, n rows, in ascending order of (paper id, passage number), so a stable sort
    breaks ties by paper id. **Complete**: `values` (float64, n x signals) holds each row's true
    value in every signal, also where only one arm retrieved it. `lower` (float64, signals) is
    each signal's theoretical minimum: 0 for BM25 (nothing matched), -1 for a cosine. `paper_ids`
    (str) and `numbers` (int32), both of shape (n,), name the passages. `fingerprint` is of what
    they were retrieved from.
    """

    query: Query
    signals: tuple[str, ...]
    paper_ids: NDArray[np.str_]
    numbers: NDArray[np.int32]
    values: NDArray[np.float64]
    lower: NDArray[np.float64]
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.paper_ids)

    def __repr__(self) -> str:
        papers, signals = len(self.paper_starts), ", ".join(self.signals)
        return (
            f"Candidates({_short(self.query.text)}, {len(self):,} passages of {papers:,} papers, "
            f"{signals})"
        )

    def column(self, signal: str) -> NDArray[np.float64]:
        """The values of one signal, shape (n,). Raises ValueError for an unknown name."""
        return self.values[:, self.signals.index(signal)]

    @cached_property
    def paper_starts(self) -> NDArray[np.intp]:
        """First row of each paper, shape (papers,): rows of one paper stand together."""
        if not len(self):
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(np.append(True, self.paper_ids[1:] != self.paper_ids[:-1]))


@dataclass(frozen=True, slots=True)
class SignalShare:
    """One signal's part in a hit: weight x normalised = contribution; shares sum to 1."""

    value: float
    normalised: float
    weight: float
    contribution: float
    share: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One paper of a ranking with its best passage.

    `rank` counts from 1; `score` is the sum of the contributions of `signals`, by name.
    """

    rank: int
    score: float
    paper: Paper
    passage: Passage
    signals: Mapping[str, SignalShare] = field(default_factory=dict)

    def __repr__(self) -> str:
        title = _short(self.paper.title or self.passage.text)
        return f"Hit({self.rank}, {self.paper.id!r}, {self.score:.3f}, {title})"

    def to_dict(self) -> dict[str, Any]:
        """The hit as `workbench search --json` prints it; a contract: fields are only added."""
        return {
            "rank": self.rank,
            "paper_id": self.paper.id,
            "title": self.paper.title,
            "score": self.score,
            "authors": list(self.paper.authors),
            "year": self.paper.year,
            "venue": self.paper.venue,
            "signals": {
                name: {"value": s.value, "normalised": s.normalised, "share": s.share}
                for name, s in self.signals.items()
            },
            "passage": {
                "text": self.passage.text,
                "start": self.passage.start,
                "end": self.passage.end,
            },
        }
