"""Parameters of the API's paths: one table reads, checks and documents them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request

from workbench.serve.faults import Refused

MOST_QUERY = 10_000
"""Characters of a search; a longer text is a document."""

MOST_TEXT = 2_000
"""Characters of another parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path's query. A `flag` is on where its name is there, whatever it says."""

    name: str
    kind: Literal["text", "whole", "flag"] = "text"
    about: str = ""
    default: Any = None
    least: int = 0
    most: int = 0
    required: bool = False

    def read(self, text: str) -> Any:
        """The value that a client's text means. Raises Refused (400)."""
        if self.kind == "flag":
            return True
        if self.kind == "whole":
            digits = text.strip()
            number = int(digits) if digits.isascii() and digits.isdecimal() else None
            if number is None or len(digits) > 18 or not self.least <= number <= self.most:
                raise Refused(
                    400,
                    f"{self.name} is {text[:40]!r}; give a whole number from {self.least} to "
                    f"{self.most}",
                )
            return number
        if len(text) > self._longest:
            raise Refused(
                400,
                f"{self.name} has {len(text):,} characters, the limit is {self._longest:,}",
            )
        if self.required and not text.strip():
            raise Refused(400, f"{self.name} is empty; give at least one word")
        return text

    @property
    def _longest(self) -> int:
        return MOST_QUERY if self.required else MOST_TEXT

    def openapi(self) -> dict[str, Any]:
        """The parameter as OpenAPI describes it."""
        schema: dict[str, Any] = {"type": "string"}
        if self.kind == "whole":
            schema = {"type": "integer", "minimum": self.least, "maximum": self.most}
            if self.default is not None:
                schema["default"] = self.default
        elif self.kind == "text":
            schema["maxLength"] = self._longest
            if self.required:
                schema["minLength"] = 1
        elif self.kind == "flag":
            schema["maxLength"] = 0
        return {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "description": self.about,
            "schema": schema,
            **({"allowEmptyValue": True} if self.kind == "flag" else {}),
        }


def read_parameters(request: Request, known: tuple[Parameter, ...]) -> dict[str, Any]:
    """The values by name, defaults where one was left out. Raises Refused (400) for a parameter
    that the path does not have, one that is missing, and a value that cannot be meant."""
    given: Mapping[str, str] = request.query_params
    names = {parameter.name for parameter in known}
    if unknown := sorted(set(given) - names):
        shown = ", ".join(name[:60] for name in unknown[:10])
        raise Refused(400, f"Unacceptable query params: [{shown}]")
    values: dict[str, Any] = {}
    for parameter in known:
        text = given.get(parameter.name)
        if text is None:
            if parameter.required:
                raise Refused(400, f"Missing required parameter: '{parameter.name}'")
            values[parameter.name] = parameter.default
        elif not text.strip() and parameter.kind != "flag" and not parameter.required:
            values[parameter.name] = parameter.default
        else:
            values[parameter.name] = parameter.read(text)
    return values


QUERY = Parameter("query", about="What to search for, in plain words.", required=True)
FIELDS = Parameter("fields", about="Names with commas; `authors.name` asks for a part.")
OFFSET = Parameter("offset", "whole", "Where the page begins.", 0, 0, 10**9)
FILTERS = (
    Parameter("year", about="2019, 2016-2020, 2010- or -2015."),
    Parameter(
        "publicationDateOrYear",
        about="2019-03-05, 2019-03, 2019, or a range with a colon. A paper whose year alone is "
        "known counts as of the first of January.",
    ),
    Parameter("venue", about="Venues with commas; any of them."),
    Parameter("fieldsOfStudy", about="Fields with commas; any of them."),
    Parameter("minCitationCount", about="Refused: a corpus has no citation counts."),
)
PAPER_FILTERS = (
    *FILTERS,
    Parameter("publicationTypes", about="Refused: a corpus has no publication types."),
    Parameter("openAccessPdf", "flag", "Only papers with a public PDF; takes no value."),
)
SNIPPET_FILTERS = (
    *FILTERS,
    Parameter("paperIds", about="At most 100 ids with commas."),
    Parameter("authors", about="At most 10 names with commas, all of which a paper must have."),
    Parameter("insertedBefore", about="Refused: a corpus has no dates of insertion."),
)


def limit(default: int, most: int) -> Parameter:
    """How many records a page has."""
    return Parameter("limit", "whole", "Records of a page.", default, 1, most)
