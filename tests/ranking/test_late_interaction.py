"""Late interaction: MaxSim against plain loops, what is encoded, and what is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.engines.memory import MemoryEngine
from workbench.corpus.analysis import Analyser
from workbench.corpus.chunking import embedding_text
from workbench.engines.base import Engine
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusError, ModelError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder, Vectors
from workbench.models.embedders.token_store import TokenStore, quantised
from workbench.profiles import Profile
from workbench.ranking.late_interaction import LateInteraction, max_sim
from workbench.ranking.retriever import Retriever, with_stages
from workbench.session import Workbench

QUERY = "late interaction retrieval"
PASSAGES = (
    "ColBERT delays the interaction between query and document.",
    "A cat sleeps for most of the day.",
    "Late interaction retrieval with token vectors.",
    "A cat sleeps for most of the day.",
)


class Counting(OnnxEmbedder):
    """The default model, with a count of the passages whose tokens it encodes."""

    encoded = 0

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        self.encoded += len(texts)
        return super().token_vectors(texts)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def store(tmp_path: Path, embedder: OnnxEmbedder) -> TokenStore:
    return TokenStore(embedder.fingerprint, embedder.dimension, folder=tmp_path)


def plain_max_sim(query: Vectors, passage: Vectors) -> float:
    return sum(max(float(q @ t) for t in passage) for q in query) / len(query)


def unit(random: np.random.Generator, rows: int) -> Vectors:
    vectors = random.normal(size=(rows, 16)).astype(np.float32)
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


@given(
    query=st.integers(1, 9),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_max_sim_is_that_of_plain_loops(query: int, sizes: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    asked, passages = unit(random, query), [unit(random, size) for size in sizes]
    found = max_sim(asked, map(quantised, passages))
    assert found.dtype == np.float64
    expected = [plain_max_sim(asked, passage) for passage in passages]
    assert found == pytest.approx(expected, abs=0.02)  # what int8 may lose


def test_scores_are_max_sim_of_the_embedders_tokens(
    embedder: OnnxEmbedder, store: TokenStore
) -> None:
    found = LateInteraction(embedder, store=store).scores(QUERY, PASSAGES)
    query = embedder.query_token_vectors(QUERY)
    expected = [plain_max_sim(query, p) for p in embedder.token_vectors(PASSAGES)]
    assert found == pytest.approx(expected, abs=0.005)
    assert found.argmax() == 2
    assert found[1] == found[3]


def test_a_score_does_not_depend_on_its_neighbours_or_the_cache(
    embedder: OnnxEmbedder, store: TokenStore
) -> None:
    reranker = LateInteraction(embedder, store=store, batch_size=1)
    together = reranker.scores(QUERY, PASSAGES)
    again = reranker.scores(QUERY, PASSAGES)
    alone = [reranker.scores(QUERY, [passage])[0] for passage in PASSAGES]
    assert np.array_equal(together, again)
    assert together == pytest.approx(alone, abs=1e-6)
    assert reranker.scores(QUERY, []).shape == (0,)


@pytest.mark.parametrize("passage", ["", "\x00\x07\x1b", "🙂", "word " * 5000], ids=ascii)
def test_any_passage_has_a_score(embedder: OnnxEmbedder, store: TokenStore, passage: str) -> None:
    [score] = LateInteraction(embedder, store=store).scores(QUERY, [passage])
    assert -1 <= score <= 1


def test_a_passage_is_encoded_once(counting: Counting, store: TokenStore) -> None:
    reranker = LateInteraction(counting, store=store)
    reranker.scores(QUERY, PASSAGES)
    reranker.scores("another query", PASSAGES)
    assert counting.encoded == 3
    LateInteraction(counting, store=store).scores(QUERY, PASSAGES)
    assert counting.encoded == 3


def test_without_a_place_to_keep_them_scores_are_the_same(
    embedder: OnnxEmbedder, store: TokenStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    nowhere = TokenStore("m", embedder.dimension, folder=tmp_path / "file")
    kept = LateInteraction(embedder, store=store).scores(QUERY, PASSAGES)
    assert np.array_equal(LateInteraction(embedder, store=nowhere).scores(QUERY, PASSAGES), kept)


def test_an_embedder_without_token_vectors_is_refused() -> None:
    class Pooled:
        name = "pooled"

    with pytest.raises(ModelError, match="'pooled' gives no token vectors"):
        LateInteraction(Pooled())


# Filling the store


@pytest.fixture(scope="module")
def few(embedder: OnnxEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The sample corpus's first 25 papers and ColBERT's."""
    lines = (ROOT / "data" / "landmarks" / "papers.jsonl").read_text("utf-8").splitlines()
    chosen = [line for n, line in enumerate(lines) if n < 25 or '"khattab2020colbert"' in line]
    folder = tmp_path_factory.mktemp("few")
    (folder / "papers.jsonl").write_text("\n".join(chosen), encoding="utf-8")
    Indexer(folder / "index", embedder).add(folder / "papers.jsonl")
    with Workbench(folder / "index", embedder=embedder) as bench:
        yield bench


def test_filling_encodes_every_passage_once(
    few: Workbench, counting: Counting, store: TokenStore
) -> None:
    reranker = LateInteraction(counting, store=store)
    report = reranker.fill(few.engine, progress=False)
    assert report.complete
    assert report.passages == report.encoded == few.manifest.passages
    assert report.bytes == store.size > 100_000
    assert f"{report.passages} of {report.passages} passages" in str(report)
    again = reranker.fill(few.engine, progress=False)
    assert (again.encoded, again.kept) == (0, report.passages)
    before = counting.encoded
    paper = few.engine.papers(["khattab2020colbert"])[0]
    passage = few.engine.passages([("khattab2020colbert", 0)])[0]
    reranker.scores(QUERY, [embedding_text(paper.title, passage.text)])
    assert counting.encoded == before


def test_a_full_store_stops_and_says_so(
    few: Workbench, embedder: OnnxEmbedder, tmp_path: Path
) -> None:
    small = TokenStore("m", embedder.dimension, folder=tmp_path, limit=100_000)
    report = LateInteraction(embedder, store=small, batch_size=8).fill(few.engine, progress=False)
    assert not report.complete
    assert report.bytes <= 100_000
    assert "full" in str(report)


def test_an_engine_that_cannot_list_its_passages_is_named(
    embedder: OnnxEmbedder, store: TokenStore
) -> None:
    class Remote(MemoryEngine):
        fingerprint = "remote-1"
        passage_keys = Engine.passage_keys

    with pytest.raises(CorpusError, match="'remote-1' cannot list its passages"):
        LateInteraction(embedder, store=store).fill(Remote([], embedder))


# As a stage


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: OnnxEmbedder) -> None:
    """Token vectors go to a folder of the test; the model is loaded already."""
    embedder.token_vectors(["loaded"])
    embedder.load()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))


@pytest.mark.usefixtures("own_cache")
def test_search_tune_and_cache_use_it(few: Workbench, embedder: OnnxEmbedder) -> None:
    session = Workbench(few.folder, profile=Profile(reranker="late-interaction"), embedder=embedder)
    ranking = session.search(QUERY, k=5)
    assert ranking.candidates.signals[-1] == "late_interaction"
    assert ranking[0].signals["late_interaction"].weight == 0.3
    assert "rerank" in ranking.timings_ms
    assert ranking.explain(1).hit.score == sum(s.contribution for s in ranking[0].signals.values())
    assert "late_interaction" in ranking._repr_html_()
    assert session.cache_token_vectors(progress=False).complete
    session.close()


@pytest.mark.usefixtures("own_cache")
def test_a_signal_that_is_asked_for_is_computed_without_a_reranker(
    landmarks: Workbench, embedder: OnnxEmbedder
) -> None:
    retriever = Retriever(landmarks.engine, embedder, Analyser())
    plain = Profile(feedback=False, weights={"bm25": 1.0})
    profile = with_stages(plain, ("bm25", "late_interaction"))
    assert profile.weights == plain.weights
    found = retriever.retrieve(QUERY, profile).candidates
    assert found.signals == ("bm25", "title", "dense", "late_interaction")
    assert found.signals == retriever.signals(profile)


@pytest.mark.usefixtures("own_cache")
def test_a_session_that_changes_its_papers_keeps_its_reranker(
    landmarks: Workbench, embedder: OnnxEmbedder, tmp_path: Path
) -> None:
    folder = shutil.copytree(landmarks.folder, tmp_path / "index")
    profile = Profile(reranker="late-interaction", n_rerank=3)
    with Workbench(folder, profile=profile, embedder=embedder) as session:
        session.search(QUERY)
        made = session._retriever._rerankers.chosen(profile)
        session.delete("khattab2020colbert")
        assert session._retriever._rerankers.chosen(profile) is made
        assert "khattab2020colbert" not in session.search(QUERY, k=100).paper_ids
