"""Reports and comparisons for people: HTML for notebooks, text for terminals.

All HTML goes through templates that escape what comes from queries and labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.present.words import printable

if TYPE_CHECKING:
    from workbench.evaluation.reports.bounds import Bounds
    from workbench.evaluation.reports.comparison import Comparison, Contrast
    from workbench.evaluation.reports.report import Report


def report_html(report: Report) -> str:
    """The table that a notebook shows."""
    return render("report.html", report=report, **_tools())


def comparison_html(comparison: Comparison) -> str:
    """The table that a notebook shows for `Report.compare`."""
    return render("comparison.html", comparison=comparison, **_tools())


def report_text(report: Report) -> str:
    """Plain text, one metric a line: mean and 95 % interval."""
    width = max(len(name) for name in report.metrics)
    lines = [f"{report.label or 'Report'}: {count_queries(report.queries)}"]
    lines += [
        f"  {name:<{width}}  {value.mean:.4f}  [{value.low:.4f}, {value.high:.4f}]"
        f"{_bounds_text(report.bounds.get(name))}"
        for name, value in report.metrics.items()
    ]
    lines += [f"judged in the first 10: {report.judged_at_10:.1%}", *report.notes]
    return "\n".join(printable(line) for line in lines)


def _bounds_text(bounds: Bounds | None) -> str:
    """What the unjudged papers leave open, where there are some."""
    if bounds is None or not bounds.holes:
        return ""
    return f"  {bounds.low:.4f} to {bounds.high:.4f} with {bounds.holes:,} unjudged"


def comparison_text(comparison: Comparison) -> str:
    """Plain text, two lines a contrast."""
    lines = [f"{comparison.label or 'Report'} against {', '.join(comparison.pairs)}"]
    lines += [f"  {label}: {', '.join(s)}" for label, s in comparison.differences.items() if s]
    for c in comparison.contrasts:
        lines += [
            f"  {c.metric} - {c.other}: {c.mean:.4f} - {c.other_mean:.4f} = {c.difference:+.4f} "
            f"over {count_queries(c.queries)}, d {number(c.effect_size)}",
            f"    randomisation p {p_value(c.p['randomisation'])}, Holm "
            f"{p_value(c.holm['randomisation'])}, t {p_value(c.p['t'])}, Wilcoxon "
            f"{p_value(c.p['wilcoxon'])}; win {c.win}, tie {c.tie}, loss {c.loss}",
        ]
    lines += [
        f"  moved most, {c.metric} - {c.other}: {moved_most(comparison, c)}"
        for c in comparison.contrasts
        if c.win or c.loss
    ]
    return "\n".join(printable(line) for line in [*lines, *comparison.notes])


def moved_most(comparison: Comparison, contrast: Contrast, most: int = 3) -> str:
    """The queries that moved most under one contrast, with their differences."""
    moved = comparison.moved(contrast.metric, most, contrast.other)["difference"]
    return ", ".join(f"{query} {difference:+.3f}" for query, difference in moved.items())


def count_queries(count: int) -> str:
    """The count with its noun."""
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def first_ids(ids: Sequence[str], most: int = 5) -> str:
    """Ids with commas; after `most` of them how many more there are."""
    more = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {more:,} more" if more > 0 else "")


def unknown_papers_note(ids: Sequence[str]) -> str:
    """How many judged papers the corpus does not have, with examples."""
    papers = "1 judged paper is" if len(ids) == 1 else f"{len(ids):,} judged papers are"
    return f"{papers} not in the corpus, so no search finds them: {first_ids(ids)}"


def p_value(p: float) -> str:
    """Four decimals, or that it is below them."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def number(value: float) -> str:
    """Two decimals with sign; a dash where undefined."""
    return "–" if math.isnan(value) else f"{value:+.2f}"


def render(template: str, **names: Any) -> str:
    """A template of this room, filled; what is filled in is escaped."""
    return str(_template(template).render(**names))


def _tools() -> dict[str, Any]:
    return {
        "p_value": p_value,
        "number": number,
        "count_queries": count_queries,
        "moved_most": moved_most,
    }


@lru_cache(maxsize=8)
def _template(name: str) -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("workbench.evaluation"), autoescape=True, trim_blocks=True
    )
    return environment.get_template(name)
