"""Queries and judgments: BEIR folders, TREC files, and what a bad line says."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.corpus.collection import read_qrels, read_queries
from workbench.errors import CorpusNotFound, RecordError
from workbench.records import Judgment


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "dense"}\n\n{"_id": "q2", "text": "sparse", "metadata": {}}\n'
    )
    (tmp_path / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t0\n"
    )
    return tmp_path


def test_beir_folder(beir: Path) -> None:
    assert [(query.id, query.text) for query in read_queries(beir)] == [
        ("q1", "dense"),
        ("q2", "sparse"),
    ]
    assert read_qrels(beir) == [Judgment("q1", "d1", 1), Judgment("q2", "d2", 0)]


def test_own_qrels_win_over_beirs(beir: Path) -> None:
    (beir / "qrels.tsv").write_text("q1\td9\t2\n")
    assert read_qrels(beir) == [Judgment("q1", "d9", 2)]


def test_own_names_and_numbers_as_ids(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": 7, "text": "dense"}\n')
    assert [query.id for query in read_queries(tmp_path / "q.jsonl")] == ["7"]


def test_packed_queries(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl.gz").write_bytes(gzip.compress(b'{"id": "a", "text": "dense"}'))
    assert read_queries(tmp_path / "q.jsonl.gz")[0].text == "dense"


@pytest.mark.parametrize(
    "text", ["q1 0 d1 2\nq1 0 d2 0\n", "q1\t0\td1\t2\nq1\tQ0\td2\t0\n", "q1 d1 2\r\nq1 d2 0\r\n"]
)
def test_qrels_with_three_or_four_columns(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.qrels").write_text(text)
    assert read_qrels(tmp_path / "x.qrels") == [Judgment("q1", "d1", 2), Judgment("q1", "d2", 0)]


def test_blank_lines_in_qrels(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("query-id\tcorpus-id\tscore\n\nq1\td1\t1\n\n")
    assert read_qrels(tmp_path / "x.tsv") == [Judgment("q1", "d1", 1)]


def test_the_same_judgment_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("q1\td1\t1\nq1\td1\t1\n")
    assert read_qrels(tmp_path / "x.tsv") == [Judgment("q1", "d1", 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1\td1\t1\nq1\td1\t0\n", "line 2: query 'q1', paper 'd1' has grade 0 here and 1 before"),
        ("q1\td1\t1\nq1\td2\n", "line 2: expected 'query paper grade'"),
        ("q1\td1\t1\nq1 0 d2 high\n", "line 2: grade 'high' is no whole number"),
        ("q1 0 d1 1 run\n", "line 1: expected"),
    ],
)
def test_bad_judgment_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.tsv").write_text(text)
    with pytest.raises(RecordError, match=rf"x\.tsv {message}"):
        read_qrels(tmp_path / "x.tsv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b"}', "a query needs an id and a text"),
        ('{"text": "dense"}', "a query needs an id and a text"),
        ('{"id": "b", "text": "  "}', "a query needs an id and a text"),
        ('{"id": "b", "text": 3}', "a query needs an id and a text"),
        ('{"id": "a", "text": "again"}', "query id 'a' is there twice; remove one"),
        ("{", "not JSON"),
    ],
)
def test_bad_query_names_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "q.jsonl").write_text(f'{{"id": "a", "text": "dense"}}\n{line}\n')
    with pytest.raises(RecordError, match=rf"q\.jsonl line 2: .*{message}"):
        read_queries(tmp_path / "q.jsonl")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match=r"no queries\.jsonl in this folder"):
        read_queries(tmp_path)
    with pytest.raises(CorpusNotFound, match=r"no qrels\.tsv or qrels/test\.tsv"):
        read_qrels(tmp_path)
    with pytest.raises(CorpusNotFound, match=r"gone\.tsv: no such file"):
        read_qrels(tmp_path / "gone.tsv")


def test_scifact_as_published(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("data/scifact")
    judgments = read_qrels(folder)
    known = {query.id for query in read_queries(folder)}
    assert len(judgments) == 339
    assert {judgment.query_id for judgment in judgments} <= known
