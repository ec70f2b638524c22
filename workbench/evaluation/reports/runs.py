"""A run as people have it: rankings, or scores as ranx, pytrec_eval and BEIR keep them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.corpus.identifiers import identifier
from workbench.corpus.tables import JUDGMENT_NAMES, own_names
from workbench.errors import EvaluationError
from workbench.records import Hit

Run = Mapping[str, Sequence[Any] | Mapping[str, float]]
"""Query id -> its papers: ids, hits (a `Ranking` is a sequence of them) or pairs of id and score,
best first; or paper id -> score."""

Scored = list[tuple[str, float | None]]
"""(paper id, score), best first; None where papers came without."""

LARGEST = 1e38
"""Just inside float32, with room for the steps that keep a written run in order."""

_FORMS = (
    "give {query: [paper, ...]}, best first, or {query: {paper: score}}, or a DataFrame with "
    "columns query_id, paper_id and score"
)


def as_run(given: Any) -> dict[str, Scored]:
    """A run with text ids, each query's papers best first.

    Where there are scores, they decide, as float32 and with ties by falling id, as in trec_eval;
    a list (of ids, hits or pairs of id and score) is in its own order. A DataFrame without scores
    goes by its rank column, else by its rows. Raises EvaluationError for papers without an order
    (a set), an id that is none, a paper twice, and a score that is no finite float32.
    """
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        given = _framed(given)
    if not isinstance(given, Mapping) and hasattr(given, "to_dict"):
        given = given.to_dict()  # a Run of ranx
    if not isinstance(given, Mapping):
        raise EvaluationError(f"the run is a {type(given).__name__}; {_FORMS}")
    run: dict[str, Scored] = {}
    for query_id, ranked in given.items():
        name = identifier("a query id of the run", query_id)
        if name in run:
            raise EvaluationError(f"query {name!r} is in the run twice, as {query_id!r} too")
        run[name] = ranking_of(name, ranked)
    return run


def ids_of(run: Mapping[str, Scored]) -> dict[str, list[str]]:
    """Query id -> paper ids, best first."""
    return {query_id: [paper for paper, _ in ranked] for query_id, ranked in run.items()}


def ranking_of(query_id: str, ranked: Any) -> Scored:
    """One query's papers, best first. Raises as `as_run` does."""
    if isinstance(ranked, Mapping):
        scores = [(_paper(query_id, p), _score(query_id, p, score)) for p, score in ranked.items()]
        _check_once(query_id, scores)
        best_first = sorted(scores, key=lambda pair: (np.float32(pair[1]), pair[0]), reverse=True)
        return list[tuple[str, float | None]](best_first)
    listed = isinstance(ranked, Iterable) and not isinstance(ranked, str | bytes)
    if not listed or isinstance(ranked, set | frozenset):
        kind = "a set, which has no order" if isinstance(ranked, set | frozenset) else repr(ranked)
        raise EvaluationError(
            f"the ranking of query {query_id!r} is {kind:.100}, not a list of paper ids; {_FORMS}"
        )
    hits = list(ranked)
    # Ids alone, as rankings have them: without a step of Python for each.
    plain = set(map(type, hits)) <= {str} and all(map(_is_identifier, hits))
    papers: Scored = [(hit, None) for hit in hits] if plain else [
        _scored(query_id, hit) for hit in hits
    ]  # fmt: skip
    _check_once(query_id, papers)
    return papers


def _scored(query_id: str, hit: Any) -> tuple[str, float | None]:
    if isinstance(hit, Hit):
        return hit.paper.id, _score(query_id, hit.paper.id, hit.score)
    if isinstance(hit, tuple) and len(hit) == 2:  # (paper, score), as `as_run` itself gives
        paper, score = hit
        return _paper(query_id, paper), None if score is None else _score(query_id, paper, score)
    return _paper(query_id, hit), None


@lru_cache(maxsize=2**17)
def _is_identifier(text: str) -> bool:
    """Whether a text is an id as it is; most papers are in the rankings of many queries."""
    try:
        return identifier("", text) == text
    except EvaluationError:
        return False


def _paper(query_id: str, paper: Any) -> str:
    return identifier(f"a paper of query {query_id!r}, which is not a list of paper ids,", paper)


def _score(query_id: str, paper: Any, score: Any) -> float:
    number = isinstance(score, int | float | np.integer | np.floating)
    value = float(score) if number and not isinstance(score, bool) else math.nan
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise EvaluationError(
            f"query {query_id!r}, paper {paper!r} has score {score!r}; give a finite float32"
        )
    return value


def _check_once(query_id: str, papers: Sequence[tuple[str, float | None]]) -> None:
    if len({paper for paper, _ in papers}) < len(papers):
        twice = Counter(paper for paper, _ in papers).most_common(1)[0][0]
        raise EvaluationError(
            f"the ranking of query {query_id!r} holds paper {twice!r} twice; keep the better "
            "rank only"
        )


_NAMES = {
    "query_id": JUDGMENT_NAMES["query_id"],
    "paper_id": JUDGMENT_NAMES["paper_id"],
    "score": ("relevance_score", "similarity"),
    "rank": (),
}


def _framed(frame: Any) -> dict[Any, Any]:
    columns = own_names({name: name for name in frame.columns}, _NAMES)
    if not columns.keys() >= {"query_id", "paper_id"}:
        names = ", ".join(map(str, frame.columns))
        raise EvaluationError(f"the run is a DataFrame with columns {names}; {_FORMS}")
    if "score" not in columns and "rank" in columns:
        frame = frame.sort_values(columns["rank"], kind="stable")
    run: dict[Any, Any] = {}
    scored = "score" in columns
    scores = frame[columns["score"]].tolist() if scored else [None] * len(frame)
    ids = (frame[columns[name]].tolist() for name in ("query_id", "paper_id"))
    for query_id, paper_id, score in zip(*ids, scores, strict=True):
        papers = run.setdefault(query_id, {} if scored else [])
        if scored and paper_id in papers:
            raise EvaluationError(
                f"the ranking of query {query_id!r} holds paper {paper_id!r} twice; keep one"
            )
        if scored:
            papers[paper_id] = score
        else:
            papers.append(paper_id)
    return run
