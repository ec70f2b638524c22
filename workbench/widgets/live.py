"""What is live beside a kernel and static HTML everywhere else: the base of all that shows itself.

A cell gets two outputs: the widget, and its static form under it, which a style sheet hides while
the widget is on the page. Front ends take a widget before HTML even where they cannot show it, so
one output with both would read "model not found" in a notebook opened without its kernel.

What an earlier run of a cell showed, and nothing names any more, is closed when the cell shows
something new: widgets otherwise live as long as the kernel, with all that they hold.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any, ClassVar

import ipywidgets

from workbench.present.view import Shown, render

VIEW = "application/vnd.jupyter.widget-view+json"

_shown: dict[str, tuple[str, list[Live]]] = {}
"""By cell: its last run, and what that run showed."""


class Live(Shown):
    """A mixin, before AnyWidget or around a box of widgets.

    Give `view()`, the values of the static form, and `widget` where that is another object; extend
    `close()` by what else is to be let go. Call `keep()` after every change that a saved notebook
    should show.
    """

    _live = True
    _displayed = False
    _lets_go: ClassVar[tuple[str, ...]] = ()
    """Attributes that a closed one is without: IPython's history may hold it for ever, and through
    it a Workbench with its models."""

    @property
    def widget(self) -> Any:
        """The widget at the top."""
        return self

    def close(self) -> None:
        """Take the widget off the page; what it holds is let go. Once more does nothing."""
        close_widget(self.widget)
        self._displayed = self._live = False
        for name in self._lets_go:
            vars(self).pop(name, None)

    def keep(self) -> None:
        """Bring the static form in the notebook up to date; nothing where none was shown."""
        if self._displayed:
            _displaying().update_display(self._static(), raw=True, display_id=self._static_id)

    @property
    def _static_id(self) -> str:
        return f"wb-static-{self.widget.model_id}"

    def _static(self) -> dict[str, str]:
        page = render("static.html", ident=self.widget.model_id, body=self.view().html())
        return {"text/html": page}

    def _repr_mimebundle_(self, **_: Any) -> Any:
        model = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"text/plain": repr(self), VIEW: model, "text/html": self._repr_html_()}

    def _ipython_display_(self) -> None:
        display = _displaying().display
        close_earlier(self)
        bundle = self._repr_mimebundle_()
        del bundle["text/html"]
        self.widget.add_class(f"wb-live-{self.widget.model_id}")
        self._displayed = True
        display(bundle, raw=True)
        display(self._static(), raw=True, display_id=self._static_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view().head if self._live else 'closed'})"


def _displaying() -> Any:
    """IPython's module, which has no types; imported where something is shown."""
    return import_module("IPython.display")


def close_widget(widget: Any) -> None:
    """Close a widget with all inside it, which ipywidgets leaves open."""
    for child in getattr(widget, "children", ()):
        if isinstance(child, Live):
            child.close()
        else:
            close_widget(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
        if isinstance(part, ipywidgets.Widget):
            ipywidgets.Widget.close(part)


def close_earlier(shown: Live) -> None:
    """Close what an earlier run of the running cell showed, but for what a variable names."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    if shell is None or not cell:
        return
    run = parent["header"]["msg_id"]
    last, earlier = _shown.get(cell, ("", []))
    if last == run:
        earlier.append(shown)
        return
    _shown[cell] = run, [shown]
    named = {id(value) for name, value in shell.user_ns.items() if not name.startswith("_")}
    gone = [other for other in earlier if other is not shown and id(other) not in named]
    for other in gone:
        other.close()
    if gone:
        gc.collect()  # their Workbench is in circles, and has models in memory
