"""Queries and judgments of a test collection: BEIR folders, JSON lines, tables, TREC's qrels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.corpus.faults import as_path, is_file, is_folder
from workbench.corpus.identifiers import identifier
from workbench.corpus.tables import (
    JUDGMENT_NAMES,
    QUERY_NAMES,
    Layout,
    Row,
    own_names,
    read_json,
    read_rows,
)
from workbench.errors import CorpusNotFound, RecordError
from workbench.records import Judgment, Query

_QUERIES = Layout(
    QUERY_NAMES,
    ("query_id", "text"),
    {2: ("query_id", "text")},
    "JSON lines with id and text, or columns under a header, or id and text with a tab between",
)
_TREC = ("query_id", "iteration", "paper_id", "grade")
JUDGMENTS = Layout(
    JUDGMENT_NAMES,
    ("query_id", "paper_id", "grade"),
    {3: ("query_id", "paper_id", "grade"), 4: _TREC},
    "'query paper grade' or TREC's 'query 0 paper grade'",
)
"""How files of judgments look."""

_WHOLE = re.compile(r"([+-]?[0-9]{1,9})(?:\.0*)?", re.ASCII)


def read_queries(path: str | Path) -> list[Query]:
    """Queries of a file, or of the `queries.jsonl` in a folder: JSON lines or a table with a header
    (`id`, `_id`, `qid`, `query_id`; `text`, `query`), id and text with a tab between, or a JSON
    object id -> text. Packed or not; the content says which.

    Raises RecordError with file and line for a query without id or text, or an id twice.
    """
    path = _inside(as_path(path), "queries.jsonl")
    queries: dict[str, Query] = {}
    for row in _query_rows(path):
        name, text = row.values.get("query_id"), row.values.get("text")
        if name in (None, "") or not isinstance(text, str) or not text.strip():
            raise RecordError(f"{row.where}: a query needs an id and a text")
        query_id = identifier(f"{row.where}: a query's id", name, RecordError)
        if query_id in queries:
            raise RecordError(f"{row.where}: query id {name!r} is there twice; remove one")
        queries[query_id] = Query(text=text, id=query_id)
    return list(queries.values())


def _query_rows(path: Path) -> Iterator[Row]:
    whole = read_json(path)
    texts = bool(whole) and all(isinstance(text, str) for text in whole.values())
    if texts and len(own_names(whole, QUERY_NAMES)) < 2:  # else it is one record
        for name, text in whole.items():
            yield Row(f"{path} key {name!r}", text, {"query_id": name, "text": text})
    else:
        yield from read_rows(path, _QUERIES)


def read_qrels(path: str | Path) -> list[Judgment]:
    """Judgments of a file: TREC's four columns, BEIR's three with or without a header, any table
    or JSON lines whose columns have usual names (`query_id`, `qid`; `paper_id`, `docno`,
    `corpus-id`; `grade`, `score`, `relevance`), or a JSON object query -> paper -> grade. Packed
    or not; the content says which.

    A folder means its `qrels.tsv` or `qrels/test.tsv`. Raises RecordError with file and line for
    a malformed line, for two that judge one pair differently, and for four columns without a header
    that are not TREC's.
    """
    path = _inside(as_path(path), "qrels.tsv", "qrels/test.tsv")
    judged: dict[tuple[str, str], int] = {}
    for row in judgment_rows(path):
        query_id, paper_id, grade = (row.values[name] for name in JUDGMENTS.needed)
        known = judged.setdefault((query_id, paper_id), grade)
        if known != grade:
            raise RecordError(
                f"{row.where}: query {query_id!r}, paper {paper_id!r} has grade {grade} "
                f"here and {known} before; keep one"
            )
    return [Judgment(query, paper, grade) for (query, paper), grade in judged.items()]


def judgment_rows(path: Path) -> Iterator[Row]:
    """The judgments of a file with `query_id`, `paper_id` as texts and `grade` as int; `who`, `at`
    and `note` where it has them. Raises RecordError as `read_qrels` does."""
    nested = read_json(path)
    if nested and all(isinstance(grades, dict) for grades in nested.values()):
        for query, grades in nested.items():
            for paper, grade in grades.items():
                values = {"query_id": query, "paper_id": paper, "grade": grade}
                yield _checked(Row(f"{path} query {query!r}", str(values), values))
        return
    rows = list(read_rows(path, JUDGMENTS))
    _check_iterations(rows)
    for row in rows:
        yield _checked(row)


def _checked(row: Row) -> Row:
    values = dict(row.values)
    if "kind" in values:
        raise RecordError(
            f"{row.where}: a line of a file that `Judgments` keeps, where later lines take earlier "
            "ones back; open it with wb.Judgments(path)"
        )
    for name in ("query_id", "paper_id"):
        values[name] = identifier(f"{row.where}: {name}", values.get(name), RecordError)
    values["grade"] = _whole(values.get("grade"), row)
    return Row(row.where, row.shown, values)


def _whole(grade: Any, row: Row) -> int:
    """A grade, also written as 1.0; `1_0`, which Python's int takes, is none."""
    text = str(grade) if isinstance(grade, int | float) else grade
    match = _WHOLE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or isinstance(grade, bool):
        raise RecordError(
            f"{row.where}: grade {grade!r} is no whole number; expected {JUDGMENTS.expected}, got "
            f"{row.shown!r}"
        )
    return int(match[1])


def _check_iterations(rows: list[Row]) -> None:
    """Four columns are TREC's where the second is 0 or Q0 throughout, or where the third cannot be
    a grade; else they may as well be query, paper, grade, annotator."""
    four = [row for row in rows if "iteration" in row.values]
    zero = all(row.values["iteration"].upper() in ("0", "Q0") for row in four)
    if zero or any(not _WHOLE.fullmatch(row.values["paper_id"]) for row in four):
        return
    raise RecordError(
        f"{four[0].where}: four columns, the second not 0, the third whole numbers, as in "
        f"{four[0].shown!r}: they may be TREC's or 'query paper grade annotator'; name them in a "
        "first line, like 'query_id paper_id grade who', or 'query_id iteration paper_id grade'"
    )


def _inside(path: Path, *names: str) -> Path:
    if not is_folder(path):
        if not is_file(path):
            raise CorpusNotFound(f"{path}: no such file or folder; check the path")
        return path
    for name in names:
        if is_file(path / name):
            return path / name
    raise CorpusNotFound(f"{path}: no {' or '.join(names)} in this folder")
