"""TREC files: what is written is read back, by us, by ir_measures and by trec_eval's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from workbench.corpus.collection import read_qrels
from workbench.errors import EvaluationError
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.reports.trec import read_run, write_qrels, write_run
from workbench.records import Hit, Judgment, Paper, Passage

ids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
in_a_folder = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def hits(*scored: tuple[str, float]) -> list[Hit]:
    return [
        Hit(rank, score, Paper(name, "A title"), Passage(name, 0, 0, 1, "A"))
        for rank, (name, score) in enumerate(scored, start=1)
    ]


def ordered_by_trec_eval(path: Path, papers: list[str]) -> list[str]:
    """The order that trec_eval's code sees, from the reciprocal rank of each paper."""
    with path.open(encoding="utf-8") as stream:
        run = list(ir_measures.read_trec_run(stream))
    ranks = {}
    for paper in papers:
        qrels = [ir_measures.Qrel("q", paper, 1)]
        ranks[paper] = ir_measures.pytrec_eval.calc_aggregate([ir_measures.RR], qrels, run)
    return sorted(papers, key=lambda paper: -ranks[paper][ir_measures.RR])


# Runs


@in_a_folder
@given(run=st.dictionaries(ids, st.lists(ids, unique=True, min_size=1, max_size=6), max_size=4))
def test_a_run_comes_back(tmp_path: Path, run: dict[str, list[str]]) -> None:
    write_run(tmp_path / "run", run)
    read = read_run(tmp_path / "run")
    assert read == run
    assert list(read) == list(run)


def test_what_a_run_looks_like(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"q1": ["b", "a"], "q2": hits(("x", 0.5))}, tag="mine")
    expected = "q1 Q0 b 1 2.0 mine\nq1 Q0 a 2 1.0 mine\nq2 Q0 x 1 0.5 mine\n"
    assert (tmp_path / "run").read_text() == expected


@in_a_folder
@given(scores=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8))
def test_trec_eval_sees_the_order_of_the_hits(tmp_path: Path, scores: list[float]) -> None:
    # Ties, and scores that only float64 tells apart, would otherwise fall to the larger id.
    scored = [(f"p{n}", score) for n, score in enumerate(sorted(scores, reverse=True))]
    write_run(tmp_path / "run", {"q": hits(*scored)})
    names = [name for name, _ in scored]
    assert read_run(tmp_path / "run") == {"q": names}
    assert ordered_by_trec_eval(tmp_path / "run", names) == names


def test_scores_that_fall_are_written_as_they_are(tmp_path: Path) -> None:
    scored = [("a", 0.875), ("b", 1 / 3), ("c", 0.0), ("d", -2.5)]
    write_run(tmp_path / "run", {"q": hits(*scored)})
    lines = (tmp_path / "run").read_text().splitlines()
    written = [np.float32(line.split()[4]) for line in lines]
    assert written == [np.float32(score) for _, score in scored]


@pytest.mark.parametrize(
    "scores",
    [
        {"a": 1.0, "b": 1.0, "c": 1.0},
        {"a": 0.5, "b": 2.0, "c": 2.0},
        {"a": 1.0, "b": 1.0 + 1e-10, "c": 1.0 - 1e-10},
        {"a10": -1.0, "a9": -1.0, "é": -1.0, "z": -3.0},
    ],
    ids=["ties", "some ties", "ties in float32", "ids by bytes"],
)
def test_ties_are_read_as_trec_eval_reads_them(tmp_path: Path, scores: dict[str, float]) -> None:
    path = tmp_path / "run"
    lines = [f"q Q0 {paper} 1 {score!r} t\n" for paper, score in scores.items()]
    path.write_text("".join(lines), encoding="utf-8")
    assert read_run(path)["q"] == ordered_by_trec_eval(path, list(scores))


def test_ranks_in_the_file_do_not_count_and_spaces_may_be_tabs(tmp_path: Path) -> None:
    text = "\ufeffq\tQ0\ta\t1\t0.5\tt\r\n\r\nr Q0 a 1 1 t\r\nq  Q0  b  2  7e-1  t\r\n"
    (tmp_path / "run").write_bytes(text.encode())
    assert read_run(tmp_path / "run") == {"q": ["b", "a"], "r": ["a"]}


def test_metrics_of_a_run_survive_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    run = {f"q{n}": [f"p{int(p)}" for p in rng.permutation(200)[:120]] for n in range(20)}
    judgments = [Judgment(f"q{n}", f"p{p}", p % 3) for n in range(20) for p in range(0, 200, 7)]
    write_run(tmp_path / "run", run)
    names = "nDCG@10, AP, R@100"
    before, after = (per_query(r, judgments, names) for r in (run, read_run(tmp_path / "run")))
    assert before.equals(after)


# Judgments


@in_a_folder
@given(grades=st.dictionaries(st.tuples(ids, ids), st.integers(-2, 4), max_size=8))
@example(grades={("{q", "p"): 1, ("[q", "p"): 2})
@example(grades={("[q", "p"): -1})
def test_judgments_come_back(tmp_path: Path, grades: dict[tuple[str, str], int]) -> None:
    judgments = [Judgment(query, paper, grade) for (query, paper), grade in grades.items()]
    write_qrels(tmp_path / "qrels", judgments)
    assert set(read_qrels(tmp_path / "qrels")) == set(judgments)


def test_ir_measures_reads_our_judgments(tmp_path: Path) -> None:
    write_qrels(tmp_path / "qrels", [Judgment("q", "a", 2), Judgment("q", "a", 2)])
    assert list(ir_measures.read_trec_qrels(str(tmp_path / "qrels"))) == [
        ir_measures.Qrel("q", "a", 2)
    ]


# Bad input


@pytest.mark.parametrize(
    "bad", ["", " ", "a b", "a\t", "\n", "a\u00a0b", "a\u2028b", "a\0", "\ud800"]
)
def test_ids_that_would_break_the_columns_are_refused(tmp_path: Path, bad: Any) -> None:
    path = tmp_path / "file"
    for write in (
        lambda: write_run(path, {bad: ["a"]}),
        lambda: write_run(path, {"q": ["a", bad]}),
        lambda: write_run(path, {"q": ["a"]}, tag=bad),
        lambda: write_qrels(path, [Judgment(bad, "a", 1)]),
        lambda: write_qrels(path, [Judgment("q", bad, 1)]),
    ):
        with pytest.raises(EvaluationError, match=r"white|not empty|no UTF-8"):
            write()
    assert not path.exists()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1e300])
def test_scores_that_are_no_float32_are_refused(tmp_path: Path, score: float) -> None:
    with pytest.raises(EvaluationError, match="finite float32"):
        write_run(tmp_path / "run", {"q": hits(("a", score))})


def test_a_paper_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="'a' twice"):
        write_run(tmp_path / "run", {"q": ["a", "a"]})


def test_judgments_that_disagree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="judged 1 and 2"):
        write_qrels(tmp_path / "qrels", [Judgment("q", "a", 1), Judgment("q", "a", 2)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"q Q0 a 1 1 t\nq Q0 b 2 t\n", "line 2: expected"),
        (b"q Q0 a 1 high t\n", "line 1: score 'high'"),
        (b"q Q0 a 1 nan t\n", "line 1: score 'nan'"),
        (b"q Q0 a 1 1 t\n\nq Q0 a 2 0 t\n", "line 3: paper 'a' is there twice"),
        (b"q Q0 \xff 1 1 t\n", "not UTF-8"),
    ],
)
def test_a_bad_run_is_refused_with_its_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "run").write_bytes(text)
    with pytest.raises(EvaluationError, match=message):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("name", ["absent", "."])
def test_no_such_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvaluationError, match="check the path"):
        read_run(tmp_path / name)
