"""Sections by a writer, side by side; one that fails is written by the extractive writer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from workbench.errors import WorkbenchError
from workbench.qa.checking import checked_draft
from workbench.qa.events import Closed, Event, Wrote
from workbench.qa.records import Draft, Dropped, Plan, Quote, Usage
from workbench.qa.remembered import Remembered
from workbench.qa.writers.base import Task, Writer
from workbench.qa.writers.extractive import Extractive

Now = Callable[[], dict[str, Any]]

Drafts = Remembered[Draft]
"""Sections that were written, by what decides them. What took the place of a failed one is not
among them, so asking again tries again."""


def write_sections(
    plans: Mapping[int, Plan],
    task: Task,
    writer: Writer,
    workers: int,
    now: Now,
    drafts: Drafts,
    false: Sequence[Quote] = (),
) -> Iterator[Event]:
    """The events of sections by their numbers, in that order whichever is ready first. `false` are
    quotes that were left out because they are not in their papers."""
    tasks = [replace(task, plan=plan) for plan in plans.values()]
    made_up = tuple(Dropped(q.text, "is not the text at its place in the paper") for q in false)
    written = zip(plans, _drafts(tasks, writer, workers, drafts), strict=False)
    for number, draft in written:
        for sentence in draft.section.sentences:
            yield Wrote(section=number, sentence=sentence, **now())
        yield Closed(
            section=number,
            writer=draft.section.writer,
            note=draft.section.note,
            dropped=(*made_up, *draft.dropped),
            usage=draft.usage,
            **now(),
        )
        made_up = ()


def _drafts(tasks: Sequence[Task], writer: Writer, workers: int, drafts: Drafts) -> Iterator[Draft]:
    def write(task: Task) -> Draft:
        key = _key(task, writer)
        known = drafts.get(key)
        if known is not None:
            return replace(known, usage=Usage())
        draft = _draft(task, writer)
        return draft if draft.section.note else drafts.put(key, draft)

    if isinstance(writer, Extractive) or len(tasks) < 2 or workers < 2:
        for task in tasks:
            yield write(task)
        return
    pool = ThreadPoolExecutor(min(workers, len(tasks)))
    try:
        futures: list[Future[Draft]] = [pool.submit(write, task) for task in tasks]
        for future in futures:
            yield future.result()
    finally:  # also after Ctrl-C, when nobody waits for what is under way
        tasks[0].stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _key(task: Task, writer: Writer) -> Hashable:
    """All that decides a section; the texts are the quotes' own."""
    quotes = tuple((q.id, q.paper_id, q.start, q.text) for q in task.plan.quotes)
    settings = task.max_tokens, task.temperature, task.mark
    return writer.fingerprint, task.question, task.plan.title, quotes, settings


def _draft(task: Task, writer: Writer) -> Draft:
    """The writer's draft, or the extractive one with the reason."""
    try:
        draft = checked_draft(task, writer.write(task))
        if draft.section.sentences:
            return draft
        reason, rest = "nothing that it wrote is carried by its quotes", draft
    except Exception as error:  # a person's own writer may raise anything
        told = (
            str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
        )
        reason, rest = told, None
    plain = checked_draft(task, Extractive().write(task))
    note = f"\u201c{task.plan.title}\u201d shows its quotes as they are: {writer.name}: {reason}"
    section = replace(plain.section, note=note)
    if rest is None:
        return replace(plain, section=section)
    return Draft(section, rest.dropped, rest.usage)
