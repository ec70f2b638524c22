"""A writer's name to the writer."""

from __future__ import annotations

from workbench.errors import WriterError, shown
from workbench.qa.writers.base import Writer
from workbench.qa.writers.extractive import Extractive

WRITERS = ("extractive", "openai", "local")


def make_writer(writer: Writer | str | None) -> Writer:
    """A writer as it is, one by its name, or for None the extractive one.

    Raises WriterError for an unknown name, for "openai" where no server or model is named, and for
    "local" where no model is; what `Local` raises.
    """
    if writer is None:
        return Extractive()
    if isinstance(writer, str):
        if writer == "extractive":
            return Extractive()
        if writer == "openai":
            from workbench.qa.writers.server import Server

            return Server()
        if writer == "local":
            from workbench.qa.writers.local import Local

            return Local()
        raise WriterError(f"no writer {writer!r}; there are {', '.join(WRITERS)}")
    if not all(hasattr(writer, part) for part in ("name", "fingerprint", "write")):
        raise WriterError(
            f"writer is {shown(writer)}; give one of {', '.join(WRITERS)}, or an object with name, "
            "fingerprint and write"
        )
    return writer
