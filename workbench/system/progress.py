"""How far long work is: a bar on the screen, or whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = bool | Callable[[str, int, int | None], object]
"""True shows bars, False nothing. A function is called with (what is done, how many are done, of
how many, None where that is not known); what it raises ends the work, as Ctrl-C would."""

Advance = Callable[[int], object]


@contextmanager
def progress_bar(
    progress: Progress, what: str, unit: str, total: int | None = None, done: int = 0
) -> Iterator[Advance]:
    """A function to call with how many more are done; a bar comes up after two seconds."""
    if callable(progress):
        tell, count = progress, done

        def advance(more: int) -> None:
            nonlocal count
            count += more
            tell(what, count, total)

        tell(what, done, total)
        yield advance
        return
    from tqdm.auto import tqdm

    with tqdm(
        total=total, initial=done, desc=what, unit=f" {unit}", delay=2, disable=not progress
    ) as bar:
        yield bar.update


def watched(items: Iterable[Any], progress: Progress, what: str, unit: str) -> Iterator[Any]:
    """The items, counted as they go by."""
    with progress_bar(progress, what, unit) as advance:
        for item in items:
            yield item
            advance(1)
