"""Anything into a corpus: read, placed beside what is there already, merged, stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.checking import values_of
from workbench.corpus.chunking import TokenCounter
from workbench.corpus.faults import as_path, disk_faults
from workbench.corpus.formats.attached import with_text
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.ir_collections import IR_DATASETS
from workbench.corpus.formats.json_shapes import OWN
from workbench.corpus.formats.reading import read_file, read_source, source_files
from workbench.corpus.identity.library import Library
from workbench.corpus.identity.storage import Placed
from workbench.corpus.ingest import REJECTS, Ingestor, IngestReport, PaperStore
from workbench.corpus.parsing import id_of, parse_paper
from workbench.corpus.preparing import (
    BATCH,
    Batch,
    InlinePreparer,
    Prepared,
    PreparedPaper,
    Preparer,
    batches,
)
from workbench.errors import RecordError
from workbench.records import Paper
from workbench.system.progress import Progress, watched

COVERED = ("abstract", "authors", "year", "venue", "doi", "body")
"""Fields of which the report says how many papers have them."""


class Intake(Ingestor):
    """Brings any source into one store, through the library of its records."""

    def __init__(
        self,
        store: PaperStore,
        analyser: Analyser,
        counter: TokenCounter,
        library: Library,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        shard: tuple[int, int] | None = None,
        preparer: Preparer | None = None,
    ) -> None:
        super().__init__(store, analyser, counter, strict=strict)
        self._prepared = preparer or InlinePreparer(self.stages)
        self._ready: dict[str, Prepared] = {}  # by id, of the batch at hand
        self._new = False
        self._shard = shard
        self._library = library
        self._columns = columns
        self._formats: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._finished_first: set[str] = set()
        self._noted = 0
        self._notes: list[str] = []
        self._stamp: Callable[[], str] | None = None

    @property
    def seen(self) -> set[str]:
        """Ids of the papers that the source had, so far."""
        return self._library.stored.names(self._library.run)

    def ingest(self, source: Any, folder: Path, *, progress: Progress = False) -> IngestReport:
        """Add new papers, replace changed ones, merge duplicates.

        Each batch is final: a kill loses at most the one at hand, and the same call again goes on.
        """
        entries = read_source(source, self._columns)
        if self._shard is not None:  # every n-th record; nothing to follow, a merge makes the whole
            first, step = self._shard
            self._library.begin()
            self._take(islice(entries, first - 1, None, step), folder, progress)
            self._library.commit()
            return self._finished()
        stats = {file: _stat(file) for file in source_files(source)}
        self._library.begin()
        self._take(entries, folder, progress)
        self._remember(source, stats)
        return self._finished()

    def follow(
        self, folder: Path, *, prune: bool = False, progress: Progress = False
    ) -> IngestReport:
        """Read again every source that was a file or folder, and make the papers what they say.

        Files that did not change are not read. A record that turned bad keeps its old version, and
        so does every record that may be one of the unreadable ones. Sources that are gone keep
        their papers, and so, but for `prune`, do those that lost more than a fifth of their
        records; `notes` say so.
        """
        self._library.begin()
        for spec in self._library.state("sources", []):
            path = Path(spec["path"])
            if not path.exists():
                self._note(f"{path} is gone; its papers stay (restore it, or delete them)")
                self._library.see_inside(path)
                continue
            for file in source_files(path):
                stat = _stat(file)
                if not self._library.see_file(file, stat):
                    self._take(read_file(file, spec["columns"]), folder, progress)
                    self._library.keep_stat(file, stat)
            self._forget(path, prune)
        self._library.commit()
        return self._finished()

    def adopt(
        self,
        living: Callable[[], Iterable[tuple[str, bytes]]],
        read: Callable[[str], Paper | None],
        where: str,
        stamp: Callable[[], str],
    ) -> None:
        """Let the library know the papers that came to the store, changed there or left it by
        other means, so that duplicates of them are found. What a kill interrupted is done first.

        `living` gives (id, digest) of the store's papers by id; `read` gives one; `where` is the
        file that they came from. `stamp` changes with the store's papers: where it is as the
        library knows it, nothing is compared.
        """
        self._library.begin()
        planned = self._library.stored.planned()
        self._stamp = stamp
        if not planned and "" != stamp() == self._library.state("store"):
            return
        self._stamp = None  # until all is known
        alive = [name for name in planned if self._library.members(name)]
        self._finished_first = set(alive) - self._store.digests(alive).keys()
        self._bring(alive, set(planned) - set(alive))
        found = iter(list(self._library.stored.differences(living())))
        while part := list(islice(found, BATCH)):
            self._library.remove([name for name, there in part if not there])
            papers = [read(name) for name, there in part if there]
            placed = [self._adopt(paper, where) for paper in papers if paper is not None]
            gone = {name for one in placed for name in one.gone}
            remake = dict.fromkeys(n for one in placed for n in (one.paper, *one.remake))
            self._bring([name for name in remake if name not in gone], gone)
        self._stamp = stamp
        self._library.set_state("store", stamp())
        self._library.commit()

    def _adopt(self, paper: Paper, where: str) -> Placed:
        """The place of a stored paper among the records."""
        if self._library.members(paper.id) and self._parsed(paper.id) == paper:
            return Placed(paper.id, "unchanged")  # its records are known and say the same
        record = values_of(paper)
        return self._library.place(Entry(where, 0, record, format=OWN), record, authoritative=True)

    def regroup(self, change: Callable[[Library], set[str]]) -> None:
        """Bring the papers that `change` made of others, or split, to the store."""
        touched = change(self._library)
        alive = {name for name in touched if self._library.members(name)}
        self._bring(sorted(alive), touched - alive)

    def _take(self, entries: Iterator[Entry], folder: Path, progress: Progress) -> None:
        rejects = folder / REJECTS
        mode = "a" if self._report.rejected else "w"
        try:
            with disk_faults(rejects), open(rejects, mode, encoding="utf-8") as report:
                shown = watched(map(with_text, entries), progress, "Reading", "records")
                read = self.stages.each("read", batches(shown, _size))
                made = (Batch(entries, size) for entries, size in read)
                preparing = self._prepared(made, strict=self._strict, likely_new=lambda: self._new)
                with closing(preparing):
                    for batch in preparing:
                        self._store_batch(batch, report)
        finally:
            if not self._report.rejected:
                rejects.unlink(missing_ok=True)
        if self._report.rejected:
            self._report = replace(self._report, rejects=rejects)

    def _store_batch(self, batch: Batch, report: IO[str]) -> None:
        """Place the records, then bring the papers that they changed to the store."""
        remake: dict[str, None] = {}
        gone: set[str] = set()
        good = [found for found in batch.prepared if isinstance(found, Prepared)]
        placing = self._library.place_all([found.arrival for found in good])
        try:
            with self.stages("place"):
                for entry, found in zip(batch.entries, batch.prepared, strict=False):
                    if entry.note:
                        self._noted += 1
                        self._notes += [entry.note] * (self._noted <= SHOWN)
                    placed = found if isinstance(found, RecordError) else next(placing)
                    if isinstance(placed, RecordError):
                        self._reject(entry, placed, report)
                        continue
                    self._formats[entry.format or "records"] += 1
                    if placed.kind == "new" and isinstance(found, Prepared):
                        self._ready[placed.paper] = found
                    if placed.kind == "duplicate":
                        self._count(duplicates=1)
                    remake[placed.paper] = None
                    remake |= dict.fromkeys(placed.remake)
                    gone.update(placed.gone)
        finally:  # where `strict` stops, what came before the bad record is kept
            placing.close()
            self._bring([name for name in remake if name not in gone], gone)
            self._ready = {}

    def _reject(self, entry: Entry, error: RecordError, report: IO[str]) -> None:
        if self._strict:
            cure = f" ({entry.cure})" if entry.cure else ""
            raise RecordError(f"{entry.file} line {entry.line}: {error}{cure}") from None
        self._count(rejected=1)
        name = None if entry.record is None else id_of(entry.record)
        if name is not None:
            self._library.see(entry.file, name)
        else:
            self._unreadable[str(Path(entry.file).absolute())] += 1
        line = {"file": entry.file, "line": entry.line, "problem": str(error)}
        line |= {"cure": entry.cure} if entry.cure else {}
        report.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _bring(self, remake: Iterable[str], gone: set[str]) -> None:
        """Store papers as their records are now, and delete those without any.

        The library says first what is about to happen, so that `adopt` can finish it after a kill.
        """
        with self.stages("place"):
            papers = [self._paper_of(name) for name in remake]
            known = self._store.digests([one.paper.id for one in papers])
            changed = [one for one in papers if known.get(one.paper.id) != one.form.digest]
            self._new = 2 * len(changed) > len(papers)
            run, stored = self._library.run, self._library.stored
            stored.plan([*(one.paper.id for one in changed), *gone])
            self._library.commit()
        if changed:
            self._keep(changed)
        if gone:
            self._store.delete(sorted(gone))
            stored.forget(gone)
        stored.keep(
            (name, now, run, _fate(known.get(name), now), _covered(paper))
            for name, now, paper in ((one.paper.id, one.form.digest, one.paper) for one in papers)
        )
        stored.done()
        if self._stamp is not None:
            self._library.set_state("store", self._stamp())
        self._library.commit()

    def _paper_of(self, name: str) -> PreparedPaper:
        """A paper as its records are now."""
        if name in self._ready and self._library.is_lone(name):
            return self._ready[name].made
        return PreparedPaper.of(self._parsed(name))

    def _parsed(self, name: str) -> Paper:
        record = self._library.merged(name)
        if record.get("status"):
            record["fields"] = [*record.get("fields", ()), record["status"]]
        return parse_paper(record)

    def _remember(self, source: Any, stats: Mapping[Path, str]) -> None:
        """Files read to their end, and sources for `follow`."""
        for file, stat in stats.items():
            self._library.keep_stat(file, stat)
        known = {spec["path"]: spec for spec in self._library.state("sources", [])}
        for path in _paths(source):
            columns = dict(self._columns or {})
            known[str(path.absolute())] = {"path": str(path.absolute()), "columns": columns}
        self._library.set_state("sources", list(known.values()))
        self._library.commit()

    def _forget(self, path: Path, prune: bool) -> None:
        """Drop what a source no longer has, unless it may still be there."""
        for source, (unseen, total) in self._library.unseen(path).items():
            # A file in an archive is there as long as the archive is.
            unread, there = self._unreadable[source], Path(source).exists() or path.is_file()
            if unread and there:
                self._note(
                    f"{source}: {unseen:,} records are not there, or among {unread:,} that cannot "
                    "be read; their papers stay"
                )
            elif there and not prune and unseen > max(1, MOST_REMOVED * total):
                self._note(
                    f"{source}: {unseen:,} of {total:,} records are no longer there; their papers "
                    "stay, since the file may be half-written (prune=True removes them)"
                )
            else:
                alive, gone = self._library.forget_unseen([source])
                self._count(deleted=len(gone))
                self._bring(alive, gone)

    def _finished(self) -> IngestReport:
        for note in self._notes:
            self._note(note)
        if self._noted > SHOWN:
            self._note(f"and {self._noted - SHOWN:,} more like these")
        stored, run = self._library.stored, self._library.run
        fates, masks = stored.fates(run), stored.covered(run)
        late = len(self._finished_first & stored.names(run))  # added now, before they were read
        coverage = {
            name: sum(number for mask, number in masks if mask >> bit & 1)
            for bit, name in enumerate(COVERED)
        }
        return replace(
            self._report,
            added=fates.get("added", 0) + late,
            replaced=fates.get("replaced", 0),
            unchanged=fates.get("unchanged", 0) - late,
            formats=dict(self._formats.most_common()),
            coverage=coverage if masks else {},
            flagged=len(self._library.flagged()),
        )


SHOWN = 5
"""Notes of single records that a report repeats."""

MOST_REMOVED = 0.2
"""The share of a file's records that may go from it without being asked for."""


def _fate(before: bytes | None, now: bytes) -> str:
    if before is None:
        return "added"
    return "unchanged" if before == now else "replaced"


def _covered(paper: Paper) -> int:
    """The fields of COVERED that a paper has, as bits."""
    return sum([bit for bit, value in zip(_BITS, _covered_fields(paper), strict=True) if value])


_BITS = [1 << place for place in range(len(COVERED))]
_covered_fields = attrgetter(*COVERED)


def _paths(source: Any) -> list[Path]:
    if isinstance(source, str) and source.startswith(IR_DATASETS):
        return []
    if isinstance(source, str | Path):
        return [as_path(source)]
    if isinstance(source, list | tuple):
        return [path for item in source for path in _paths(item)]
    return []


def _stat(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size}:{found.st_mtime_ns}"


def _size(entry: Entry) -> int:
    return sum([len(v) for v in (entry.record or {}).values() if isinstance(v, str)])
