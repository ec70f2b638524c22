"""Sentences on what a result leaves out or counts as 0, the same in reports and in tuning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.present.words import count, first_ids


def notes_on_queries(
    lists: Iterable[tuple[Sequence[str], str]], unknown_queries: int, negative_grades: int
) -> list[str]:
    """A sentence for each list of query ids that is not empty, ids of at most five, and for the
    counts that are not 0."""
    notes = [f"{count(len(ids), 'query')} {what}: {first_ids(ids)}" for ids, what in lists if ids]
    if unknown_queries:
        notes.append(f"judgments for {count(unknown_queries, 'query')} not asked, left out")
    if negative_grades:
        grades = count(negative_grades, "negative grade")
        notes.append(f"{grades}, counted as not relevant")
    return notes


def unknown_papers_note(ids: Sequence[str]) -> list[str]:
    """How many judged papers the corpus does not have, with examples; nothing where it has all."""
    if not ids:
        return []
    papers = "1 judged paper is" if len(ids) == 1 else f"{len(ids):,} judged papers are"
    return [f"{papers} not in the corpus, so no search finds them: {first_ids(ids)}"]
