"""Documents of somebody else's index: their names, their papers, their texts."""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.parsing import parse_paper
from workbench.engines.elastic.attached.fields import NUMBERS, ForeignIndex
from workbench.engines.elastic.attached.filtering import DATES, year_field
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusError, CorpusMismatch, RecordError
from workbench.records import Paper, Passage
from workbench.system.fork import Lock

Clause = dict[str, Any]
Name = tuple[str, str]
"""A document's `_id` and its routing value, "" without one: what is its alone."""

REMEMBERED = 2048
"""Documents whose texts are kept."""

READ = 500
"""Documents a request whose vectors or texts are read; groups of routing values a filter."""

_EXTRAS = (
    *("authors", "author", "year", "publication_year", "venue", "journal", "booktitle"),
    *("doi", "url", "arxiv_id"),
)
"""Fields that a paper may take over as they are."""


class Documents:
    """What is known of the documents met so far. Safe to share between threads.

    A document's paper is its `paper_field`, else its `id_field`, else its `_id`: documents that
    share it are passages of one paper. Its key is (paper id, number).
    """

    def __init__(self, connection: Connection, index: ForeignIndex, *, routed: bool) -> None:
        self._connection = connection
        self._index = index
        self._routed = routed
        self._lock = Lock()
        self._key_of: dict[Name, tuple[str, int]] = {}
        self._names_of: dict[str, list[Name]] = {}
        self._lengths: dict[Name, float] = {}
        self._sources: OrderedDict[Name, dict[str, Any]] = OrderedDict()
        self._dated = year_field(index.fields, DATES)

    def page(self, query: Clause, size: int) -> Clause:
        """A search whose hits are names and papers, with scores."""
        index = self._index
        values = [name for name in (index.id_field, index.paper_field) if name]
        body: Clause = {"query": query, "size": size, "track_total_hits": False, "_source": False}
        body["docvalue_fields"] = ["_index", *values]
        if self._routed:
            body["fields"] = ["_routing"]
        return body

    def met(self, hit: Mapping[str, Any]) -> Name:
        """Remember a hit's document; returns its name. Raises CorpusMismatch for one of another
        index: the alias was moved."""
        index, values = self._index, hit["fields"]
        if values["_index"][0] != index.concrete:
            raise CorpusMismatch(
                f"{self._connection.where}: the alias was moved from {index.concrete!r} to "
                f"{values['_index'][0]!r} while this session has it open; open it again"
            )
        name = str(hit["_id"]), str(values.get("_routing", [""])[0])
        known = [values[f] for f in (index.paper_field, index.id_field) if values.get(f)]
        paper = str(known[0][0]) if known else name[0]
        with self._lock:
            if name not in self._key_of:
                names = self._names_of.setdefault(paper, [])
                self._key_of[name] = paper, len(names)
                names.append(name)
        return name

    def key(self, name: Name) -> tuple[str, int]:
        """(paper id, number) of a document that was met."""
        return self._key_of[name]

    def names(self, keys: Sequence[tuple[str, int]]) -> list[Name]:
        """Documents by key. Raises CorpusError for one that no search has met."""
        self._need({paper_id for paper_id, _ in keys})
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

    def parts(self, names: Sequence[Name], most: int) -> Iterator[list[Name]]:
        """The names in parts that one request takes: `most`, of at most READ routing values."""
        part: list[Name] = []
        routings: set[str] = set()
        for name in names:
            routings.add(name[1])
            if len(part) == most or len(routings) > READ:
                yield part
                part, routings = [], {name[1]}
            part.append(name)
        if part:
            yield part

    def filter(self, names: Sequence[Name]) -> Clause:
        """A clause that lets these documents through, and no other."""
        groups: dict[str, list[str]] = {}
        for name, routing in names:
            groups.setdefault(routing, []).append(name)
        one_of = [self._routed_ids(ids, routing) for routing, ids in groups.items()]
        return {"bool": {"should": one_of, "minimum_should_match": 1}}

    def paper_filter(self, ids: Sequence[str]) -> Clause:
        """A clause that lets the documents of these papers through."""
        index = self._index
        one_of: list[Clause] = []
        absent: list[Clause] = []
        for name in filter(None, (index.paper_field, index.id_field)):
            fitting = _fitting(ids, index.fields[name])
            for start in range(0, len(fitting), index.terms_limit):
                terms = {"terms": {name: fitting[start : start + index.terms_limit]}}
                one_of.append({"bool": {"filter": [terms], "must_not": list(absent)}})
            absent.append({"exists": {"field": name}})
        named = {"ids": {"values": list(ids)}}
        one_of.append({"bool": {"filter": [named], "must_not": list(absent)}})
        return {"bool": {"should": one_of, "minimum_should_match": 1}}

    def vectors(self, names: Sequence[Name]) -> dict[Name, NDArray[np.float32]]:
        """float32 (dimension,) of unit length by name; those that cannot be read are left out."""
        units = {}
        for name, row in self._rows(names):
            length = float(np.linalg.norm(row)) or 1.0
            units[name] = (row / length).astype(np.float32)
        return units

    def lengths(self, names: Sequence[Name]) -> dict[Name, float]:
        """Euclidean length of the stored vectors, remembered; 0 without one."""
        missing = [name for name in names if name not in self._lengths]
        found = {name: float(np.linalg.norm(row)) for name, row in self._rows(missing)}
        with self._lock:
            self._lengths.update({**dict.fromkeys(missing, 0.0), **found})
        return {name: self._lengths[name] for name in names}

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these paper ids that the index has."""
        return set(ids) - set(self._meet(set(ids)))

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Papers in order, their text that of the documents met so far."""
        self._need(set(ids))
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

    def _routed_ids(self, ids: list[str], routing: str) -> Clause:
        named: Clause = {"ids": {"values": ids}}
        if routing:
            return {"bool": {"filter": [named, {"term": {"_routing": routing}}]}}
        if self._routed:
            return {"bool": {"filter": [named], "must_not": [{"exists": {"field": "_routing"}}]}}
        return named

    def _rows(self, names: Sequence[Name]) -> Iterator[tuple[Name, NDArray[np.float64]]]:
        """Stored vectors that can be read."""
        arm = self._index.vectors
        if arm is None:
            return
        for part in self.parts(names, min(READ, self._index.limit)):
            body = self.page(self.filter(part), len(part))
            body["fields"] = [*body.get("fields", []), arm.field]
            [answer] = self._connection.searches([body], self._index.name)
            for hit in answer["hits"]["hits"]:
                if arm.field in hit["fields"]:
                    yield self.met(hit), np.array(hit["fields"][arm.field], dtype=np.float64)

    def _meet(self, ids: set[str]) -> list[str]:
        """Make sure that some document of each paper is known; returns the ids that none has."""
        missing = [paper_id for paper_id in ids if paper_id not in self._names_of]
        while missing:  # a page has a document of at least one of them
            body = self.page(self.paper_filter(missing), self._index.limit)
            [answer] = self._connection.searches([body], self._index.name)
            for hit in answer["hits"]["hits"]:
                self.met(hit)
            left = [paper_id for paper_id in missing if paper_id not in self._names_of]
            if len(left) == len(missing):
                break
            missing = left
        return missing

    def _need(self, ids: set[str]) -> None:
        """As `_meet`. Raises CorpusError for an id that no document has."""
        if missing := self._meet(ids):
            raise CorpusError(
                f"no paper with id {missing[0]!r} in {self._connection.where}; check the id"
            )

    def _composed(self, paper_id: str) -> tuple[Paper, list[tuple[int, int]]]:
        """A paper whose text is that of its documents, and where each of them stands in it."""
        sources = self._read(list(self._names_of[paper_id]))
        texts = [self._text(source) for source in sources]
        abstract = "\n\n".join(text for text in texts if text)
        title = str(_at(sources[0], self._index.title_field) or "")
        extras = {name: sources[0][name] for name in _EXTRAS if name in sources[0]}
        paper = _paper({"id": paper_id, "title": title, "abstract": abstract}, extras)
        spans, at = [], 0
        for text in texts:
            spans.append((min(at, len(paper.text)), min(at + len(text), len(paper.text))))
            at += len(text) + 2 if text else 0
        if not any(texts):
            spans = [(0, len(paper.text))] * len(texts)
        return paper, spans

    def _text(self, source: Mapping[str, Any]) -> str:
        parts = (str(_at(source, name) or "").strip() for name in self._index.shown_fields)
        return "\n".join(part for part in parts if part)

    def _read(self, names: list[Name]) -> list[dict[str, Any]]:
        with self._lock:
            known = {name: self._sources[name] for name in names if name in self._sources}
        missing = [name for name in names if name not in known]
        for part in self.parts(missing, min(READ, self._index.limit)):
            body = self.page(self.filter(part), len(part))
            arm = self._index.vectors
            body["_source"] = {"excludes": [arm.field] if arm is not None else []}
            if self._dated:
                body["docvalue_fields"].append({"field": self._dated, "format": "uuuu"})
            [answer] = self._connection.searches([body], self._index.name)
            known.update({self.met(hit): self._source(hit) for hit in answer["hits"]["hits"]})
        if missing:
            with self._lock:
                self._sources.update(known)
                while len(self._sources) > REMEMBERED:
                    self._sources.popitem(last=False)
        return [known.get(name, {}) for name in names]

    def _source(self, hit: Mapping[str, Any]) -> dict[str, Any]:
        source = dict(hit.get("_source", {}))
        if self._dated:  # a date may be written in any format: the server says which year it is
            source["year"] = next(iter(hit["fields"].get(self._dated, [])), None)
        return source


def _paper(record: Mapping[str, Any], extras: Mapping[str, Any]) -> Paper:
    """What others keep under our names may be of another kind: what does not fit is left out."""
    with contextlib.suppress(RecordError):
        return parse_paper({**record, **extras})
    kept = dict(record)
    for name, value in extras.items():
        with contextlib.suppress(RecordError):
            parse_paper({**kept, name: value})
            kept[name] = value
    with contextlib.suppress(RecordError):
        return parse_paper(kept)
    return Paper(**{**record, "abstract": record["abstract"] or record["title"] or "-"})


def _fitting(ids: Sequence[str], kind: str) -> list[str]:
    """Those that a field of this type can have: a number's field refuses words."""
    bits = NUMBERS.get(kind)
    if bits is None:
        return list(ids)
    numbers = [i for i in ids if _NUMBER.fullmatch(i) and -(2**bits) <= int(i) < 2**bits]
    return numbers


_NUMBER = re.compile(r"-?\d{1,19}", flags=re.ASCII)


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
