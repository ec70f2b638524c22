"""Measuring a search on judged queries, with all that a record needs of how it was done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.base import Engine
from workbench.engines.paper_digests import PARTS, PaperDigests
from workbench.errors import EvaluationError
from workbench.evaluation.collection import naming, run_label, run_settings, unknown_papers
from workbench.evaluation.inputs import (
    JudgmentInput,
    QueryInput,
    as_judgments,
    as_queries,
    settled,
)
from workbench.evaluation.metric_names import metric_names
from workbench.evaluation.reports.metrics import deepest_cutoff, grades_by_query
from workbench.evaluation.reports.report import Evaluator, Report
from workbench.experiments.candidates import (
    CandidateCache,
    Gathering,
    digest_of_candidates,
    queries_digest,
    retrieval_key,
)
from workbench.experiments.machine import code_fingerprint
from workbench.models.embedders.base import Embedder, LazyEmbedder
from workbench.profiles import Profile
from workbench.ranking.retriever import Retriever
from workbench.ranking.weights import ranked_papers
from workbench.records import Candidates, Judgment, Query

Ranked = tuple[list[str], NDArray[np.float64]]
"""Paper ids, best first, and their scores."""


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """What is measured: one generation of a corpus, searched by one engine with one model.

    `opened` is what `wb.open` was given; it is for people, nothing is told apart by it.
    """

    engine: Engine
    retriever: Retriever
    embedder: Embedder
    opened: Path

    def __repr__(self) -> str:
        return f"Subject({str(self.opened)!r})"

    @cached_property
    def content(self) -> PaperDigests | None:
        """Digests of the papers; None where the engine cannot tell."""
        return self.engine.paper_digests()

    @cached_property
    def digests(self) -> dict[str, str]:
        """By part of the content, a digest of all of it; empty where the engine cannot tell."""
        found = self.content
        return {part: found.digest(part) for part in PARTS} if found is not None else {}

    @cached_property
    def world(self) -> dict[str, Any]:
        """All but queries and profile that candidates are made of, as plain values."""
        manifest = self.engine.manifest
        names = ("analyser", "chunking", "model", "model_fingerprint", "k1", "b", "dimension")
        # What an approximate engine reads stands after the "+".
        made, _, reads = self.engine.fingerprint.partition("+")
        return {
            **{name: getattr(manifest, name) for name in names},
            "query_model": self.embedder.fingerprint,
            "query_analyser": self.retriever.analyser.fingerprint,
            "engine": made.partition("-")[0] + (f"+{reads}" if reads else ""),
            "code": code_fingerprint(),
            **(self.digests or {"fingerprint": self.engine.fingerprint}),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Collection:
    """Queries and judgments as they were given; `settled` as in `Report`."""

    queries: list[Query]
    judgments: list[Judgment]
    settled: int = 0

    def __repr__(self) -> str:
        return f"Collection({len(self.queries)} queries, {len(self.judgments)} judgments)"

    @staticmethod
    def of(queries: QueryInput, judgments: JudgmentInput) -> Collection:
        """From whatever holds them. Raises what `as_queries` and `as_judgments` raise."""
        return Collection(as_queries(queries), as_judgments(judgments), settled(judgments))

    @cached_property
    def grades(self) -> dict[str, dict[str, int]]:
        """Query id -> paper id -> grade."""
        return grades_by_query(self.judgments)

    @cached_property
    def told(self) -> tuple[str, str]:
        """Its queries and its judgments, each as one text: equal for equal collections."""
        texts = [(query.id, query.text) for query in self.queries]
        judged = sorted((j.query_id, j.paper_id, j.grade) for j in self.judgments)
        return repr(texts), repr(judged)

    def evaluator(self, metrics: Sequence[str]) -> Evaluator:
        """What measures runs on it. Raises what `Evaluator` raises."""
        return Evaluator(self.queries, self.judgments, metrics, settled=self.settled)


@dataclass(eq=False, repr=False)
class Retrieval:
    """The candidates of the judged queries, as they come, and what they were made of.

    Iterate once. `queries` are complete with terms and vectors, `digests` has 8 bytes a query,
    after the iteration. `key` is "" where the engine cannot tell its content; `tables` names those
    of a record that all measurements of this retrieval share, once they are kept. With `later` its
    candidates go into the cache only by `keep`.
    """

    subject: Subject
    queries: list[Query]
    profile: Profile
    cache: CandidateCache | None
    progress: bool
    later: bool = False
    key: str = ""
    reused: bool = False
    digests: dict[str, bytes] = field(default_factory=dict)
    timings_ms: dict[str, float] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    _gathered: Gathering = field(default_factory=Gathering)

    def __repr__(self) -> str:
        return f"Retrieval({len(self.queries)} queries)"

    @cached_property
    def queries_digest(self) -> str:
        """`queries_digest` of its queries."""
        return queries_digest(self.queries)

    def __iter__(self) -> Iterator[tuple[Query, Candidates]]:
        found = self._known()
        self.reused = found is not None
        pairs = self._retrieve() if found is None else zip(self.queries, found, strict=True)
        for query, candidates in pairs:
            self.digests[query.id] = digest_of_candidates(candidates)
            if not self.reused:
                self._gathered.add(candidates)
            yield query, candidates
        if not self.later:
            self.keep()

    def keep(self) -> None:
        """Put what was found into the cache, where there is one."""
        found, self._gathered.found = self._gathered.found, None
        if self.cache is not None and self.key and found:
            self.cache.put(self.key, found)

    def _known(self) -> list[Candidates] | None:
        if self.cache is None or not self.subject.digests:
            return None
        reranker = self.subject.retriever.reranker_fingerprint(self.profile)
        self.key = retrieval_key(self.subject.world, self.queries, self.profile, reranker)
        return self.cache.get(self.key, self.queries)

    def _retrieve(self) -> Iterator[tuple[Query, Candidates]]:
        from workbench.system.progress import tqdm

        retriever = self.subject.retriever
        ready = retriever.retrieve_all(self.queries, self.profile)
        hidden = not self.progress
        for query in tqdm(self.queries, desc="Queries", unit="", delay=2, disable=hidden):
            with naming(query):
                found = next(ready)
            for stage, spent in found.timings_ms.items():
                self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent
            yield query, found.candidates


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """One measurement with everything that it was made of, ready to be kept."""

    subject: Subject
    collection: Collection
    profile: Profile
    k: int
    report: Report
    ranked: Mapping[str, Ranked]
    retrieval: Retrieval
    seconds: float

    def __repr__(self) -> str:
        return f"Evaluation({self.report!r})"


def prepare(subject: Subject, queries: Sequence[Query], *, progress: bool = False) -> list[Query]:
    """The queries with terms and vectors, in order. Raises QueryError with the query's id."""
    from workbench.system.progress import tqdm

    ready = []
    for query in queries:
        with naming(query):
            ready.append(subject.retriever.analyse(query.text, query.id))
    texts = [query.text for query in ready]
    embedder = subject.embedder
    if isinstance(embedder, LazyEmbedder):
        vectors = embedder.encode_queries(texts)
    else:
        vectors = map(embedder.encode_query, texts)
    bar = tqdm(
        vectors, total=len(texts), desc="Encoding queries", unit="", delay=2, disable=not progress
    )
    return [replace(query, vector=vector) for query, vector in zip(ready, bar, strict=True)]


def retrieve(
    subject: Subject,
    collection: Collection,
    profile: Profile,
    *,
    cache: CandidateCache | None = None,
    progress: bool = False,
) -> Retrieval:
    """The candidates of the queries that have a judgment."""
    grades = collection.grades
    chosen = [query for query in collection.queries if query.id in grades]
    judged = prepare(subject, chosen, progress=progress)
    return Retrieval(subject, judged, profile, cache, progress)


def evaluate(
    subject: Subject,
    collection: Collection,
    metrics: Any,
    profile: Profile,
    k: int,
    *,
    cache: CandidateCache | None = None,
    progress: bool = False,
) -> Evaluation:
    """What `Workbench.evaluate` does. Raises what it raises."""
    started = time.perf_counter()
    names = metric_names(metrics)
    check_depth(names, k)
    unknown = unknown_papers(subject.engine, collection.queries, collection.grades)
    evaluator = collection.evaluator(names)
    found = retrieve(subject, collection, profile, cache=cache, progress=progress)
    ranked: dict[str, Ranked] = {}
    for query, candidates in found:
        with naming(query):
            ranked[query.id] = ranked_papers(candidates, profile, k)
    report = evaluator.report_on(
        {query_id: papers for query_id, (papers, _) in ranked.items()}, run_label(profile),
        unknown_papers=unknown, settings=run_settings(subject.engine, profile, k),
    )  # fmt: skip
    seconds = time.perf_counter() - started
    return Evaluation(subject, collection, profile, k, report, ranked, found, seconds)


def check_depth(metrics: Sequence[str], k: int) -> None:
    """Raises EvaluationError where a metric looks deeper than a run is long."""
    if (depth := deepest_cutoff(metrics)) > k:
        raise EvaluationError(f"k is {k}, but a metric looks at {depth} papers; give a k of it")


def stage_digests(done: Evaluation) -> dict[str, str]:
    """Digests of what each stage gave, in the order of the stages; of the corpus only where the
    engine tells."""
    world = done.subject.world
    ranking = sha256()
    for query_id, (papers, scores) in done.ranked.items():
        ranking.update("\0".join((query_id, *papers)).encode("utf-8", "surrogatepass"))
        ranking.update(np.ascontiguousarray(scores, dtype="<f8").tobytes())
    values = done.report.per_query
    metric = sha256("\0".join([*values.columns, *values.index]).encode("utf-8", "surrogatepass"))
    metric.update(values.to_numpy(dtype="<f8").tobytes())
    found = {part: world[part] for part in PARTS if part in world}
    if found:  # passages are bounds and terms: bounds are kept, terms follow from the analyser
        told = (found["passages"], world["chunking"], world["analyser"], world["query_analyser"])
        found["passages"] = sha256(repr(told).encode()).hexdigest()[:16]
    return {
        **found,
        "queries": done.retrieval.queries_digest,
        "candidates": sha256(b"".join(done.retrieval.digests.values())).hexdigest()[:16],
        "ranking": ranking.hexdigest()[:16],
        "metric": metric.hexdigest()[:16],
    }
