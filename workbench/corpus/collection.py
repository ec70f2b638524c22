"""Queries and judgments of a test collection: BEIR folders, JSONL queries, qrels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.corpus.faults import as_path, is_file, is_folder
from workbench.corpus.readers import read_entries, read_lines
from workbench.errors import CorpusNotFound, RecordError
from workbench.records import Judgment, Query


def read_queries(path: str | Path) -> list[Query]:
    """Queries of a JSONL file (`id` or `_id`, `text`) or of the `queries.jsonl` in a folder.

    Raises RecordError with file and line for a query without id or text, or an id twice.
    """
    path = _inside(as_path(path), "queries.jsonl")
    queries: dict[str, Query] = {}
    for entry in read_entries(path):
        where = f"{entry.file} line {entry.line}"
        if entry.record is None:
            raise RecordError(f"{where}: {entry.problem}")
        name, text = entry.record.get("id", entry.record.get("_id")), entry.record.get("text")
        if name in (None, "") or not isinstance(text, str) or not text.strip():
            raise RecordError(f"{where}: a query needs an id and a text")
        if str(name) in queries:
            raise RecordError(f"{where}: query id {name!r} is there twice; remove one")
        queries[str(name)] = Query(text=text, id=str(name))
    return list(queries.values())


def read_qrels(path: str | Path) -> list[Judgment]:
    """Judgments of a qrels file: TREC's four columns, or BEIR's three with a header.

    A folder means its `qrels.tsv` or `qrels/test.tsv`. Raises RecordError with file and line
    for a malformed line, or for two lines that judge one pair differently.
    """
    path = _inside(as_path(path), "qrels.tsv", "qrels/test.tsv")
    judged: dict[tuple[str, str], int] = {}
    for number, query_id, paper_id, grade in _qrels_rows(path):
        known = judged.setdefault((query_id, paper_id), grade)
        if known != grade:
            raise RecordError(
                f"{path} line {number}: query {query_id!r}, paper {paper_id!r} has grade {grade} "
                f"here and {known} before; keep one"
            )
    return [Judgment(query, paper, grade) for (query, paper), grade in judged.items()]


def _qrels_rows(path: Path) -> Iterator[tuple[int, str, str, int]]:
    for number, line in read_lines(path):
        text = (line or b"").decode("utf-8", errors="replace").strip()
        cells = text.split("\t") if "\t" in text else text.split()
        if not cells or (number == 1 and cells[-1] == "score"):
            continue
        if len(cells) == 4:
            del cells[1]
        try:
            query_id, paper_id, grade = cells
            yield number, query_id, paper_id, int(grade)
        except ValueError:
            raise RecordError(
                f"{path} line {number}: expected 'query paper grade' or TREC's "
                f"'query 0 paper grade', got {cells!r}"
            ) from None


def _inside(path: Path, *names: str) -> Path:
    if not is_folder(path):
        if not is_file(path):
            raise CorpusNotFound(f"{path}: no such file or folder; check the path")
        return path
    for name in names:
        if is_file(path / name):
            return path / name
    raise CorpusNotFound(f"{path}: no {' or '.join(names)} in this folder")
