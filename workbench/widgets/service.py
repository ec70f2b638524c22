"""A running service in a notebook: its address, and a button that stops it."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets

from workbench.present.view import View
from workbench.widgets.base import framed
from workbench.widgets.live import Live


class ServiceControls(Live):
    """The address as a link, and the button that stops the service."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.address = ipywidgets.HTML()
        self.stop = ipywidgets.Button(description="Stop the service", icon="stop")
        self.stop.on_click(self._pressed)
        self._widget = framed(ipywidgets.HBox([self.address, self.stop]), label="service")
        self._tell()

    @property
    def widget(self) -> Any:
        """The row of both."""
        return self._widget

    def view(self) -> View:
        """The service's own."""
        view: View = self.service.view()
        return view

    def _pressed(self, _: Any) -> None:
        self.service.stop()
        self._tell()
        self.keep()

    def _tell(self) -> None:
        url, running = escape(self.service.url), self.service.running
        link = f'<a href="{url}" target="_blank" rel="noopener">{url}</a>'
        self.address.value = f"Serving at {link}" if running else f"Stopped: {url}"
        self.stop.disabled = not running


def show(service: Any) -> None:
    """Display the service with its button."""
    ServiceControls(service)._ipython_display_()
