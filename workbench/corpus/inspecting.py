"""What a source is and what would become of it, before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.corpus.checking import has_id
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import OWN
from workbench.corpus.formats.reading import read_source, source_files
from workbench.corpus.formats.sniffing import sniff
from workbench.corpus.identity.keys import derived_id
from workbench.corpus.parsing import parse_paper
from workbench.errors import RecordError
from workbench.present.view import Shown, View
from workbench.present.words import authors_line
from workbench.records import Paper

LIMIT = 1000
"""Records that are looked at."""


@dataclass(frozen=True, slots=True)
class Inspection(Shown):
    """What a source holds. `papers` are the first ones, `rejects` the first entries that are none;
    `columns` (field -> column) of a table, with `guessed` those whose name is not known, and
    `header` all its columns."""

    source: str
    formats: Mapping[str, int]
    whole: bool
    looked_at: int = LIMIT
    papers: tuple[Paper, ...] = ()
    rejected: int = 0
    rejects: tuple[Entry, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    encoding: str = ""
    header: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line: formats, how many records, how many rejects."""
        parts = [f"{count:,} {name}" for name, count in self.formats.items()]
        text = ", ".join(parts) or "no records"
        text += "" if self.whole else f" among the first {self.looked_at:,}"
        text += f", {self.encoding}" if self.encoding else ""
        return text + (f"; {self.rejected:,} would be rejected" if self.rejected else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should check."""
        if not self.guessed:
            return ()
        said = ", ".join(f"{role!r}: {self.columns[role]!r}" for role in self.guessed)
        return (f"guessed: {{{said}}}; say otherwise with columns={{...}}",)

    def to_dict(self) -> dict[str, Any]:
        """As `workbench inspect --json` prints it."""
        return {
            "source": self.source,
            "formats": dict(self.formats),
            "whole": self.whole,
            "encoding": self.encoding,
            "columns": dict(self.columns),
            "guessed": list(self.guessed),
            "papers": [asdict(paper) for paper in self.papers],
            "rejected": self.rejected,
            "rejects": [
                {"file": r.file, "line": r.line, "problem": r.problem, "cure": r.cure}
                for r in self.rejects
            ],
        }

    def view(self) -> View:
        """Head, guesses, the columns, the first papers and rejects."""
        rows = [f"  {role:<9} {column}" for role, column in self.columns.items()]
        for paper in self.papers:
            year, by = paper.year or "no year", authors_line(paper.authors, 3) or "no authors"
            rows += [f"{paper.id}: {paper.title}", f"    {by} ({year}) {paper.venue}".rstrip()]
            rows += [f"    {paper.abstract[:100]}"] if paper.abstract else []
        for entry in self.rejects:
            cure = f" ({entry.cure})" if entry.cure else ""
            rows.append(f"rejected: {entry.file} line {entry.line}: {entry.problem}{cure}")
        return View(
            head=f"{self.source}: {self.summary}",
            rows=tuple(rows),
            notes=self.notes,
            template="inspection.html",
            more={
                "columns": self.columns,
                "guessed": self.guessed,
                "papers": self.papers,
                "rejects": self.rejects,
            },
        )


def inspect_source(
    source: Any, *, columns: Mapping[str, str] | None = None, n: int = 5
) -> Inspection:
    """Look at the first 1,000 records of anything that `index` takes; nothing is written.

    `source` and `columns` as in `index`; `n` papers and rejects are shown. Raises
    CorpusNotFound, UnsupportedSource.
    """
    entries = list(islice(read_source(source, columns), LIMIT + 1))
    return inspect_entries(source, entries, LIMIT, columns=columns, n=n)


def inspect_entries(
    source: Any,
    entries: list[Entry],
    limit: int,
    *,
    columns: Mapping[str, str] | None = None,
    n: int = 5,
) -> Inspection:
    """What the first `limit` entries of a source are; one more says that there are others."""
    whole = len(entries) <= limit
    papers: list[Paper] = []
    rejects: list[Entry] = []
    formats: Counter[str] = Counter()
    for entry in entries[:limit]:
        try:
            papers.append(paper_of(entry))
            formats[entry.format or "records"] += 1
        except RecordError as error:
            rejects.append(Entry(entry.file, entry.line, None, str(error), entry.cure))
    header = _header_of(entries)
    roles = Columns(columns or {}).guess(header) if header else Columns()
    files = source_files(source)
    kind = sniff(files[0]) if len(files) == 1 else None
    return Inspection(
        source=str(source) if isinstance(source, str | Path) else type(source).__name__,
        formats=dict(formats.most_common()),
        whole=whole,
        looked_at=limit,
        papers=tuple(papers[:n]),
        rejected=len(rejects),
        rejects=tuple(rejects[:n]),
        columns=roles.mapping,
        guessed=roles.guessed,
        encoding=kind.encoding + " (guessed)" * kind.guessed if kind else "",
        header=header,
    )


def paper_of(entry: Entry) -> Paper:
    """The paper in an entry, with a derived id where it has none. Raises RecordError."""
    if entry.record is None:
        raise RecordError(entry.problem)
    if has_id(entry.record):
        return parse_paper(entry.record)
    paper = parse_paper({**entry.record, "id": "none"})
    known = {} if entry.format == OWN else entry.record.get("identifiers", {})
    return replace(paper, id=derived_id({**asdict(paper), "identifiers": known}))


def _header_of(entries: list[Entry]) -> tuple[str, ...]:
    """The columns of a table, or the fields of records of an unknown shape."""
    tables = ("CSV", "XLSX", "Parquet", "DataFrame", "JSON")
    rows = [entry.raw for entry in entries if entry.raw and entry.format in tables]
    return tuple(dict.fromkeys(str(name) for row in rows[:100] for name in row))
