"""A person's query to complete candidates: analyse, embed, ask the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine
from workbench.errors import QueryError
from workbench.models.embedder import Embedder
from workbench.ranking.editing import QueryEdits, edit_filters, edit_query
from workbench.records import Candidates, Filters, Query

MAX_QUERY = 100_000
"""Characters. A longer text is a document: search for its abstract instead."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Candidates, what the person should know about them, and where the time went."""

    candidates: Candidates
    notes: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)


class Retriever:
    """Queries over one engine with the embedder that made its vectors."""

    def __init__(self, engine: Engine, embedder: Embedder, analyser: Analyser) -> None:
        self.engine = engine
        self._embedder = embedder
        self._analyser = analyser

    def prepare(self, text: str, query_id: str = "") -> Query:
        """Analyse and embed. Raises QueryError for an empty query or one over MAX_QUERY."""
        if not isinstance(text, str):
            raise QueryError(f"the query is a {type(text).__name__}; give a text")
        if not text.strip():
            raise QueryError("the query is empty; give at least one word")
        if len(text) > MAX_QUERY:
            raise QueryError(
                f"the query has {len(text):,} characters, the limit is {MAX_QUERY:,}; shorten it"
            )
        text = _encodable(text)
        counts = self._analyser.counts(text)
        return Query(
            text=text,
            terms={term: float(count) for term, count in counts.items()},
            vector=self._embedder.encode_query(text),
            id=query_id,
        )

    def retrieve(
        self, text: str, n: int, filters: Filters = Filters(), edits: QueryEdits = QueryEdits()
    ) -> Retrieved:
        """The candidates for a query, `n` from each arm."""
        started = time.perf_counter()
        query = self.prepare(text)
        if edits:
            query = edit_query(query, edits, self._analyser, self.engine)
            filters = edit_filters(filters, edits, self._analyser, self.engine)
        prepared = time.perf_counter()
        candidates = self.engine.candidates(query, n, filters)
        done = time.perf_counter()
        timings = {"query": (prepared - started) * 1e3, "candidates": (done - prepared) * 1e3}
        return Retrieved(candidates, self._notes(candidates, filters), timings)

    def _notes(self, candidates: Candidates, filters: Filters) -> tuple[str, ...]:
        if not len(candidates):
            return ("No paper passes the filters." if filters else "The corpus has no papers.",)
        if not candidates.query.terms:
            return ("The query has only stop words or signs: BM25 is 0 for every paper.",)
        if not candidates.column("bm25").any():
            return ("No word of the query occurs in the papers found: BM25 is 0 for all.",)
        return ()


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced, which no tokenizer or page accepts."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
