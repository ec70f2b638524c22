"""What every reader yields: one record of a source, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a source.

    `record` has the fields of a paper under the names of `Paper`, cleaned, besides "identifiers"
    and "status"; `raw` is what the file says. Where there is no paper, `record` is None and
    `problem` and `cure` say why and what to do. `line` counts from 1: lines of a text file, else
    rows, records or pages. `files` are PDFs that have the paper's text, the best first; `note`
    says what is amiss with a paper that is taken all the same.
    """

    file: str
    line: int
    record: Mapping[str, Any] | None = None
    problem: str = ""
    cure: str = ""
    raw: Mapping[str, Any] | None = None
    format: str = ""
    files: tuple[str, ...] = ()
    note: str = ""
