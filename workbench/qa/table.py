"""A table of papers by aspects, each cell words of the paper or an explicit "not found"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import AnswerError, shown
from workbench.present.view import Shown, View
from workbench.profiles import Profile
from workbench.qa.aspects import LEAST, weigh_aspect
from workbench.qa.checking import checked_draft
from workbench.qa.records import PaperFacts, Plan, Quote
from workbench.qa.sentences import sentence_spans
from workbench.qa.stored import unlike
from workbench.qa.writers.base import Task, Writer
from workbench.records import Paper

if TYPE_CHECKING:
    import pandas as pd

NOT_FOUND = "not found"
MOST_ASPECTS = 20
LEAST_WORDS = 4
"""Words of a sentence that can fill a cell; what is shorter is a heading."""

OFFERED = 6
"""Sentences that a writer may choose among for a cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one paper says of one aspect. `quotes` are spans of the paper, empty where nothing was
    found; `text` is their wording, or a writer's sentence that they carry. `note` says why it is
    not the writer's."""

    paper_id: str
    aspect: str
    text: str = NOT_FOUND
    quotes: tuple[Quote, ...] = ()
    note: str = ""

    @property
    def found(self) -> bool:
        """Whether the paper says something of it."""
        return bool(self.quotes)


@dataclass(frozen=True, slots=True)
class PaperTable(Shown):
    """Papers by aspects. `cells` go row by row, in the order of `papers` and `aspects`."""

    question: str
    papers: tuple[PaperFacts, ...]
    aspects: tuple[str, ...]
    cells: tuple[Cell, ...]

    def cell(self, paper_id: str, aspect: str) -> Cell:
        """One cell; raises AnswerError for a paper or an aspect that the table lacks."""
        for cell in self.cells:
            if (cell.paper_id, cell.aspect) == (paper_id, aspect):
                return cell
        raise AnswerError(f"no cell {paper_id!r}, {aspect!r} in {self!r}")

    def rows(self) -> list[tuple[PaperFacts, tuple[Cell, ...]]]:
        """Each paper with its cells."""
        width = len(self.aspects)
        return [
            (paper, self.cells[n * width : (n + 1) * width]) for n, paper in enumerate(self.papers)
        ]

    def check(self, papers: Any) -> list[Quote]:
        """Quotes that are not the text at their place; `papers` as in `Answer.check`."""
        return unlike([quote for cell in self.cells for quote in cell.quotes], papers)

    def to_frame(self) -> pd.DataFrame:
        """One row a paper: id, title, year, and for each aspect its text (None where nothing was
        found) with `aspect start` and `aspect end`, the place of its first quote."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for paper, cells in self.rows():
            row: dict[str, Any] = {"paper_id": paper.id, "title": paper.title, "year": paper.year}
            for cell in cells:
                first = cell.quotes[0] if cell.quotes else None
                row[cell.aspect] = cell.text if first else None
                row[f"{cell.aspect} start"] = first.start if first else None
                row[f"{cell.aspect} end"] = cell.quotes[-1].end if first else None
            rows.append(row)
        places = [f"{a}{end}" for a in self.aspects for end in ("", " start", " end")]
        frame = pd.DataFrame(rows, columns=["paper_id", "title", "year", *places])
        numbers = [name for name in places if name not in self.aspects]
        return frame.astype(dict.fromkeys(numbers, "Int64"))

    def view(self) -> View:
        """The cells as text, a paper after the other."""
        found = sum(cell.found for cell in self.cells)
        head = (
            f"{len(self.papers)} papers by {', '.join(self.aspects)}: {found} of {len(self.cells)} "
            "cells found"
        )
        lines = []
        for paper, cells in self.rows():
            lines.append(f"{paper.title} ({paper.id})")
            lines += [f"  {cell.aspect}: {cell.text}" for cell in cells]
        notes = tuple(dict.fromkeys(cell.note for cell in self.cells if cell.note))
        return View(head, tuple(lines), notes, "aspects.html", {"table": self})

    def __repr__(self) -> str:
        return f"PaperTable({len(self.papers)} papers, {', '.join(self.aspects)})"


def paper_table(
    question: str,
    papers: Sequence[tuple[PaperFacts, Sequence[tuple[int, int, str]]]],
    aspects: Sequence[str],
    writer: Writer | None,
    profile: Profile,
    seconds: float,
) -> PaperTable:
    """The table of papers, each with its parts of text and their places: (number of the passage or
    -1, start, text). With a writer, its sentence from the best of a paper's, checked."""
    wanted = _aspects(aspects)
    jobs = [(facts, parts, aspect) for facts, parts in papers for aspect in wanted]
    plain = [_cell(facts.id, parts, aspect) for facts, parts, aspect in jobs]
    if writer is not None:
        offers = [(cell, _offers(*job)) for cell, job in zip(plain, jobs, strict=True)]
        task = Task.of(question, {}, profile, seconds)
        with ThreadPoolExecutor(profile.workers) as pool:
            plain = list(pool.map(lambda offer: _written(offer[0], offer[1], writer, task), offers))
    return PaperTable(question, tuple(facts for facts, _ in papers), wanted, tuple(plain))


def _aspects(given: Sequence[str]) -> tuple[str, ...]:
    wanted = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    named = tuple(dict.fromkeys(" ".join(a.split()) for a in wanted if isinstance(a, str)))
    if not named or len(named) != len(wanted) or "" in named or len(named) > MOST_ASPECTS:
        raise AnswerError(
            f"aspects are {shown(wanted)}; give 1 to {MOST_ASPECTS} different texts, like "
            '["method", "data", "result"]'
        )
    return named


Parts = Sequence[tuple[int, int, str]]


def _weighed(paper_id: str, parts: Parts, aspect: str) -> list[Quote]:
    """The sentences that can fill a cell, in the order of the text, each with its weight."""
    quotes: list[Quote] = []
    for number, begin, text in parts:
        spans = sentence_spans(text)
        weights = weigh_aspect(aspect, [text[start:end] for start, end in spans])
        quotes += [
            Quote("", paper_id, number, begin + start, begin + end, text[start:end], weight)
            for (start, end), weight in zip(spans, weights, strict=True)
            if len(text[start:end].split()) >= LEAST_WORDS
        ]
    return quotes


def _cell(paper_id: str, parts: Parts, aspect: str) -> Cell:
    best = max(_weighed(paper_id, parts, aspect), key=lambda q: (q.score, -q.start), default=None)
    if best is None or best.score < LEAST:
        return Cell(paper_id, aspect)
    return Cell(paper_id, aspect, best.text, (best,))


def _offers(facts: PaperFacts, parts: Parts, aspect: str) -> list[Quote]:
    ranked = sorted(_weighed(facts.id, parts, aspect), key=lambda q: (-q.score, q.start))[:OFFERED]
    inorder = sorted(ranked, key=lambda q: q.start)
    return [
        Quote(f"q{n}", q.paper_id, q.number, q.start, q.end, q.text, q.score)
        for n, q in enumerate(inorder, 1)
    ]


def _written(cell: Cell, offers: Sequence[Quote], writer: Writer, base: Task) -> Cell:
    """The writer's words of a cell as far as its quotes carry them, or the extractive cell."""
    if not offers:
        return cell
    asked = f"What does this paper say of its {cell.aspect}? (Asked for: {base.question})"
    facts = {cell.paper_id: Paper(id=cell.paper_id, title="")}
    task = Task(
        asked, Plan(cell.aspect, tuple(offers)), facts, base.deadline, base.max_tokens,
        base.temperature, stop=base.stop,
    )  # fmt: skip
    try:
        draft = checked_draft(task, writer.write(task))
    except Exception as error:  # a person's own writer may raise anything
        return Cell(cell.paper_id, cell.aspect, cell.text, cell.quotes, f"{writer.name}: {error}")
    carried = [sentence for sentence in draft.section.sentences if sentence.citations]
    if not carried:
        note = f"{writer.name} wrote nothing that the quotes of some cells carry"
        return Cell(cell.paper_id, cell.aspect, cell.text, cell.quotes, note)
    names = {name for sentence in carried for name in sentence.citations}
    quotes = tuple(quote for quote in offers if quote.id in names)
    return Cell(cell.paper_id, cell.aspect, " ".join(s.text for s in carried), quotes)
