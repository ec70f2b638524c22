"""An answer's books: what is in it, what it rests on, what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.present.view import Shown, View
from workbench.qa.records import Dropped, Quote, Section


@dataclass(frozen=True, slots=True)
class Audit(Shown):
    """Counts of an answer. `verbatim` sentences are made of quotes alone, `checked` ones were
    written and found to be carried by theirs, `unsupported` ones are marked in the answer."""

    sentences: int
    verbatim: int
    checked: int
    unsupported: int
    quotes: int
    papers: int
    dropped: tuple[Dropped, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason to drop something occurred, the commonest first."""
        return dict(Counter(d.reason for d in self.dropped).most_common())

    def view(self) -> View:
        """The counts, and what was dropped."""
        head = (
            f"{self.sentences} sentences: {self.verbatim} verbatim, {self.checked} checked, "
            f"{self.unsupported} without support; {self.quotes} quotes of {self.papers} papers; "
            f"{len(self.dropped)} dropped"
        )
        return View(head, tuple(f"- {d.text[:100]!r}: {d.reason}" for d in self.dropped))


def audit(
    sections: Sequence[Section], quotes: Sequence[Quote], dropped: Sequence[Dropped]
) -> Audit:
    """The books of an answer's parts."""
    support = Counter(s.support for section in sections for s in section.sentences)
    return Audit(
        sentences=support.total(),
        verbatim=support["verbatim"],
        checked=support["full"],
        unsupported=support["none"],
        quotes=len(quotes),
        papers=len({quote.paper_id for quote in quotes}),
        dropped=tuple(dropped),
    )
