"""A model's sentences to a section: what its quotes do not carry is dropped or marked."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.qa.records import Draft, Dropped, Section, Sentence, Usage
from workbench.qa.support import problem_of, useless
from workbench.qa.writers.base import Task
from workbench.qa.writers.parse import Written


def checked_draft(task: Task, written: Sequence[Written], writer: str, usage: Usage) -> Draft:
    """The draft of a plan. A model's word is never a quote: of its quotes it gives the ids."""
    title = task.plan.title
    texts = {quote.id: quote.text for quote in task.plan.quotes}
    sentences: list[Sentence] = []
    dropped: list[Dropped] = []
    for text, ids in written:
        known = [name for name in ids if name in texts]
        dropped += [
            Dropped(text, f"cites {name}, which is none of its quotes", title)
            for name in ids
            if name not in texts
        ]
        problem = problem_of(text, [texts[name] for name in known], task.question)
        if not problem:
            idle = {known[i] for i in useless(text, [texts[name] for name in known])}
            dropped += [
                Dropped(text, f"cites {name}, which says nothing of it", title) for name in idle
            ]
            kept = tuple(name for name in known if name not in idle)
            sentences.append(Sentence(text, kept, "full"))
        elif task.mark:
            sentences.append(Sentence(text, tuple(known), "none", problem))
        else:
            dropped.append(Dropped(text, problem, title))
    if not any(sentence.support == "full" for sentence in sentences):
        sentences = []
    return Draft(Section(title, tuple(sentences), writer), tuple(dropped), usage)
