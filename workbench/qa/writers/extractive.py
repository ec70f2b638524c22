"""The default writer: the quotes are the answer. No model, no network, nothing to check."""

from __future__ import annotations

from workbench.qa.joining import excerpt_text, excerpts
from workbench.qa.records import Draft, Section, Sentence
from workbench.qa.writers.base import Task


class Extractive:
    """Each excerpt, the quotes of one passage with an ellipsis at each gap, is a sentence."""

    name = "extractive"
    fingerprint = "extractive-1"

    def __repr__(self) -> str:
        return "Extractive()"

    def write(self, task: Task) -> Draft:
        """The section; every word of it is a paper's."""
        sentences = tuple(
            Sentence(excerpt_text(group, task.papers), tuple(quote.id for quote in group))
            for group in excerpts(task.plan.quotes, task.papers)
        )
        return Draft(Section(task.plan.title, sentences, self.name))
