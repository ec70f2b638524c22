"""A writer's sentences to a section: what its quotes do not carry is dropped or marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.qa.records import Draft, Dropped, Sentence
from workbench.qa.support import problem_of, useless
from workbench.qa.writers.base import Task


def checked_draft(task: Task, draft: Draft) -> Draft:
    """The draft with each sentence looked at, whoever wrote it.

    "verbatim" is what is made of its quotes alone; what else they carry is "full"; the rest is
    dropped, or marked where the task says so. Ids that the plan lacks, and quotes that say nothing
    of their sentence, are taken off it. A draft without any carried sentence is empty.
    """
    title = task.plan.title
    texts = {quote.id: quote.text for quote in task.plan.quotes}
    sentences: list[Sentence] = []
    dropped: list[Dropped] = list(draft.dropped)
    for sentence in draft.section.sentences:
        text = sentence.text
        known = [name for name in dict.fromkeys(sentence.citations) if name in texts]
        unknown = [name for name in dict.fromkeys(sentence.citations) if name not in texts]
        dropped += [
            Dropped(text, f"cites {name}, which is none of its quotes", title) for name in unknown
        ]
        quotes = [texts[name] for name in known]
        if _verbatim(text, quotes):
            sentences.append(Sentence(text, tuple(known)))
        elif not (problem := problem_of(text, quotes, task.question)):
            idle = {known[i] for i in useless(text, quotes)}
            dropped += [
                Dropped(text, f"cites {name}, which says nothing of it", title) for name in idle
            ]
            kept = tuple(name for name in known if name not in idle)
            sentences.append(Sentence(text, kept, "full"))
        elif task.mark:
            sentences.append(Sentence(text, tuple(known), "none", problem))
        else:
            dropped.append(Dropped(text, problem, title))
    if all(sentence.support == "none" for sentence in sentences):
        dropped += [Dropped(s.text, s.problem, title) for s in sentences]
        sentences = []
    section = replace(draft.section, title=title, sentences=tuple(sentences))
    return replace(draft, section=section, dropped=tuple(dropped))


def _verbatim(text: str, quotes: Sequence[str]) -> bool:
    """Whether a text is its quotes, in their order, with nothing but gaps between."""
    at = 0
    for quote in quotes:
        found = text.find(quote, at)
        if found < 0 or text[at:found].strip(" …"):
            return False
        at = found + len(quote)
    return bool(quotes) and not text[at:].strip(" …")
