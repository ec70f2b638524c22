"""The engine over an index that the workbench made: complete candidates in two round trips.

The first asks each arm for its best; the second asks for what is missing of their union. Both bring
along what is read next, so a search with feedback takes four. Which passages are candidates depends
on values, paper ids and numbers alone, not on how segments lie or which copy answers. Values are
Lucene's: BM25 with lengths rounded to one byte, over documents that have a term at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.manifest import Manifest
from workbench.engines.base import FEEDBACK, LOWER, SIGNALS, Ahead, Counted, Engine
from workbench.engines.elastic.own.arms import Arm, scores_of
from workbench.engines.elastic.own.foresight import (
    SPARE,
    likely,
    likely_papers,
    material_body,
    tokens_in,
    tokens_of,
    with_tokens,
)
from workbench.engines.elastic.own.indices import LiveIndex, is_version, live_index, live_names
from workbench.engines.elastic.own.mapping import ARMS, key, parsed_key, token
from workbench.engines.elastic.own.stored import (
    Remembered,
    StoredPapers,
    digests_by_id,
    records_body,
)
from workbench.engines.elastic.queries import (
    BY_SCORE,
    LIMIT,
    VectorArm,
    filter_clauses,
    lexical,
    page,
)
from workbench.engines.elastic.terms import (
    count_filters,
    counted_terms,
    found_terms,
    parts_of,
    term_vectors,
    weighted_terms,
)
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.version import check_at_start
from workbench.engines.filters import check_filters
from workbench.errors import CorpusMismatch, CorpusNotFound, ProfileError
from workbench.records import Candidates, Filters, Paper, Passage, Query

Vectors = NDArray[np.float32]
Clause = dict[str, Any]


FREQUENCIES = 200_000
"""Terms whose counts are remembered."""


class ElasticEngine(Engine):
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
        self._frequencies: Remembered[str, int] = Remembered(FREQUENCIES)
        self._last = threading.local()

    @property
    def manifest(self) -> Manifest:
        """What the index says of itself, as a corpus folder would."""
        return self.live.manifest

    @property
    def fingerprint(self) -> str:
        return f"elastic-{self.live.layout.vectors}-{self.manifest.fingerprint}"

    @property
    def version(self) -> str:
        return self.live.name

    def papers_at(self, version: str, ids: Sequence[str]) -> list[Paper | None]:
        """The version before the live one stays on the cluster, older ones do not."""
        if not is_version(self._connection.spec.index, version):
            raise CorpusNotFound(f"{self._connection.where}: {version[:100]!r} is no version of it")
        return [stored.paper for stored in StoredPapers(self._connection, version).several(ids)]

    def replaced(self) -> bool:
        names = live_names(self._connection)
        if not names:
            raise CorpusNotFound(f"{self._connection.where}: no index of that name any more")
        return names != {self.live.name}

    @property
    def exact(self) -> bool:
        """Whether the dense arm looks at every vector."""
        return self._vectors.exact

    @property
    def deleted(self) -> int | None:
        """Documents that are deleted and were still counted in BM25 when it was opened; None
        without the privilege to ask."""
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
        ahead: Ahead | None = None,
    ) -> Candidates:
        check_filters(filters)
        clauses = filter_clauses(filters)
        arms = self._arms(query, n, n if n_keyword is None else n_keyword, filters)
        if expanded is not None:
            self._check_dimension(expanded)
            arms = [*arms, *(Arm(signal, n, expanded) for signal in FEEDBACK)]
        tokens = self._retrieve([arm for arm in arms if arm.open], clauses, ahead)
        union = sorted({parsed_key(name) for arm in arms for name in arm.found})
        self._complete(arms, union, ahead, tokens)
        return Candidates(
            query=query,
            signals=tuple(arm.signal for arm in arms),
            paper_ids=np.array([paper_id for paper_id, _ in union], dtype=np.str_),
            numbers=np.array([number for _, number in union], dtype=np.int32),
            values=np.stack([arm.values(union) for arm in arms], axis=1),
            lower=np.array([LOWER[arm.signal] for arm in arms]),
            fingerprint=self.fingerprint,
        )

    def vectors(self, keys: Sequence[tuple[str, int]]) -> Vectors:
        rows = self._stored.vectors(keys)
        return np.array(rows, np.float32).reshape(-1, self.manifest.dimension)

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        tokens = {term: token(term) for term in terms}
        counts = self._frequencies.known(tokens.values())
        missing = [name for name in dict.fromkeys(tokens.values()) if name not in counts]
        if missing:
            [answer] = self._connection.searches([counts_body(missing)], self.live.name)
            counts |= self._counted(missing, answer)
        return {
            t: counts[name] for t, name in tokens.items() if counts[name]
        }, self.manifest.passages

    def counted(self, signal: str, terms: Sequence[str]) -> Counted | None:
        """What the BM25 of "bm25" or "title" counts; None over several shards."""
        if self._connection.several_shards or not terms:
            return None
        field, names = ARMS[signal], {token(term): term for term in terms}
        found = term_vectors(self._connection, self.live.name, {field: " ".join(names)}).get(field)
        if not found:
            return None
        sums, known = found["field_statistics"], found["terms"]
        count = {names[name]: int(f["doc_freq"]) for name, f in known.items() if "doc_freq" in f}
        documents = int(sums["doc_count"])
        return Counted(documents, sums["sum_ttf"] / max(documents, 1), count, rounded=True)

    def known(self, ids: Collection[str]) -> set[str]:
        found = found_terms(self._connection, self.live.name, "paper_id", ids)
        return set(ids) & found

    def paper_ids(self) -> Iterator[str]:
        return (paper_id for paper_id, _ in digests_by_id(self._connection, self.live.name))

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        return [stored.paper for stored in self._stored.several(ids)]

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        stored = self._stored.several([paper_id for paper_id, _ in keys])
        return [item.passage(number) for item, (_, number) in zip(stored, keys, strict=True)]

    def sample(self, n: int) -> list[tuple[str, int]]:
        """(paper id, number) of up to `n` passages, drawn by the hash of their keys."""
        drawn = {"function_score": {"random_score": {"seed": 0, "field": "key"}}}
        [answer] = self._connection.searches([page(drawn, n, "key")], self.live.name)
        return [parsed_key(name) for name in scores_of(answer)]

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

    def _arms(self, query: Query, n: int, n_keyword: int, filters: Filters) -> list[Arm]:
        """The arms of the plain query; as they are where the thread's last search, the one before
        feedback, asked the same."""
        if max(n, n_keyword) > LIMIT:
            raise ProfileError(
                f"n_retrieval or n_keyword is {max(n, n_keyword)}; Elasticsearch's limit is {LIMIT}"
            )
        self._check_dimension(query)
        last = getattr(self._last, "search", None)
        if last is not None and last[0] is query and last[1] == (n, n_keyword, filters):
            known: list[Arm] = last[2]
            return known
        arms = [Arm("bm25", n, query), Arm("title", n_keyword, query), Arm("dense", n, query)]
        self._last.search = query, (n, n_keyword, filters), arms
        return arms

    def _check_dimension(self, query: Query) -> None:
        if query.vector is not None and query.vector.shape != (self.manifest.dimension,):
            raise CorpusMismatch(
                f"{self._connection.where}: the query vector has {query.vector.shape[0]} "
                f"dimensions, the index has {self.manifest.dimension}; use the model "
                f"{self.manifest.model!r}"
            )

    def _retrieve(
        self, arms: list[Arm], clauses: list[Clause], ahead: Ahead | None
    ) -> dict[str, set[str]]:
        """Ask the arms for their best, in one round trip but for many equal vectors. With feedback
        ahead, the tokens of the first few by key."""
        count = SPARE * ahead.passages if ahead and ahead.feedback else 0
        tokens: dict[str, set[str]] = {}
        while arms:
            bodies = [self._first(arm, clauses, arm.width) for arm in arms]
            bodies = [
                with_tokens(body, count) if arm.dense and count else body
                for arm, body in zip(arms, bodies, strict=True)
            ]
            best = [arm for arm in arms if arm.signal == "bm25" and count]
            more = [tokens_of(self._first(arm, clauses, count)) for arm in best]
            answers = self._connection.searches([*bodies, *more], self.live.name)
            for answer in answers:
                tokens |= tokens_in(answer)
            arms = [arm for arm, answer in zip(arms, answers, strict=False) if not arm.take(answer)]
            count = 0
        return tokens

    def _first(self, arm: Arm, clauses: list[Clause], size: int) -> Clause:
        if arm.dense:
            assert arm.query.vector is not None
            return page(self._vectors.query(arm.query.vector, size, clauses), size, "key")
        return {**page(self._lexical(arm, clauses), size, "key"), "sort": BY_SCORE}

    def _lexical(self, arm: Arm, clauses: list[Clause]) -> Clause:
        return lexical(arm.field, weighted_terms(arm.query), self._k1, clauses, named=False)

    def _complete(
        self,
        arms: list[Arm],
        union: list[tuple[str, int]],
        ahead: Ahead | None,
        tokens: dict[str, set[str]],
    ) -> None:
        """Ask every arm for the passages of the union that it does not know yet."""
        asked: list[tuple[Arm, list[str]]] = []
        for arm in arms:
            missing = arm.missing(union) if arm.wanted else []
            parts = range(0, len(missing), LIMIT)
            asked += [(arm, missing[start : start + LIMIT]) for start in parts]
        bodies = [self._second(arm, missing) for arm, missing in asked]
        learnt = self._foreseen(arms, union, ahead, tokens) if ahead else []
        bodies += [body for body, _ in learnt]
        if not bodies:
            return
        answers = self._connection.searches(bodies, self.live.name)
        for (arm, _), answer in zip(asked, answers, strict=False):
            arm.scores.update(scores_of(answer))
        for (_, learn), answer in zip(learnt, answers[len(asked) :], strict=True):
            learn(answer)

    def _second(self, arm: Arm, missing: list[str]) -> Clause:
        if arm.dense:
            assert arm.query.vector is not None
            query = self._vectors.scores(arm.query.vector, missing, "key")
        else:
            query = self._lexical(arm, [{"terms": {"key": missing}}])
        return page(query, len(missing), "key")

    def _foreseen(
        self,
        arms: list[Arm],
        union: list[tuple[str, int]],
        ahead: Ahead,
        tokens: dict[str, set[str]],
    ) -> list[tuple[Clause, Callable[[dict[str, Any]], Any]]]:
        """Searches for what will be read next, each with what remembers its answer."""
        best = likely(arms, union, ahead) if ahead.passages > 0 else []
        if not ahead.feedback:
            ids = self._stored.unknown(likely_papers(best, ahead))
            return [(records_body(ids), self._stored.learn)] if ids else []
        best = best[: SPARE * ahead.passages]
        if not best:
            return []
        terms = {term for item in best for term in tokens.get(key(*item), ())}
        counts = self._frequencies.known(terms)
        missing = sorted(terms - set(counts))
        found: list[tuple[Clause, Callable[[dict[str, Any]], Any]]] = [
            (material_body(best, "vector"), self._stored.learn)
        ]
        if missing:
            found.append((counts_body(missing), lambda answer: self._counted(missing, answer)))
        return found

    def _counted(self, tokens: Sequence[str], answer: Mapping[str, Any]) -> dict[str, int]:
        """How many passages have each token, remembered."""
        counts = {**dict.fromkeys(tokens, 0), **counted_terms(answer)}
        self._frequencies.learn(counts)
        return counts


def counts_body(tokens: Sequence[str]) -> Clause:
    """A search that counts the passages of each token."""
    return {"size": 0, "track_total_hits": False, "aggs": count_filters("tokens", tokens)}
