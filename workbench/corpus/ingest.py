"""A source into the store: read, validate, cut, analyse, commit in small transactions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

from workbench.corpus.analysis import Analyser
from workbench.corpus.chunking import TokenCounter
from workbench.corpus.faults import disk_faults
from workbench.corpus.parsing import id_of, parse_paper
from workbench.corpus.preparing import PreparedPaper, analyse, batches
from workbench.corpus.readers import Entry, read_entries
from workbench.corpus.writer import AnalysedPaper
from workbench.errors import RecordError
from workbench.present.view import Shown, View
from workbench.records import Paper
from workbench.system.progress import Progress, watched
from workbench.system.stages import Stages

REJECTS = "rejects.jsonl"

TELLING = 2.0
"""Seconds from which a report in a notebook says where they went."""


@dataclass(frozen=True, slots=True)
class IngestReport(Shown):
    """What became of the source's records. `rejects` is the report's path where there are any;
    `notes` say what was done, or left, for a reason that the counts do not tell.

    `duplicates` are records that joined a paper which was there, `formats` counts records by
    format, `coverage` the papers that have a field, `flagged` those retracted or withdrawn.
    `seconds` are those of each stage: read, prepare (check and parse), place, cut, analyse and
    store in one thread, texts, encode and vectors in another, which was waiting for the rest;
    publish at the end. Where processes prepare, cut and analyse, that is what they were waited for.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    rejects: Path | None = None
    notes: tuple[str, ...] = ()
    duplicates: int = 0
    formats: Mapping[str, int] = field(default_factory=dict)
    coverage: Mapping[str, int] = field(default_factory=dict)
    flagged: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def papers(self) -> int:
        """Papers that the source's records are in."""
        return self.added + self.replaced + self.unchanged

    def view(self) -> View:
        """Counts; in a notebook also formats, and coverage as bars."""
        counts = ("added", "replaced", "unchanged", "deleted", "duplicates", "rejected")
        text = ", ".join(f"{getattr(self, n):,} {n}" for n in counts if getattr(self, n))
        text = (text or "no records") + (f" (see {self.rejects})" if self.rejects else "")
        if self.flagged:
            text += f"; {self.flagged:,} retracted or withdrawn"
        told = sum(self.seconds.values()) > TELLING
        more = {
            "formats": self.formats, "coverage": self.coverage, "papers": self.papers,
            "seconds": self.seconds if told else {},
        }  # fmt: skip
        return View(text, notes=self.notes, template="ingest_report.html", more=more)


class PaperStore(Protocol):
    """Where papers go: the corpus on disk, or an index on a cluster."""

    def digests(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Content digest of each stored paper among `ids`."""
        ...

    def add(self, papers: Sequence[AnalysedPaper]) -> None:
        """Add or replace papers."""
        ...

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; returns how many there were."""
        ...


class Ingestor:
    """Brings sources into one store. `strict` raises RecordError at the first bad record."""

    def __init__(
        self, store: PaperStore, analyser: Analyser, counter: TokenCounter, *, strict: bool = False
    ) -> None:
        self._store = store
        self._analyser = analyser
        self._counter = counter
        self._strict = strict
        self._seen: set[str] = set()
        self._rejected: set[str] = set()
        self._unread = 0
        self._report = IngestReport()
        self.stages = Stages()

    def ingest(self, source: Any, folder: Path, *, progress: Progress = False) -> IngestReport:
        """Add new papers, replace changed ones.

        Each transaction is final: a kill loses at most the batch at hand, and what was read before
        the source turned out to be damaged is kept.
        """
        rejects = folder / REJECTS
        try:
            with disk_faults(rejects), open(rejects, "w", encoding="utf-8") as report:
                papers = self._papers(read_entries(source), report)
                shown = watched(papers, progress, "Reading", "papers")
                for batch, _ in self.stages.each("read", batches(shown, _size)):
                    self._commit(batch)
        finally:
            if not self._report.rejected:
                rejects.unlink(missing_ok=True)
        if self._report.rejected:
            self._report = replace(self._report, rejects=rejects)
        return self._report

    def _papers(self, entries: Iterable[Entry], report: IO[str]) -> Iterator[Paper]:
        for entry in entries:
            try:
                yield self._paper(entry)
            except RecordError as error:
                if self._strict:
                    raise RecordError(f"{entry.file} line {entry.line}: {error}") from None
                self._count(rejected=1)
                self._seen_or_unread(entry)
                line = {"file": entry.file, "line": entry.line, "problem": str(error)}
                report.write(json.dumps(line) + "\n")

    def _seen_or_unread(self, entry: Entry) -> None:
        """A bad record is still there: its paper, stored before, did not go from the source."""
        name = None if entry.record is None else id_of(entry.record)
        if name is None:
            self._unread += 1
        else:
            self._rejected.add(name)

    def _paper(self, entry: Entry) -> Paper:
        if entry.record is None:
            raise RecordError(entry.problem)
        paper = parse_paper(entry.record)
        if paper.id in self._seen:
            raise RecordError(f"id {paper.id!r} came before; the first one is kept")
        self._seen.add(paper.id)
        return paper

    def _commit(self, papers: list[Paper]) -> None:
        known = self._store.digests([paper.id for paper in papers])
        made = [PreparedPaper.of(paper) for paper in papers]
        changed = [one for one in made if known.get(one.paper.id) != one.form.digest]
        self._count(
            added=sum(one.paper.id not in known for one in changed),
            replaced=sum(one.paper.id in known for one in changed),
            unchanged=len(papers) - len(changed),
        )
        if changed:
            self._keep(changed)

    def _keep(self, papers: Sequence[PreparedPaper]) -> None:
        """Store papers, after cutting and analysing those that are not yet."""
        whole = analyse(papers, self._analyser, self._counter, self.stages)
        with self.stages("store"):
            self._store.add(whole)

    def _note(self, text: str) -> None:
        self._report = replace(self._report, notes=(*self._report.notes, text))

    def _count(self, **more: int) -> None:
        current = {name: getattr(self._report, name) + n for name, n in more.items()}
        self._report = replace(self._report, **current)


def _size(paper: Paper) -> int:
    return len(paper.abstract) + len(paper.body)
