"""Dense retrieval is exact: the scan over codes may only leave out what cannot be in the top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.engines.embedded import codes, dense
from workbench.engines.embedded.codes import quantise
from workbench.engines.embedded.dense import DenseIndex, write_dense

Vectors = NDArray[np.float32]


def unit_rows(seed: int, rows: int, dimension: int) -> Vectors:
    """Clustered rows of unit length, so that many scores lie close together."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(5, dimension))
    noise = random.normal(size=(rows, dimension))
    vectors = centres[random.integers(0, 5, rows)] + 0.3 * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def always_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "SCAN_FROM", 1)


def index_of(vectors: Vectors, folder: Path) -> DenseIndex:
    def halves(first: int) -> list[Vectors]:
        return [part for part in np.array_split(vectors[first:], 2) if len(part)]

    write_dense(halves, vectors, folder / "dense")
    return DenseIndex.load(vectors, folder / "dense")


@pytest.mark.parametrize("n", [1, 10, 250])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("always_scan")
def test_the_scan_reaches_every_one_of_the_n_best(tmp_path: Path, seed: int, n: int) -> None:
    vectors = unit_rows(seed, 2000, 48)
    query = unit_rows(seed + 100, 1, 48)[0]
    best = np.argsort(-(vectors @ query), kind="stable")[:n]
    reached = index_of(vectors, tmp_path).ask(query).reachable(n, None)
    assert set(best) <= set(reached)


@pytest.mark.usefixtures("always_scan")
def test_the_scan_leaves_out_most_rows(tmp_path: Path) -> None:
    vectors = unit_rows(1, 20_000, 384)
    reached = index_of(vectors, tmp_path).ask(vectors[7]).reachable(100, None)
    assert len(reached) < 10_000


@pytest.mark.usefixtures("always_scan")
def test_the_scan_stays_under_the_mask(tmp_path: Path) -> None:
    vectors = unit_rows(2, 3000, 32)
    mask = np.zeros(3000, dtype=bool)
    mask[::7] = True
    allowed = np.flatnonzero(mask)
    best = allowed[np.argsort(-(vectors[allowed] @ vectors[0]), kind="stable")[:20]]
    reached = index_of(vectors, tmp_path).ask(vectors[0]).reachable(20, mask)
    assert set(best) <= set(reached) <= set(allowed)


@pytest.mark.usefixtures("always_scan")
def test_a_mask_with_fewer_rows_than_asked_gives_them_all(tmp_path: Path) -> None:
    vectors = unit_rows(3, 500, 32)
    mask = np.zeros(500, dtype=bool)
    mask[[4, 8]] = True
    assert list(index_of(vectors, tmp_path).ask(vectors[0]).reachable(10, mask)) == [4, 8]


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_the_bound_holds_for_queries_of_any_length(
    tmp_path_factory: pytest.TempPathFactory, seed: int, scale: float
) -> None:
    vectors = unit_rows(seed, 200, 24)
    index = index_of(vectors, tmp_path_factory.mktemp("codes"))
    query = unit_rows(seed + 1, 1, 24)[0] * np.float32(scale)
    approximate, bound = index.codes.products(query)
    assert np.abs(approximate - vectors @ query).max() <= bound * max(1, scale)


@pytest.mark.parametrize("scan_from", [1, 10_000])
def test_scores_are_inner_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan_from: int
) -> None:
    monkeypatch.setattr(dense, "SCAN_FROM", scan_from)
    vectors = unit_rows(4, 300, 384)
    rows = np.array([299, 0, 31])
    scores = index_of(vectors, tmp_path).ask(vectors[3]).scores(rows)
    np.testing.assert_allclose(scores, vectors[rows] @ vectors[3], atol=1e-6)


def test_scanning_and_scoring_outright_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index_of(unit_rows(5, 3001, 384), tmp_path)
    query = unit_rows(6, 1, 384)[0]
    outright = index.ask(query)
    monkeypatch.setattr(dense, "SCAN_FROM", 1)
    scanned = index.ask(query)
    rows = outright.best(50, None)
    assert list(rows) == list(scanned.best(50, None))
    assert list(outright.scores(rows)) == list(scanned.scores(rows))


def test_cores_that_share_a_scan_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = index_of(unit_rows(7, 3001, 64), tmp_path).codes
    query = unit_rows(8, 1, 64)[0]
    alone, _ = made.products(query)
    monkeypatch.setattr(codes, "PART", 100)
    monkeypatch.setattr(codes, "cores", lambda: 7)
    assert (made.products(query)[0] == alone).all()


def test_zero_vectors_have_zero_codes() -> None:
    zeros, _ = quantise(np.zeros((2, 8), dtype=np.float32))
    assert not zeros.any()


def test_no_rows_give_no_scores(tmp_path: Path) -> None:
    query = index_of(np.zeros((0, 8), dtype=np.float32), tmp_path).ask(np.ones(8, dtype=np.float32))
    assert len(query.best(5, None)) == 0


@given(
    values=st.lists(st.integers(-5, 5), min_size=1, max_size=300),
    data=st.data(),
    sorted_=st.booleans(),
)
def test_the_nth_best_is_found_wherever_the_sample_leads(
    values: list[int], data: st.DataObject, sorted_: bool
) -> None:
    scores = np.array(sorted(values) if sorted_ else values, dtype=np.float32)
    n = data.draw(st.integers(1, len(values)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "SAMPLE", 7)
        assert dense.nth_best(scores, n) == np.sort(scores)[-n]


def test_masked_out_rows_do_not_mislead_the_sample() -> None:
    scores = np.full(50_000, -np.inf, dtype=np.float32)
    scores[1:4000:3] = np.arange(1333)  # none of them at a place of the sample
    assert dense.nth_best(scores, 10) == 1323
