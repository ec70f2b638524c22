"""A person's query to complete candidates: analyse, embed, first pass, feedback, rerank."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.engines.base import FEEDBACK, Ahead, Engine
from workbench.errors import QueryError, shown
from workbench.models.embedders.base import Embedder
from workbench.models.embedders.runtimes import runtime_name
from workbench.models.memory.hardware import cores
from workbench.profiles import LATE_INTERACTION, Profile
from workbench.ranking.editing import QueryEdits, edit_filters, edit_query
from workbench.ranking.feedback import PASSAGES, expand
from workbench.ranking.fusion import fuse, normalise, weight_vector
from workbench.ranking.late_interaction import LateInteraction, TokenCacheReport
from workbench.ranking.rerank import rerank, row_keys
from workbench.ranking.rerankers import Rerankers
from workbench.records import Candidates, Filters, Query
from workbench.system.deadline import check_deadline
from workbench.system.stages import PROCESS

MAX_QUERY = 100_000
"""Characters. A longer text is a document: search for its abstract instead."""

FIRST_NORMALISER = "min-max"
"""How the first pass is normalised, whatever the profile's normaliser: a ranking may change that
without retrieving anew."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Candidates, what the person should know about them, and where the time went.

    `expanded` is the query after feedback, whose values the signals of FEEDBACK are.
    """

    candidates: Candidates
    notes: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    expanded: Query | None = None


class Retriever:
    """Queries over one engine with an embedder of the model that made its vectors."""

    def __init__(
        self,
        engine: Engine,
        embedder: Embedder,
        analyser: Analyser,
        rerankers: Rerankers | None = None,
        *,
        note: str = "",
    ) -> None:
        """`note` is said of every answer, where there is one."""
        self.engine = engine
        self._note = note
        made, own = engine.manifest.model_fingerprint, embedder.fingerprint
        self._runtime = "" if made in ("", own) else f"+{runtime_name(own)}"
        self._embedder = embedder
        self._analyser = analyser
        self._rerankers = rerankers or Rerankers(embedder)

    def over(self, engine: Engine) -> Retriever:
        """The same over another engine, with the rerankers that are loaded."""
        return Retriever(engine, self._embedder, self._analyser, self._rerankers, note=self._note)

    @property
    def analyser(self) -> Analyser:
        """What turns a query into terms."""
        return self._analyser

    def close(self) -> None:
        """Let go of the rerankers' files and weights."""
        self._rerankers.close()

    def signals(self, profile: Profile) -> tuple[str, ...]:
        """Names of the columns that candidates have: the engine's, and those of the stages that
        the profile turns on. Raises ModelNotFound for a reranker that is nowhere."""
        feedback = FEEDBACK if profile.feedback else ()
        reranker = self._rerankers.chosen(profile)
        return (*self.engine.signals, *feedback, *((reranker.signal,) if reranker else ()))

    def reranker_fingerprint(self, profile: Profile) -> str:
        """Equal for rerankers that give equal scores; "" for none."""
        reranker = self._rerankers.chosen(profile)
        return reranker.fingerprint if reranker else ""

    def prepare(self, text: str, query_id: str = "") -> Query:
        """Analyse and embed. Raises QueryError for an empty query or one over MAX_QUERY."""
        query = self.analyse(text, query_id)
        return replace(query, vector=self._embedder.encode_query(query.text))

    def analyse(self, text: str, query_id: str = "") -> Query:
        """The query without its vector. Raises what `prepare` raises."""
        if not isinstance(text, str):
            raise QueryError(f"the query is a {type(text).__name__}; give a text")
        if not text.strip():
            raise QueryError("the query is empty; give at least one word")
        if len(text) > MAX_QUERY:
            raise QueryError(
                f"the query has {len(text):,} characters, the limit is {MAX_QUERY:,}; shorten it"
            )
        text = _without_surrogates(text)
        counts = self._analyser.counts(text)
        return Query(
            text=text,
            terms={term: float(count) for term, count in counts.items()},
            id=query_id,
        )

    def retrieve(
        self,
        text: str | Query,
        profile: Profile,
        filters: Filters = Filters(),
        *,
        edits: QueryEdits | None = None,
        read: int = 0,
    ) -> Retrieved:
        """The candidates for a query, through the stages of the profile. They do not depend on
        its weights or normaliser; nor on `read`, how many papers will be read afterwards, which
        an engine far away may bring along. A query that is ready is taken as it is."""
        clock = _Clock()
        query = text if isinstance(text, Query) else self.prepare(text)
        if edits is not None:
            if not isinstance(edits, QueryEdits):
                raise QueryError(f"edits are {shown(edits)}; give wb.QueryEdits(...)")
            query = edit_query(query, edits, self._analyser, self.engine)
            filters = edit_filters(filters, edits, self._analyser, self.engine)
        clock.lap("query")
        n, n_keyword = profile.n_retrieval, profile.n_keyword
        engine = self.engine.exactly() if profile.dense == "exact" else self.engine
        reranker, last = self._rerankers.chosen(profile), Ahead(profile.weights, read)
        if reranker:
            weights = _with_feedback(profile.first_pass, profile.feedback)
            last = Ahead(weights, profile.n_rerank)
        first = Ahead(profile.first_pass, PASSAGES, feedback=True) if profile.feedback else last
        candidates = engine.candidates(query, n, filters, n_keyword=n_keyword, ahead=first)
        clock.lap("candidates")
        expanded = None
        if profile.feedback:
            rows, scores = _best_rows(candidates, profile.first_pass, PASSAGES)
            keys = row_keys(candidates, rows)
            expanded = expand(query, keys, scores, engine, self._analyser)
            candidates = engine.candidates(
                query, n, filters, n_keyword=n_keyword, expanded=expanded, ahead=last
            )
            clock.lap("feedback")
        if reranker:
            rows, _ = _best_rows(candidates, last.weights, profile.n_rerank)
            candidates = rerank(candidates, rows, reranker, engine)
            clock.lap("rerank")
        if self._runtime:  # the same papers, but another query vector: no equal candidates
            candidates = replace(candidates, fingerprint=candidates.fingerprint + self._runtime)
        notes = self._notes(candidates, filters)
        return Retrieved(candidates, notes, clock.timings_ms, expanded)

    def retrieve_all(self, texts: Sequence[str | Query], profile: Profile) -> Iterator[Retrieved]:
        """The same for many queries, in order, at most `profile.workers` and one a core at once."""
        threads = min(profile.workers, cores())
        with ThreadPoolExecutor(threads) as pool:
            # Window by window: candidates that nobody has taken yet are few.
            for start, stop in pairwise([*range(0, len(texts), 4 * threads), len(texts)]):
                window = texts[start:stop]
                yield from pool.map(lambda text: self.retrieve(text, profile), window)

    def cache_token_vectors(self, profile: Profile, *, progress: bool = True) -> TokenCacheReport:
        """Encode every passage for late interaction ahead of the first query."""
        return self._rerankers.late_interaction(profile).fill(self.engine, progress=progress)

    def _notes(self, candidates: Candidates, filters: Filters) -> tuple[str, ...]:
        if not len(candidates):
            if filters:
                return ("No paper passes the filters.",)
            holds = self.engine.document_frequencies(())[1]
            return ("No paper has a word of the query." if holds else "The corpus has no papers.",)
        notes = []
        if not candidates.query.terms:
            notes.append("The query has only stop words or signs: BM25 is 0 for every paper.")
        elif not candidates.column("bm25").any():
            notes.append("No word of the query occurs in the papers found: BM25 is 0 for all.")
        if not candidates.column("dense").any():
            notes.append("There are no vectors to compare: dense is 0 for every paper.")
        elif self._note:
            notes.append(f"{self._note[0].upper()}{self._note[1:]}.")
        return tuple(notes)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        check_deadline()
        now = time.perf_counter()
        PROCESS.add(f"search: {stage}", now - self._last)
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + (now - self._last) * 1e3
        self._last = now


def with_stages(profile: Profile, signals: Collection[str]) -> Profile:
    """The profile with the stages turned on that compute `signals`, and the same weights."""
    changes: dict[str, Any] = {}
    if set(FEEDBACK) & set(signals):
        changes["feedback"] = True
    if LateInteraction.signal in signals and not profile.reranker:
        changes["reranker"] = LATE_INTERACTION
    return profile.replace(weights=profile.weights, **changes)


def _with_feedback(first_pass: Mapping[str, float], feedback: bool) -> dict[str, float]:
    """The first pass's weights, half of each on the same signal of the expanded query."""
    if not feedback:
        return dict(first_pass)
    pairs = {name.removesuffix("_feedback"): name for name in FEEDBACK}
    return dict(first_pass) | {
        name: first_pass[signal] for signal, name in pairs.items() if signal in first_pass
    }


def _best_rows(
    candidates: Candidates, weights: Mapping[str, float], n: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The `n` best rows under fixed weights and their scores, best first; ties in row order."""
    scores = fuse(
        normalise(candidates, FIRST_NORMALISER), weight_vector(dict(weights), candidates.signals)
    )
    rows = np.argsort(-scores, kind="stable")[:n]
    return rows, scores[rows]


def _without_surrogates(text: str) -> str:
    """The text with lone surrogates replaced, which no tokenizer or page accepts."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
