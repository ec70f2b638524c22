"""A large corpus is searched through a projection: recall, filters, what is written and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import paper_record
from tests.corpus.fakes import FakeEmbedder
from tests.engines.embedded.projected import small_is_large
from tests.engines.embedded.test_dense import index_of, unit_rows
from workbench.corpus.manifest import read_manifest
from workbench.engines.embedded import projection
from workbench.engines.embedded.dense import DenseIndex, write_dense
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.generation import problem_of
from workbench.engines.embedded.indexing import Indexer
from workbench.engines.embedded.projection import is_approximate
from workbench.errors import CorpusDamaged
from workbench.profiles import Profile
from workbench.session import Workbench

Vectors = NDArray[np.float32]
WriteJsonl = Callable[..., Path]
ROWS, DIMENSION = 6000, 96


@pytest.fixture(scope="module", autouse=True)
def always_projected() -> Iterator[None]:
    with small_is_large(shallowest=256, deepest=4):
        yield


def like_texts(seed: int, rows: int) -> Vectors:
    """Unit rows whose components shrink as those of texts do, turned at random."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, DIMENSION)))
    vectors = random.normal(size=(rows, DIMENSION)) * np.arange(1, DIMENSION + 1) ** -0.9 @ turn
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    found = index_of(like_texts(1, ROWS), tmp_path_factory.mktemp("projected"))
    assert found.projection is not None
    return found


def brute_force(index: DenseIndex, query: Vectors, n: int, mask: NDArray[np.bool_]) -> set[int]:
    allowed = np.flatnonzero(mask)
    return set(allowed[np.argsort(-(index.vectors[allowed] @ query), kind="stable")[:n]].tolist())


def test_recall_is_what_was_written_down(index: DenseIndex) -> None:
    everything, queries = np.ones(ROWS, dtype=bool), like_texts(2, 60)
    shares = [
        len(brute_force(index, q, 100, everything) & set(index.ask(q).best(100, None).tolist()))
        for q in queries
    ]
    assert index.projection is not None
    assert index.projection.recall >= projection.LEAST
    assert np.mean(shares) / 100 >= 0.99


def test_fewer_rows_are_read_than_there_are(index: DenseIndex) -> None:
    assert index.projection is not None
    assert index.projection.depth < ROWS / 4
    assert len(index.ask(like_texts(3, 1)[0]).reachable(100, None)) <= 2 * index.projection.depth


def test_asked_exactly_nothing_is_missed(index: DenseIndex) -> None:
    everything = np.ones(ROWS, dtype=bool)
    for query in like_texts(4, 10):
        best = set(index.ask(query, exact=True).best(50, None).tolist())
        assert best == brute_force(index, query, 50, everything)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 1.0), n=st.integers(1, 300))
def test_filters_lose_nothing(index: DenseIndex, seed: int, share: float, n: int) -> None:
    mask = np.random.default_rng(seed).random(ROWS) < share
    query = like_texts(seed, 1)[0]
    found, best = index.ask(query).best(n, mask), brute_force(index, query, n, mask)
    assert len(found) == len(best)
    assert mask[found].all()
    assert index.projection is not None
    if mask.sum() <= index.projection.depth_of(n):  # selective: exact
        assert set(found.tolist()) == best
    assert len(best & set(found.tolist())) >= 0.95 * len(best) - 2


def test_values_are_the_true_ones(index: DenseIndex) -> None:
    asked = index.ask(like_texts(5, 1)[0])
    rows = asked.best(20, None)
    exact = index.ask(like_texts(5, 1)[0], exact=True)
    assert list(asked.scores(rows)) == list(exact.scores(rows))


def test_vectors_without_leading_components_are_searched_exactly(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(3000, DIMENSION)).astype(np.float32)
    made = index_of(noise / np.linalg.norm(noise, axis=1, keepdims=True), tmp_path)
    assert made.projection is not None
    assert made.projection.depth == 0
    assert not is_approximate(tmp_path / "dense" / "projection")
    for query in unit_rows(7, 5, DIMENSION):
        best = set(made.ask(query).best(50, None).tolist())
        assert best == brute_force(made, query, 50, np.ones(3000, dtype=bool))


# Exact, by a bound on what the projection leaves out


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "FROM", ROWS + 1)
        patch.setattr(projection, "PRUNES_FROM", 1)
        found = index_of(like_texts(1, ROWS), tmp_path_factory.mktemp("pruned"))
    assert found.projection is not None
    assert found.projection.depth == 0
    return found


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.one_of(st.just(1.0), st.floats(0.0, 1.0)),
    n=st.integers(1, 600),
    lengths=st.sampled_from([1.0, 0.5]),
)
def test_the_bound_loses_nothing(
    pruned: DenseIndex, seed: int, share: float, n: int, lengths: float
) -> None:
    mask = None if share == 1 else np.random.default_rng(seed).random(ROWS) < share
    query = like_texts(seed, 1)[0] * np.float32(lengths)
    allowed = np.ones(ROWS, dtype=bool) if mask is None else mask
    assert set(pruned.ask(query).best(n, mask).tolist()) == brute_force(pruned, query, n, allowed)


def test_a_bound_is_never_below_the_product_and_leaves_few_rows(pruned: DenseIndex) -> None:
    assert pruned.projection is not None
    for query in like_texts(9, 20):
        _, bounds = pruned.projection.bounds(query)
        assert (bounds >= pruned.vectors.astype(np.float64) @ query).all()
    read = [len(pruned.ask(query).reachable(20, None)) for query in like_texts(10, 20)]
    assert np.mean(read) < ROWS / 4


def test_rows_in_the_axes_have_almost_no_rest(tmp_path: Path) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, DIMENSION)))
    flat = unit_rows(1, 2000, 8) @ turn[:8].astype(np.float32)
    made = index_of(flat / np.linalg.norm(flat, axis=1, keepdims=True), tmp_path)
    assert made.projection is not None
    assert made.projection.rests is not None
    assert 0 < made.projection.rests.min() <= made.projection.rests.max() < 0.01


def test_rows_that_are_added_are_bounded_too(tmp_path: Path) -> None:
    vectors = like_texts(1, ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "FROM", ROWS + 1)
        patch.setattr(projection, "PRUNES_FROM", 1)
        first = index_of(vectors[:-500], tmp_path / "first")
        write_dense(
            lambda row: iter([vectors[row:]]), vectors, tmp_path / "grown", tmp_path / "first/dense"
        )
    grown = DenseIndex.load(vectors, tmp_path / "grown")
    assert first.projection is not None
    assert grown.projection is not None
    assert np.array_equal(grown.projection.axes, first.projection.axes)
    for query in like_texts(11, 10):
        assert set(grown.ask(query).best(60, None).tolist()) == brute_force(
            grown, query, 60, np.ones(ROWS, dtype=bool)
        )


def test_a_projection_of_before_without_rests_is_read_as_it_was(
    index: DenseIndex, tmp_path: Path
) -> None:
    made = index_of(like_texts(1, ROWS), tmp_path)
    (tmp_path / "dense" / "projection" / "rests.npy").unlink()
    old = DenseIndex.load(made.vectors, tmp_path / "dense")
    assert old.projection is not None
    assert old.projection.rests is None
    everything = np.ones(ROWS, dtype=bool)
    for query in like_texts(12, 5):
        assert list(old.ask(query).best(50, None)) == list(index.ask(query).best(50, None))
        exact = set(old.ask(query, exact=True).best(50, None).tolist())
        assert exact == brute_force(old, query, 50, everything)


def test_the_same_vectors_give_the_same_projection(tmp_path: Path) -> None:
    one, two = (index_of(like_texts(1, 3000), tmp_path / name) for name in "ab")
    assert one.projection is not None
    assert two.projection is not None
    assert one.projection.digest == two.projection.digest
    assert (one.projection.codes.codes == two.projection.codes.codes).all()


def test_axes_are_the_principal_ones() -> None:
    vectors = unit_rows(3, 2000, 64)
    axes = projection._principal_axes([vectors[:900], vectors[900:]], 2000, 64, 32)
    _, values, turned = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)
    assert axes.shape == (64, 32)
    np.testing.assert_allclose(axes.T @ axes, np.eye(32), atol=1e-5)
    kept = np.linalg.norm(vectors @ axes)
    np.testing.assert_allclose(kept, np.linalg.norm(values[:32]), rtol=1e-5)
    assert turned.shape == (64, 64)


# In a corpus


class TextLike(FakeEmbedder):
    """Vectors with leading components, so that a projection finds what it should."""

    def encode(self, texts: Any, **options: Any) -> Vectors:
        scale = np.arange(1, self.dimension + 1, dtype=np.float32) ** -1.5
        vectors = super().encode(texts, **options) * scale
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self.encode([text])[0]
        return vector


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    source = write_jsonl([paper_record(n) for n in range(40)])
    with small_is_large():
        Indexer(tmp_path / "c", TextLike()).add(source)
    return tmp_path / "c"


def test_info_states_the_recall_and_the_profile_turns_it_off(folder: Path) -> None:
    with Workbench(folder, embedder=TextLike()) as bench:
        said = bench.info()["dense"]
        assert said["search"] == "approximate"
        assert said["recall@100"] >= projection.LEAST
        auto = bench.search("paper number 7")
        exact = bench.search("paper number 7", profile=Profile(dense="exact"))
    assert "projection" in auto.candidates.fingerprint
    assert "projection" not in exact.candidates.fingerprint
    assert auto.profile.fingerprint != exact.profile.fingerprint
    assert auto.paper_ids == exact.paper_ids


def test_a_corpus_without_a_projection_opens_as_before(
    tmp_path: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "FROM", 1000)
    Indexer(tmp_path / "old", TextLike()).add(write_jsonl([paper_record(n) for n in range(9)]))
    monkeypatch.setattr(projection, "FROM", 1)
    engine = EmbeddedEngine(tmp_path / "old")
    assert engine.exact
    assert engine.exactly() is engine
    assert engine.facts() == {"dense": {"search": "exact"}}


def test_the_seal_covers_the_projection(folder: Path) -> None:
    [codes] = folder.glob("generation-*/dense/projection/codes.npy")
    content = bytearray(codes.read_bytes())
    content[-1] ^= 1
    codes.write_bytes(content)
    assert "projection/codes.npy was changed" in problem_of(folder, read_manifest(folder))


def test_a_note_of_the_depth_that_cannot_be_read_is_damage(folder: Path) -> None:
    [note] = folder.glob("generation-*/dense/projection/recall.json")
    values = json.loads(note.read_text())
    engine = EmbeddedEngine(folder)
    note.write_text(json.dumps({"recall": values["recall"]}))
    with pytest.raises(CorpusDamaged, match="run `workbench index` again"):
        engine.facts()


def test_profiles_of_before_the_setting_keep_their_fingerprints() -> None:
    assert Profile().fingerprint == "ca500f8842919785"
