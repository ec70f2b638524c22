"""Answers for people: HTML for notebooks, Markdown, BibTeX, plain text.

All HTML goes through a template that escapes what comes from papers, questions and models.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.present.words import authors_line, printable
from workbench.ranking.bibtex import bibtex_key, to_bibtex
from workbench.records import Paper

if TYPE_CHECKING:
    from workbench.qa.answer import Answer
    from workbench.qa.records import PaperFacts

CONTEXT = 240
"""Characters shown on each side of a quote."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_BLOCK = re.compile(r"^(\s*)([-+]|\d+[.)])(?=\s)")


def answer_html(answer: Answer) -> str:
    """What a notebook shows, also in a static export: no script, everything is in it."""
    return str(
        _template().render(answer=answer, authors_line=authors_line, context=_context, place=place)
    )


def answer_markdown(answer: Answer) -> str:
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


def answer_bibtex(answer: Answer) -> str:
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


def answer_text(answer: Answer) -> str:
    """Plain text for a terminal."""
    if answer.declined:
        lines = [f"No answer: {answer.declined}"]
        lines += [
            f"  nearest: {q.text}  ({answer.papers[q.paper_id].title})" for q in answer.nearest
        ]
        return "\n".join(map(printable, lines))
    lines = []
    for quote in answer.tldr:
        lines.append(f"* {quote.text} [{quote.id[1:]}]")
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
        lines.append(f"{marks} {place(facts)}. {facts.title} ({facts.id})")
    lines += list(answer.notes)
    return "\n".join(map(printable, lines))


def place(paper: PaperFacts) -> str:
    """Authors, venue and year in a line."""
    where = " ".join(str(part) for part in (paper.venue, paper.year) if part)
    return " · ".join(part for part in (authors_line(paper.authors, 3), where) if part)


def _context(answer: Answer, quote: Any) -> tuple[str, str, str]:
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


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("workbench.qa"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("answer.html")
