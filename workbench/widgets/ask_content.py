"""An answer as the ask panel shows it, and the cell that gives it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.present.latex import readable
from workbench.present.words import count
from workbench.profiles import Profile
from workbench.qa.answer import Answer, nearby, place
from workbench.qa.events import Closed, Declined, Done, Event, Found, Outlined, Quoted
from workbench.qa.records import Quote
from workbench.widgets.state import argument, call, opening_lines, profile_settings

STAGES = ("Search", "Read", "Outline", "Write")
PREVIEW = 3
"""Sentences that are shown while the passages are read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the settings that it was asked under; `writer` by its name."""

    question: str
    writer: str
    profile: Profile
    words: int


def answer_content(answer: Answer) -> dict[str, Any]:
    """Plain values of an answer, whole or so far."""
    return {
        "question": answer.question,
        "declined": answer.declined,
        "nearest": [_near(answer, quote) for quote in answer.nearest],
        "notes": list(answer.notes),
        "tldr": [{"text": readable(quote.text), "citations": [quote.id]} for quote in answer.tldr],
        "sections": [
            {
                "title": readable(section.title),
                "writer": "" if section.writer == "extractive" else section.writer,
                "sentences": [
                    {
                        "text": readable(sentence.text),
                        "citations": list(sentence.citations),
                        "problem": sentence.problem if sentence.support == "none" else "",
                    }
                    for sentence in section.sentences
                ],
            }
            for section in answer.sections
        ],
        "quotes": {q.id: _quote(answer, q) for q in (*answer.quotes, *answer.rejected)},
        "accepted": list(answer.accepted),
        "rejected": [quote.id for quote in answer.rejected],
        "foot": _foot(answer),
    }


def _quote(answer: Answer, quote: Quote) -> dict[str, Any]:
    before, text, after = map(readable, nearby(answer, quote))
    return {
        "number": quote.id[1:],
        "before": before,
        "text": text,
        "after": after,
        "where": f"{quote.paper_id}, characters {quote.start} to {quote.end}",
        **_paper(answer, quote),
    }


def _near(answer: Answer, quote: Quote) -> dict[str, Any]:
    return {"text": readable(quote.text), **_paper(answer, quote)}


def _paper(answer: Answer, quote: Quote) -> dict[str, str]:
    paper = answer.papers[quote.paper_id]
    return {"title": readable(paper.title) or paper.id, "place": place(paper)}


def _foot(answer: Answer) -> str:
    total = answer.timings_ms.get("total")
    parts = [
        f"{count(len(answer.quotes), 'quote')} of {count(len(answer.paper_ids), 'paper')}",
        f"{answer.profile}, {answer.writer}",
        f"{total:.0f} ms" if total else "",
        f"{len(answer.dropped)} dropped: answer.audit() says why" if answer.dropped else "",
    ]
    return " · ".join(part for part in parts if part)


def progress_content(trace: Sequence[Event], *, running: bool) -> dict[str, Any]:
    """How far an answer is: a line for each stage, what was read last, and how long it may take."""
    found = next((event for event in trace if isinstance(event, Found)), None)
    read = [quote for event in trace if isinstance(event, Quoted) for quote in event.quotes]
    outlined = next((event for event in trace if isinstance(event, Outlined)), None)
    closed = [event for event in trace if isinstance(event, Closed)]
    ended = any(isinstance(event, Done | Declined) for event in trace)
    texts = ["", "", "", ""]
    if found is not None:
        papers = len({source.paper_id for source in found.sources})
        texts[0] = f"{count(len(found.sources), 'passage')} of {count(papers, 'paper')}"
    if read:
        kept = sum(source.kept for source in found.sources) if found else len(read)
        texts[1] = f"{min(len(read), kept)} of {count(kept, 'passage')}"
    if outlined is not None:
        plans = outlined.outline.plans
        texts[2] = count(len(plans), "section")
        texts[3] = f"{len(closed)} of {len(plans)}"
    done = [found is not None, outlined is not None, outlined is not None, False]
    if ended:
        done = [True, True, outlined is not None, outlined is not None]
    now = done.index(False) if False in done else len(done)
    states = ["done" if d else "now" if n == now and running else "" for n, d in enumerate(done)]
    last = trace[-1] if trace else None
    best = sorted(read, key=lambda quote: -quote.score)[:PREVIEW]
    preview = best if running and outlined is None else []
    return {
        "running": running,
        "stages": [
            {"name": name, "text": text, "state": state}
            for name, text, state in zip(STAGES, texts, states, strict=True)
        ],
        "preview": [readable(quote.text) for quote in preview],
        "elapsed_ms": last.elapsed_ms if last else 0.0,
        "remaining_ms": last.remaining_ms if last else None,
    }


def ask_code(asked: Asked, answer: Answer, folder: Path | None, name: str) -> str:
    """A cell that gives `answer` again. What a model writes is seldom the same twice, so only an
    extractive answer is compared with what it was. `folder` and `name` as in `code_of`."""
    bench = name or "bench"
    lines = [*opening_lines(folder, name), f"answer = {bench}.ask("]
    lines += argument("", asked.question)
    lines += argument("words", asked.words)
    if asked.writer != "extractive":
        lines += argument("writer", asked.writer)
    lines += call("profile", "wb.Profile", profile_settings(asked.profile))
    lines += [")"]
    verdicts = {
        "accept": list(answer.accepted),
        "reject": [quote.id for quote in answer.rejected],
        "writer": asked.writer if asked.writer != "extractive" else "",
    }
    if answer.accepted or answer.rejected:
        lines += [f"answer = {bench}.review(", "    answer,"]
        for key, value in verdicts.items():
            lines += argument(key, value) if value else []
        lines += [")"]
    if asked.writer == "extractive":
        lines += [
            f"assert answer.fingerprint == {answer.fingerprint!r}, "
            '"other papers or other settings than then"'
        ]
    return "\n".join([*lines, "answer"])
