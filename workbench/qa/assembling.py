"""A trace to its answer: live, replayed, or from a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.faults import as_file
from workbench.errors import AnswerError
from workbench.qa.answer import FORMAT, Answer
from workbench.qa.events import (
    Asked,
    Closed,
    Declined,
    Done,
    Event,
    Found,
    Outlined,
    Reviewed,
    Wrote,
    event_from_dict,
)
from workbench.qa.outline import without
from workbench.qa.records import Dropped, Outline, Plan, Quote, Section, Sentence, Usage


def open_answer(path: str | Path) -> Answer:
    """An answer that `Answer.save` kept: the same to the byte, without its corpus.

    Raises AnswerError for a file that is none.
    """
    path = as_file(path, AnswerError)
    try:
        saved = json.loads(path.read_text("utf-8"))
        version, trace = saved["format"], saved["trace"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AnswerError(f"{path}: not a saved answer ({error!r}); check the path") from error
    if version != FORMAT:
        raise AnswerError(
            f"{path}: format {version!r}, this version reads {FORMAT}; update the workbench"
        )
    return assemble([event_from_dict(values) for values in trace])


def assemble(trace: Iterable[Event], stages: Mapping[str, Any] | None = None) -> Answer:
    """The answer that a trace, whole or cut off, makes. Raises AnswerError without an `Asked`."""
    events = tuple(trace)
    asked = next((event for event in events if isinstance(event, Asked)), None)
    if asked is None:
        raise AnswerError("a trace without its question; give the events from the first on")
    found = next((event for event in events if isinstance(event, Found)), None)
    outlined = next((event for event in events if isinstance(event, Outlined)), None)
    declined = next((event for event in events if isinstance(event, Declined)), None)
    done = next((event for event in events if isinstance(event, Done)), None)
    reviewed = next((event for event in events if isinstance(event, Reviewed)), Reviewed())
    planned = outlined.outline if outlined else Outline((), ())
    outline = without(planned, reviewed.rejected)
    standing = standing_events(events)
    closed = {event.section: event for event in standing if isinstance(event, Closed)}
    sections = _sections(standing, closed, outline)
    cited = [name for s in sections for sentence in s.sentences for name in sentence.citations]
    named = {quote.id: quote for plan in planned.plans for quote in plan.quotes}
    quotes = tuple(named[name] for name in _in_order([*(q.id for q in outline.tldr), *cited]))
    return Answer(
        question=asked.question,
        tldr=outline.tldr,
        sections=sections,
        quotes=quotes,
        papers={paper.id: paper for paper in found.papers} if found else {},
        sources=found.sources if found else (),
        dropped=(
            *(d for number in sorted(closed) for d in closed[number].dropped),
            *_rejected(planned.plans, reviewed.rejected),
        ),
        declined=declined.reason if declined else "",
        nearest=declined.nearest if declined else (),
        profile=asked.profile,
        writer=asked.writer,
        words=asked.words,
        notes=_notes(found, outlined, closed, done),
        usage=_usage(closed),
        timings_ms=dict(done.timings_ms) if done else {},
        complete=done is not None and not done.interrupted,
        accepted=reviewed.accepted,
        rejected=tuple(named[name] for name in reviewed.rejected),
        trace=events,
        stages=stages or {},
    )


def standing_events(trace: Sequence[Event]) -> list[Wrote | Closed]:
    """The events of the sections as they are now: where a review took a quote from a section, only
    what was written after it counts."""
    written = [event for event in trace if isinstance(event, Wrote | Closed)]
    at, review = next(((i, e) for i, e in enumerate(trace) if isinstance(e, Reviewed)), (0, None))
    outlined = next((event for event in trace if isinstance(event, Outlined)), None)
    if review is None or outlined is None:
        return written
    lost = touched(outlined.outline, review.rejected)
    after = [event for event in trace[at:] if isinstance(event, Wrote | Closed)]
    return [*(event for event in written if event.section not in lost), *after]


def touched(outline: Outline, rejected: Iterable[str]) -> set[int]:
    """The numbers of the sections that have one of the quotes."""
    names = set(rejected)
    return {n for n, plan in enumerate(outline.plans) if names & {q.id for q in plan.quotes}}


def _rejected(plans: Sequence[Plan], rejected: Sequence[str]) -> list[Dropped]:
    found: dict[str, tuple[Quote, str]] = {
        quote.id: (quote, plan.title) for plan in plans for quote in plan.quotes
    }
    named = (found[name] for name in rejected)
    return [Dropped(quote.text, "rejected by a person", title) for quote, title in named]


def _sections(
    events: Sequence[Event], closed: Mapping[int, Closed], outline: Outline
) -> tuple[Section, ...]:
    sentences: dict[int, list[Sentence]] = {}
    for event in events:
        if isinstance(event, Wrote):
            sentences.setdefault(event.section, []).append(event.sentence)
    made = []
    for number, plan in enumerate(outline.plans):
        if number in sentences and plan.quotes:
            end = closed.get(number)
            by, note = (end.writer, end.note) if end else ("", "not finished")
            made.append(Section(plan.title, tuple(sentences[number]), by, note))
    return tuple(made)


def _notes(
    found: Found | None,
    outlined: Outlined | None,
    closed: Mapping[int, Closed],
    done: Done | None,
) -> tuple[str, ...]:
    notes = [*(found.notes if found else ()), *(c.note for c in closed.values() if c.note)]
    if outlined is not None and outlined.note:
        notes.insert(0, outlined.note)
    if done is not None and done.interrupted:
        notes.append("Interrupted: this is what was finished.")
    return tuple(dict.fromkeys(notes))


def _usage(closed: Mapping[int, Closed]) -> dict[str, Usage]:
    whole = Usage()
    for event in closed.values():
        whole = whole + event.usage
    return {"sections": whole} if whole.requests else {}


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(names), key=lambda name: int(name[1:]))
