"""Reports of reading, for notebooks. All HTML goes through templates that escape."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def report_html(report: Any) -> str:
    """The table of an IngestReport: counts, formats, coverage as bars."""
    return str(_template("ingest_report.html").render(report=report))


def inspection_html(inspection: Any) -> str:
    """What a source is, what was guessed, its first records and its rejects."""
    return str(_template("inspection.html").render(inspection=inspection))


def duplicates_html(duplicates: Any) -> str:
    """Each group of duplicates with its records and what was taken from which."""
    return str(_template("duplicates.html").render(duplicates=duplicates))


@lru_cache(maxsize=8)
def _template(name: str) -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("workbench.corpus"), autoescape=True, trim_blocks=True
    )
    return environment.get_template(name)
