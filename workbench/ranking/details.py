"""One hit in full: the paper, all its passages with their values, the explanation, BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.ranking.bibtex import to_bibtex
from workbench.ranking.explain import Explanation
from workbench.records import Filters, Hit, Paper, Passage

if TYPE_CHECKING:
    from workbench.ranking.ranking import Ranking

MOST_PASSAGES = 1000


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage with its raw value in each signal.

    `score` is its score under the ranking's weights, or None where the passage is no candidate:
    normalisation is over the candidates, so it has none.
    """

    passage: Passage
    values: Mapping[str, float]
    score: float | None
    best: bool


@dataclass(frozen=True, slots=True)
class PaperDetails:
    """What a person sees of a hit on a click; passages in the order of the text."""

    hit: Hit
    passages: tuple[ScoredPassage, ...]
    explanation: Explanation

    def __repr__(self) -> str:
        return f"PaperDetails({self.hit!r}, {len(self.passages):,} passages)"

    @property
    def paper(self) -> Paper:
        """The paper of the hit."""
        return self.hit.paper

    @property
    def bibtex(self) -> str:
        """The paper as a BibTeX entry."""
        return to_bibtex(self.paper)


def paper_details(ranking: Ranking, hit: Hit) -> PaperDetails:
    """Details of a hit. Asks the engine once more, for this paper's passages alone."""
    found, paper_id = ranking.candidates, hit.paper.id
    rows = np.flatnonzero(found.paper_ids == paper_id)
    values = {int(found.numbers[row]): found.values[row] for row in rows}
    scores = {int(found.numbers[row]): float(ranking.scores[row]) for row in rows}
    own = ranking.engine.candidates(found.query, MOST_PASSAGES, Filters(ids=(paper_id,)))
    names = {int(number): own.signals for number in own.numbers} | dict.fromkeys(
        values, found.signals
    )
    values = dict(zip(map(int, own.numbers), own.values, strict=True)) | values
    numbers = sorted(values)
    texts = ranking.engine.passages([(paper_id, number) for number in numbers])
    passages = tuple(
        ScoredPassage(
            passage,
            dict(zip(names[number], map(float, values[number]), strict=True)),
            scores.get(number),
            number == hit.passage.number,
        )
        for number, passage in zip(numbers, texts, strict=True)
    )
    return PaperDetails(hit, passages, ranking.explain(hit))
