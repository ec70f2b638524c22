"""What is computed of each record by itself: checked, parsed, cut, analysed.

It needs nothing that is stored, so it may be done ahead of time and in other processes, and comes
out the same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from workbench.corpus.analysis import Analyser
from workbench.corpus.checking import checked, is_own
from workbench.corpus.chunking import TokenCounter, cut_papers
from workbench.corpus.formats.entry import Entry
from workbench.corpus.identity.arrivals import Arrival, arrival, source_of
from workbench.corpus.writer import AnalysedPaper, StoredForm
from workbench.errors import RecordError
from workbench.records import Paper
from workbench.system.stages import Stages

BATCH = 256
"""Records in one transaction: what a kill can cost, and what memory holds."""

BATCH_CHARACTERS = 2**24
"""Characters from which a batch ends early."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PreparedPaper:
    """A paper and what the store keeps of it, with its passages where they were made already."""

    paper: Paper
    form: StoredForm
    analysed: AnalysedPaper | None = None

    @classmethod
    def of(cls, paper: Paper) -> PreparedPaper:
        """A paper, not cut yet."""
        return cls(paper, StoredForm.of(paper))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record on its way, and the paper that it makes where no other record is of the same."""

    arrival: Arrival
    made: PreparedPaper


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are stored together, and what became of each; `characters` of their texts."""

    entries: list[Entry]
    characters: int = 0
    prepared: list[Prepared | RecordError] = field(default_factory=list)


class Preparer(Protocol):
    """Prepares batches of records, perhaps ahead of what is asked for."""

    def __call__(
        self, batches: Iterator[Batch], *, strict: bool, likely_new: Callable[[], bool]
    ) -> Generator[Batch, None, None]:
        """The batches in order, prepared. `strict`: nothing behind a bad record is looked at.
        `likely_new`: whether most records are of papers to be stored, so that cutting and
        analysing ahead of time is not in vain."""
        ...


class InlinePreparer:
    """Prepares where it is called, and leaves cutting to who knows whether it is needed."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def __call__(
        self, batches: Iterator[Batch], *, strict: bool, likely_new: Callable[[], bool]
    ) -> Generator[Batch, None, None]:
        """As `Preparer`."""
        for batch in batches:
            with self._stages("prepare"):
                prepare(batch, sources_of(batch.entries), strict=strict)
            yield batch


def prepare(batch: Batch, sources: Mapping[str, str], *, strict: bool) -> None:
    """Check and parse the records of a batch; each is a Prepared then, or what is wrong with it."""
    for entry in batch.entries:
        try:
            record, paper = checked(entry)
        except RecordError as error:
            batch.prepared.append(error)
            if strict:
                return
            continue
        one = arrival(entry, record, is_own(entry), sources[entry.file])
        batch.prepared.append(Prepared(one, PreparedPaper.of(paper)))


def analyse(
    papers: Sequence[PreparedPaper],
    analyser: Analyser,
    counter: TokenCounter,
    stages: Stages | None = None,
) -> list[AnalysedPaper]:
    """Papers with their passages and terms; those that have them stay as they are."""
    stages = stages or Stages()
    rest = [one for one in papers if one.analysed is None]
    with stages("cut"):
        cuts = list(cut_papers([(one.paper.title, one.paper.text) for one in rest], counter))
    with stages("analyse"):
        made = (
            AnalysedPaper(one.paper, *_terms(one.paper, spans, analyser), one.form)
            for one, spans in zip(rest, cuts, strict=True)
        )
        return [one.analysed or next(made) for one in papers]


def _terms(
    paper: Paper, spans: list[tuple[int, int]], analyser: Analyser
) -> tuple[tuple[tuple[int, int, dict[str, int]], ...], dict[str, int]]:
    """Passages with their terms' counts, and the title's."""
    title = analyser.terms(paper.title)
    whole = paper.text
    text = whole if whole != paper.title else ""
    passages = tuple(
        (start, end, Counter(title + analyser.terms(text[start:end]))) for start, end in spans
    )
    return passages, Counter(title)


def sources_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The sources of entries as the library names them, by file."""
    return {name: source_of(name) for name in {entry.file for entry in entries}}


def batches(
    items: Iterable[Item], size_of: Callable[[Item], int]
) -> Iterator[tuple[list[Item], int]]:
    """Up to BATCH items at a time, fewer large ones, with their size in characters. Where reading
    fails, those before come first, then the error."""
    batch: list[Item] = []
    size = 0
    failure: Exception | None = None
    try:
        for item in items:
            batch.append(item)
            size += size_of(item)
            if len(batch) >= BATCH or size >= BATCH_CHARACTERS:
                yield batch, size
                batch, size = [], 0
    except Exception as error:
        failure = error
    if batch:
        yield batch, size
    if failure is not None:
        raise failure


def ahead(
    items: Iterator[Item],
    begin: Callable[[Item], Callable[[], Item]],
    room: Callable[[list[Item]], bool],
) -> Iterator[Item]:
    """Items that are begun before they are asked for, while there is `room` beside those that wait,
    in order. Where making them fails, those before come first, then the error."""
    waiting: deque[tuple[Item, Callable[[], Item]]] = deque()
    failure: Exception | None = None
    more = True
    while more or waiting:
        while more and (not waiting or room([item for item, _ in waiting])):
            try:
                item = next(items)
            except StopIteration:
                more = False
            except Exception as error:
                failure, more = error, False
            else:
                waiting.append((item, begin(item)))
        if waiting:
            yield waiting.popleft()[1]()
    if failure is not None:
        raise failure
