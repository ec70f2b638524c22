"""One number between the lexical and the semantic signals, and the weights that it means.

`static/rank.js` of the widgets has the same rule, for sliders that move without the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DECIMALS = 6


def is_lexical(signal: str) -> bool:
    """BM25 in any form: `bm25`, `bm25_feedback`, `title`."""
    return signal.startswith("bm25") or signal == "title"


def is_semantic(signal: str) -> bool:
    """Cosines of the embedder: `dense`, `dense_feedback`."""
    return signal.startswith("dense")


def balance_of(weights: Mapping[str, float]) -> float:
    """Share of the semantic signals in the weight of both groups, 0 to 1; 0.5 where both are 0."""
    lexical = _total(weights, filter(is_lexical, weights))
    semantic = _total(weights, filter(is_semantic, weights))
    return semantic / (lexical + semantic) if lexical + semantic else 0.5


def with_balance(weights: Mapping[str, float], balance: float) -> dict[str, float]:
    """The weights with another balance, in six decimals.

    The total of both groups and the proportions within each stay; a group that weighed nothing
    gives all to its first signal. Other signals (a reranker's) keep their weight.
    """
    lexical = [name for name in weights if is_lexical(name)]
    semantic = [name for name in weights if is_semantic(name)]
    total = _total(weights, [*lexical, *semantic]) or 1.0
    half = _spread(weights, lexical, total * (1 - balance))
    return _spread(half, semantic, total * balance)


def _total(weights: Mapping[str, float], names: Iterable[str]) -> float:
    return sum(weights.get(name, 0.0) for name in names)


def _spread(weights: Mapping[str, float], group: list[str], total: float) -> dict[str, float]:
    whole = _total(weights, group)
    changed = dict(weights)
    for place, name in enumerate(group):
        part = weights[name] / whole if whole else float(place == 0)
        changed[name] = round(total * part, DECIMALS)
    return changed
