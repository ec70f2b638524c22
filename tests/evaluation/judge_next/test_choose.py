"""What to judge next: against evaluating every single judgment anew with trec_eval's code."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import EvaluationError, WeightError
from workbench.evaluation.judge_next.choose import judge_next
from workbench.evaluation.judge_next.suggestions import Suggestions
from workbench.evaluation.judge_next.weight_grid import score_table, spread, weights_text
from workbench.evaluation.reports.metrics import per_query
from workbench.evaluation.tuning.exact.tuning_set import CurveItem
from workbench.ranking.fusion import fuse, normalise, rank_papers, weight_vector
from workbench.records import Candidates, Judgment, Paper, Query

EXAMPLES = int(os.environ.get("JUDGE_EXAMPLES", "30"))
SIGNALS = ("bm25", "title", "dense")
EVIL = "<script>alert(1)</script>"


def item(rows: list[tuple[str, list[float]]], grades: dict[str, int]) -> CurveItem:
    """A query from (paper id, values) rows; rows of one paper are its passages."""
    rows = sorted(rows, key=lambda row: row[0])
    values = np.array([values for _, values in rows], dtype=np.float64).reshape(len(rows), 3)
    candidates = Candidates(
        query=Query("what?"),
        signals=SIGNALS,
        paper_ids=np.array([paper for paper, _ in rows], dtype="U4"),
        numbers=np.arange(len(rows), dtype=np.int32),
        values=values,
        lower=np.zeros(3),
    )
    return CurveItem(candidates, normalise(candidates, "min-max"), grades)


def ranked(item_: CurveItem, weights: dict[str, float]) -> list[str]:
    scores = fuse(item_.normalised, weight_vector(weights, SIGNALS))
    rows, _ = rank_papers(item_.candidates, scores)
    return [str(paper) for paper in item_.candidates.paper_ids[rows]]


def value(ranking: list[str], grades: dict[str, int], metric: str) -> float:
    judgments = [Judgment("q", paper, grade) for paper, grade in grades.items()]
    return float(per_query({"q": ranking}, judgments, [metric]).loc["q", metric])


Gains = dict[tuple[str, str], float]


def brute_force(
    items: dict[str, CurveItem],
    contenders: list[dict[str, float]],
    winner: int,
    metric: str,
    depth: int,
    tried: list[int],
) -> tuple[list[float], Gains, int]:
    """Means now; the largest gain of each pair that helps some contender; pairs looked at."""
    rankings = {q: [ranked(each, w) for w in contenders] for q, each in items.items()}

    def means(changed: str = "", paper: str = "", grade: int = 0) -> list[float]:
        sums, count = [0.0] * len(contenders), 0
        for q, each in items.items():
            grades = dict(each.grades) | ({paper: grade} if q == changed else {})
            if grades:
                count += 1
                for n, ranking in enumerate(rankings[q]):
                    sums[n] += value(ranking, grades, metric)
        return [total / max(1, count) for total in sums]

    now = means()
    gains: Gains = {}
    looked = 0
    for q, each in items.items():
        seen = {paper for ranking in rankings[q] for paper in ranking[:depth]}
        for paper in sorted(seen - set(each.grades)):
            looked += 1
            for grade in tried:
                then = means(q, paper, grade)
                own = [
                    value(ranking, dict(each.grades) | {paper: grade}, metric)
                    - (value(ranking, dict(each.grades), metric) if each.grades else 0.0)
                    for ranking in rankings[q]
                ]
                for n in range(len(contenders)):
                    if own[n] - own[winner] > 1e-12:
                        gain = then[n] - then[winner]
                        gains[q, paper] = max(gain, gains.get((q, paper), -9.0))
    return now, gains, looked


level = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
paper = st.sampled_from([f"p{n}" for n in range(6)])
query = st.builds(
    item,
    st.lists(st.tuples(paper, st.lists(level, min_size=3, max_size=3)), min_size=1, max_size=9),
    st.dictionaries(paper, st.integers(-1, 2), max_size=3),
)


@given(
    queries=st.lists(query, min_size=1, max_size=3),
    metric=st.sampled_from(
        [
            "nDCG@2",
            "nDCG@10",
            "AP",
            "RR",
            "P@3",
            "R@2",
            "Success@1",
            "nDCG",
            "P(rel=2)@2",
            "RBP(p=0.5)",
            "AP(rel=2)",
            "Judged@3",
        ]
    ),
    depth=st.sampled_from([None, 1, 3]),
    wide=st.booleans(),
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_gain_equals_evaluating_anew(
    queries: list[CurveItem], metric: str, depth: int | None, wide: bool
) -> None:
    items = {f"q{n}": each for n, each in enumerate(queries)}
    contenders = [{"bm25": 1 - w, "dense": w} for w in (0.0, 0.3, 0.5, 0.7, 1.0)]
    if wide:
        contenders = [{"bm25": 1.0}, {"title": 1.0, "dense": 0.5}, {"bm25": 0.4, "dense": 0.6}]
    found = judge_next(items, 10**6, metric, contenders=contenders, depth=depth, grades=[1, 2])
    winner = contenders.index(dict(found.winner))
    now, gains, looked = brute_force(items, contenders, winner, metric, found.depth, [1, 2])
    assert now[winner] == pytest.approx(max(now), abs=1e-12)
    assert found.value == pytest.approx(now[winner], abs=1e-12)
    assert found.considered == looked
    assert {(s.query_id, s.paper_id): s.gain for s in found} == pytest.approx(gains, abs=1e-12)
    assert found.changing == sum(gain > 1e-12 for gain in gains.values())
    for before, after in pairwise(found):
        assert before.gain >= after.gain - 1e-12
    for s in found:
        rankings = [ranked(items[s.query_id], dict(w)) for w in (s.winner, s.rival)]
        assert [r.index(s.paper_id) + 1 for r in rankings] == [s.rank_now, s.rank_then]


def test_a_single_judgment_that_decides_is_first_and_says_why() -> None:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0]), ("c", [0.5, 0, 0.4])]
    items = {"q1": item(rows, {"a": 1, "c": 0}), "q2": item(rows, {"a": 0})}
    found = judge_next(items, 5, "RR", papers=lambda ids: [Paper(i, f"On {i}") for i in ids])
    # a leads up to dense 0.5, where it ties with b; the middle of that is 0.25.
    assert found.winner == {"bm25": 0.75, "dense": 0.25}
    assert (found.value, found.queries, found.considered) == (0.5, 2, 3)
    # b of q2 is third at 0.25, and second from 0.46 on, where a still leads in q1.
    first = found[0]
    assert (first.query_id, first.paper_id, first.grade, first.title) == ("q2", "b", 1, "On b")
    assert first.rival["dense"] == 0.46
    assert first.gain == pytest.approx((1 / 2 - 1 / 3) / 2)
    assert first.changes_winner
    assert first.reason == (
        "With grade 1, dense 0.46 would beat dense 0.25 by 0.083 RR: rank 2 there, 3 here"
    )


def test_of_rivals_as_strong_the_nearest_is_named() -> None:
    rows = [("a", [0.0, 0, 1.0]), ("b", [1.0, 0, 0.0])]
    items = {"q1": item(rows, {"a": 1}), "q2": item(rows, {})}
    found = judge_next(items, 5, "nDCG@1")
    assert found.winner["dense"] == 0.75
    (first,) = (s for s in found if (s.query_id, s.paper_id) == ("q2", "b"))
    assert first.rival["dense"] == 0.49
    assert not first.changes_winner
    assert "dense 0.49 would draw level with dense 0.75 in nDCG@1" in first.reason


def test_a_paper_below_the_cutoff_can_make_its_query_count_for_less() -> None:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0]), ("c", [0.5, 0, 0.4])]
    items = {"q1": item(rows, {"a": 1, "b": 0}), "q2": item(rows, {"b": 1, "a": 0, "c": 0})}
    (only,) = judge_next(items, 5, "nDCG@1", depth=3, grades=[2])
    assert (only.query_id, only.paper_id, only.rank_now, only.rank_then) == ("q1", "c", 3, 3)
    assert only.gain == pytest.approx((1 - 1 / 2) / 2)
    assert only.reason.endswith("so that what stands above 1 would count for less")


def test_a_query_that_nobody_judged_joins_with_its_first_judgment() -> None:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0])]
    items = {"old": item(rows, {"a": 1}), "new": item(rows, {})}
    found = judge_next(items, 5, "nDCG@1")
    assert found.queries == 1
    assert ("new", "b") in {(s.query_id, s.paper_id) for s in found}
    assert found[0].gain == pytest.approx(0)  # (0 + 1) / 2 against (1 + 0) / 2


def test_nothing_judged_at_all_still_suggests_what_tells_weights_apart() -> None:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0]), ("c", [0.0, 0, 0.0])]
    found = judge_next({"q": item(rows, {})}, 5, "RR")
    assert found.queries == 0
    assert found.value == 0
    assert {s.paper_id for s in found} >= {"b"}
    assert all(s.changes_winner for s in found)


def test_nothing_left_to_judge_is_an_empty_answer() -> None:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0])]
    found = judge_next({"q": item(rows, {"a": 1, "b": 0}), "none": item([], {})}, 5)
    assert len(found) == found.considered == 0
    assert "No unjudged paper" in found._repr_html_()
    assert found.to_frame().empty


def test_scores_of_many_contenders_are_those_of_fusion_bit_for_bit() -> None:
    rng = np.random.default_rng(3)
    rows = [(f"p{n // 3}", list(rng.normal(size=3))) for n in range(60)]
    each = item(rows, {})
    contenders = rng.random((40, 3))
    contenders[:, 1] = 0
    table = score_table(each.candidates, each.normalised, contenders)
    starts = each.candidates.paper_starts
    for row, weights in zip(table.scores, contenders, strict=True):
        assert (row == np.maximum.reduceat(fuse(each.normalised, weights), starts)).all()
        order, _ = rank_papers(each.candidates, fuse(each.normalised, weights))
        expected = {str(each.candidates.paper_ids[r]): n for n, r in enumerate(order, start=1)}
        one = score_table(each.candidates, each.normalised, weights[None])
        ranks = one.ranks(np.arange(len(one.paper_ids)))[0]
        assert dict(zip(one.paper_ids.tolist(), ranks.tolist(), strict=True)) == expected


def test_the_simplex_is_covered() -> None:
    two, three = spread(("bm25", "dense")), spread(SIGNALS)
    assert two[0] == {"bm25": 1.0, "dense": 0.0}
    assert [w["dense"] for w in two] == [n / 100 for n in range(101)]
    assert len(three) == len({tuple(w.values()) for w in three}) == 66
    assert all(sum(w.values()) == pytest.approx(1) and min(w.values()) >= 0 for w in three)
    assert weights_text({"bm25": 0.3, "dense": 0.7}) == "dense 0.7"
    assert weights_text({"bm25": 0.3, "title": 0.0, "dense": 0.7}) == "bm25 0.3, dense 0.7"


def some() -> Suggestions:
    rows = [("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0])]
    items = {EVIL: item(rows, {"a": 1}), "q2": item(rows, {"a": 0})}
    return judge_next(items, papers=lambda ids: [Paper(i, EVIL) for i in ids], metric="nDCG@1")


def test_its_texts_and_plain_values() -> None:
    found = some()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["next"][0]["rival"] == found[0].rival
    assert found[0].reason in str(found)
    html = found._repr_html_()
    assert "<script" not in html
    assert "&lt;script" in html
    assert list(found.to_frame()["reason"]) == [s.reason for s in found]
    assert found[:1] == (found[0],)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, EvaluationError, "n is 0"),
        ({"depth": -1}, EvaluationError, "depth is -1"),
        ({"metric": "ERR"}, EvaluationError, "cannot tune for metric 'ERR'"),
        ({"grades": [0, 1]}, EvaluationError, "grades are"),
        ({"grades": []}, EvaluationError, "grades are"),
        ({"grades": [1.5]}, EvaluationError, "whole number"),
        ({"signals": ("bm25", "sparse")}, WeightError, "unknown signal 'sparse'"),
        ({"signals": ("bm25",)}, WeightError, "two or more"),
        ({"contenders": [{"bm25": -1}]}, WeightError, "at least 0"),
        ({"contenders": [{"bm25": 0}]}, WeightError, "every weight is 0"),
        ({"contenders": []}, WeightError, "contenders"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    items = {"q": item([("a", [1.0, 0, 0.0]), ("b", [0.0, 0, 1.0])], {"a": 1})}
    with pytest.raises(error, match=message):
        judge_next(items, **arguments)
    with pytest.raises(EvaluationError, match="no queries"):
        judge_next({})
    items["q"].normalised[0, 0] = np.nan
    with pytest.raises(WeightError, match="'q' has values that are not finite"):
        judge_next(items)
