"""What all widgets share: templates that escape, the style, and a place for messages.

No callback of a widget may end in a traceback under the panel: run it inside `MessageBox.guard`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import anywidget
import ipywidgets

from workbench.errors import WorkbenchError
from workbench.present.view import render


@cache
def static(*names: str) -> str:
    """The named files of `static/`, one after the other."""
    folder = files("workbench.widgets") / "static"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def error_content(error: BaseException) -> dict[str, str]:
    """What a person is told of an error: `title`, `text`, and `details` for an unexpected one."""
    if isinstance(error, WorkbenchError):
        return {"kind": "error", "title": _spoken(type(error).__name__), "text": str(error)}
    details = "".join(traceback.format_exception(error))
    text = f"{type(error).__name__}: {error}. The panel is alive; change something and try again."
    return {"kind": "error", "title": "Something unexpected", "text": text, "details": details}


class MessageBox:
    """A line or two inside a panel that say what is wrong and what to do; empty most of the time.

    `widget` goes where the messages shall appear. Screen readers announce what is shown.
    """

    def __init__(self) -> None:
        self.widget = ipywidgets.HTML()
        self.clear()

    def error(self, error: BaseException) -> None:
        """Show an error with its remedy; an unexpected one with its traceback folded away."""
        self._show(error_content(error))

    def note(self, text: str, title: str = "") -> None:
        """Show something worth knowing that is no error."""
        self._show({"kind": "note", "title": title, "text": text})

    def clear(self) -> None:
        """Take away what is shown."""
        self.widget.value = ""
        self.widget.layout.display = "none"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run a callback's body: what it raises is shown, and what was shown before is cleared."""
        self.clear()
        try:
            yield
        except Exception as error:
            self.error(error)

    def _show(self, content: dict[str, str]) -> None:
        self.widget.value = render("message.html", message=content)
        self.widget.layout.display = None


class Frame(anywidget.AnyWidget):
    """Brings the style sheet, keeps JupyterLab's shortcuts out of the fields, and is invisible
    until the kernel is gone, which it says."""

    _esm = static("page_keys.js", "dom.js", "kernel.js", "keys.js")
    _css = static("style.css")


def framed(*children: Any, label: str) -> Any:
    """The children in one column with the workbench's style."""
    box = ipywidgets.VBox([Frame(), *children])
    box.add_class("wb")
    box.add_class(f"wb-{label}")
    return box


def _spoken(name: str) -> str:
    """ModelNotFound as "Model not found"."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return words[:1].upper() + words[1:]
