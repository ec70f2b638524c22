"""What the search panel's page and the kernel tell each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anywidget
import traitlets

from workbench.widgets.base import error_content, static

SCRIPTS = (
    *("page_keys", "dom", "kernel", "rank", "grading", "cards", "chips", "weights", "plane"),
    *("curve", "steps", "search", "controls", "layout"),
)
MESSAGE = {"kind": "", "title": "", "text": "", "details": ""}


class SearchView(anywidget.AnyWidget):
    """What the browser and the kernel tell each other; `settings` is the browser's, except where
    they are refused or code sets the panel. `answered` is the number of the last dealt with."""

    _esm = static(*(f"{name}.js" for name in SCRIPTS))
    _css = static("style.css", "search.css")
    options = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True, echo_update=False)
    result = traitlets.Dict().tag(sync=True)
    order = traitlets.Dict().tag(sync=True)
    more = traitlets.Dict().tag(sync=True)
    judged = traitlets.Dict().tag(sync=True)
    steps = traitlets.Dict().tag(sync=True)
    pinned = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)

    @contextmanager
    def told(self, keep: bool = False) -> Iterator[None]:
        """What goes wrong is told on the page; with `keep` what it says stays otherwise."""
        try:
            yield
        except Exception as error:
            self.message = {**MESSAGE, **error_content(error)}
        else:
            if not keep:
                self.message = MESSAGE
