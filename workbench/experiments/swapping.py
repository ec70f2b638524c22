"""One experiment turned into another, an input at a time, and what each swap does to a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.reports.metrics import per_query
from workbench.experiments.candidates import CandidateCache, retrieval_settings
from workbench.experiments.causes import INPUTS, same_world
from workbench.experiments.evaluating import Ranked, Retrieval, Subject
from workbench.experiments.kept import KeptExperiment
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise, weight_vector
from workbench.ranking.weights import ranked_papers
from workbench.records import Candidates, Judgment, Query

Vector = NDArray[np.float64]
FIRST, SECOND = 0, 1
State = Mapping[str, int]
"""By input, whose it is: FIRST or SECOND."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The metric after one more swap: `swapped` inputs, values a query (queries, metrics), the
    state and, where they were computed, its candidates."""

    swapped: tuple[str, ...]
    values: Vector
    state: State
    candidates: Mapping[str, Candidates] | None
    computed: bool = True


class Swapping:
    """Every mixture of two experiments that can be computed from what is kept or open now."""

    def __init__(
        self, a: KeptExperiment, b: KeptExperiment, queries: Sequence[str], metrics: Sequence[str]
    ) -> None:
        self.pair = (a, b)
        self.queries = list(queries)
        self.metrics = list(metrics)
        self._found: dict[tuple[int, ...], dict[str, Candidates] | None] = {}

    @cached_property
    def one_corpus(self) -> bool:
        """Whether both searched the same bytes."""
        return same_world(self.pair[0].world, self.pair[1].world)

    def path(self, differing: Sequence[str]) -> Iterator[Step]:
        """From the first experiment to the second, swapping the inputs that differ in the order of
        the stages; the corpus last where the second's is not at hand. Inputs whose swap cannot be
        computed alone go with the next."""
        order = [name for name in INPUTS if name in differing]
        if "corpus" in order and self._subject(SECOND) is None:
            order = [*order[1:], "corpus"]
        state = dict.fromkeys(INPUTS, FIRST)
        waiting: list[str] = []
        for place, name in enumerate(order):
            state[name] = SECOND
            waiting.append(name)
            found = self.values(state)
            if found is not None:
                yield Step(tuple(waiting), found, dict(state), self.candidates(state))
                waiting = []
            elif place == len(order) - 1:
                recorded = self.recorded(SECOND)
                yield Step(tuple(waiting), recorded, dict(state), None, computed=False)

    def recorded(self, side: int) -> Vector:
        """The values that one of the two recorded, (queries, metrics)."""
        frame = self.pair[side].per_query
        found: Vector = frame.loc[self.queries, self.metrics].to_numpy(dtype=np.float64)
        return found

    def values(self, state: State) -> Vector | None:
        """The values of a mixture; None where its candidates cannot be had."""
        found = self.candidates(state)
        if found is None:
            return None
        run = {name: self.ranked(state, name, found[name])[0] for name in self.queries}
        judgments = self._judgments(state["judgments"])
        frame = per_query(run, judgments, self.metrics)
        values: Vector = frame.loc[self.queries, self.metrics].to_numpy(dtype=np.float64)
        return values

    def ranked(self, state: State, name: str, candidates: Candidates) -> Ranked:
        """One query's papers under a mixture's normaliser, weights and order of ties."""
        profile = self._profile(state)
        papers, scores = ranked_papers(candidates, profile, self.pair[state["weights"]].k)
        recorded = self.pair[state["ties"]].ranked.get(name, ([], np.zeros(0)))[0]
        return _in_order_of(papers, scores, recorded) if self.own_ties[state["ties"]] else (
            papers, scores
        )  # fmt: skip

    @cached_property
    def own_ties(self) -> tuple[bool, bool]:
        """Of each: whether equal scores stand in another order than that of the paper ids."""
        return _breaks_ties_otherwise(self.pair[0]), _breaks_ties_otherwise(self.pair[1])

    def contributions(self, state: State, candidates: Candidates) -> dict[str, Vector]:
        """By paper its best passage's contributions, one a signal of the candidates."""
        profile = self._profile(state)
        weights = weight_vector(profile.weights, candidates.signals)
        parts = normalise(candidates, profile.normaliser) * weights
        best: dict[str, Vector] = {}
        for paper, part in zip(candidates.paper_ids.tolist(), parts, strict=True):
            if paper not in best or part.sum() > best[paper].sum():
                best[paper] = part
        return best

    def candidates(self, state: State) -> dict[str, Candidates] | None:
        """By query, of a mixture's corpus, queries and retrieval; None where they cannot be had."""
        corpus = SECOND if self.one_corpus else state["corpus"]
        sides = (corpus, state["queries"], state["retrieval"])
        if sides not in self._found:
            self._found[sides] = self._kept(state) or self._retrieved(sides)
        return self._found[sides]

    def _kept(self, state: State) -> dict[str, Candidates] | None:
        """From the cache, where the mixture's are those of one of the two."""
        for side, experiment in enumerate(self.pair):
            others = {name for name in ("corpus", "queries", "retrieval") if state[name] != side}
            if others and not (others == {"corpus"} and self.one_corpus):
                continue
            key = experiment.document.get("candidates", {}).get("key", "")
            searched = [query for query in experiment.queries if query.vector is not None]
            cache = CandidateCache(experiment.store.folder)
            found = cache.get(key, searched) if key else None
            if found is not None:
                return {query.id: each for query, each in zip(searched, found, strict=True)}
        return None

    def _retrieved(self, sides: tuple[int, int, int]) -> dict[str, Candidates] | None:
        corpus, queries, retrieval = sides
        subject = self._subject(corpus)
        if subject is None:
            return None
        profile = self.pair[retrieval].profile
        ready = ready_queries(subject, self.pair[queries], self.pair[corpus], self.queries)
        return {query.id: each for query, each in Retrieval(subject, ready, profile, None, False)}

    def _subject(self, side: int) -> Subject | None:
        """The corpus of one of the two, open and unchanged since; None where there is none."""
        for experiment in (self.pair[side], self.pair[1 - side]):
            subject = experiment.subject()
            if subject is not None and same_world(subject.world, self.pair[side].world):
                return subject
        return None

    def _profile(self, state: State) -> Profile:
        """Weights and normaliser of a mixture; signals that its candidates lack are left out."""
        retrieval = retrieval_settings(self.pair[state["retrieval"]].profile)
        weights = dict(self.pair[state["weights"]].profile.weights)
        normaliser = self.pair[state["normaliser"]].profile.normaliser
        found = self.candidates(state) or {}
        signals = next((each.signals for each in found.values()), tuple(weights))
        known = {name: weight for name, weight in weights.items() if name in signals}
        if not any(known.values()):
            known = dict.fromkeys(signals, 1.0)
        return Profile(**retrieval, weights=known, normaliser=normaliser)

    def _judgments(self, side: int) -> list[Judgment]:
        """One's judgments of the shared queries."""
        wanted = set(self.queries)
        return [judgment for judgment in self.pair[side].judgments if judgment.query_id in wanted]


def ready_queries(
    subject: Subject, asked: KeptExperiment, searched: KeptExperiment, names: Sequence[str]
) -> list[Query]:
    """Queries of one experiment for a corpus: terms by its analyser; vectors as recorded where
    they are of its model, else made now. `searched` is the experiment whose corpus that is."""
    by_id = {query.id: query for query in asked.queries}
    model = searched.world.get("query_model")
    if asked.world.get("query_model") != model:
        return [subject.retriever.prepare(by_id[name].text, name) for name in names]
    return [with_terms(subject, by_id[name]) for name in names]


def with_terms(subject: Subject, query: Query) -> Query:
    """A recorded query with its terms, and the vector that it had."""
    if query.vector is None:
        return subject.retriever.prepare(query.text, query.id)
    counts = subject.retriever.analyser.counts(query.text)
    return replace(query, terms={term: float(number) for term, number in counts.items()})


def shared_queries(a: KeptExperiment, b: KeptExperiment) -> list[str]:
    """Ids of the queries that both measured, in the order of the first."""
    others = set(b.per_query.index)
    return [str(name) for name in a.per_query.index if name in others]


def _in_order_of(papers: list[str], scores: Vector, recorded: Sequence[str]) -> Ranked:
    """Equal scores in the order that was recorded."""
    place = {paper: rank for rank, paper in enumerate(recorded)}
    order = sorted(
        range(len(papers)),
        key=lambda i: (-scores[i], place.get(papers[i], len(place)), papers[i]),
    )
    return [papers[i] for i in order], scores[order]


def _breaks_ties_otherwise(experiment: KeptExperiment) -> bool:
    for papers, scores in experiment.ranked.values():
        level = np.flatnonzero(scores[1:] == scores[:-1])
        if any(papers[i] > papers[i + 1] for i in level.tolist()):
            return True
    return False
