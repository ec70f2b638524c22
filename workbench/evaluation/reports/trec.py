"""TREC run and qrels files in and out, so that users of trec_eval and ranx can come and go.

Reading qrels is `workbench.read_qrels`, which knows BEIR's columns too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from workbench.corpus.text_files import read_text
from workbench.errors import CorpusError, EvaluationError
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.evaluation.reports.runs import LARGEST, Run, Scored, as_run, ids_of
from workbench.records import Judgment
from workbench.system.files import replacing


def write_run(path: str | Path, run: Run, tag: str = "workbench") -> None:
    """Write `query Q0 paper rank score tag`, ranks from 1; replaces the file. `run` as in `as_run`.

    trec_eval ignores the rank and orders by score, as float32, ties by paper id. So that it sees
    the same order, a score that does not fall is written one float32 step below the one before.
    Papers without scores get n, n - 1, ..., 1.

    Raises EvaluationError, before anything is written, for an id that is empty, has white space or
    is no UTF-8, a paper twice in one ranking, or a score that is no finite float32; OSError where
    the file cannot be written.
    """
    write_scored(path, as_run(run), tag)


def write_scored(path: str | Path, run: Mapping[str, Scored], tag: str = "workbench") -> None:
    """The same for a run that is in order already, as `as_run` returns it."""
    _check_id("tag", tag)
    lines = [line for query_id, ranked in run.items() for line in _run_lines(query_id, ranked, tag)]
    _write(Path(path), lines)


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Query id -> paper ids, best first: by score (float32), ties by falling id, as in trec_eval.
    `read_scores` has the scores too.

    Queries stand in the order of their first line. The rank column is not read. Raises
    EvaluationError with file and line for no such file, not six columns, a score that is no finite
    number, or a paper twice for one query.
    """
    return ids_of(as_run(read_scores(path)))


def read_scores(path: str | Path) -> dict[str, dict[str, float]]:
    """Query id -> paper id -> score, in the order of the lines. Raises what `read_run` raises."""
    run: dict[str, dict[str, float]] = {}
    for where, line in _lines(Path(path).expanduser()):
        cells = line.split()
        if len(cells) != 6:
            raise EvaluationError(
                f"{where}: expected 'query Q0 paper rank score tag', got {len(cells)} columns"
            )
        query_id, _, paper_id, _, score, _ = cells
        papers = run.setdefault(query_id, {})
        if paper_id in papers:
            raise EvaluationError(
                f"{where}: paper {paper_id!r} is there twice for query {query_id!r}; keep one"
            )
        papers[paper_id] = _score(score, where)
    return run


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


def _run_lines(query_id: str, ranked: Scored, tag: str) -> Iterator[str]:
    _check_id("query id", query_id)
    given = [len(ranked) - i if score is None else score for i, (_, score) in enumerate(ranked)]
    both = zip(ranked, falling(given), strict=True)
    for rank, ((paper_id, _), score) in enumerate(both, start=1):
        _check_id("paper id", paper_id)
        yield f"{query_id} Q0 {paper_id} {rank} {score!s} {tag}\n"


def falling(scores: Iterable[float]) -> Iterator[np.float32]:
    """The scores as float32, each that does not fall one step below the one before, so that tools
    which order by score, and equal scores by falling id, see the same order."""
    last = np.float32(np.inf)
    for score in scores:
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield last


def _score(text: str, where: str) -> float:
    """A score as trec_eval holds it: float32."""
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score) or abs(score) > LARGEST:
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
        text = read_text(path)
    except CorpusError as problem:
        raise EvaluationError(str(problem)) from problem
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path} line {number}", line


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as stream:
        stream.writelines(lines)
