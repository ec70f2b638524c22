"""The rest of the contract: expanded queries, depth of the title arm, vectors, term counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.engines.conftest import Reference
from workbench.engines.base import FEEDBACK, SIGNALS, Engine
from workbench.errors import CorpusError
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Candidates, Filters, Paper, Query

Papers = tuple[Paper, ...]
Key = tuple[str, int]
Ask = Callable[..., Query]
TrueValues = Callable[[Papers, Query], dict[Key, tuple[float, float, float]]]

CLOSE = {"rel": 1e-5, "abs": 1e-5}
ALL = 1000


def keys(candidates: Candidates) -> list[Key]:
    numbers = candidates.numbers.tolist()
    return [(str(name), n) for name, n in zip(candidates.paper_ids, numbers, strict=True)]


@pytest.fixture
def expanded(ask: Ask) -> Query:
    """A query after feedback: the terms weighted, some new, another vector."""
    query = ask("ranking functions")
    other = ask("volcanoes and feedback").vector
    assert query.vector is not None
    assert other is not None
    moved = 0.7 * query.vector + 0.3 * other
    terms = {"rank": 0.6, "function": 0.4, "volcano": 0.25, "zzyzx": 0.3}
    return replace(query, terms=terms, vector=(moved / np.linalg.norm(moved)).astype(np.float32))


# Expanded queries


@pytest.mark.parametrize("n", [2, ALL])
def test_feedback_columns_are_the_expanded_querys_values(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues, expanded: Query, n: int
) -> None:
    query = ask("ranking functions")
    found = engine.candidates(query, n, expanded=expanded)
    assert found.signals == SIGNALS + FEEDBACK
    assert found.lower.tolist() == [0.0, 0.0, -1.0, 0.0, -1.0]
    assert found.query is query
    plain, more = true_values(papers, query), true_values(papers, expanded)
    for key, row in zip(keys(found), found.values.tolist(), strict=True):
        bm25, _, cosine = more[key]
        assert row == pytest.approx([*plain[key], bm25, cosine], **CLOSE), key


def test_an_expanded_query_retrieves_what_the_plain_one_does_not(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues, expanded: Query
) -> None:
    query = ask("ranking functions")
    values, more = true_values(papers, query), true_values(papers, expanded)
    expected = {
        *best({k: v[0] for k, v in values.items() if v[0] > 0}, 2),
        *best({k: v[2] for k, v in values.items()}, 2),
        *best({k: v[0] for k, v in more.items() if v[0] > 0}, 2),
        *best({k: v[2] for k, v in more.items()}, 2),
        *best({k: v[1] for k, v in values.items() if v[1] > 0 and k[1] == 0}, 1),
    }
    found = engine.candidates(query, 2, n_keyword=1, expanded=expanded)
    assert set(keys(found)) == expected


def test_expansion_respects_filters(engine: Engine, ask: Ask, expanded: Query) -> None:
    filters = Filters(year=(2015, 2015))
    found = engine.candidates(ask("ranking"), ALL, filters, expanded=expanded)
    assert set(found.paper_ids.tolist()) == {"long"}


def test_an_expansion_without_vector_has_no_dense_feedback(
    engine: Engine, ask: Ask, expanded: Query
) -> None:
    found = engine.candidates(ask("ranking"), 5, expanded=replace(expanded, vector=None))
    assert not found.column("dense_feedback").any()
    assert found.column("bm25_feedback").any()


# The title arm's depth


@pytest.mark.parametrize(("n", "n_keyword"), [(1, 0), (1, 3), (2, 1), (3, ALL)])
def test_the_title_arm_has_its_own_depth(
    engine: Engine,
    papers: Papers,
    ask: Ask,
    true_values: TrueValues,
    n: int,
    n_keyword: int,
) -> None:
    query = ask("ranking of sparse vectors and cats", "lexical")
    values = true_values(papers, query)
    title = {k: v[1] for k, v in values.items() if v[1] > 0 and k[1] == 0}
    body = {k: v[0] for k, v in values.items() if v[0] > 0}
    expected = best(body, n) | best(title, n_keyword)
    assert set(keys(engine.candidates(query, n, n_keyword=n_keyword))) == expected


def best(values: dict[Key, float], n: int) -> set[Key]:
    """The n best; a tie at the cut would make the expectation arbitrary."""
    order = sorted(values, key=lambda key: -values[key])
    cut = [values[key] for key in order[max(0, n - 1) : n + 1]]
    assert n == 0 or len(cut) < 2 or cut[0] - cut[1] > 1e-6, "tie at the cut: choose another n"
    return set(order[:n])


# Vectors


def test_vectors_are_those_of_the_passages_in_order(
    engine: Engine, papers: Papers, embedder: OnnxEmbedder, home: object
) -> None:
    reference = Reference(papers, embedder, home)
    order = [*reversed(reference.keys), reference.keys[3], reference.keys[3]]
    found = engine.vectors(order)
    rows = dict(zip(reference.keys, reference.vectors, strict=True))
    assert found.dtype == np.float32
    assert found.shape == (len(order), embedder.dimension)
    assert found == pytest.approx(np.stack([rows[key] for key in order]), abs=1e-6)


def test_no_keys_give_no_vectors(engine: Engine, embedder: OnnxEmbedder) -> None:
    assert engine.vectors([]).reshape(-1, embedder.dimension).shape == (0, embedder.dimension)


def test_the_vector_of_an_unknown_passage_is_an_error_that_names_it(engine: Engine) -> None:
    with pytest.raises(CorpusError, match="nobody"):
        engine.vectors([("nobody", 0)])
    with pytest.raises(CorpusError, match="zobel"):
        engine.vectors([("zobel", 0), ("zobel", 99)])


# Term counts


def test_document_frequencies_count_passages_with_title_or_text(
    engine: Engine, papers: Papers, embedder: OnnxEmbedder, home: object
) -> None:
    reference = Reference(papers, embedder, home)
    terms = sorted({term for body in reference.bodies for term in body})
    expected = {term: sum(term in body for body in reference.bodies) for term in terms}
    found, passages = engine.document_frequencies([*terms, "zzyzx"])
    assert found == expected
    assert passages == len(reference.keys)


def test_no_terms_have_no_counts(engine: Engine, papers: Papers, embedder: OnnxEmbedder) -> None:
    found, passages = engine.document_frequencies([])
    assert found == {}
    assert passages > len(papers)


# Required terms


@pytest.mark.parametrize(
    "terms",
    [("rank",), ("rank", "function"), ("volcano",), ("zzyzx",), ("rank", "zzyzx"), ("feedback",)],
    ids=" ".join,
)
def test_required_terms_let_through_the_passages_that_have_all(
    engine: Engine,
    papers: Papers,
    ask: Ask,
    embedder: OnnxEmbedder,
    home: object,
    terms: tuple[str, ...],
) -> None:
    reference = Reference(papers, embedder, home)
    expected = {
        key
        for key, body in zip(reference.keys, reference.bodies, strict=True)
        if set(terms) <= set(body)
    }
    for arms in ("dense", "both"):
        found = engine.candidates(ask("anything at all", arms), ALL, Filters(terms=terms))
        assert set(keys(found)) == expected


def test_required_terms_combine_with_other_filters(engine: Engine, ask: Ask) -> None:
    filters = Filters(terms=("rank",), year=(2006, 2009))
    found = engine.candidates(ask("ranking"), ALL, filters)
    assert set(found.paper_ids.tolist()) == {"zobel", "Robertson"}
