"""Widgets without a page: what they send is caught, what a page would say is handed to them."""

from __future__ import annotations

from typing import Any

import pytest


class Page:
    """Stands where the browser would: keeps messages, and speaks to the widget."""

    def __init__(self, widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget = widget
        self.heard: list[dict[str, Any]] = []
        monkeypatch.setattr(widget, "send", lambda content, *_: self.heard.append(content))

    def say(self, **content: Any) -> list[dict[str, Any]]:
        """Send a message as the page does; gives what came back meanwhile."""
        before = len(self.heard)
        self.widget._hear(self.widget, content, [])
        return self.heard[before:]

    def last(self, kind: str) -> dict[str, Any]:
        """The last message of a kind."""
        return [content for content in self.heard if content["type"] == kind][-1]


@pytest.fixture
def page_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`page_of(widget)`: the widget with a caught channel."""
    return lambda widget: Page(widget, monkeypatch)
