"""Queries and judgments in every form in which people have them, and what is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.corpus.collection import read_qrels
from workbench.errors import EvaluationError, QueryError, RecordError, UnsupportedSource
from workbench.evaluation.inputs import as_judgments, as_queries, open_judgments
from workbench.evaluation.judgments.judgments import Judgments
from workbench.evaluation.metric_names import ALIASES
from workbench.evaluation.reports.metrics import parse_metrics
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.records import Judgment, Query

ids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
in_a_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pairs(queries: list[Query]) -> list[tuple[str, str]]:
    return [(query.id, query.text) for query in queries]


# Queries


@pytest.mark.parametrize(
    "form",
    [
        [Query("dense", id="1"), Query("sparse", id="2")],
        {1: "dense", "2": "sparse"},
        pd.Series({"1": "dense", "2": "sparse"}),
        pd.DataFrame({"qid": [1, 2], "query": ["dense", "sparse"]}),
        pd.DataFrame({"text": ["dense", "sparse"]}, index=["1", "2"]),
        [{"_id": 1, "text": "dense"}, {"query_id": "2", "text": "sparse"}],
        (Query("dense", id=np.int64(1)), Query("sparse", id="2")),
    ],
)
def test_forms_of_queries(form: Any) -> None:
    assert pairs(as_queries(form)) == [("1", "dense"), ("2", "sparse")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", '{"id": 1, "text": "dense"}\n{"id": "2", "text": "sparse"}\n'),
        ("q.txt", '{"_id": 1, "query": "dense"}\r\n{"qid": "2", "text": "sparse"}\r\n'),
        ("q.json", '{"1": "dense", "2": "sparse"}'),
        ("q.json", '[{"id": 1, "text": "dense"}, {"id": 2, "text": "sparse"}]'),
        ("q.tsv", "1\tdense\n2\tsparse\n"),
        ("q.csv", 'qid;query\n1;dense\n2;"sparse"\n'),
        ("q", "text,id\ndense,1\n\nsparse,2"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_queries_by_content(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert pairs(as_queries(tmp_path / name)) == [("1", "dense"), ("2", "sparse")]


def test_a_text_without_an_id_is_its_own() -> None:
    expected = [("dense", "dense"), ("sparse", "sparse")]
    assert pairs(as_queries(["dense", Query("sparse")])) == expected


def test_one_record_in_a_file_is_one_query(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"_id": "a", "query": "dense"}')
    assert pairs(as_queries(tmp_path / "q.jsonl")) == [("a", "dense")]


@pytest.mark.parametrize(
    ("form", "error", "message"),
    [
        (
            [Query("a", id="x"), Query("b", id="x")],
            EvaluationError,
            "'x' is there twice.* 2",
        ),
        ([Query("same"), "same"], EvaluationError, "'same' is there twice"),
        ({1: "a", "1": "b"}, EvaluationError, "'1' is there twice"),
        (["a", ""], QueryError, "query 2 is empty"),
        ([Query("a", id=1.0)], EvaluationError, "the id of query 1 is 1.0"),
        ({"q": 3}, QueryError, r"query 'q' \(number 1\) is 3"),
        (Query("a", id="x"), EvaluationError, "give a list"),
        ({"a", "b"}, EvaluationError, "give the path"),
        (3, EvaluationError, "queries are 3; give the path"),
        (pd.DataFrame({"words": ["a"]}), EvaluationError, "no column text, but words"),
    ],
)
def test_what_are_no_queries(form: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_queries(form)


# Judgments

EXPECTED = [Judgment("1", "a", 2), Judgment("1", "b", 0)]


@pytest.mark.parametrize(
    "form",
    [
        EXPECTED,
        iter(EXPECTED),
        [Judgment(1, "a", 2.0), Judgment(np.int64(1), "b", np.int8(0))],
        {1: {"a": 2, "b": 0}},
        pd.DataFrame({"qid": [1, 1], "docno": ["a", "b"], "label": [2.0, 0.0]}),
        pd.DataFrame({"query-id": ["1", "1"], "corpus-id": ["a", "b"], "score": [2, 0]}),
        [ir_measures.Qrel("1", "a", 2), ir_measures.Qrel("1", "b", 0)],
        [{"query_id": "1", "paper_id": "a", "grade": 2}, {"qid": 1, "doc_id": "b", "rel": 0}],
    ],
)
def test_forms_of_judgments(form: Any) -> None:
    assert as_judgments(form) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        "1 0 a 2\n1 0 b 0\n",
        "1\tQ0\ta\t2.0\n1\tQ0\tb\t0\n",
        "1 a 2\n1 b 0",
        "1,a,2\n1,b,0\n",
        "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n",
        "paper;query;grade;annotator\na;1;2;7\nb;1;0;7\n",
        "qid iteration docno relevance\n1 4.5 a 2\n1 1 b 0\n",
        "1 0.5 a 2\n1 4 b 0\n",
        '{"query_id": 1, "corpus-id": "a", "score": 2}\n{"qid": "1", "docid": "b", "rel": 0.0}',
        '{"1": {"a": 2, "b": 0}}',
        '[{"qid": 1, "docno": "a", "rel": 2}, {"qid": 1, "docno": "b", "rel": 0}]',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["j.jsonl", "j.qrels"])
def test_files_of_judgments_by_content(tmp_path: Path, text: str, encoding: str, name: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert as_judgments(tmp_path / name) == EXPECTED
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode(encoding)))
    assert as_judgments(str(tmp_path / "packed")) == EXPECTED


@in_a_folder
@given(
    grades=st.dictionaries(st.tuples(ids, ids), st.integers(-2, 9), max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    form=st.sampled_from(["{q} 0 {p} {g}", "{q}\t{p}\t{g}.0", "{q}\tQ0\t{p}\t{g}"]),
)
def test_any_ids_survive_the_file(
    tmp_path: Path, grades: dict[tuple[str, str], int], encoding: str, form: str
) -> None:
    lines = [form.format(q=q, p=p, g=g) for (q, p), g in grades.items()]
    text = "query-id\tcorpus-id\tscore\n" if form.count("\t") == 2 else ""
    (tmp_path / "j").write_text(text + "\n".join(lines), encoding=encoding)
    if not any(line.lstrip()[:1] in "{[" for line in lines[:1] if not text):
        assert as_judgments(tmp_path / "j") == [Judgment(*k, g) for k, g in grades.items()]


def test_a_file_that_judgments_keeps_is_known_by_its_lines(tmp_path: Path) -> None:
    kept = Judgments(tmp_path / "mine.txt", who="ann")
    kept.add(1, "a", 2)
    kept.add("1", "b", 0)
    kept.add("1", "c", 1)
    kept.undo()
    for given_ in (kept, kept.path, str(kept.path), kept.snapshot()):
        assert as_judgments(given_) == EXPECTED
    assert isinstance(open_judgments(kept.path, "median"), Judgments)
    with pytest.raises(RecordError, match="open it with"):
        read_qrels(kept.path)
    (tmp_path / "q").write_text("1 0 a 2\n")
    with pytest.raises(EvaluationError, match="nothing to settle"):
        open_judgments(tmp_path / "q", "median")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"q 0 \xe9 1\n", "line 1: not UTF-8 .byte 0xe9.; convert it"),
        (b"q p 2 7\nq r 1 8\n", "line 1: four columns.*annotator"),
        (b"q 13 2 7\n", "line 1: four columns.*'q 13 2 7'"),
        (b"q 0 p 1_0\n", "line 1: grade '1_0' is no whole number.*'q 0 p 1_0'"),
        (b"q 0 p 1.5\n", "line 1: grade '1.5'.*'q 0 p 1.5'"),
        (b"q\t\t1\n", "line 1: paper_id is ''"),
        (b"q\tp\t1\textra\tmore\n", "line 1: expected"),
        (b"query,doc,stars\nq,p,1\n", "line 1: .*no column grade"),
        (b"qid,docno,label\nq,p,1,2\n", "line 2: 4 cells under 3 columns"),
        (b'qid,docno,label\n"q,p,1\n', "not CSV"),
        (b'{"qid": "q", "docno": "p", "rel": true}\n', "line 1: grade True"),
        (b'{"qid": 1.5, "docno": "p", "rel": 1}\n', "query_id is 1.5"),
    ],
)
def test_bad_files_of_judgments(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(RecordError, match=message):
        as_judgments(tmp_path / "j")


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"q 0 p 1\n" * 99)[:-9], b"\x1f\x8bnothing"], ids=["cut", "other"]
)
def test_a_damaged_archive_is_said(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "j.gz").write_bytes(packed)
    for read in (as_judgments, as_queries):
        with pytest.raises(UnsupportedSource, match=r"j\.gz: damaged or cut-off archive"):
            read(tmp_path / "j.gz")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ([("q", "p", 1)], "is no judgment; give the path"),
        ({"q": ["p"]}, "the judgments of query 'q' are a list"),
        ([Judgment("q", 1.0, 1)], "paper_id is 1.0"),
        ([Judgment("q", "", 1)], "paper_id is ''"),
        ([Judgment("q", "p", 1.5)], "has grade 1.5"),
        (Judgment("q", "p", 1), "give a list"),
        (pd.DataFrame({"qid": ["q"], "docno": ["p"]}), "no column grade, but qid, docno"),
        ({("q", "p")}, "give the path"),
        (None, "judgments are None"),
    ],
)
def test_what_are_no_judgments(form: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        as_judgments(form)


# Names of metrics


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_are_the_same_to_measure_and_to_tune(alias: str) -> None:
    name, usual = f"{alias}@10", f"{ALIASES[alias]}@10"
    assert parse_metrics(name)[name] == parse_metrics(usual)[usual]
    tuned, expected = parse_metric(name), parse_metric(usual)
    assert (tuned.formula, tuned.cutoff, tuned.least) == (
        expected.formula, expected.cutoff, expected.least
    )  # fmt: skip


def test_names_that_are_nearly_right() -> None:
    assert list(parse_metrics("RR,P@5,")) == ["RR", "P@5"]
    for parse in (parse_metrics, parse_metric):
        with pytest.raises(EvaluationError, match=r"did you mean nDCG\?"):
            parse("ndgc@10")
        with pytest.raises(EvaluationError, match=r"'P' needs a cutoff.*P@10"):
            parse("P")
        with pytest.raises(EvaluationError, match="3"):
            parse(3)


def test_json_lines_of_a_bad_line_are_named(tmp_path: Path) -> None:
    good = json.dumps({"qid": "q", "docno": "p", "rel": 1})
    (tmp_path / "j").write_text(f"{good}\n{{bad\n")
    with pytest.raises(RecordError, match="line 2: not JSON"):
        as_judgments(tmp_path / "j")
