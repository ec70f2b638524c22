"""Records of papers, read from their first passages and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.engines.elastic.own.mapping import document_id, key
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusError
from workbench.records import Paper, Passage

REMEMBERED = 2048
"""Papers."""


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
    """The papers of one index. Safe to share between threads."""

    def __init__(self, connection: Connection, index: str) -> None:
        self._connection = connection
        self._index = index
        self._lock = threading.Lock()
        self._known: OrderedDict[str, StoredPaper] = OrderedDict()

    def one(self, paper_id: str) -> StoredPaper:
        """Raises CorpusError for an unknown id."""
        return self.several([paper_id])[0]

    def several(self, ids: Sequence[str]) -> list[StoredPaper]:
        """In order; those not remembered are read in one round trip."""
        with self._lock:
            found = {i: self._known[i] for i in ids if i in self._known}
        missing = [i for i in dict.fromkeys(ids) if i not in found]
        if missing:
            found.update(self._read(missing))
            with self._lock:
                self._known.update(found)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        for paper_id in ids:
            if paper_id not in found:
                raise CorpusError(
                    f"no paper with id {paper_id!r} in {self._connection.where}; check the id"
                )
        return [found[paper_id] for paper_id in ids]

    def _read(self, ids: Sequence[str]) -> dict[str, StoredPaper]:
        found: dict[str, StoredPaper] = {}
        for start in range(0, len(ids), 500):
            names = [document_id(key(paper_id, 0)) for paper_id in ids[start : start + 500]]
            answer = self._connection.call(
                "POST",
                f"/{self._index}/_mget",
                {"ids": names},
                params={
                    "realtime": "false",
                    "_source_includes": "record",
                    "filter_path": "docs._source.record,docs.found",
                },
            )
            for document in answer["docs"]:
                if document.get("found"):
                    stored = _stored(document["_source"]["record"])
                    found[stored.paper.id] = stored
        return found


def _stored(record: dict[str, Any]) -> StoredPaper:
    values = dict(record["paper"])
    for name in ("authors", "fields"):
        values[name] = tuple(values.get(name, ()))
    spans = tuple((start, end) for start, end in record["spans"])
    return StoredPaper(Paper(**{"title": "", **values}), spans)
