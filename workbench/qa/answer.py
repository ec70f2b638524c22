"""Answer: sections whose every sentence names its quotes, and each quote's place in its paper."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import AnswerError
from workbench.present.view import Shown, View, render
from workbench.present.words import authors_line, printable
from workbench.profiles import Profile, as_profile
from workbench.qa.audit import Audit, audit
from workbench.qa.events import Event, event_to_dict
from workbench.qa.records import Dropped, PaperFacts, Quote, Section, Source, Usage
from workbench.qa.stored import papers_of, unlike
from workbench.qa.table import PaperTable, paper_table
from workbench.qa.writers.base import Writer, check_seconds
from workbench.qa.writers.extractive import Extractive
from workbench.qa.writers.make import make_writer
from workbench.ranking.bibtex import bibtex_key, to_bibtex
from workbench.records import Paper
from workbench.system.files import replacing

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Version of the saved file."""

CONTEXT = 240
"""Characters shown on each side of a quote."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_BLOCK = re.compile(r"^(\s*)([-+]|\d+[.)])(?=\s)")


@dataclass(frozen=True, eq=False)
class Answer(Shown):
    """An answer, or the reason why there is none (`declined`).

    `tldr` are the quotes that stand first; `sections` have sentences, each with the ids of its
    quotes; `quotes` are all that are cited, in the order of their ids, each with
    `paper.text[start:end] == text`. `dropped` is what is not here, and why. `accepted` (ids) and
    `rejected` (quotes) are a person's verdicts, see `Workbench.review`. `stages` holds each stage's
    value; it is empty for an answer that was opened from a file.

    `question` is as it was asked, for at most `words` words, with the settings of `profile` (its
    name), written by `writer`. `sources` are the passages found, `nearest` the sentences that came
    closest where it is declined, `papers` the facts of the cited ones by id. `notes` say what a
    reader should know first; `usage` by stage is what a language model took, `timings_ms` by stage
    how long it took. `complete` is false for an answer that was interrupted. `trace` holds the
    events that it was made of.
    """

    question: str
    tldr: tuple[Quote, ...]
    sections: tuple[Section, ...]
    quotes: tuple[Quote, ...]
    papers: Mapping[str, PaperFacts]
    sources: tuple[Source, ...]
    dropped: tuple[Dropped, ...]
    declined: str
    nearest: tuple[Quote, ...]
    profile: str
    writer: str
    words: int
    notes: tuple[str, ...]
    usage: Mapping[str, Usage]
    timings_ms: Mapping[str, float]
    complete: bool
    accepted: tuple[str, ...]
    rejected: tuple[Quote, ...]
    trace: tuple[Event, ...] = field(repr=False)
    stages: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def quote(self, quote_id: str) -> Quote:
        """A quote by its id; raises AnswerError for an unknown one."""
        for quote in self.quotes:
            if quote.id == quote_id:
                return quote
        known = ", ".join(quote.id for quote in self.quotes) or "none"
        raise AnswerError(f"no quote {quote_id!r} in this answer; there are {known}")

    def context(self, quote: Quote) -> tuple[str, str, str]:
        """The passage around a quote: what is before it, the quote, what is after."""
        for source in self.sources:
            if (source.paper_id, source.number) == (quote.paper_id, quote.number):
                start, end = quote.start - source.start, quote.end - source.start
                return source.text[:start], quote.text, source.text[end:]
        return "", quote.text, ""

    @property
    def paper_ids(self) -> list[str]:
        """Papers that are quoted, in the order in which they are met."""
        return list(dict.fromkeys(quote.paper_id for quote in self.quotes))

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two answers that say the same, whatever time they took."""
        told = {k: v for k, v in self.to_dict().items() if k not in ("timings_ms", "usage")}
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def audit(self) -> Audit:
        """Sentences and citations counted, and all that was dropped with its reason."""
        return audit(self.sections, self.quotes, self.dropped)

    def check(self, papers: Any) -> list[str]:
        """Ids of quotes that are not the text at their place in `papers`: anything with
        `papers(ids)`, as an engine has, or a mapping of papers by id. Empty where all are. Raises
        AnswerError for papers that are none of these, or lack one."""
        return [quote.id for quote in unlike(self.quotes, papers)]

    def to_dict(self) -> dict[str, Any]:
        """What `workbench ask --json` prints; a contract: fields are only added."""
        return {
            "question": self.question,
            "declined": self.declined or None,
            "tldr": [quote.id for quote in self.tldr],
            "sections": [_section(section) for section in self.sections],
            "quotes": [_quote(quote) for quote in self.quotes],
            "nearest": [_quote(quote) for quote in self.nearest],
            "accepted": list(self.accepted),
            "rejected": [_quote(quote) for quote in self.rejected],
            "papers": [self.papers[i].to_dict() for i in self.paper_ids],
            "dropped": [
                {"text": d.text, "reason": d.reason, "section": d.section} for d in self.dropped
            ],
            "profile": self.profile,
            "writer": self.writer,
            "complete": self.complete,
            "notes": list(self.notes),
            "usage": {
                stage: {name: getattr(used, name) for name in used.__slots__}
                for stage, used in self.usage.items()
            },
            "timings_ms": {name: round(ms, 3) for name, ms in self.timings_ms.items()},
        }

    def to_markdown(self) -> str:
        """Markdown with numbered references."""
        return _markdown(self)

    def to_html(self) -> str:
        """A whole page without scripts: the answer as a notebook shows it."""
        return render("page.html", title=printable(self.question), body=self.view().html())

    def to_bibtex(self) -> str:
        """The quoted papers as BibTeX entries, each key once."""
        return _bibtex(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a quote: id, paper, place, text, score, its signals, its section, and whether a
        person accepted it."""
        import pandas as pd

        where = {
            name: section.title
            for section in reversed(self.sections)
            for sentence in section.sentences
            for name in sentence.citations
        }
        columns = ["id", "paper_id", "title", "year", "section", "start", "end", "text", "score"]
        columns += ["accepted"]
        rows = [
            {
                **_quote(quote),
                "title": self.papers[quote.paper_id].title,
                "year": self.papers[quote.paper_id].year,
                "section": where.get(quote.id, ""),
                "score": quote.score,
                "accepted": quote.id in self.accepted,
                **quote.signals,
            }
            for quote in self.quotes
        ]
        signals = list(dict.fromkeys(name for quote in self.quotes for name in quote.signals))
        return pd.DataFrame(rows, columns=columns + signals)

    def table(
        self,
        aspects: Sequence[str] = ("method", "data", "result"),
        *,
        papers: Any = None,
        writer: Writer | str | None = None,
        profile: Profile | str | None = None,
        seconds: float = 120.0,
    ) -> PaperTable:
        """The quoted papers by aspects: each cell is the sentence of the paper that speaks of it
        most clearly, with its place, or says that none was found.

        Read are whole papers where the corpus is at hand (`papers`, as in `check`; an answer that
        was just made knows its own), else the passages that the answer carries. With a `writer`
        other than the extractive one, a cell is its words as far as the quotes that it names carry
        them. `writer`, `profile` and `seconds` as in `Workbench.ask`. Raises AnswerError for
        aspects that are no texts, and what `ask` raises of the others.
        """
        if papers is None and "retrieve" in self.stages:
            papers = self.stages["retrieve"].engine
        by = make_writer(writer)
        return paper_table(
            self.question,
            [(self.papers[i], self._parts(i, papers)) for i in self.paper_ids],
            aspects,
            None if isinstance(by, Extractive) else by,
            as_profile(profile),
            check_seconds(seconds),
        )

    def _parts(self, paper_id: str, papers: Any) -> list[tuple[int, int, str]]:
        """A paper's text as (number of the passage or -1, start, text)."""
        if papers is None:
            own = [s for s in self.sources if s.paper_id == paper_id]
            return [(s.number, s.start, s.text) for s in sorted(own, key=lambda s: s.start)]
        (found,) = papers_of(papers, [paper_id])
        return [(-1, 0, found.text)]

    def save(self, path: str | Path, *, replace: bool = False) -> Path:
        """Keep the answer with its trace in a JSON file, which `wb.open_answer` reads.

        Raises AnswerError where the file is there already (but with `replace`) or cannot be
        written.
        """
        path = Path(path).expanduser()
        if path.exists() and not replace:
            raise AnswerError(f"{path}: there is a file already; give another, or replace=True")
        saved = {"format": FORMAT, "trace": [event_to_dict(event) for event in self.trace]}
        try:
            with replacing(path) as stream:
                json.dump(saved, stream, ensure_ascii=False)
        except OSError as error:
            raise AnswerError(
                f"{path}: cannot be written ({error.strerror}); choose another place"
            ) from error
        return path

    def view(self) -> View:
        """What a notebook shows, also in a static export: no script, everything is in it."""
        head = "\n".join(f"* {quote.text} [{quote.id[1:]}]" for quote in self.tldr)
        if self.declined:
            head = f"No answer: {self.declined}"
        elif not self.quotes and self.rejected:
            head = "Every quote of this answer was rejected."
        more = {"answer": self, "context": nearby, "place": place}
        return View(head, tuple(_lines(self)), template="answer.html", more=more)

    def __repr__(self) -> str:
        if self.declined:
            return f"Answer({self.question[:60]!r}, declined: {self.declined})"
        count = f"{len(self.sections)} sections, {len(self.quotes)} quotes"
        return f"Answer({self.question[:60]!r}, {count} of {len(self.paper_ids)} papers)"


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "sentences": [
            {"text": s.text, "citations": list(s.citations), "support": s.support}
            for s in section.sentences
        ],
        "writer": section.writer,
    }


def _quote(quote: Quote) -> dict[str, Any]:
    return {
        "id": quote.id,
        "paper_id": quote.paper_id,
        "text": quote.text,
        "start": quote.start,
        "end": quote.end,
        "verbatim": quote.verbatim,
    }


def _markdown(answer: Answer) -> str:
    """Markdown: three quotes first, sections, then the papers; [n] is a quote's number."""
    lines = [f"# {_escaped(answer.question)}", ""]
    if answer.declined:
        lines += [f"**No answer:** {_escaped(answer.declined)}", ""]
        if answer.nearest:
            lines += ["Nearest in the corpus:", ""]
            lines += [
                f"- {_escaped(q.text)} ({_title(answer, q.paper_id)})" for q in answer.nearest
            ]
        return "\n".join(lines).rstrip() + "\n"
    lines += [f"- {_escaped(quote.text)} [{quote.id[1:]}]" for quote in answer.tldr]
    for section in answer.sections:
        lines += ["", f"## {_escaped(section.title)}", ""]
        for sentence in section.sentences:
            marks = "".join(f"[{name[1:]}]" for name in sentence.citations)
            text = _escaped(sentence.text)
            if sentence.support == "none":
                text = f"~~{text}~~ ({_escaped(sentence.problem)})"
            lines += [f"{text} {marks}".rstrip(), ""]
    if answer.quotes:
        lines += ["", "## Quotes", ""]
        for quote in answer.quotes:
            where = f"{_title(answer, quote.paper_id)}, characters {quote.start} to {quote.end}"
            lines.append(f"{quote.id[1:]}. \u201c{_escaped(quote.text)}\u201d {where}")
    lines += [f"\n> {_escaped(note)}" for note in answer.notes]
    return "\n".join(lines).rstrip() + "\n"


def _bibtex(answer: Answer) -> str:
    """One entry a quoted paper; papers that would share a key get a, b, ... behind it."""
    entries, taken = [], set[str]()
    for paper_id in answer.paper_ids:
        facts = answer.papers[paper_id]
        paper = Paper(**facts.to_dict())
        key, entry = bibtex_key(paper), to_bibtex(paper)
        unique, number = key, 0
        while unique in taken:
            unique = f"{key}{_letters(number)}"
            number += 1
        taken.add(unique)
        entries.append(entry.replace(f"{{{key},", f"{{{unique},", 1))
    return "\n\n".join(entries) + ("\n" if entries else "")


def _lines(answer: Answer) -> list[str]:
    """Plain text for a terminal."""
    if answer.declined:
        near = ((q.text, answer.papers[q.paper_id].title) for q in answer.nearest)
        return [f"  nearest: {text}  ({title})" for text, title in near]
    lines = []
    for section in answer.sections:
        lines += ["", section.title]
        for s in section.sentences:
            doubt = f"  (not supported: {s.problem})" if s.support == "none" else ""
            marks = "".join(f"[{name[1:]}]" for name in s.citations)
            lines.append(f"  {s.text} {marks}{doubt}")
    lines.append("")
    for paper_id in answer.paper_ids:
        facts = answer.papers[paper_id]
        marks = "".join(f"[{q.id[1:]}]" for q in answer.quotes if q.paper_id == paper_id)
        where = place(facts)
        told = (marks, where and f"{where}.", facts.title, f"({facts.id})")
        lines.append(" ".join(part for part in told if part))
    return [*lines, *answer.notes]


def place(paper: PaperFacts) -> str:
    """Authors, venue and year in a line."""
    where = " ".join(str(part) for part in (paper.venue, paper.year) if part)
    return " · ".join(part for part in (authors_line(paper.authors, 3), where) if part)


def nearby(answer: Answer, quote: Quote) -> tuple[str, str, str]:
    """A quote between what is near it in its passage, cut at blanks."""
    before, text, after = answer.context(quote)
    if len(before) > CONTEXT:
        before = "…" + before[-CONTEXT:].partition(" ")[2]
    if len(after) > CONTEXT:
        after = after[:CONTEXT].rpartition(" ")[0] + "…"
    return before, text, after


def _letters(number: int) -> str:
    """a to z, then aa, ab, ..."""
    whole = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        whole = chr(ord("a") + letter) + whole
    return whole


def _title(answer: Answer, paper_id: str) -> str:
    return f"*{_escaped(answer.papers[paper_id].title or paper_id)}*"


def _escaped(text: str) -> str:
    """In one line, with nothing that Markdown obeys."""
    plain = _MARKDOWN.sub(r"\\\1", " ".join(printable(text).split()))
    return _BLOCK.sub(
        lambda m: f"{m[1]}\\{m[2]}" if len(m[2]) == 1 else f"{m[1]}{m[2][:-1]}\\{m[2][-1]}", plain
    )
