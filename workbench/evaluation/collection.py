"""A test collection on an engine: candidates of its queries, papers it misses, what made a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from workbench.engines.base import Engine
from workbench.errors import EvaluationError, ProfileError, QueryError
from workbench.present.words import first_ids
from workbench.profiles import Profile
from workbench.ranking.retriever import Retriever
from workbench.records import Candidates, Query


def query_candidates(
    retriever: Retriever,
    queries: Sequence[Query],
    judged: Collection[str],
    profile: Profile,
    progress: bool,
) -> Iterator[tuple[Query, Candidates]]:
    """The candidates of each query whose id is in `judged`, with a bar past two seconds."""
    from workbench.system.progress import tqdm

    chosen = [query for query in queries if query.id in judged]
    retrieved = retriever.retrieve_all([query.text for query in chosen], profile)
    for query in tqdm(chosen, desc="Queries", unit="", delay=2, disable=not progress):
        with naming(query):
            candidates = next(retrieved).candidates
        yield query, candidates


@contextmanager
def naming(query: Query) -> Iterator[None]:
    """A query that cannot be searched is named in the error."""
    try:
        yield
    except QueryError as problem:
        raise QueryError(f"query {query.id!r}: {problem}") from problem


def unknown_papers(
    engine: Engine, queries: Sequence[Query], grades: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """The judged papers of the queries that the corpus does not have, in their order.

    Raises EvaluationError where it has none of them.
    """
    judged = dict.fromkeys(paper for query in queries for paper in grades.get(query.id, ()))
    known = engine.known(list(judged))
    if judged and not known:
        raise EvaluationError(
            f"none of the {len(judged):,} judged papers is in the corpus: "
            f"{first_ids(list(judged))}; check that the judgments are of this corpus and write "
            "paper ids as it does"
        )
    return [paper for paper in judged if paper not in known]


def run_settings(engine: Engine, profile: Profile, k: int) -> dict[str, Any]:
    """What decides a run, as plain values by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in profile.to_dict().items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": part for key, part in value.items()}
        elif name not in ("name", "workers"):
            flat[name] = value
    return {**flat, "k": k, "corpus": engine.fingerprint}


def run_label(profile: Profile) -> str:
    """The profile's name, with the weights where they are not those that the name stands for."""
    try:
        usual: Mapping[str, float] = Profile.named(profile.name).weights
    except ProfileError:
        usual = {}
    if {n: w for n, w in usual.items() if w} == {n: w for n, w in profile.weights.items() if w}:
        return profile.name
    given = ", ".join(f"{name} {weight:.3g}" for name, weight in profile.weights.items() if weight)
    return f"{profile.name} ({given})"
