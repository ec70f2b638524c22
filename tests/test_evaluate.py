"""`Workbench.evaluate`: the numbers are those of ir_measures over what `search` shows."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ir_measures
import pandas as pd
import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.errors import (
    CorpusError,
    CorpusNotFound,
    EvaluationError,
    QueryError,
    WeightError,
)
from workbench.session import Workbench

QUERIES = ROOT / "data" / "landmarks" / "queries.jsonl"
QRELS = ROOT / "data" / "landmarks" / "qrels.tsv"


def test_equals_ir_measures_over_the_rankings_that_search_returns(landmarks: Workbench) -> None:
    queries = wb.read_queries(QUERIES)[:12]
    names = {query.id for query in queries}
    judgments = [judgment for judgment in wb.read_qrels(QRELS) if judgment.query_id in names]
    report = landmarks.evaluate(queries, judgments, "nDCG@10,RR,R@50", k=50, progress=False)
    run = [
        ir_measures.ScoredDoc(query.id, hit.paper.id, -hit.rank)
        for query in queries
        for hit in landmarks.search(query.text, k=50)
    ]
    qrels = [ir_measures.Qrel(j.query_id, j.paper_id, j.grade) for j in judgments]
    measures = [ir_measures.parse_measure(name) for name in ("nDCG@10", "RR", "R@50")]
    expected = ir_measures.calc_aggregate(measures, qrels, run)
    found = {name: interval.mean for name, interval in report.metrics.items()}
    assert found == pytest.approx({str(m): value for m, value in expected.items()}, abs=1e-12)


def test_files_and_records_give_the_same_report(landmarks: Workbench) -> None:
    records = wb.read_queries(QUERIES), wb.read_qrels(QRELS)
    from_records = landmarks.evaluate(*records, metrics="nDCG@10", progress=False)
    from_files = landmarks.evaluate(QUERIES, str(QRELS), metrics="nDCG@10", progress=False)
    assert from_files.to_dict() == from_records.to_dict()


def test_the_default_beats_bm25_alone_on_the_sample_corpus(landmarks: Workbench) -> None:
    default = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", progress=False)
    bm25 = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", weights={"bm25": 1}, progress=False)
    assert default.metrics["nDCG@10"].mean > bm25.metrics["nDCG@10"].mean + 0.05
    assert default.judged_at_10 > 0.98
    plain = wb.Profile(feedback=False)  # the arms that the pool was made of: judged to the end
    plainly = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", profile=plain, progress=False)
    assert plainly.judged_at_10 == 1.0
    (row,) = default.compare(bm25).to_frame().to_dict("records")
    assert row["p_randomisation"] < 0.01


def test_a_query_without_judgments_is_listed_not_dropped_silently(landmarks: Workbench) -> None:
    queries = [*wb.read_queries(QUERIES)[:3], wb.Query("nobody judged this", id="extra")]
    report = landmarks.evaluate(queries, wb.read_qrels(QRELS), "RR", progress=False)
    assert report.without_judgments == ("extra",)
    assert report.queries == 3


def test_what_cannot_be_evaluated_is_a_typed_error(landmarks: Workbench) -> None:
    with pytest.raises(EvaluationError, match="Check that the ids match"):
        landmarks.evaluate(QUERIES, [wb.Judgment("no such query", "p", 1)], progress=False)
    with pytest.raises(CorpusNotFound, match=r"missing\.jsonl"):
        landmarks.evaluate("missing.jsonl", QRELS, progress=False)
    with pytest.raises(WeightError, match="sparse"):
        landmarks.evaluate(QUERIES, QRELS, weights={"sparse": 1}, progress=False)


def test_a_metric_deeper_than_k_is_refused(landmarks: Workbench) -> None:
    with pytest.raises(EvaluationError, match="100"):
        landmarks.evaluate(QUERIES, QRELS, "R@100", k=10, progress=False)


def test_the_tuned_weight_has_the_value_that_evaluate_finds(landmarks: Workbench) -> None:
    curve = landmarks.tune(QUERIES, QRELS, progress=False)
    best = curve.best
    dense = {"bm25": 1 - best.weight, "title": 0, "dense": best.weight}
    report = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", weights=dense, progress=False)
    assert report.metrics["nDCG@10"].mean == pytest.approx(best.value, abs=1e-12)
    even = landmarks.evaluate(
        QUERIES, QRELS, "nDCG@10", weights={"bm25": 0.5, "dense": 0.5}, progress=False
    )
    assert best.value >= even.metrics["nDCG@10"].mean


def test_tuning_an_unknown_signal_is_a_typed_error(landmarks: Workbench) -> None:
    with pytest.raises(WeightError, match="sparse"):
        landmarks.tune(QUERIES, QRELS, signals=("bm25", "sparse"), progress=False)


def test_three_signals_are_at_least_as_good_as_two(landmarks: Workbench) -> None:
    search = landmarks.tune(QUERIES, QRELS, signals=("bm25", "title", "dense"), progress=False)
    curve = landmarks.tune(QUERIES, QRELS, progress=False)
    assert search.best.value >= curve.best.value
    assert search.bound.proven
    report = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", profile=search.profile, progress=False)
    assert report.metrics["nDCG@10"].mean == pytest.approx(search.best.value, abs=1e-12)


def test_the_default_of_a_curve_is_what_evaluate_finds(landmarks: Workbench) -> None:
    curve = landmarks.tune(QUERIES, QRELS, "AP", progress=False)
    report = landmarks.evaluate(QUERIES, QRELS, "AP", progress=False)
    assert curve.default == pytest.approx(report.metrics["AP"].mean, abs=1e-12)
    assert curve.regret().oracle > curve.best.value


def test_a_tuned_profile_comes_back_from_its_file(landmarks: Workbench, tmp_path: Path) -> None:
    curve = landmarks.tune(QUERIES, QRELS, progress=False)
    path = tmp_path / "tuned.toml"
    path.write_text(curve.profile.to_toml())
    profile = wb.Profile.from_toml(path)
    report = landmarks.evaluate(QUERIES, QRELS, "nDCG@10", profile=profile, progress=False)
    assert report.metrics["nDCG@10"].mean == pytest.approx(curve.best.value, abs=1e-12)


def test_tuning_says_what_it_left_out(landmarks: Workbench) -> None:
    queries = [*wb.read_queries(QUERIES)[:3], wb.Query("nobody judged this", id="extra")]
    curve = landmarks.tune(queries, wb.read_qrels(QRELS), progress=False)
    assert curve.left_out.without_judgments == ("extra",)
    assert curve.left_out.unknown_queries == 47
    assert curve.regret().to_frame()["query_id"].tolist() == [query.id for query in queries[:3]]
    assert len(curve.queries) == 3
    with pytest.raises(EvaluationError, match="none of 1 queries is judged"):
        landmarks.tune(queries[3:], wb.read_qrels(QRELS), progress=False)


def test_judgments_that_disagree_are_an_error(landmarks: Workbench) -> None:
    queries = wb.read_queries(QUERIES)[:1]
    judged = [wb.Judgment(queries[0].id, "p", grade) for grade in (0, 1)]
    with pytest.raises(EvaluationError, match="is judged 0 and 1"):
        landmarks.tune(queries, judged, progress=False)


# Ids, and papers that the corpus does not have


@pytest.fixture(scope="module")
def few() -> tuple[list[wb.Query], list[wb.Judgment]]:
    queries = wb.read_queries(QUERIES)[:4]
    names = {query.id for query in queries}
    return queries, [j for j in wb.read_qrels(QRELS) if j.query_id in names]


def test_judged_papers_that_the_corpus_lacks_are_counted(landmarks: Workbench, few: Any) -> None:
    queries, judged = few
    odd = [
        wb.Judgment(j.query_id, f"no such {n}", j.grade) if n % 2 else j
        for n, j in enumerate(judged)
    ]
    lost = len(judged) // 2
    report = landmarks.evaluate(queries, odd, "nDCG@10", progress=False)
    curve = landmarks.tune(queries, odd, progress=False)
    for unknown, notes in (
        (report.unknown_papers, report.notes),
        (curve.left_out.unknown_papers, curve.left_out.notes),
    ):
        assert len(unknown) == lost
        said = f"{lost} judged papers are not in the corpus, so no search finds them: no such 1, "
        assert any(note.startswith(said) for note in notes)
    assert str(lost) in str(report)
    assert curve.to_dict()["left_out"]["unknown_papers"] == list(report.unknown_papers)


def test_judgments_of_another_corpus_are_an_error(landmarks: Workbench, few: Any) -> None:
    queries, judged = few
    foreign = [wb.Judgment(j.query_id, f"x{j.paper_id}", j.grade) for j in judged]
    for verb in (landmarks.evaluate, landmarks.tune, landmarks.judge_next):
        with pytest.raises(EvaluationError, match=r"none of the .* judged papers is in the corpus"):
            verb(queries, foreign, progress=False)


def test_queries_whose_relevant_papers_are_no_candidates_are_listed(
    landmarks: Workbench, few: Any
) -> None:
    queries, judged = few
    far = landmarks.search(queries[0].text, k=200, profile=wb.Profile(n_retrieval=200))[-1].paper.id
    shallow = wb.Profile(n_retrieval=1, n_keyword=1, feedback=False)
    lost = [wb.Judgment(queries[0].id, far, 1)]
    others = [j for j in judged if j.query_id != queries[0].id]
    curve = landmarks.tune(queries, [*others, *lost], profile=shallow, progress=False)
    assert queries[0].id in curve.left_out.without_candidates
    assert any("no relevant paper among the candidates" in note for note in curve.left_out.notes)
    with pytest.raises(EvaluationError, match="is among the candidates of any query"):
        landmarks.tune(queries[:1], lost, profile=shallow, progress=False)


def test_natural_forms_give_the_same_report_and_curve(
    landmarks: Workbench, few: Any, tmp_path: Path
) -> None:
    queries, judged = few
    nested: dict[str, dict[str, int]] = {}
    for j in judged:
        nested.setdefault(j.query_id, {})[j.paper_id] = j.grade
    frame = pd.DataFrame([(j.query_id, j.paper_id, float(j.grade)) for j in judged])
    frame.columns = ["qid", "docno", "label"]
    texts = {query.id: query.text for query in queries}
    expected = landmarks.evaluate(queries, judged, "nDCG@10,RR", progress=False).to_dict()
    curve = landmarks.tune(queries, judged, "NDCG@10", progress=False)
    for asked, grades in (
        (texts, nested),
        (pd.Series(texts), frame),
        (iter(queries), iter(judged)),
    ):
        report = landmarks.evaluate(asked, grades, iter(["nDCG@10", "RR"]), progress=False)
        assert report.to_dict() == expected
    again = landmarks.tune(texts, nested, "nDCG@10", progress=False)
    assert (again.values == curve.values).all()
    by_text = {query.text: nested[query.id] for query in queries}
    report = landmarks.evaluate(list(by_text), by_text, "nDCG@10,RR", progress=False)
    assert report.to_dict()["metrics"] == expected["metrics"]


def test_a_query_that_cannot_be_searched_is_named(landmarks: Workbench, few: Any) -> None:
    queries, judged = few
    empty = wb.Query("  ", id=queries[0].id)
    for verb in (landmarks.evaluate, landmarks.tune, landmarks.judge_next):
        with pytest.raises(QueryError, match=f"query '{queries[0].id}': the query is empty"):
            verb([*queries[1:], empty], judged, progress=False)
    long = wb.Query("a " * 60_000, id=queries[0].id)
    with pytest.raises(QueryError, match=f"query '{queries[0].id}': the query has 120,000"):
        landmarks.evaluate([*queries[1:], long], judged, progress=False)
    for verb in (landmarks.evaluate, landmarks.tune, landmarks.judge_next):
        with pytest.raises(EvaluationError, match="is there twice"):
            verb([*queries, queries[0]], judged, progress=False)


@pytest.mark.parametrize("k", ["10", 0, 10.5, True, None])
def test_a_k_that_is_none_is_a_typed_error(landmarks: Workbench, few: Any, k: Any) -> None:
    with pytest.raises(QueryError, match=r"k is .*; give a whole number from 1 to"):
        landmarks.evaluate(*few, k=k, progress=False)


# Labels, and other processes


def test_reports_are_named_by_profile_and_weights(landmarks: Workbench, few: Any) -> None:
    plain = landmarks.evaluate(*few, "AP", progress=False)
    dense = landmarks.evaluate(*few, "AP", weights={"dense": 1}, progress=False)
    other = landmarks.evaluate(*few, "AP", k=20, weights={"dense": 1}, progress=False)
    assert (plain.label, dense.label) == ("default", "default (dense 1)")
    compared = plain.compare(dense)
    assert repr(compared).startswith("Comparison('default' against 'default (dense 1)': AP ")
    assert any("weights.dense" in said for said in compared.differences["default (dense 1)"])
    assert compared.notes == ()
    [note] = dense.compare(other).notes
    assert "k is 1000 against 20" in note


def _best(curve: Any) -> float:
    return float(curve.best.value)


def test_results_go_to_other_processes_and_a_workbench_says_how(
    landmarks: Workbench, few: Any
) -> None:
    curve = landmarks.tune(QUERIES, QRELS, progress=False)
    search = landmarks.tune(*few, signals=("bm25", "title", "dense"), progress=False)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for tuned in (curve, search):
            assert pool.submit(_best, tuned).result() == tuned.best.value
        with pytest.raises(CorpusError, match=r"cannot be sent to another process.*wb\.open\("):
            pool.submit(_best, landmarks).result()
