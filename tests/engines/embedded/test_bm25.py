"""The streamed BM25 files against bm25s' own index of the same token lists."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import bm25s
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.fakes import analysed_paper
from workbench.corpus.store import Store
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded.lexical import FieldIndex, Scores, build_field
from workbench.records import Paper

LEXICAL = "workbench.engines.embedded.lexical"
TOKENS = [f"t{n}" for n in range(8)]
DOCUMENT = st.lists(st.sampled_from(TOKENS), max_size=12)
CORPUS = st.lists(DOCUMENT, min_size=1, max_size=12).filter(any)


def reference(documents: list[list[str]]) -> list[Scores]:
    """bm25s' score of every document, for each token."""
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(documents, show_progress=False)
    known = {token for document in documents for token in document}
    nothing = np.zeros(len(documents), np.float32)
    return [index.get_scores([token]) if token in known else nothing for token in TOKENS]


def filled(folder: Path, documents: list[list[str]]) -> StoreWriter:
    """A store of one passage a paper."""
    store = StoreWriter(folder / "x.sqlite")
    papers = [
        analysed_paper(Paper(str(n), "T"), ((0, 1, Counter(document)),), Counter(document[::2]))
        for n, document in enumerate(documents)
    ]
    store.add(papers)
    return store


def scores(store: Store, field: str = "body") -> list[Scores]:
    """The field's score of every row, for each token."""
    with tempfile.TemporaryDirectory() as folder:
        build_field(store, field, store.paper_count, Path(folder) / "f", k1=0.9, b=0.4)
        index, numbers = FieldIndex(Path(folder) / "f"), store.term_numbers(TOKENS)
        return [index.scores({numbers[token]: 1.0} if token in numbers else {}) for token in TOKENS]


@settings(deadline=None, max_examples=40)
@given(documents=CORPUS, block=st.sampled_from([1, 2, 3, 2048]))
def test_equal_to_bm25s(documents: list[list[str]], block: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("workbench.engines.embedded.lexical.BLOCK", block),
    ):
        found = scores(filled(Path(folder), documents))
    np.testing.assert_allclose(found, reference(documents), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(documents=CORPUS.filter(lambda documents: any(d[::2] for d in documents)))
def test_titles_equal_to_bm25s(documents: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = scores(filled(Path(folder), documents), "title")
    np.testing.assert_allclose(found, reference([d[::2] for d in documents]), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(kept=CORPUS, removed=CORPUS, block=st.sampled_from([1, 3, 2048]), seed=st.randoms())
def test_equal_to_bm25s_after_deletions(
    kept: list[list[str]], removed: list[list[str]], block: int, seed: np.random.Generator
) -> None:
    alive = [True] * len(kept) + [False] * len(removed)
    seed.shuffle(alive)
    sources = {True: iter(kept), False: iter(removed)}
    documents = [next(sources[living]) for living in alive]
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("workbench.engines.embedded.lexical.BLOCK", block),
    ):
        store = filled(Path(folder), documents)
        store.delete(str(n) for n, living in enumerate(alive) if not living)
        found = np.array(scores(store))
    np.testing.assert_allclose(found[:, alive], reference(kept), rtol=0, atol=1e-5)
    assert not found[:, ~np.array(alive)].any()


@settings(deadline=None, max_examples=20)
@given(documents=CORPUS, weights=st.dictionaries(st.sampled_from(TOKENS), st.floats(0.1, 5)))
def test_weighted_terms_add_up(documents: list[list[str]], weights: dict[str, float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = filled(Path(folder), documents)
        build_field(store, "body", store.paper_count, Path(folder) / "f", k1=0.9, b=0.4)
        numbers = store.term_numbers(list(weights))
        terms = {numbers[token]: weight for token, weight in weights.items() if token in numbers}
        found = FieldIndex(Path(folder) / "f").scores(terms)
    expected = sum(
        weights.get(token, 0) * row for token, row in zip(TOKENS, reference(documents), strict=True)
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_no_document_at_all(tmp_path: Path) -> None:
    store = StoreWriter(tmp_path / "x.sqlite")
    build_field(store, "body", 0, tmp_path / "f", k1=0.9, b=0.4)
    assert FieldIndex(tmp_path / "f").scores({}).shape == (0,)


def test_only_empty_documents(tmp_path: Path) -> None:
    store = filled(tmp_path, [[], []])
    build_field(store, "body", 2, tmp_path / "f", k1=0.9, b=0.4)
    assert FieldIndex(tmp_path / "f").scores({}).tolist() == [0, 0]
