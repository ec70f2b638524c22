"""The engine over somebody else's index: searched as it is, by the server's analysers.

Nothing is written. `bm25` is a multi_match over the text fields with their boosts, `title` a match
on the one with "title" in its name (0 where there is none), `dense` the cosine. Every candidate
has its true value in each. A document is a passage; those that share `paper_field`, or without one
`id_field`, are grouped, numbered in the order in which this engine meets them. An alias is searched
as an alias, under its filter and its routing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.corpus.manifest import Manifest
from workbench.engines.base import FEEDBACK, LOWER, SIGNALS, Ahead, Engine
from workbench.engines.elastic.attached.content import UNIT, Content, content_of, written
from workbench.engines.elastic.attached.fields import ForeignIndex, cosine, foreign_index
from workbench.engines.elastic.attached.filtering import clauses_of
from workbench.engines.elastic.attached.records import Documents, Name
from workbench.engines.elastic.attached.rescoring import scored_text
from workbench.engines.elastic.terms import counted_terms, parts_of
from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.version import check_at_start
from workbench.engines.filters import check_filters
from workbench.errors import CorpusMismatch, ProfileError
from workbench.records import Candidates, Filters, Paper, Passage, Query

Vectors = NDArray[np.float32]
Clause = dict[str, Any]


@dataclass(slots=True)
class _Column:
    """One signal: the query with some filters, how many its arm may give, what came."""

    signal: str
    size: int
    ask: Callable[[list[Clause], int], Clause] | None
    scores: dict[Name, float] = field(default_factory=dict)
    complete: bool = False


class AttachedEngine(Engine):
    """One index of a cluster, opened for reading."""

    signals = SIGNALS

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        check_at_start(connection)
        self.index: ForeignIndex = foreign_index(connection)
        self._written = written(connection, self.index)
        self.content: Content = content_of(connection, self.index)
        self._unit = self.content.unit
        self._documents = Documents(connection, self.index, routed=self.content.routed)
        self._analyser = Analyser()
        self._query_dimension = 0
        self._manifest = Manifest(
            analyser="the server's",
            chunking="the index's",
            model="",  # with which its vectors were made, it does not say
            model_fingerprint="",
            dimension=self.index.dimension,
            k1=0.0,
            b=0.0,
            papers=self.content.papers,
            passages=self.content.documents,
            fingerprint=self.index.uuid,
        )

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def fingerprint(self) -> str:
        index = self.index
        fields = (*index.text_fields.items(), index.id_field, index.paper_field)
        vectors = "" if index.vectors is None else index.vectors.field
        # Two aliases filter differently.
        content = repr((index.uuid, index.name, fields, vectors, self._written))
        return f"attached-{index.name}-{blake2b(content.encode(), digest_size=8).hexdigest()}"

    @property
    def papers_error(self) -> float:
        """Share by which the manifest's number of papers may be off."""
        return self.content.papers_error

    @property
    def exact(self) -> bool:
        """Whether the dense arm looks at every vector."""
        return self.index.vectors is None or self.index.vectors.exact

    def replaced(self) -> bool:
        """Whether the name stands for another index now, or for one that was made anew."""
        path, only = f"/{self.index.name}/_settings", {"filter_path": "*.settings.index.uuid"}
        found = self._connection.call("GET", path, params=only)
        uuids = {str(body["settings"]["index"]["uuid"]) for body in found.values()}
        return uuids != {self.index.uuid}

    def refresh(self) -> None:
        self._written = written(self._connection, self.index)

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
        clauses = self._filters(filters)
        columns = self._columns(query, n, n if n_keyword is None else n_keyword, SIGNALS)
        if expanded is not None:
            more = self._columns(expanded, n, 0, (FEEDBACK[0], "", FEEDBACK[1]))
            columns += [column for column in more if column.signal]
        asked = [column for column in columns if column.ask is not None and column.size > 0]
        self._fill(asked, [(clauses, column.size) for column in asked])
        for column in asked:
            dense = column.signal.startswith("dense")
            column.complete = not dense and len(column.scores) < column.size
        union = list(dict.fromkeys(name for column in columns for name in column.scores))
        for part in self._documents.parts(union, self.index.limit):
            self._complete(asked, part)
        return self._assembled(query, columns, union)

    def vectors(self, keys: Sequence[tuple[str, int]]) -> Vectors:
        names = self._documents.names(keys)
        rows = self._documents.vectors(names)
        # A vector that is not there, or kept out of _source, moves feedback's query nowhere.
        absent = np.zeros(self.index.dimension or self._query_dimension, dtype=np.float32)
        return np.array([rows.get(name, absent) for name in names]).reshape(len(names), len(absent))

    def document_frequencies(self, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        filters = {term: self._match(term, named=None) for term in terms}
        aggregations = {"terms": {"filters": {"filters": filters}}} if filters else {}
        body = {"size": 0, "track_total_hits": True, "aggs": aggregations}
        [answer] = self._connection.searches([body], self.index.name)
        return counted_terms(answer), int(answer["hits"]["total"]["value"])

    def scored_text(self, query: str, title: str, text: str) -> dict[str, float] | None:
        """By signal what this index would give a document with this title and text; None where
        that cannot be known."""
        return scored_text(self._connection, self.index, query, title, text)

    def known(self, ids: Collection[str]) -> set[str]:
        return self._documents.known(ids)

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        return self._documents.papers(ids)

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        return self._documents.passages(keys)

    def term_scores(
        self, query: Query, paper_id: str, number: int
    ) -> Mapping[str, Mapping[str, float]]:
        [name] = self._documents.names([(paper_id, number)])
        words = self._words(query)
        if not words:
            return {"bm25": {}, "title": {}}
        only = [self._documents.filter([name])]
        title = [self.index.title_field] if self.index.title_field else []
        asked = {"bm25": None, **({"title": title} if title else {})}
        bodies = [
            self._documents.page(_any(self._weighted(words, fields), only), 1)
            for fields in asked.values()
        ]
        answers = self._connection.searches(bodies, self.index.name)
        known = list(words)
        found = {
            signal: parts_of(answer, known) for signal, answer in zip(asked, answers, strict=True)
        }
        return {"title": {}, **found}

    def _columns(self, query: Query, n: int, n_keyword: int, names: Sequence[str]) -> list[_Column]:
        if max(n, n_keyword) > self.index.limit:
            raise ProfileError(
                f"n_retrieval or n_keyword is {max(n, n_keyword)}; the limit of "
                f"{self._connection.where} is {self.index.limit} (index.max_result_window); "
                "ask for fewer"
            )
        bm25, title, dense = names
        in_title = [self.index.title_field] if self.index.title_field else []
        return [
            _Column(bm25, n, self._lexical(query, None)),
            _Column(title, n_keyword, self._lexical(query, in_title) if in_title else None),
            _Column(dense, n, self._dense(query)),
        ]

    def _lexical(
        self, query: Query, fields: list[str] | None
    ) -> Callable[[list[Clause], int], Clause] | None:
        """Before it is edited, the text goes to the server whole; else word by word, weighted."""
        if not query.terms:
            return None
        if dict(query.terms) == dict(self._analyser.counts(query.text)):
            should = [self._match(query.text, fields)]
        else:
            should = self._weighted(self._words(query), fields)
        return lambda clauses, size: self._documents.page(_any(should, clauses), size)

    def _words(self, query: Query) -> dict[str, tuple[str, float]]:
        """A word of the text (or the term itself where it was added) and its weight, by term."""
        words = {term: query.text[s:e] for s, e, term in reversed([*self._spans(query.text)])}
        return {
            term: (words.get(term, term), weight)
            for term, weight in query.terms.items()
            if weight > 0
        }

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        return list(self._analyser.spans(text))

    def _weighted(
        self, words: Mapping[str, tuple[str, float]], fields: list[str] | None
    ) -> list[Clause]:
        return [
            self._match(word, fields, boost=weight, named=term)
            for term, (word, weight) in words.items()
        ]

    def _match(
        self,
        text: str,
        fields: list[str] | None = None,
        *,
        boost: float = 1.0,
        named: str | None = None,
    ) -> Clause:
        weighted = [f"{name}^{boost:g}" for name, boost in self.index.text_fields.items()]
        body: Clause = {
            "query": text,
            "fields": fields or weighted,
            "type": "most_fields",
            "boost": boost,
        }
        if named is not None:
            body["_name"] = named
        return {"multi_match": body}

    def _dense(self, query: Query) -> Callable[[list[Clause], int], Clause] | None:
        arm, vector = self.index.vectors, query.vector
        if arm is None and vector is not None:
            self._query_dimension = len(vector)
        if arm is None or vector is None:
            return None
        if vector.shape != (self.index.dimension,):
            raise CorpusMismatch(
                f"{self._connection.where}: the query vector has {vector.shape[0]} dimensions, "
                f"{arm.field!r} has {self.index.dimension}; open it with the model that made its "
                "vectors: wb.open(model=..., engine=...)"
            )
        return lambda clauses, size: self._documents.page(arm.query(vector, size, clauses), size)

    def _fill(self, columns: list[_Column], asked: list[tuple[list[Clause], int]]) -> None:
        pairs = zip(columns, asked, strict=True)
        bodies = [column.ask(*given) for column, given in pairs if column.ask is not None]
        if not bodies:
            return
        for column, answer in zip(
            columns, self._connection.searches(bodies, self.index.name), strict=True
        ):
            for hit in answer["hits"]["hits"]:
                column.scores[self._documents.met(hit)] = float(np.float32(hit["_score"]))

    def _complete(self, columns: list[_Column], union: list[Name]) -> None:
        wanted = []
        for column in columns:
            missing = [] if column.complete else [n for n in union if n not in column.scores]
            if missing:
                wanted.append((column, [self._documents.filter(missing)], len(missing)))
        exact = [(clauses, size) for _, clauses, size in wanted]
        self._fill([column for column, _, _ in wanted], exact)

    def _assembled(self, query: Query, columns: list[_Column], union: list[Name]) -> Candidates:
        keyed = sorted((self._documents.key(name), name) for name in union)
        values = np.zeros((len(keyed), len(columns)))
        for place, column in enumerate(columns):
            dense = column.signal.startswith("dense")
            scores = self._cosines(column.scores) if dense else column.scores
            values[:, place] = [scores.get(name, 0.0) for _, name in keyed]
        return Candidates(
            query=query,
            signals=tuple(column.signal for column in columns),
            paper_ids=np.array([key[0] for key, _ in keyed], dtype=np.str_),
            numbers=np.array([key[1] for key, _ in keyed], dtype=np.int32),
            values=values,
            lower=np.array([LOWER[column.signal] for column in columns]),
            fingerprint=self.fingerprint,
        )

    def _cosines(self, scores: Mapping[Name, float]) -> dict[Name, float]:
        """True cosines, also of vectors whose length is not 1. Raises CorpusMismatch where that
        length matters and cannot be read."""
        similarity = self.index.similarity
        if self._unit or similarity in ("cosine", "dot_product"):
            found = {name: cosine(score, similarity) for name, score in scores.items()}
            if all(abs(value) <= 1 + UNIT for value in found.values()):
                return found
            self._unit = False
        if not self.content.readable:
            raise CorpusMismatch(
                f"{self._connection.where}: its vectors do not have length 1 and are kept out of "
                f"_source, so that {similarity} cannot be turned into cosines; index them with "
                "similarity cosine, or open it without vector_field"
            )
        lengths = self._documents.lengths(list(scores))
        return {name: cosine(score, similarity, lengths[name]) for name, score in scores.items()}

    def _filters(self, filters: Filters) -> list[Clause]:
        clauses = clauses_of(self._connection.where, self.index, filters)
        if filters.ids:
            clauses.append(self._documents.paper_filter(filters.ids))
        return clauses + [self._match(term) for term in filters.terms]


def _any(should: list[Clause], filters: list[Clause]) -> Clause:
    return {"bool": {"should": should, "minimum_should_match": 1, "filter": filters}}
