"""The engine over an index that the workbench made: complete candidates in two round trips.

The first asks each arm for its best; the second asks for what is missing of their union. Values
are Lucene's: BM25 with lengths rounded to one byte, over documents that have a term at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import Manifest
from workbench.engines.base import FEEDBACK, SIGNALS
from workbench.engines.elastic.known import found_terms
from workbench.engines.elastic.own.indices import LiveIndex, live_index
from workbench.engines.elastic.own.mapping import ARMS, key, parsed_key
from workbench.engines.elastic.own.stored import StoredPapers
from workbench.engines.elastic.queries import (
    LIMIT,
    VectorArm,
    filter_clauses,
    lexical,
    page,
)
from workbench.engines.elastic.terms import (
    count_filters,
    counted_terms,
    parts_of,
    weighted_terms,
)
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.version import check_at_start
from workbench.engines.filters import check_filters
from workbench.errors import CorpusMismatch, ProfileError
from workbench.records import Candidates, Filters, Paper, Passage, Query

LOWER = {"bm25": 0.0, "title": 0.0, "dense": -1.0, "bm25_feedback": 0.0, "dense_feedback": -1.0}
"""Theoretical minimum of each signal."""

Vectors = NDArray[np.float32]
Scores = dict[str, float]


@dataclass(slots=True)
class Arm:
    """One signal of one query: what is asked for, what came, and whether that is all there is."""

    signal: str
    size: int
    query: Query
    scores: Scores = field(default_factory=dict)
    complete: bool = False

    @property
    def dense(self) -> bool:
        return self.signal.startswith("dense")


class ElasticEngine:
    """One version of an index, opened for searching; connects on the first use."""

    signals = SIGNALS

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        check_at_start(connection)
        self.live: LiveIndex = live_index(connection)
        layout = self.live.layout
        self._k1 = layout.k1
        self._vectors = VectorArm("vector", layout.vectors, connection.spec.oversample)
        self._stored = StoredPapers(connection, self.live.name)

    @property
    def manifest(self) -> Manifest:
        """What the index says of itself, as a corpus folder would."""
        return self.live.manifest

    @property
    def fingerprint(self) -> str:
        return f"elastic-{self.live.layout.vectors}-{self.manifest.fingerprint}"

    @property
    def exact(self) -> bool:
        """Whether the dense arm looks at every vector."""
        return self._vectors.exact

    @property
    def deleted(self) -> int:
        """Documents that are deleted and were still counted in BM25 when it was opened."""
        return self.live.deleted

    def close(self) -> None:
        self._connection.close()

    def candidates(
        self,
        query: Query,
        n: int,
        filters: Filters = Filters(),
        *,
        n_keyword: int | None = None,
        expanded: Query | None = None,
    ) -> Candidates:
        check_filters(filters)
        clauses = filter_clauses(filters)
        arms = self._arms(query, n, n if n_keyword is None else n_keyword, expanded)
        asked = [arm for arm in arms if self._wanted(arm)]
        found = self._search([self._first(arm, clauses) for arm in asked])
        for arm, scores in zip(asked, found, strict=True):
            arm.scores, arm.complete = scores, not arm.dense and len(scores) < arm.size
        union = sorted({parsed_key(k) for arm in arms for k in arm.scores})
        self._complete(asked, union)
        return self._assembled(query, arms, union)

    def vectors(self, keys: Sequence[tuple[str, int]]) -> Vectors:
        wanted = list(dict.fromkeys(key(*item) for item in keys))
        rows: dict[str, Vectors] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            body = {"query": {"terms": {"key": part}}, "size": len(part), "_source": False}
            body["fields"] = ["vector", "key"]
            [answer] = self._connection.searches([body], self.live.name)
            for hit in answer["hits"]["hits"]:
                values = hit["fields"]
                rows[values["key"][0]] = np.array(values["vector"], dtype=np.float32)
        for paper_id, number in keys:
            if key(paper_id, number) not in rows:
                self._stored.one(paper_id).passage(number)  # says what is wrong
        dimension = self.manifest.dimension
        return np.array([rows[key(*item)] for item in keys], np.float32).reshape(-1, dimension)

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        body = {"size": 0, "track_total_hits": True, "aggs": count_filters("tokens", terms)}
        [answer] = self._connection.searches([body], self.live.name)
        return counted_terms(answer), int(answer["hits"]["total"]["value"])

    def known(self, ids: Collection[str]) -> set[str]:
        found = found_terms(self._connection, self.live.name, "paper_id", ids)
        return set(ids) & found

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        return [stored.paper for stored in self._stored.several(ids)]

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        stored = self._stored.several([paper_id for paper_id, _ in keys])
        return [item.passage(number) for item, (_, number) in zip(stored, keys, strict=True)]

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        self._stored.one(paper_id).passage(number)
        terms = weighted_terms(query)
        if not terms:
            return {signal: {} for signal in ARMS}
        places = {"bm25": key(paper_id, number), "title": key(paper_id, 0)}
        bodies = [
            page(
                lexical(ARMS[signal], terms, self._k1, [{"term": {"key": place}}], named=True),
                1,
                "key",
            )
            for signal, place in places.items()
        ]
        counts = {"size": 0, "aggs": count_filters("tokens", list(terms))}
        *answers, counted = self._connection.searches([*bodies, counts], self.live.name)
        known = [term for term in terms if term in counted_terms(counted)]
        return {
            signal: parts_of(answer, known) for signal, answer in zip(places, answers, strict=True)
        }

    def hybrid(
        self, query: Query, n: int, weights: Mapping[str, float], filters: Filters
    ) -> dict[str, Any]:
        """One bool query that adds weighted BM25 and vector score, each under its signal's name."""
        check_filters(filters)
        clauses = filter_clauses(filters)
        should = []
        for arm in self._arms(query, n, n, None):
            weight = weights.get(arm.signal, 0.0)
            if weight and self._wanted(arm):
                clause = self._first(arm, clauses)["query"]
                [inside] = clause.values()
                inside |= {"boost": weight, "_name": arm.signal}
                should.append(clause)
        return {"bool": {"should": should}} if should else {"match_none": {}}

    def aggregated(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The aggregations of one search of this index."""
        [answer] = self._connection.searches([body], self.live.name)
        found: dict[str, Any] = answer["aggregations"]
        return found

    def _arms(self, query: Query, n: int, n_keyword: int, expanded: Query | None) -> list[Arm]:
        if max(n, n_keyword) > LIMIT:
            raise ProfileError(
                f"n_retrieval or n_keyword is {max(n, n_keyword)}; Elasticsearch's limit is {LIMIT}"
            )
        if query.vector is not None and query.vector.shape != (self.manifest.dimension,):
            raise CorpusMismatch(
                f"{self._connection.where}: the query vector has {query.vector.shape[0]} "
                f"dimensions, the index has {self.manifest.dimension}; use the model "
                f"{self.manifest.model!r}"
            )
        arms = [Arm("bm25", n, query), Arm("title", n_keyword, query), Arm("dense", n, query)]
        if expanded is not None:
            arms += [Arm(signal, n, expanded) for signal in FEEDBACK]
        return arms

    def _wanted(self, arm: Arm) -> bool:
        """An arm without terms or without a vector has value 0 everywhere."""
        if arm.size < 1:
            return False
        return arm.query.vector is not None if arm.dense else bool(weighted_terms(arm.query))

    def _first(self, arm: Arm, clauses: list[dict[str, Any]]) -> dict[str, Any]:
        if arm.dense:
            assert arm.query.vector is not None
            return page(self._vectors.query(arm.query.vector, arm.size, clauses), arm.size, "key")
        return page(self._lexical(arm, clauses), arm.size, "key")

    def _lexical(self, arm: Arm, clauses: list[dict[str, Any]]) -> dict[str, Any]:
        terms = weighted_terms(arm.query)
        return lexical(_field(arm), terms, self._k1, clauses, named=False)

    def _complete(self, arms: list[Arm], union: list[tuple[str, int]]) -> None:
        """Ask every arm for the passages of the union that it does not know yet."""
        asked: list[tuple[Arm, list[str]]] = []
        for arm in arms:
            # A title's score stands on the first passage of its paper.
            names = dict.fromkeys(key(p, 0 if arm.signal == "title" else no) for p, no in union)
            missing = [] if arm.complete else [name for name in names if name not in arm.scores]
            parts = range(0, len(missing), LIMIT)
            asked += [(arm, missing[start : start + LIMIT]) for start in parts]
        found = self._search([self._second(arm, missing) for arm, missing in asked])
        for (arm, _), scores in zip(asked, found, strict=True):
            arm.scores.update(scores)

    def _second(self, arm: Arm, missing: list[str]) -> dict[str, Any]:
        if arm.dense:
            assert arm.query.vector is not None
            query = self._vectors.scores(arm.query.vector, missing, "key")
        else:
            query = self._lexical(arm, [{"terms": {"key": missing}}])
        return page(query, len(missing), "key")

    def _search(self, bodies: list[dict[str, Any]]) -> list[Scores]:
        if not bodies:
            return []
        answers = self._connection.searches(bodies, self.live.name)
        return [
            {hit["fields"]["key"][0]: hit["_score"] for hit in answer["hits"]["hits"]}
            for answer in answers
        ]

    def _assembled(self, query: Query, arms: list[Arm], union: list[tuple[str, int]]) -> Candidates:
        values = np.zeros((len(union), len(arms)), dtype=np.float32)
        names = [key(*item) for item in union]
        firsts = [key(paper_id, 0) for paper_id, _ in union]
        for column, arm in enumerate(arms):
            rows = firsts if arm.signal == "title" else names
            # An absent vector arm is 0 as a cosine, which Elasticsearch writes (1 + 0) / 2.
            absent = 0.5 if arm.dense else 0.0
            values[:, column] = [arm.scores.get(name, absent) for name in rows]
        cosines = [column for column, arm in enumerate(arms) if arm.dense]
        exact = values.astype(np.float64)
        exact[:, cosines] = 2 * exact[:, cosines] - 1
        return Candidates(
            query=query,
            signals=tuple(arm.signal for arm in arms),
            paper_ids=np.array([paper_id for paper_id, _ in union], dtype=np.str_),
            numbers=np.array([number for _, number in union], dtype=np.int32),
            values=exact,
            lower=np.array([LOWER[arm.signal] for arm in arms]),
            fingerprint=self.fingerprint,
        )


def _field(arm: Arm) -> str:
    return ARMS["title" if arm.signal == "title" else "bm25"]
