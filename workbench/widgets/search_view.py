"""What the search panel's page and the kernel tell each other."""

from __future__ import annotations

import anywidget
import traitlets

from workbench.widgets.base import static

SCRIPTS = (
    *("dom", "kernel", "rank", "grading", "cards", "chips", "weights", "plane", "curve", "steps"),
    *("search", "controls", "layout"),
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
