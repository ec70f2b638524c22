"""Papers that several records make: what was merged, why, and undoing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from workbench.corpus.identity.keys import same_paper
from workbench.corpus.identity.library import Library
from workbench.corpus.identity.merging import merge
from workbench.errors import CorpusNotFound
from workbench.present.view import Shown, View
from workbench.present.words import count


@dataclass(frozen=True, slots=True)
class Part:
    """One record of a paper: the id it would have alone, where it stands, why it is the same, and
    the fields that were taken from it."""

    id: str
    where: str
    reason: str
    taken: tuple[str, ...]
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A paper made of several records."""

    paper: str
    title: str
    parts: tuple[Part, ...]


class Duplicates(Shown, Sequence[Group]):
    """The groups of a corpus as they were when this was made.

    `flagged` maps papers to "retracted" or "withdrawn". `separate` and `join` change the corpus.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        flagged: Mapping[str, str],
        change: Callable[[Callable[[Library], set[str]]], None],
    ) -> None:
        self._groups = tuple(groups)
        self.flagged = dict(flagged)
        self._change = change

    def separate(self, paper: str) -> list[str]:
        """Undo a merge for good: each record becomes a paper of its own. Returns their ids."""
        ids: list[str] = []

        def undo(library: Library) -> set[str]:
            if len(library.members(paper)) < 2:
                raise CorpusNotFound(
                    f"{paper!r}: no merged paper of that id; see bench.duplicates()"
                )
            ids.extend(library.separate(paper))
            return {paper, *ids}

        self._change(undo)
        return ids

    def join(self, *papers: str) -> str:
        """Make one paper of several, whatever their records say. Returns its id."""
        kept: list[str] = []

        def unite(library: Library) -> set[str]:
            missing = [name for name in papers if not library.members(name)]
            if missing or len(set(papers)) < 2:
                said = f"{missing[0]!r}: no paper with a known source" if missing else "one paper"
                raise CorpusNotFound(f"{said}; give the ids of two papers or more")
            paper, gone = library.join(papers)
            kept.append(paper)
            return {paper, *gone}

        self._change(unite)
        return kept[0]

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Group, ...]: ...
    def __getitem__(self, index: int | slice) -> Group | tuple[Group, ...]:
        return self._groups[index]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def __repr__(self) -> str:
        return f"Duplicates({len(self)} papers of several records)"

    def view(self) -> View:
        """Every group with its records, why they are one, and what was taken from which."""
        rows = []
        for group in self:
            rows.append(f"{group.paper}: {group.title}")
            for part in group.parts:
                why = f", {part.reason}" if part.reason else ""
                taken = f" -> {', '.join(part.taken)}" if part.taken else ""
                rows.append(f"    {part.where} ({part.id}){why}{taken}")
        return View(
            head=f"{count(len(self), 'paper')} made of several records",
            rows=tuple(rows),
            notes=tuple(f"{name} is {status}" for name, status in self.flagged.items()),
            template="duplicates.html",
            more={"groups": self._groups},
        )


def find_groups(library: Library) -> Iterator[Group]:
    """The merged papers of a library, each explained."""
    for paper in library.groups():
        members = library.members(paper)
        records = [member.record for member in members]
        merged, origins = merge(records)
        parts = []
        for index, member in enumerate(members):
            others = records[:index]
            reason = next((why for one in others if (why := same_paper(one, member.record))), "")
            taken = tuple(name for name, origin in origins.items() if origin == index)
            by_hand = "joined by hand" if index and not reason else reason
            parts.append(Part(member.own, member.where, by_hand, taken, member.record))
        yield Group(paper, str(merged.get("title", "")), tuple(parts))
