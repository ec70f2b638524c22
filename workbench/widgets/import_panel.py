"""The import panel: files are dropped or named, looked at, and added when the person says so.

What the browser gives waits in a temporary folder. "Add" moves it into the corpus's `imported`
folder, so that `sync` and the boxes of PDFs find it later; what was named by a path stays there.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from workbench.corpus.faults import as_path
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.reading import read_source
from workbench.corpus.identity.preview import Overlap, Preview
from workbench.corpus.ingest import IngestReport
from workbench.corpus.inspecting import Inspection, inspect_entries
from workbench.corpus.manifest import LIBRARY
from workbench.engines.provenance import library
from workbench.errors import CorpusError, CorpusNotFound, WorkbenchError
from workbench.opening import index, open_corpus
from workbench.present.latex import readable
from workbench.present.view import View
from workbench.present.words import authors_line, count, human_bytes
from workbench.widgets.base import error_content, static
from workbench.widgets.live import Live

if TYPE_CHECKING:
    from workbench.session import Workbench

IMPORTED = "imported"
"""Folder of a corpus for what came through the browser."""

LOOKED_AT = 200
"""Records of each source that are looked at."""

MOST_BYTES = 2 * 2**30
"""Of one file from the browser; larger ones are named by their path."""

TOLD = 0.1
"""Seconds between two messages about progress."""


class _Stopped(Exception):
    """The person asked to stop."""


@dataclass(slots=True)
class _Item:
    """A source that waits: what it is, and what would become of it."""

    number: int
    name: str
    source: str | Path
    staged: bool
    columns: dict[str, str] = field(default_factory=dict)
    inspection: Inspection | None = None
    entries: list[Entry] = field(default_factory=list)
    overlap: Overlap = field(default_factory=Overlap)
    problem: dict[str, str] = field(default_factory=dict)


class ImportPanel(Live, anywidget.AnyWidget):
    """Files and paths that wait to be added to a corpus; shows itself as a cell's result.

    `bench` is the session that papers go to; for a new corpus (`into`) it is None until the first
    papers are added. `reports` are the IngestReports of what was added.
    """

    _esm = static("page_keys.js", "dom.js", "kernel.js", "import_panel.js")
    _css = static("style.css", "import_panel.css")

    def __init__(self, bench: Workbench | None = None, *, into: str | Path | None = None) -> None:
        super().__init__()
        if bench is None and into is None:
            raise CorpusNotFound("no corpus to add to; give into=FOLDER")
        self.bench = bench
        self.reports: list[IngestReport] = []
        self._folder = bench.folder if bench is not None else as_path(into)  # type: ignore[arg-type]
        self._items: list[_Item] = []
        self._made = 0
        self._preview = Preview()
        self._staging = tempfile.TemporaryDirectory(prefix="workbench-import-")
        self._worker: threading.Thread | None = None
        self._outcome: tuple[list[_Item], Exception | None] | None = None
        self._stop = threading.Event()
        self._last_told = 0.0
        self.on_msg(self._hear)

    def add_source(self, source: str | Path) -> None:
        """Let a path wait, as typing it does."""
        self._take(str(source), source)

    def wait(self) -> None:
        """Return when what "Add" began is done."""
        if self._worker is not None:
            self._worker.join()
            self._settle()

    def close(self) -> None:
        """Take the panel away; files from the browser that were not added go with it."""
        self._stop.set()
        self.wait()
        self._preview.close()
        self._staging.cleanup()
        super().close()

    def view(self) -> View:
        """What waits, and what was added."""
        items = [
            (item.name, item.inspection.summary if item.inspection else item.problem["text"])
            for item in self._items
        ]
        rows = [f"{name}: {summary}" for name, summary in items]
        more = {"items": items, "reports": [report.view().html() for report in self.reports]}
        return View(
            head=f"import into {self._folder}",
            rows=(*rows, *map(str, self.reports)),
            template="import_panel.html",
            more=more,
        )

    # What the page says

    def _hear(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": lambda _: None,
            "path": lambda said: self._take(said["path"], said["path"].strip()),
            "upload": lambda said: self._receive(said, b"".join(map(bytes, buffers))),
            "column": self._set_column,
            "remove": self._remove,
            "add": lambda _: self._begin(),
            "stop": lambda _: self._stop.set(),
        }
        try:
            actions[content["type"]](content)
        except Exception as error:  # a callback must not end in a traceback under the widget
            self.send({"type": "message", "message": error_content(error)})
        if content.get("type") != "upload":
            self._show()

    def _take(self, name: str, source: str | Path, *, staged: bool = False) -> None:
        if not str(source):
            raise CorpusNotFound("no path; write one, or drop files here")
        self._made += 1
        item = _Item(self._made, name, source, staged)
        if not staged and any(str(source) == str(other.source) for other in self._items):
            raise CorpusError(f"{source}: it waits already")
        self._look(item)
        if item.problem and not staged:  # a path that is not there is corrected, not kept
            self.send({"type": "message", "message": item.problem})
            return
        self._items.append(item)

    def _receive(self, said: dict[str, Any], part: bytes) -> None:
        """One part of a file; the page sends the next when it hears of this one."""
        upload, at = str(said["upload"]), int(said["at"])
        if at + len(part) > MOST_BYTES:
            limit = human_bytes(MOST_BYTES)
            raise CorpusError(f"{said['name']}: over {limit}; copy it here and give its path")
        folder = Path(self._staging.name) / f"{int(upload)}"
        folder.mkdir(exist_ok=True)
        file = folder / _safe(str(said["name"]))
        with open(file, "r+b" if at else "wb") as stream:
            stream.seek(at)
            stream.write(part)
        if said["last"]:
            self._take(file.name, file, staged=True)
        self.send({"type": "received", "upload": said["upload"], "at": at + len(part)})
        if said["last"]:
            self._show()

    def _set_column(self, said: dict[str, Any]) -> None:
        item = self._item(said)
        item.columns = {**item.columns, said["role"]: said["column"]}
        if not said["column"]:
            del item.columns[said["role"]]
        self._look(item)
        self._compare()

    def _remove(self, said: dict[str, Any]) -> None:
        item = self._item(said)
        self._items.remove(item)
        if item.staged:
            shutil.rmtree(Path(item.source).parent, ignore_errors=True)
        self._compare()

    def _item(self, said: dict[str, Any]) -> _Item:
        return next(item for item in self._items if item.number == said["item"])

    # Looking

    def _look(self, item: _Item) -> None:
        item.problem, item.inspection, item.entries = {}, None, []
        try:
            found = read_source(item.source, item.columns)
            item.entries = list(islice(found, LOOKED_AT + 1))
            item.inspection = inspect_entries(
                item.source, item.entries, LOOKED_AT, columns=item.columns, n=3
            )
        except WorkbenchError as error:
            item.problem = error_content(error)
        self._overlap(item)

    def _compare(self) -> None:
        """Look for duplicates from the start: a source went, or is read in another way."""
        self._preview.close()
        self._preview = Preview()
        for item in self._items:
            self._overlap(item)

    def _overlap(self, item: _Item) -> None:
        with library(self._folder) as corpus:
            known = corpus if (self._folder / LIBRARY).is_file() else None
            item.overlap = self._preview.overlap(item.entries[:LOOKED_AT], known)

    # Adding

    def _begin(self) -> None:
        if self._worker is not None:
            return
        groups: dict[tuple[tuple[str, str], ...], list[_Item]] = {}
        for item in self._items:
            if item.inspection is not None and item.inspection.formats:
                groups.setdefault(tuple(sorted(item.columns.items())), []).append(item)
        if not groups:
            raise CorpusError("nothing waits to be added; drop files here, or give a path")
        self._stop.clear()
        try:
            loop = asyncio.get_running_loop()  # of the kernel; none outside one
        except RuntimeError:
            loop = None
        jobs = [(dict(columns), items) for columns, items in groups.items()]
        self._worker = threading.Thread(
            target=self._run, args=(jobs, loop), name="workbench-import", daemon=True
        )
        self._worker.start()

    def _run(self, jobs: list[tuple[dict[str, str], list[_Item]]], loop: Any) -> None:
        """In a thread, so that "Stop" is heard. The session turns to the new papers in the
        kernel's own thread, between two cells."""
        failure: Exception | None = None
        done: list[_Item] = []
        try:
            for columns, items in jobs:
                for item in items:
                    self._keep(item)
                self.reports.append(self._index([item.source for item in items], columns))
                done += items
        except Exception as error:
            failure = error
        self._outcome = done, failure
        if loop is not None:
            loop.call_soon_threadsafe(self._settle)

    def _index(self, sources: list[str | Path], columns: dict[str, str]) -> IngestReport:
        if self.bench is None:
            return index(sources, self._folder, columns=columns, progress=self._told)
        return self.bench.add(sources, columns=columns, progress=self._told, reopen=False)

    def _keep(self, item: _Item) -> None:
        """Move a file that came through the browser to where it can stay."""
        if not item.staged:
            return
        folder = self._folder / IMPORTED
        folder.mkdir(parents=True, exist_ok=True)
        file = Path(item.source)
        target, number = folder / file.name, 2
        while target.exists() and target.read_bytes() != file.read_bytes():
            target, number = folder / f"{file.stem}-{number}{file.suffix}", number + 1
        shutil.move(file, target)
        item.source, item.staged = target, False

    def _told(self, what: str, done: int, total: int | None) -> None:
        if self._stop.is_set():
            raise _Stopped
        now = time.monotonic()
        if now - self._last_told >= TOLD or done == total:
            self._last_told = now
            self.send({"type": "progress", "what": what, "done": done, "of": total})

    def _settle(self) -> None:
        """Turn to the new papers, once; in the thread that the session belongs to."""
        if self._outcome is None:
            return
        (done, failure), self._outcome, self._worker = self._outcome, None, None
        try:
            if self.bench is not None:
                self.bench.reopen()
            elif done:
                self.bench = open_corpus(self._folder, progress=False)
        except WorkbenchError as error:
            failure = failure or error
        self._items = [item for item in self._items if item not in done]
        self._compare()
        self._show()
        if isinstance(failure, _Stopped):
            text = "Stopped. What was read stays; Add goes on where this ended."
            note = {"kind": "note", "title": "", "text": text}
            self.send({"type": "message", "message": note})
        elif failure is not None:
            self.send({"type": "message", "message": error_content(failure)})

    # What it sends

    def _show(self) -> None:
        self.keep()
        papers = 0 if self.bench is None else self.bench.manifest.papers
        self.send(
            {
                "type": "state",
                "where": str(self._folder),
                "papers": count(papers, "paper") if self.bench else "a new corpus",
                "items": [_shown(item) for item in self._items],
                "running": self._worker is not None,
                "reports": [report.view().html() for report in self.reports],
            }
        )


def _safe(name: str) -> str:
    """A name from the browser as one of a file: no folders, no control characters."""
    last = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    stem, dot, ending = last.lstrip(".").rpartition(".")
    return (f"{stem[:100]}{dot}{ending[:20]}" if dot else last.lstrip(".")[:100]) or "file"


def _shown(item: _Item) -> dict[str, Any]:
    """An item for the page."""
    shown: dict[str, Any] = {
        "item": item.number,
        "name": item.name,
        "problem": item.problem,
        "within": item.overlap.within,
        "known": item.overlap.known,
        "examples": [list(example) for example in item.overlap.examples],
    }
    found = item.inspection
    if found is None:
        return shown
    return shown | {
        "summary": found.summary,
        "header": list(found.header),
        "columns": dict(found.columns),
        "given": item.columns,
        "guessed": list(found.guessed),
        "records": sum(found.formats.values()),
        "whole": found.whole,
        "rejected": found.rejected,
        "rejects": [
            {"where": f"line {r.line}", "problem": r.problem, "cure": r.cure} for r in found.rejects
        ],
        "papers": [
            {
                "title": readable(paper.title) or paper.id,
                "by": authors_line(paper.authors, 3),
                "year": str(paper.year or ""),
                "venue": readable(paper.venue),
                "abstract": readable(paper.abstract[:400])[:160],
            }
            for paper in found.papers
        ],
    }
