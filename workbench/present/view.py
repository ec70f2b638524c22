"""A View: the values that a result shows, as plain text and as HTML that escapes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from workbench.present import words
from workbench.present.latex import readable

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class View:
    """What a result shows.

    `head` is its first line, `notes` are sentences that a person should read before the numbers,
    `rows` the lines of the plain text. `template` names a file of `templates/`, which gets `head`,
    `notes` and the values of `more`.
    """

    head: str
    rows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    template: str = "lines.html"
    more: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    def text(self) -> str:
        """Plain text; control characters show as signs, since a terminal would obey them."""
        lines = [self.head, *self.notes, *self.rows]
        return words.printable("\n".join(lines))

    def html(self) -> str:
        """HTML for a notebook; every value is escaped."""
        kind = self.template.removesuffix(".html")
        values = {"head": self.head, "rows": self.rows, "notes": self.notes, "kind": kind}
        return render(self.template, **values, **self.more)


class Shown:
    """A result with a `view`: `str()` gives its text, a notebook its HTML."""

    __slots__ = ()

    def view(self) -> View:
        """The values that this result shows."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.view().text()

    def _repr_html_(self) -> str:
        return self.view().html()


def render(template: str, **values: Any) -> str:
    """A file of `templates/` with the values, which are escaped."""
    return str(_environment().get_template(template).render(**values))


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("workbench.present"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {name: getattr(words, name) for name in words.__all__}
    environment.filters["readable"] = readable
    return environment
