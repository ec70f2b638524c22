"""Relevance feedback: a query expanded from the best passages of the first pass, in both arms.

Lexical: a relevance model (Lavrenko and Croft, SIGIR 2001; mixed with the query as in RM3,
Abdul-Jaleel et al., TREC 2004), its terms weighted by idf too. Dense: Rocchio on the vectors
(Rocchio 1971; for dense retrieval Li et al., "Pseudo Relevance Feedback with Deep Language Models
and Dense Retrievers", TOIS 2023). No weights to load, some milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine, Occurrences
from workbench.engines.bm25 import idf
from workbench.records import Query

Vector = NDArray[np.float32]
Keys = Sequence[tuple[str, int]]

# Change of nDCG@10 over the first pass where each signal shares its weight with its feedback, for
# the vector of the best passage alone and for the mean of three (Rocchio .75 and .5): SciFact
# train +.004, -.001; data/landmarks +.018, +.013; ACL papers of the same authors +.003, +.003;
# known items, where one paper is relevant, ACL -.001, -.005 and arXiv -.001, -.007.
LEXICAL_PASSAGES = 5
TERMS = 25
LEXICAL_MIX = 0.5
"""Share of the query itself in the expanded terms."""

DENSE_PASSAGES = 1
ROCCHIO = 0.75
"""Weight of the mean vector beside the query's 1."""

PASSAGES = max(LEXICAL_PASSAGES, DENSE_PASSAGES)
"""How many of the first pass's best passages are looked at."""


def expand(
    query: Query, keys: Keys, scores: NDArray[np.float64], engine: Engine, analyser: Analyser
) -> Query:
    """The query after feedback from passages (paper id, number), best first, with their scores.

    Without passages it is the query itself. The expanded terms weigh as much together as the
    query's do, so that BM25 of both reads alike.
    """
    if not keys:
        return query
    terms = _expanded_terms(query, keys[:LEXICAL_PASSAGES], scores, engine, analyser)
    vector = query.vector
    if vector is not None:
        vector = rocchio(vector, engine.vectors(keys[:DENSE_PASSAGES]))
    return replace(query, terms=terms, vector=vector)


def rocchio(query: Vector, passages: Vector) -> Vector:
    """The query moved towards the mean of the passages' vectors, float32, unit length."""
    moved = query + np.float32(ROCCHIO) * passages.mean(axis=0)
    unit: Vector = (moved / max(float(np.linalg.norm(moved)), 1e-12)).astype(np.float32)
    return unit


def _expanded_terms(
    query: Query,
    keys: Keys,
    scores: NDArray[np.float64],
    engine: Engine,
    analyser: Analyser,
) -> dict[str, float]:
    found = engine.occurrences(keys) or _analysed(keys, engine, analyser)
    # A word of the text that the query lacks was muted by the person: it stays so.
    muted = set(analyser.counts(query.text)) - set(query.terms)
    model = relevance_model(found, scores[: len(keys)], muted)
    whole = sum(query.terms.values()) or 1.0
    own = LEXICAL_MIX if query.terms else 0.0
    mixed = {term: own * weight for term, weight in query.terms.items()}
    for term, weight in model.items():
        mixed[term] = mixed.get(term, 0.0) + (1 - own) * whole * weight
    return mixed


def _analysed(keys: Keys, engine: Engine, analyser: Analyser) -> Occurrences:
    """The terms of passages from their texts."""
    titles = [paper.title for paper in engine.papers([paper_id for paper_id, _ in keys])]
    counts = [
        analyser.counts(f"{title} {passage.text}")
        for title, passage in zip(titles, engine.passages(keys), strict=True)
    ]
    known, documents = engine.document_frequencies(sorted(set().union(*counts)))
    return counted_terms(counts, known, documents)


def counted_terms(
    counts: Sequence[Mapping[str, int]], frequencies: Mapping[str, int], documents: int
) -> Occurrences:
    """Occurrences from the counts of each passage's terms; `frequencies` has the terms that the
    engine knows."""
    terms = sorted(set().union(*counts))
    places = {term: place for place, term in enumerate(terms)}
    return Occurrences(
        passages=np.repeat(np.arange(len(counts)), [len(passage) for passage in counts]),
        terms=np.array([places[term] for passage in counts for term in passage], dtype=np.intp),
        counts=np.array([n for passage in counts for n in passage.values()], dtype=np.int64),
        frequencies=np.array([frequencies.get(term, 0) for term in terms], dtype=np.int64),
        documents=documents,
        names=lambda asked: [terms[place] for place in asked.tolist()],
    )


def relevance_model(
    found: Occurrences, scores: NDArray[np.float64], muted: Collection[str] = ()
) -> dict[str, float]:
    """The TERMS best terms, weights summing to 1: relative frequency x idf, over the passages by
    their share of the scores. Terms that are `muted` or unknown to the engine have no part. Ties
    fall to the term that comes first in the alphabet."""
    # 1. Each passage's share, spread over its terms.
    total = scores.sum()
    shares = scores / total if total > 0 else np.full(len(scores), 1 / max(len(scores), 1))
    lengths = np.bincount(found.passages, found.counts, len(scores))
    rarities = idf(found.documents, found.frequencies)
    parts = shares[found.passages] * found.counts / lengths[found.passages] * rarities[found.terms]
    weights = np.bincount(found.terms, parts, len(rarities))
    # 2. Names are looked up for those alone that can be among the best.
    known = np.flatnonzero(found.frequencies)
    most = TERMS + len(muted)
    if len(known) > most:
        least = np.partition(weights[known], len(known) - most)[len(known) - most]
        known = known[weights[known] >= least]
    named = zip(found.names(known), weights[known].tolist(), strict=True)
    kept = ((term, weight) for term, weight in named if term not in muted)
    best = sorted(kept, key=lambda item: (-item[1], item[0]))[:TERMS]
    whole = sum(weight for _, weight in best)
    return {term: weight / whole for term, weight in best} if whole else {}
