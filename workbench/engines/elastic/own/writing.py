"""Papers into an index: new ones, changed ones, deleted ones; each write resumes after a kill.

A paper's first passage carries its digest and is written last (and deleted last), so a paper whose
digest is there is there whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from workbench.engines.elastic.own.mapping import (
    PaperDocuments,
    document_id,
    key,
    parsed_key,
)
from workbench.engines.elastic.own.stored import digests_by_id
from workbench.engines.elastic.queries import LIMIT
from workbench.engines.elastic.wire.bulk import Action, BulkWriter, Reject
from workbench.engines.elastic.wire.connection import Connection

THREADS = 3
"""Batches under way at once: one is encoded while the cluster works on the others."""


EXPUNGE_SECONDS = 45.0
"""The cluster lets go of the history of an index every 30 s at the latest."""


class IndexWriter:
    """Adds and removes papers of one index; batches run side by side, `close` waits for all.

    `fresh` says that the index is empty, so nothing has to be looked up.
    """

    def __init__(self, connection: Connection, index: str, *, fresh: bool = False) -> None:
        self._connection = connection
        self._index = index
        self.fresh = fresh
        self._bulk = BulkWriter(connection, index)
        self._pool = ThreadPoolExecutor(THREADS)
        self._under_way: set[Future[None]] = set()
        self.wrote = False

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    @property
    def rejects(self) -> list[Reject]:
        """Documents that the cluster refused for good."""
        return self._bulk.rejects

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Content digest of each paper among `ids` that is there whole. Raises what one of them
        fails with: taken for absent it would be written, or deleted, without a look."""
        if self.fresh or not ids:
            return {}
        answer = self._connection.call(
            "POST",
            f"/{self._index}/_mget",
            {"ids": [document_id(key(paper_id, 0)) for paper_id in ids]},
            params={
                "_source_includes": "digest,paper_id",
                "filter_path": "docs._source,docs.error",
                "realtime": "true",
            },
        )
        documents = answer.get("docs", [])
        for document in documents:
            if "error" in document:
                raise self._connection.failure(500, document)
        found = (document.get("_source", {}) for document in documents)
        return {s["paper_id"]: bytes.fromhex(s["digest"]) for s in found if "digest" in s}

    def add(self, papers: Sequence[PaperDocuments]) -> None:
        """Add or replace papers; blocks where enough batches are under way."""
        self._start(list(papers), [])

    def delete(self, ids: Iterable[str]) -> None:
        """Remove papers that are there."""
        names = list(ids)
        for start in range(0, len(names), 500):
            self._start([], names[start : start + 500])

    def finish(self) -> None:
        """Wait for every batch; raises the first failure."""
        for future in list(self._under_way):
            future.result()
        self._under_way.clear()

    def refresh(self) -> None:
        """Let searches see what was written, all at once."""
        self._connection.call("POST", f"/{self._index}/_refresh", timeout=300)

    def expunge(self, seconds: float = EXPUNGE_SECONDS) -> int:
        """Take deleted documents out of the statistics: scores are as if they had never been.

        A merge may leave some until their history has been written through, so it is asked for
        again. Returns how many are left after `seconds`.
        """
        call, until, pause = self._connection.call, time.monotonic() + seconds, 0.05
        while True:
            call("POST", f"/{self._index}/_flush", params={"force": "true"}, timeout=300)
            query = {"only_expunge_deletes": "true"}
            call("POST", f"/{self._index}/_forcemerge", params=query, timeout=3600)
            self.refresh()
            path = {"filter_path": "_all.primaries.docs"}
            stats = call("GET", f"/{self._index}/_stats/docs", params=path)
            left = int(stats["_all"]["primaries"]["docs"]["deleted"])
            if not left or time.monotonic() > until:
                return left
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def papers(self) -> Iterator[tuple[str, bytes]]:
        """(id, digest) of every paper that a search sees, a page at a time, by id."""
        return digests_by_id(self._connection, self._index)

    def _start(self, papers: list[PaperDocuments], deleted: list[str]) -> None:
        self.wrote = True
        while len(self._under_way) >= THREADS:
            done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
        self._under_way.add(self._pool.submit(self._batch, papers, deleted))

    def _batch(self, papers: list[PaperDocuments], deleted: list[str]) -> None:
        ids = [item.paper.id for item in papers]
        stale = self._stale(papers, [*ids, *deleted])
        firsts = [action for action in stale if action.id in _first_ids(deleted)]
        self._bulk.write(action for action in stale if action not in firsts)
        self._bulk.write(firsts)
        self._bulk.write(
            Action(*item.document(number))
            for item in papers
            for number in range(1, len(item.spans))
        )
        self._bulk.write(Action(*item.document(0)) for item in papers)

    def _stale(self, papers: list[PaperDocuments], ids: list[str]) -> list[Action]:
        """Deletions of what is there of these papers and will not be replaced."""
        if self.fresh or not ids:
            return []
        kept = {(item.paper.id, no) for item in papers for no in range(len(item.spans))}
        there = [parsed_key(name) for name in self._keys(ids)]
        return [Action(document_id(key(*item)), None) for item in there if item not in kept]

    def _keys(self, ids: list[str]) -> Iterator[str]:
        after: list[str] | None = None
        while True:
            body = {
                "query": {"terms": {"paper_id": ids}},
                "size": LIMIT,
                "sort": [{"key": "asc"}],
                "stored_fields": "_none_",
                "docvalue_fields": ["key"],
                "track_total_hits": False,
            }
            if after is not None:
                body["search_after"] = after
            [answer] = self._connection.searches([body], self._index)
            found = [hit["fields"]["key"][0] for hit in answer["hits"]["hits"]]
            yield from found
            if len(found) < LIMIT:
                return
            after = [found[-1]]


def _first_ids(ids: Iterable[str]) -> set[str]:
    return {document_id(key(paper_id, 0)) for paper_id in ids}
