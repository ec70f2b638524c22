"""What is read of one index and remembered: records of papers, vectors, counts of terms."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.engines.elastic.own.mapping import key
from workbench.engines.elastic.queries import LIMIT
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusError
from workbench.records import Paper, Passage
from workbench.system.fork import Lock

REMEMBERED = 2048
"""Papers, and vectors."""

TOGETHER = 500
"""Records or vectors in one search."""

Vector = NDArray[np.float32]
Name = TypeVar("Name")
Value = TypeVar("Value")


class Remembered(Generic[Name, Value]):
    """The values that were used last, `most` of them. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._known: OrderedDict[Name, Value] = OrderedDict()

    def known(self, names: Iterable[Name]) -> dict[Name, Value]:
        """Those of the names that are remembered."""
        with self._lock:
            found = {name: self._known[name] for name in names if name in self._known}
            for name in found:
                self._known.move_to_end(name)
        return found

    def learn(self, values: Mapping[Name, Value]) -> None:
        """Remember these; the ones not used for longest go."""
        with self._lock:
            self._known.update(values)
            for name in values:
                self._known.move_to_end(name)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class StoredPaper:
    """A paper and where its passages stand in its text."""

    paper: Paper
    spans: tuple[tuple[int, int], ...]

    def passage(self, number: int) -> Passage:
        """Raises CorpusError where the paper has no such passage."""
        if not 0 <= number < len(self.spans):
            raise CorpusError(
                f"paper {self.paper.id!r} has no passage {number}; it has 0 to "
                f"{len(self.spans) - 1}"
            )
        start, end = self.spans[number]
        return Passage(self.paper.id, number, start, end, self.paper.text[start:end])


class StoredPapers:
    """The papers and vectors of one index, which never changes. Safe to share between threads."""

    def __init__(self, connection: Connection, index: str) -> None:
        self._connection = connection
        self._index = index
        self._papers: Remembered[str, StoredPaper] = Remembered(REMEMBERED)
        self._vectors: Remembered[str, Vector] = Remembered(REMEMBERED)

    def one(self, paper_id: str) -> StoredPaper:
        """Raises CorpusError for an unknown id."""
        return self.several([paper_id])[0]

    def several(self, ids: Sequence[str]) -> list[StoredPaper]:
        """In order; those not remembered are read in one round trip."""
        found = self._papers.known(ids)
        missing = self.unknown(ids)
        for start in range(0, len(missing), TOGETHER):
            body = records_body(missing[start : start + TOGETHER])
            [answer] = self._connection.searches([body], self._index)
            found.update(self.learn(answer))
        for paper_id in ids:
            if paper_id not in found:
                raise CorpusError(
                    f"no paper with id {paper_id!r} in {self._connection.where}; check the id"
                )
        return [found[paper_id] for paper_id in ids]

    def vectors(self, keys: Sequence[tuple[str, int]]) -> list[Vector]:
        """In order. Raises CorpusError for an unknown passage."""
        names = [key(*item) for item in keys]
        found = self._vectors.known(names)
        missing = [name for name in dict.fromkeys(names) if name not in found]
        for start in range(0, len(missing), TOGETHER):
            part = missing[start : start + TOGETHER]
            body = {"query": {"terms": {"key": part}}, "size": len(part), "_source": False}
            [answer] = self._connection.searches(
                [{**body, "fields": ["vector", "key"]}], self._index
            )
            found.update(_vectors(answer))
        self._vectors.learn({name: found[name] for name in missing if name in found})
        for item, name in zip(keys, names, strict=True):
            if name not in found:
                self.one(item[0]).passage(item[1])  # says what is wrong
        return [found[name] for name in names]

    def unknown(self, ids: Iterable[str]) -> list[str]:
        """Ids whose records are not remembered, each once."""
        wanted = list(dict.fromkeys(ids))
        known = self._papers.known(wanted)
        return [paper_id for paper_id in wanted if paper_id not in known]

    def learn(self, answer: Mapping[str, Any]) -> dict[str, StoredPaper]:
        """Remember the records and vectors in an answer; the papers by id."""
        records = (hit.get("_source", {}).get("record") for hit in answer["hits"]["hits"])
        papers = {stored.paper.id: stored for stored in map(_stored, filter(None, records))}
        self._papers.learn(papers)
        self._vectors.learn(_vectors(answer))
        return papers


def records_body(ids: Sequence[str]) -> dict[str, Any]:
    """A search for the records of papers."""
    return {
        "query": {"terms": {"key": [key(paper_id, 0) for paper_id in ids]}},
        "size": len(ids),
        "_source": ["record"],
        "track_total_hits": False,
    }


def _vectors(answer: Mapping[str, Any]) -> dict[str, Vector]:
    fields = (hit.get("fields", {}) for hit in answer["hits"]["hits"])
    return {f["key"][0]: np.array(f["vector"], np.float32) for f in fields if "vector" in f}


def _stored(record: dict[str, Any]) -> StoredPaper:
    values = dict(record["paper"])
    for name in ("authors", "fields"):
        values[name] = tuple(values.get(name, ()))
    spans = tuple((start, end) for start, end in record["spans"])
    return StoredPaper(Paper(**{"title": "", **values}), spans)


def digests_by_id(connection: Connection, index: str) -> Iterator[tuple[str, bytes]]:
    """(id, digest) of every paper that a search sees, a page at a time, by id."""
    after: list[str] | None = None
    while True:
        body: dict[str, Any] = {
            "query": {"exists": {"field": "digest"}},
            "size": LIMIT // 2,
            "sort": [{"paper_id": "asc"}],
            "stored_fields": "_none_",
            "docvalue_fields": ["paper_id", "digest"],
            "track_total_hits": False,
        }
        if after is not None:
            body["search_after"] = after
        [answer] = connection.searches([body], index)
        hits = answer["hits"]["hits"]
        for hit in hits:
            values = hit["fields"]
            yield values["paper_id"][0], bytes.fromhex(values["digest"][0])
        if not hits:
            return
        after = [hits[-1]["fields"]["paper_id"][0]]
