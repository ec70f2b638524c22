"""How far long work is: a bar on the screen, or whoever wants to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
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
    with tqdm(
        total=total, initial=done, desc=what, unit=f" {unit}", delay=2, disable=not progress
    ) as bar:
        yield bar.update


def tqdm(*args: Any, **settings: Any) -> Any:
    """`tqdm.auto.tqdm`, whose widget in a notebook gives way to a line of text when it is done."""
    return _bars()(*args, **settings)


@cache
def _bars() -> Any:
    """The class of bars that fits this place. A notebook saves a bar's widget as "model not found";
    so it is shown under an id, and its end is written there."""
    from tqdm.auto import tqdm as auto

    # Loaded where it was chosen; loading it brings ipywidgets along.
    notebook = sys.modules.get("tqdm.notebook")
    if notebook is None or not issubclass(auto, notebook.tqdm_notebook):
        return auto

    class Bar(auto):  # type: ignore[misc,valid-type]  # known when it runs only
        _place: Any = None

        def display(self, *args: Any, check_delay: bool = True, **settings: Any) -> None:
            from IPython.display import display

            super().display(*args, check_delay=False, **settings)
            if check_delay and self.delay > 0 and not self.displayed:
                self._place, self.displayed = display(self.container, display_id=True), True

        def close(self) -> None:
            line = auto.format_meter(**self.format_dict) if self.leave else ""
            super().close()
            if self._place is not None:
                self._place.update({"text/plain": line}, raw=True)
                self._place = None

    return Bar


def watched(items: Iterable[Any], progress: Progress, what: str, unit: str) -> Iterator[Any]:
    """The items, counted as they go by."""
    with progress_bar(progress, what, unit) as advance:
        for item in items:
            yield item
            advance(1)
