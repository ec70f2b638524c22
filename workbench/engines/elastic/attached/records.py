"""Documents of somebody else's index: their names, their papers, their texts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.parsing import parse_paper
from workbench.engines.elastic.attached.fields import ForeignIndex
from workbench.engines.elastic.known import CHUNK, found_terms
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusError, RecordError
from workbench.records import Paper, Passage

Clause = dict[str, Any]
REMEMBERED = 2048
"""Documents whose texts are kept."""


class Documents:
    """What is known of the documents met so far. Safe to share between threads.

    A document's name is its `id_field`, or `_id`; its key is (paper id, number), where the paper
    is its `paper_field`, or itself.
    """

    def __init__(self, connection: Connection, index: ForeignIndex) -> None:
        self._connection = connection
        self._index = index
        self._lock = threading.Lock()
        self._paper_of: dict[str, str] = {}
        self._names_of: dict[str, list[str]] = {}
        self._place_of: dict[str, int] = {}
        self._sources: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def page(self, query: Clause, size: int) -> Clause:
        """A search whose hits are names and papers, with scores."""
        index = self._index
        values = [name for name in (index.id_field, index.paper_field) if name]
        body: Clause = {"query": query, "size": size, "track_total_hits": False, "_source": False}
        if values:
            body["docvalue_fields"] = values
        return body

    def met(self, hit: Mapping[str, Any]) -> str:
        """Remember a hit's document; returns its name."""
        index, values = self._index, hit.get("fields", {})
        name = str(values[index.id_field][0]) if index.id_field else str(hit["_id"])
        paper = str(values[index.paper_field][0]) if index.paper_field in values else name
        with self._lock:
            if name not in self._paper_of:
                self._paper_of[name] = paper
                names = self._names_of.setdefault(paper, [])
                self._place_of[name] = len(names)
                names.append(name)
        return name

    def key(self, name: str) -> tuple[str, int]:
        """(paper id, number) of a document that was met."""
        return self._paper_of[name], self._place_of[name]

    def names(self, keys: Sequence[tuple[str, int]]) -> list[str]:
        """Documents by key. Raises CorpusError for one that no search has met."""
        self._meet({paper_id for paper_id, _ in keys})
        found = []
        for paper_id, number in keys:
            names = self._names_of[paper_id]
            if not 0 <= number < len(names):
                raise CorpusError(
                    f"paper {paper_id!r} has no passage {number}; those known are 0 to "
                    f"{len(names) - 1}"
                )
            found.append(names[number])
        return found

    def filter(self, names: Iterable[str]) -> Clause:
        """A clause that lets these documents through."""
        if self._index.id_field:
            return {"terms": {self._index.id_field: list(names)}}
        return {"ids": {"values": list(names)}}

    def paper_filter(self, ids: Iterable[str]) -> Clause:
        """A clause that lets these papers through."""
        if self._index.paper_field:
            return {"terms": {self._index.paper_field: list(ids)}}
        return self.filter(ids)

    def count(self) -> int:
        """Documents of the index."""
        body = {"size": 0, "track_total_hits": True}
        [answer] = self._connection.searches([body], self._index.name)
        return int(answer["hits"]["total"]["value"])

    def papers_count(self) -> int:
        """Papers of the index; counted approximately past some thousands."""
        if not self._index.paper_field:
            return self.count()
        body = {"size": 0, "aggs": {"n": {"cardinality": {"field": self._index.paper_field}}}}
        [answer] = self._connection.searches([body], self._index.name)
        return int(answer["aggregations"]["n"]["value"])

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these paper ids that the index has."""
        field = self._index.paper_field or self._index.id_field
        if field:
            return set(ids) & found_terms(self._connection, self._index.name, field, ids)
        found, names = set(), list(ids)
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            [answer] = self._connection.searches(
                [self.page(self.filter(part), len(part))], self._index.name
            )
            found |= {str(hit["_id"]) for hit in answer["hits"]["hits"]}
        return set(ids) & found

    def vectors(self, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """float32 (dimension,) by name, as they are stored."""
        arm = self._index.vectors
        if arm is None:
            raise CorpusError(f"{self._connection.where}: no vector_field is named")
        rows: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(names), 500):
            part = names[start : start + 500]
            body = self.page(self.filter(part), len(part))
            body["fields"] = [arm.field]
            [answer] = self._connection.searches([body], self._index.name)
            for hit in answer["hits"]["hits"]:
                rows[self.met(hit)] = np.array(hit["fields"][arm.field], dtype=np.float32)
        return rows

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Papers in order, their text that of the documents met so far."""
        self._meet(set(ids))
        return [self._composed(paper_id)[0] for paper_id in ids]

    def passages(self, keys: Sequence[tuple[str, int]]) -> list[Passage]:
        """Passages in order: each is a document's text."""
        self.names(keys)
        found = []
        for paper_id, number in keys:
            paper, spans = self._composed(paper_id)
            start, end = spans[number]
            found.append(Passage(paper_id, number, start, end, paper.text[start:end]))
        return found

    def _meet(self, ids: set[str]) -> None:
        """Make sure that some document of each paper is known. Raises CorpusError for others."""
        missing = [paper_id for paper_id in ids if paper_id not in self._names_of]
        if missing:
            body = self.page(self.paper_filter(missing), 10_000)
            [answer] = self._connection.searches([body], self._index.name)
            for hit in answer["hits"]["hits"]:
                self.met(hit)
        for paper_id in ids:
            if paper_id not in self._names_of:
                raise CorpusError(
                    f"no paper with id {paper_id!r} in {self._connection.where}; check the id"
                )

    def _composed(self, paper_id: str) -> tuple[Paper, list[tuple[int, int]]]:
        """A paper whose text is that of its documents, and where each of them stands in it."""
        sources = self._read(list(self._names_of[paper_id]))
        texts = [self._text(source) for source in sources]
        record = {**_plain(sources[0]), "id": paper_id, "abstract": "\n\n".join(texts), "body": ""}
        record["title"] = str(_at(sources[0], self._index.title_field) or "")
        try:
            paper = parse_paper(record)
        except RecordError:  # what others keep under our names may be of another kind
            kept = {name: record[name] for name in ("id", "title", "abstract")}
            paper = Paper(**{**kept, "abstract": record["abstract"] or record["title"] or "-"})
        spans, at = [], 0
        for text in texts:
            spans.append((min(at, len(paper.text)), min(at + len(text), len(paper.text))))
            at += len(text) + 2
        if not any(texts):
            spans = [(0, len(paper.text))] * len(texts)
        return paper, spans

    def _text(self, source: Mapping[str, Any]) -> str:
        parts = (str(_at(source, name) or "").strip() for name in self._index.shown_fields)
        return "\n".join(part for part in parts if part)

    def _read(self, names: list[str]) -> list[dict[str, Any]]:
        with self._lock:
            known = {name: self._sources[name] for name in names if name in self._sources}
        missing = [name for name in names if name not in known]
        if missing:
            body = self.page(self.filter(missing), len(missing))
            arm = self._index.vectors
            body["_source"] = {"excludes": [arm.field] if arm is not None else []}
            [answer] = self._connection.searches([body], self._index.name)
            known.update({self.met(hit): hit.get("_source", {}) for hit in answer["hits"]["hits"]})
            with self._lock:
                self._sources.update(known)
                while len(self._sources) > REMEMBERED:
                    self._sources.popitem(last=False)
        return [known.get(name, {}) for name in names]


def _at(source: Mapping[str, Any], path: str) -> Any:
    """A value under a name with dots; a list as one text."""
    if not path:
        return None
    value: Any = source
    if path in source:
        value = source[path]
    else:
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _plain(source: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that a paper may take over as they are."""
    names = ("authors", "author", "year", "venue", "journal", "doi", "url", "arxiv_id")
    return {name: source[name] for name in names if name in source}
