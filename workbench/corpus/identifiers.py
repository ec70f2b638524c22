"""The one rule for ids of queries and papers, wherever they come from."""

from __future__ import annotations

import operator
from typing import Any

from workbench.errors import EvaluationError, WorkbenchError


def identifier(name: str, value: Any, error: type[WorkbenchError] = EvaluationError) -> str:
    """The id as text. A whole number, numpy's too, is its digits, as for papers.

    Raises `error`, which names the value, for anything else, for a text that is empty or white
    space, and for one that is no UTF-8.
    """
    if not isinstance(value, str):
        try:
            if isinstance(value, bool):
                raise TypeError
            value = str(operator.index(value))
        except TypeError:
            raise error(
                f"{name} is {value!r} ({type(value).__name__}); give a text that is not empty, or "
                "a whole number"
            ) from None
    return plain_text(name, value, error)


def plain_text(name: str, value: Any, error: type[WorkbenchError] = EvaluationError) -> str:
    """The text. Raises `error` where it is none, empty, white space, or no UTF-8."""
    if not isinstance(value, str) or not value.strip():
        raise error(f"{name} is {value!r}; give a text that is not empty")
    if not value.isascii() and value.encode("utf-8", "ignore").decode() != value:
        raise error(f"{name} {value!r} is no UTF-8; take the lone surrogates out")
    return str(value)
