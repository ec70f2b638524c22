"""Judgments, agreement, list comparison and judging suggestions for people: HTML and plain text.

All HTML goes through templates that escape what comes from people, queries and papers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.present.words import printable

if TYPE_CHECKING:
    from workbench.evaluation.judge_next.suggestions import Suggestions
    from workbench.evaluation.judgments.agreement import Agreement
    from workbench.evaluation.judgments.judgments import Judgments
    from workbench.evaluation.likeness.list_comparison import ListComparison

SHOWN = 10
"""Rows of a table that stands for a longer one."""


def rendered(name: str, **values: Any) -> str:
    """The HTML of a template."""
    return str(_template(name).render(**_tools(), **values))


def count_pairs(count: int) -> str:
    """The count with its noun."""
    return f"{count:,} {'pair' if count == 1 else 'pairs'}"


def coefficient(value: float) -> str:
    """Three decimals; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def judgments_text(judgments: Judgments) -> str:
    """Plain text: the facts, then who judged how much."""
    facts = judgments.to_dict()
    lines = [
        f"{count_pairs(facts['pairs'])} judged by {', '.join(facts['people']) or 'nobody yet'} in "
        f"{facts['path']}",
        f"{facts['entries']:,} entries, {count_pairs(facts['conflicts'])} judged differently, "
        f"fingerprint {facts['fingerprint']}",
        *judgments.notes,
    ]
    return "\n".join(printable(line) for line in lines)


def agreement_text(agreement: Agreement) -> str:
    """Plain text: alpha, then one line for every two people."""
    alpha = ", ".join(f"{level} {coefficient(v)}" for level, v in agreement.alpha.items())
    lines = [
        f"{len(agreement.people)} people, {count_pairs(agreement.pairs)} judged by two or more",
        f"Krippendorff's alpha: {alpha}",
    ]
    lines += [
        f"  {k.first} and {k.second}: {count_pairs(k.pairs)}, {k.same:.0%} the same, Cohen's kappa "
        f"{coefficient(k.plain)}, linear {coefficient(k.linear)}, quadratic "
        f"{coefficient(k.quadratic)}"
        for k in agreement.kappas
    ]
    return "\n".join(printable(line) for line in lines)


def lists_text(lists: ListComparison) -> str:
    """Plain text: the coefficients, then one line a paper that did not stay."""
    heads = ", ".join(f"@{depth} {value:.3f}" for depth, value in lists.jaccard.items())
    lines = [
        f"{lists.first} and {lists.second}: {lists.shared} of {len(lists.moves)} papers in both",
        f"RBO {lists.rbo:.3f} (p {lists.p:g}), Kendall's tau-b {coefficient(lists.tau)} over all, "
        f"{coefficient(lists.shared_tau)} over the shared papers, Jaccard {heads}",
    ]
    for move in lists.moves:
        ranks = f"{move.first_rank or '-':>4} -> {move.second_rank or '-':>4}"
        what = f"{move.moved:+d}" if move.moved else move.status
        lines.append(f"  {ranks}  {what:>5}  {move.title or move.paper_id}")
    return "\n".join(printable(line) for line in lines)


def suggestions_text(suggestions: Suggestions) -> str:
    """Plain text, two lines a pair."""
    lines = [
        f"{count_pairs(suggestions.considered)} not judged among the first {suggestions.depth} "
        "under some "
        f"weights; the grade of {suggestions.changing:,} alone could make other weights win"
    ]
    for number, s in enumerate(suggestions, start=1):
        lines += [
            f"{number:>3}. {s.query[:60] or s.query_id}: {s.title or s.paper_id}",
            f"     {s.reason}",
        ]
    return "\n".join(printable(line) for line in lines)


def _tools() -> dict[str, Any]:
    return {"coefficient": coefficient, "count_pairs": count_pairs, "shown": SHOWN}


@lru_cache(maxsize=8)
def _template(name: str) -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("workbench.evaluation"), autoescape=True, trim_blocks=True
    )
    return environment.get_template(name)
