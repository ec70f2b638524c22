"""A running service in a notebook: its address, and a button that stops it."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets


def show(service: Any) -> None:
    """Display the service with its button."""
    from IPython.display import display

    display(controls(service))


def controls(service: Any) -> Any:
    """The address as a link, and the button that stops the service."""
    address = escape(service.url)
    text = ipywidgets.HTML()
    stop = ipywidgets.Button(description="Stop the service", icon="stop")

    def tell() -> None:
        link = f'<a href="{address}" target="_blank" rel="noopener">{address}</a>'
        text.value = f"Serving at {link}" if service.running else f"Stopped: {address}"
        stop.disabled = not service.running

    def pressed(_: Any) -> None:
        service.stop()
        tell()

    stop.on_click(pressed)
    tell()
    return ipywidgets.HBox([text, stop])
