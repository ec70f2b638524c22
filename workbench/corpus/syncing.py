"""A folder's own source and its index: who changed what since they last agreed.

A merge of three: what the source says now, what it said last (kept in the store), and what the
index holds. What the source did not change stays as the person left it, added papers included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.chunking import TokenCounter
from workbench.corpus.ingest import Ingestor, IngestReport
from workbench.corpus.writer import StoreWriter, digest
from workbench.records import Paper
from workbench.system.progress import Progress

MOST_REMOVED = 0.2
"""The share of a source's papers that one change of it removes without being asked to; at least
one paper. A source that lost more is taken for a half-written one."""


class SourceIngestor(Ingestor):
    """Brings a store up to date with its folder's own source. `prune` asks for removing what the
    source no longer has, however much."""

    def __init__(
        self, store: StoreWriter, analyser: Analyser, counter: TokenCounter, *, prune: bool = False
    ) -> None:
        super().__init__(store, analyser, counter)
        self._papers_store = store
        self._prune = prune

    def ingest(self, source: Any, folder: Path, *, progress: Progress = False) -> IngestReport:
        """Add what is new in the source, replace what changed there, remove what is gone there.

        Never removed or replaced: papers that were added by other means, and those that the
        person replaced or deleted while the source left them as they were.
        """
        super().ingest(source, folder, progress=progress)
        return self._remove_gone()

    def _commit(self, papers: list[Paper]) -> None:
        now = {paper.id: digest(paper) for paper in papers}
        said = self._papers_store.said(list(now))
        news = [paper for paper in papers if said.get(paper.id) != now[paper.id]]
        self._count(unchanged=len(papers) - len(news))
        super()._commit(news)
        self._papers_store.remember_said((paper.id, now[paper.id]) for paper in news)

    def _remove_gone(self) -> IngestReport:
        store = self._papers_store
        total = 0
        gone: list[str] = []
        settled: list[str] = []
        for name, said, held in store.all_said():
            total += 1
            if name not in self._seen and name not in self._rejected:
                (gone if said == held else settled).append(name)
        reason = self._reason_to_keep(len(gone), total)
        if gone and reason:
            self._note(
                f"{len(gone):,} of {total:,} papers that came from the source are no longer in it; "
                f"they are kept, since {reason}"
            )
            return self._report
        # Of those that the person changed or deleted, the source has no say any more.
        store.forget_said([*gone, *settled])
        self._count(deleted=store.delete(gone))
        return self._report

    def _reason_to_keep(self, gone: int, total: int) -> str:
        if self._prune:
            return ""
        if self._unread:
            return f"{self._unread:,} of its lines could not be read; mend those"
        if not self._seen or gone > max(1, MOST_REMOVED * total):
            return (
                "the source may be half-written; if they are to go, open it once with "
                "`wb.open(folder, prune=True)`"
            )
        return ""
