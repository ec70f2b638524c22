"""Where papers came from: the records that they were made of, duplicates, places in PDFs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.identifiers import identifier
from workbench.corpus.manifest import LIBRARY
from workbench.engines.base import Engine
from workbench.engines.keeper import Keeper, KeepsRecords
from workbench.errors import CorpusError, CorpusNotFound, RecordError
from workbench.records import Hit

if TYPE_CHECKING:
    from workbench.corpus.formats.pdf_text import Box
    from workbench.corpus.identity.library import Library


def library(folder: Path) -> closing[Library]:
    """The records of a corpus folder, for reading; an empty library where none were kept."""
    from workbench.corpus.identity.library import Library  # a search needs no library

    path = folder / LIBRARY
    return closing(Library(path if path.is_file() else None, write=False))


def record_keeper(keeper: Keeper) -> KeepsRecords:
    """The keeper, where it has the records of its papers. Raises CorpusError where it has none."""
    if isinstance(keeper, KeepsRecords):
        return keeper
    raise CorpusError(
        f"{keeper.name}: papers are kept there without the records that they came from; index into "
        "a folder, and open that with engine=..."
    )


def check_followed(folder: Path) -> None:
    """Raises CorpusNotFound where no paper came from a file or folder."""
    with library(folder) as records:
        if not records.state("sources"):
            raise CorpusNotFound(
                f"{folder}: its papers came from no file or folder that could be read again; name "
                "one: bench.sync(PATH)"
            )


def records_of(folder: Path, paper_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    """[(file and line, the record as the file has it)] of a paper. Raises RecordError."""
    paper_id = identifier("paper_id", paper_id, RecordError)
    with library(folder) as records:
        return [(member.where, raw) for member, raw in records.raw(paper_id)]


def locate(
    engine: Engine, folder: Path, paper: Hit | str, start: int | None, end: int | None
) -> list[tuple[str, int, Box]]:
    """`Workbench.locate`."""
    from workbench.corpus.formats.pdf import line_spans
    from workbench.corpus.formats.pdf_text import boxes_of

    if isinstance(paper, Hit):
        start = paper.passage.start if start is None else start
        end = paper.passage.end if end is None else end
    name = paper.paper.id if isinstance(paper, Hit) else identifier("paper", paper, RecordError)
    if name not in engine.known([name]):
        raise CorpusNotFound(f"{name!r} is not in this corpus; give the id of one of its papers")
    [stored] = engine.papers([name])
    first, last = start or 0, len(stored.text) if end is None else end
    for where, raw in records_of(folder, name):
        spans = line_spans(raw)
        if spans and stored.body:
            # The abstract may be another record's: lines are counted from the text's end.
            shift = len(stored.text) - max(span.end for span in spans)
            boxes = boxes_of(spans, first - shift, last - shift)
            file = raw.get("pdf") or where.rpartition(":")[0]
            return [(str(file), page, box) for page, box in boxes]
    return []
