"""TREC run and qrels files in and out, so that users of trec_eval and ranx can come and go.

Reading qrels is `workbench.read_qrels`, which knows BEIR's columns too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from workbench.errors import EvaluationError
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.records import Hit, Judgment
from workbench.writing import replacing

Ranked = Sequence[str | Hit]
"""Best first: paper ids, or hits with their scores (a `Ranking` is a sequence of hits)."""


def write_run(path: str | Path, run: Mapping[str, Ranked], tag: str = "workbench") -> None:
    """Write `query Q0 paper rank score tag`, ranks from 1; replaces the file.

    trec_eval ignores the rank and orders by score, as float32, ties by paper id. So that it sees
    the same order, a score that does not fall is written one float32 step below the one before.
    Papers without scores get n, n - 1, ..., 1.

    Raises EvaluationError, before anything is written, for an id that is empty, has white space or
    is no UTF-8, a paper twice in one ranking, or a score that is no finite float32; OSError where
    the file cannot be written.
    """
    _check_id("tag", tag)
    lines = [line for query_id, ranked in run.items() for line in _run_lines(query_id, ranked, tag)]
    _write(Path(path), lines)


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Query id -> paper ids, best first: by score (float32), ties by falling id, as in trec_eval.

    Queries stand in the order of their first line. The rank column is not read. Raises
    EvaluationError with file and line for no such file, not six columns, a score that is no finite
    number, or a paper twice for one query.
    """
    found: dict[str, dict[str, float]] = {}
    for where, line in _lines(Path(path)):
        cells = line.split()
        if len(cells) != 6:
            raise EvaluationError(
                f"{where}: expected 'query Q0 paper rank score tag', got {len(cells)} columns"
            )
        query_id, _, paper_id, _, score, _ = cells
        papers = found.setdefault(query_id, {})
        if paper_id in papers:
            raise EvaluationError(
                f"{where}: paper {paper_id!r} is there twice for query {query_id!r}; keep one"
            )
        papers[paper_id] = _score(score, where)
    return {
        query_id: sorted(papers, key=lambda paper: (papers[paper], paper), reverse=True)
        for query_id, papers in found.items()
    }


def write_qrels(path: str | Path, judgments: Iterable[Judgment]) -> None:
    """Write `query 0 paper grade`; replaces the file. A repeated judgment is written once.

    Raises EvaluationError, before anything is written, for an id that is empty, has white space or
    is no UTF-8, a grade that is no whole number up to 1,000, or two judgments of one pair that
    disagree; OSError where the file cannot be written.
    """
    lines: list[str] = []
    for query_id, grades in grades_by_query(judgments).items():
        _check_id("query id", query_id)
        for paper_id, grade in grades.items():
            _check_id("paper id", paper_id)
            lines.append(f"{query_id} 0 {paper_id} {grade}\n")
    _write(Path(path), lines)


def _run_lines(query_id: str, ranked: Ranked, tag: str) -> Iterator[str]:
    _check_id("query id", query_id)
    scores = [
        hit.score if isinstance(hit, Hit) else len(ranked) - n for n, hit in enumerate(ranked)
    ]
    seen: set[str] = set()
    last = np.float32(np.inf)
    for rank, (hit, score) in enumerate(zip(ranked, scores, strict=True), start=1):
        paper_id = hit.paper.id if isinstance(hit, Hit) else hit
        _check_id("paper id", paper_id)
        if paper_id in seen:
            raise EvaluationError(
                f"the ranking of query {query_id!r} holds paper {paper_id!r} twice; keep the "
                "better rank only"
            )
        seen.add(paper_id)
        if not math.isfinite(score) or abs(score) > _LARGEST:
            raise EvaluationError(
                f"query {query_id!r}, paper {paper_id!r} has score {score}; give a finite float32"
            )
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield f"{query_id} Q0 {paper_id} {rank} {last!s} {tag}\n"


_LARGEST = 1e38
"""Just inside float32, with room for the steps that keep a run in order."""


def _score(text: str, where: str) -> float:
    """A score as trec_eval holds it: float32."""
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score) or abs(score) > _LARGEST:
        raise EvaluationError(f"{where}: score {text!r} is no finite number; give one")
    return float(np.float32(score))


def _check_id(kind: str, value: str) -> None:
    plain = isinstance(value, str) and value.split() == [value] and "\0" not in value
    if not plain or value.encode("utf-8", "ignore").decode() != value:
        raise EvaluationError(
            f"{kind} {value!r} cannot be written: columns of a TREC file are separated by white "
            "space and end at a zero; give UTF-8 text without either, and not empty"
        )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file and line number, text) of every line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield f"{path} line {number}", line
    except OSError as problem:
        raise EvaluationError(f"{path}: cannot be read ({problem}); check the path") from problem
    except UnicodeDecodeError as problem:
        raise EvaluationError(f"{path}: not UTF-8 text ({problem}); convert it") from problem


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as stream:
        stream.writelines(lines)
