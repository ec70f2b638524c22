"""The rerank stage: a reranker's scores of the best passages, as one more signal of Candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.chunking import embedding_text
from workbench.engines.base import Engine
from workbench.errors import ModelError
from workbench.records import Candidates

Keys = Sequence[tuple[str, int]]


class Reranker(Protocol):
    """Scores passages with the query beside them. Safe to share between threads."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def signal(self) -> str:
        """The name of its column."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for two rerankers that give the same scores."""
        ...

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float64]:
        """One score a passage, higher is better, float64 (len(passages),)."""
        ...


def rerank(
    candidates: Candidates, rows: NDArray[np.intp], reranker: Reranker, engine: Engine
) -> Candidates:
    """The candidates with the reranker's signal as their last column.

    `rows` are scored, each passage with its title before it. Every other row gets the least of
    their scores, which is also the signal's minimum: it has no advantage over any scored one.
    Raises ModelError where the scores are not one finite number a passage.
    """
    column = np.zeros(len(candidates))
    least = 0.0
    if len(rows):
        texts = passage_texts(row_keys(candidates, rows), engine)
        found = np.asarray(reranker.scores(candidates.query.text, texts), dtype=np.float64)
        _check(found, rows, reranker)
        least = float(found.min())
        column[:] = least
        column[rows] = found
    return replace(
        candidates,
        signals=(*candidates.signals, reranker.signal),
        values=np.column_stack([candidates.values, column]),
        lower=np.append(candidates.lower, least),
        fingerprint=f"{candidates.fingerprint}+{reranker.fingerprint}",
    )


def row_keys(candidates: Candidates, rows: NDArray[np.intp]) -> list[tuple[str, int]]:
    """(paper id, passage number) of some rows."""
    ids, numbers = candidates.paper_ids[rows], candidates.numbers[rows]
    return [(str(i), int(n)) for i, n in zip(ids, numbers, strict=True)]


def passage_texts(keys: Keys, engine: Engine) -> list[str]:
    """What a model reads of each passage: title and text, as for its vector."""
    papers = engine.papers([paper_id for paper_id, _ in keys])
    passages = engine.passages(keys)
    return [
        embedding_text(paper.title, passage.text)
        for paper, passage in zip(papers, passages, strict=True)
    ]


def _check(scores: NDArray[np.float64], rows: NDArray[np.intp], reranker: Reranker) -> None:
    if scores.shape != rows.shape:
        raise ModelError(
            f"reranker {reranker.name!r} gave scores of shape {scores.shape} for {len(rows)} "
            "passages; it must give one a passage"
        )
    if not np.isfinite(scores).all():
        raise ModelError(
            f"reranker {reranker.name!r} gave {int((~np.isfinite(scores)).sum())} scores that are "
            "not finite; its weights are damaged or overflow in this precision, use another model"
        )
