"""Where papers came from: keeping up with their sources, duplicates, places in PDFs, exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.ingest import IngestReport
from workbench.errors import CorpusNotFound
from workbench.records import Hit, Judgment, Paper
from workbench.session.core import Session

if TYPE_CHECKING:
    from workbench.corpus.formats.pdf_text import Box
    from workbench.corpus.identity.duplicates import Duplicates
    from workbench.corpus.identity.library import Library


class Sources(Session):
    """A session that knows the records that its papers were made of."""

    def sync(
        self,
        source: str | Path | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        prune: bool = False,
        progress: bool = True,
    ) -> IngestReport:
        """Read again the files, folders and Zotero libraries that papers came from: what is new is
        added, what changed is changed, what is gone is removed. `source` is one more to follow.

        Files that did not change are not read. A record that turned bad keeps its old version. A
        file that lost more than a fifth of its records keeps them, unless `prune`. Raises
        CorpusNotFound where nothing is followed, and what `add` raises.
        """
        if source is not None:
            self.add(source, columns=columns, progress=progress)
        if not self._followed():
            raise CorpusNotFound(
                f"{self.folder}: its papers came from no file or folder that could be read again; "
                "name one: bench.sync(PATH)"
            )
        report = self._keeper.indexer(self._embedder, progress=progress).refresh(prune=prune)
        self._reopen()
        return report

    def duplicates(self) -> Duplicates:
        """Papers that several records make: which, why, what was taken from which; and those that
        are retracted or withdrawn. `separate` and `join` of the result change the corpus."""
        from workbench.corpus.identity.duplicates import Duplicates, find_groups

        with self._library() as library:
            groups, flagged = list(find_groups(library)), dict(library.flagged())
        return Duplicates(groups, flagged, self._regroup)

    def records(self, paper_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        """[(file and line, the record as the file has it)] of a paper; none is known of papers
        that came by other means."""
        with self._library() as library:
            return [(member.where, raw) for member, raw in library.raw(paper_id)]

    def locate(
        self, paper: Hit | str, start: int | None = None, end: int | None = None
    ) -> list[tuple[str, int, Box]]:
        """Where characters of a paper from a PDF stand: [(file, page from 1, box)], the box as
        (left, bottom, right, top) in points from the page's lower left corner.

        A hit means its passage; else `start` and `end` count in the paper's text. Empty where the
        text came from no PDF.
        """
        if isinstance(paper, Hit):
            start = paper.passage.start if start is None else start
            end = paper.passage.end if end is None else end
        name = paper.paper.id if isinstance(paper, Hit) else paper
        from workbench.corpus.formats.pdf import line_spans
        from workbench.corpus.formats.pdf_text import boxes_of

        [stored] = self.engine.papers([name])
        first, last = start or 0, len(stored.text) if end is None else end
        for where, raw in self.records(name):
            spans = line_spans(raw)
            if spans and stored.body:
                # The abstract may be another record's: lines are counted from the text's end.
                shift = len(stored.text) - max(span.end for span in spans)
                boxes = boxes_of(spans, first - shift, last - shift)
                return [(where.rpartition(":")[0], page, box) for page, box in boxes]
        return []

    def export(self, what: Any, path: str | Path) -> int:
        """Write papers to a file that other tools read; its ending says how: .bib, .ris, .csv or
        .json (CSL-JSON). Returns how many.

        `what` is a Ranking (with rank and score), judgments (with query and grade), an answer
        (the papers that it quotes, with the quotes), papers or their ids. Raises UnsupportedSource
        for another ending, CorpusNotFound for ids that the corpus lacks.
        """
        from workbench.ranking.exporting import export_papers

        rows = list(_rows(what))
        ids = [row if isinstance(row, str) else "" for row, _ in rows]
        wanted = list(dict.fromkeys(name for name in ids if name))
        missing = sorted(set(wanted) - self.engine.known(wanted))
        if missing:
            raise CorpusNotFound(
                f"{len(missing):,} of the papers are not in {self.folder}: {missing[0]!r} is the "
                "first; leave them out, or open the corpus that has them"
            )
        stored = dict(zip(wanted, self.engine.papers(wanted), strict=True))
        papers = [stored[row] if isinstance(row, str) else row for row, _ in rows]
        return export_papers(papers, path, [extra for _, extra in rows])

    def _followed(self) -> bool:
        with self._library() as library:
            return bool(library.state("sources"))

    def _library(self) -> closing[Library]:
        """The records, for reading; an empty library where none were kept."""
        from workbench.corpus.identity.library import NAME, Library

        path = self.folder / NAME
        return closing(Library(path if path.is_file() else None, write=False))

    def _regroup(self, change: Any) -> None:
        self._keeper.indexer(self._embedder).regroup(change)
        self._reopen()


def _rows(what: Any) -> Iterable[tuple[Paper | str, Mapping[str, Any]]]:
    """(paper or its id, what stands beside it) of anything with papers."""
    if isinstance(what, str):
        what = [what]
    for item in getattr(what, "quotes", what):
        if isinstance(item, Hit):
            yield item.paper, {"rank": item.rank, "score": item.score}
        elif isinstance(item, Judgment):
            yield item.paper_id, {"query": item.query_id, "grade": item.grade}
        elif isinstance(item, Paper | str):
            yield item, {}
        else:
            yield item.paper_id, {"quote": item.text}
