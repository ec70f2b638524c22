"""The five measures are those of repro_eval, and a few values by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import EvaluationError
from workbench.experiments.reproduction import (
    delta_relative_improvement,
    effect_ratio,
    kendalls_tau_union,
    rank_biased_overlap,
    reproduction,
    root_mean_square_error,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # repro_eval 0.5 imports scipy's older names
    from repro_eval.measure import document_order, effectiveness, overall_effects

Run = dict[str, list[str]]


def scored(run: Run) -> dict[str, dict[str, float]]:
    return {q: {p: float(len(ps) - i) for i, p in enumerate(ps)} for q, ps in run.items()}


def tables(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = frame.to_dict("index")  # type: ignore[assignment] # names
    return rows


papers = st.permutations([f"p{n:02d}" for n in range(14)])
runs = st.fixed_dictionaries({f"q{n}": papers.map(lambda order: order[:9]) for n in range(3)})


@given(runs, runs)
def test_orders_equal_repro_evals(original: Run, again: Run) -> None:
    theirs = scored(original), scored(again)
    ours = kendalls_tau_union(original, again)
    assert ours == pytest.approx(document_order.KTU(*theirs), abs=1e-9)
    for p, depth in ((0.8, 1000), (0.9, 5)):
        expected = document_order.RBO(*theirs, p, depth, False, False)
        assert rank_biased_overlap(original, again, p, depth) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_effects_equal_repro_evals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    four = [
        pd.DataFrame(rng.random((6, 2)) + 0.01, [f"q{n}" for n in range(6)], ["P_10", "ndcg"])
        for _ in range(4)
    ]
    theirs: list[Any] = [tables(frame) for frame in four]
    advanced, baseline, again, again_base = theirs
    ours = root_mean_square_error(four[0], four[2])
    assert ours == pytest.approx(effectiveness.RMSE(advanced, again), abs=1e-9)
    expected = overall_effects.ER(advanced, baseline, again, again_base)
    assert effect_ratio(*four) == pytest.approx(expected, rel=1e-9)
    expected = overall_effects.DRI(advanced, baseline, again, again_base)
    assert delta_relative_improvement(*four) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_an_exact_reproduction() -> None:
    run = {"a": ["x", "y", "z"], "b": ["y", "x", "w"]}
    values = pd.DataFrame({"AP": [0.5, 1.0]}, index=["a", "b"])
    base = pd.DataFrame({"AP": [0.25, 0.5]}, index=["a", "b"])
    found = reproduction((run, values), (run, values), (base, base))
    assert (found.ktu, found.rbo, found.rmse) == (1.0, pytest.approx(1.0), {"AP": 0.0})
    assert (found.effect_ratio, found.delta_ri) == ({"AP": 1.0}, {"AP": 0.0})
    assert list(found.to_frame().columns) == ["rmse", "effect_ratio", "delta_ri", "ktu", "rbo"]
    assert "KTU 1.000" in str(found)
    with pytest.raises(EvaluationError, match="heads of one length"):
        kendalls_tau_union({"a": ["x", "y"]}, {"a": ["x"]})
