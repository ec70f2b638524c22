"""Workbench: what `wb.open` returns. One class in three layers: search, measuring, widgets."""

from workbench.session.panels import Panels

__all__ = ["Workbench"]


class Workbench(Panels):
    """One corpus, opened. Reads are safe from several threads; use `with` or `close()`."""
