"""BM25 over one field against bm25s' own index and against the formula."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.fakes import analysed_paper
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded.lexical import BLOCK, FieldIndex, build_field
from workbench.records import Paper

Documents = Sequence[Sequence[str]]
Build = Callable[..., "Built"]

VOCABULARY = [f"w{i}" for i in range(60)]


class Built:
    """An index of one-passage papers, with terms by name."""

    def __init__(self, folder: Path, documents: Documents, dead: Sequence[int] = ()) -> None:
        with closing(StoreWriter(folder / "corpus.sqlite")) as store:
            counts = [dict(Counter(words)) for words in documents]
            papers = [
                analysed_paper(Paper(f"p{i}", "x"), ((0, 1, terms),), terms)
                for i, terms in enumerate(counts)
            ]
            store.add(papers)
            store.delete([f"p{i}" for i in dead])
            self.numbers = store.term_numbers(VOCABULARY)
            build_field(store, "body", len(documents), folder / "body", 0.9, 0.4)
        self.index = FieldIndex(folder / "body")

    def terms(self, weights: Mapping[str, float]) -> dict[int, float]:
        return {self.numbers[w]: weight for w, weight in weights.items() if w in self.numbers}

    def scores(self, weights: Mapping[str, float]) -> list[float]:
        return [float(score) for score in self.index.scores(self.terms(weights))]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    folders = (tmp_path / str(i) for i in itertools.count())

    def make(documents: Documents, dead: Sequence[int] = ()) -> Built:
        folder = next(folders)
        folder.mkdir()
        return Built(folder, documents, dead)

    return make


def formula(documents: Documents, weights: Mapping[str, float]) -> list[float]:
    """The paper's formula (variant lucene), one document and one term at a time."""
    n, average = len(documents), sum(map(len, documents)) / len(documents) or 1.0

    def part(term: str, words: Sequence[str]) -> float:
        df = sum(term in other for other in documents)
        idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
        tf = words.count(term)
        return float(idf * tf / (tf + 0.9 * (1 - 0.4 + 0.4 * len(words) / average)))

    return [sum(w * part(t, words) for t, w in weights.items()) for words in documents]


def random_documents(count: int, seed: int = 0) -> list[list[str]]:
    random = np.random.default_rng(seed)
    chance = 1 / np.arange(1, 61)
    chance /= chance.sum()
    return [
        random.choice(VOCABULARY, size=random.integers(1, 30), p=chance).tolist()
        for _ in range(count)
    ]


documents_of_words = st.lists(
    st.lists(st.sampled_from(VOCABULARY[:6]), max_size=8), min_size=1, max_size=8
)
term_weights = st.dictionaries(
    st.sampled_from(VOCABULARY[:8]), st.sampled_from([1.0, 1.0, 0.25, 2.0, 3.5]), max_size=6
)
slow = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_scores_equal_bm25s_own_index_across_build_blocks(build: Build) -> None:
    documents = random_documents(BLOCK + 150)
    reference = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    reference.index(documents, show_progress=False)
    built = build(documents)
    for query in (["w0"], ["w3", "w59"], VOCABULARY[:20]):
        expected = reference.get_scores(query)
        assert built.scores(dict.fromkeys(query, 1.0)) == pytest.approx(expected, rel=1e-5)


@slow
@given(documents=documents_of_words, weights=term_weights)
def test_scores_equal_the_formula(
    build: Build, documents: Documents, weights: dict[str, float]
) -> None:
    assert build(documents).scores(weights) == pytest.approx(
        formula(documents, weights), rel=1e-5, abs=1e-6
    )


@slow
@given(documents=documents_of_words, weights=term_weights)
def test_parts_add_up_to_the_score_in_float32(
    build: Build, documents: Documents, weights: dict[str, float]
) -> None:
    built = build(documents)
    terms = built.terms(weights)
    for row, score in enumerate(built.scores(weights)):
        total = np.float32(0)
        for part in built.index.parts(terms, row).values():
            total += np.float32(part)
        assert float(total) == score


def test_parts_are_in_the_order_in_which_the_score_adds_them(build: Build) -> None:
    built = build(random_documents(150))
    random = np.random.default_rng(1)
    weights = {f"w{i}": 1.0 if i % 3 else float(random.uniform(0.1, 3)) for i in range(30)}
    terms = built.terms(weights)
    for row, score in enumerate(built.scores(weights)):
        total = np.float32(0)
        for part in built.index.parts(terms, row).values():
            total += np.float32(part)
        assert float(total) == score


def test_parts_name_every_term_of_the_query(build: Build) -> None:
    built = build([["w0", "w1"], ["w2"]])
    terms = built.terms({"w0": 1.0, "w2": 2.0})
    parts = built.index.parts(terms, 0)
    assert set(parts) == set(terms)
    assert parts[built.numbers["w2"]] == 0.0


def test_no_terms_score_zero_everywhere(build: Build) -> None:
    assert build([["w0"], ["w1"]]).scores({}) == [0.0, 0.0]


def test_dead_rows_score_zero_and_count_for_nothing(build: Build) -> None:
    documents = random_documents(12)
    dead = [0, 5, 11]
    living = [words for i, words in enumerate(documents) if i not in dead]
    scores = build(documents, dead).scores({"w0": 1.0, "w1": 1.0})
    assert [scores[i] for i in dead] == [0.0, 0.0, 0.0]
    kept = [score for i, score in enumerate(scores) if i not in dead]
    assert kept == pytest.approx(formula(living, {"w0": 1.0, "w1": 1.0}), rel=1e-5)


@pytest.mark.parametrize(
    ("documents", "dead"), [([], []), ([[]], []), ([["w0"]], [0])], ids=["none", "empty", "dead"]
)
def test_an_index_without_a_posting_answers_zero(
    build: Build, documents: Documents, dead: list[int]
) -> None:
    assert build(documents, dead).scores({"w0": 1.0}) == [0.0] * len(documents)


def test_a_rarer_term_scores_higher(build: Build) -> None:
    built = build([["w0", "w1"], ["w0", "w2"], ["w0", "w3"]])
    assert built.scores({"w1": 1.0})[0] > built.scores({"w0": 1.0})[0] > 0


def test_a_longer_document_scores_lower_for_the_same_count(build: Build) -> None:
    short, long, _ = build([["w0"], ["w0", *VOCABULARY[1:20]], ["w1"]]).scores({"w0": 1.0})
    assert short > long > 0


def test_scores_are_float32_and_one_a_row(build: Build) -> None:
    built = build(random_documents(5))
    scores = built.index.scores(built.terms({"w0": 1.0}))
    assert (scores.dtype, scores.shape) == (np.dtype(np.float32), (5,))
