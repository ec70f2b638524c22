"""Names of metrics as people write them: one text or several, other programs' names, misspellings.

Shared by what measures (ir_measures' formulas) and what tunes (formulas of ranks).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from workbench.errors import EvaluationError

EXAMPLES = "nDCG@10, AP, RR, RR@10, P@5, R@100, Success@5, RBP(p=0.8), Judged@10"

ALIASES = {"MAP": "AP", "MRR": "RR", "NDCG": "nDCG", "Recall": "R", "Precision": "P"}
"""Other names that ir_measures takes, of metrics that can be tuned for."""

_COMMA = re.compile(r",(?![^(]*\))")


def metric_names(metrics: str | Iterable[str]) -> list[str]:
    """The names given, each once: one text with commas between, or several texts.

    Raises EvaluationError for none, and for what is no text.
    """
    if isinstance(metrics, str):
        named = [name.strip() for name in _COMMA.split(metrics)]
        names = [name for name in named if name]  # a comma at the end names nothing
    elif isinstance(metrics, Iterable):
        given = list(metrics)
        if not all(isinstance(name, str) for name in given):
            raise EvaluationError(f"metrics are {given!r}; give names such as {EXAMPLES}")
        names = [name.strip() for name in given]
    else:
        raise EvaluationError(f"metrics are {metrics!r}; give names such as {EXAMPLES}")
    if not any(names):
        raise EvaluationError(f"no metric is named; give one or more of {EXAMPLES}")
    return list(dict.fromkeys(names))


def nearest_name(name: str, known: Iterable[str]) -> str:
    """ " (did you mean X?)" for a misspelt name, else ""."""
    base, known = re.split(r"[@(]", name)[0], list(known)
    # Of names that differ in case only, the first is the usual one.
    by_case = {each.lower(): each for each in reversed(known)}
    close = get_close_matches(base.lower(), by_case, n=1)
    return f" (did you mean {by_case[close[0]]}?)" if close and base not in known else ""
