"""Weights as a person means them: completed, as one balance, and the order that they give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import QueryError, WeightError, shown, whole_number
from workbench.profiles import Profile
from workbench.ranking.fusion import fuse, normalise, rank_papers, weight_vector
from workbench.records import Candidates

MAX_K = 10_000

DECIMALS = 6
"""Of weights that a balance means; `static/rank.js` of the widgets has the same rule, for sliders
that move without the kernel."""

WHOLE = 1e-9
"""Weights that miss 1 by this much or less are meant to sum to 1."""


class Weighted(Protocol):
    """What has weights by signal: a Profile, the best of a curve."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights by signal."""
        ...


Weights = Mapping[str, float] | Weighted
"""What a `weights` argument takes."""


def signal_names(signals: Any) -> tuple[str, ...]:
    """Names of signals, also as one text with commas. Raises WeightError for what is none."""
    given = signals.split(",") if isinstance(signals, str) else signals
    names = tuple(given) if isinstance(given, Iterable) else (given,)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise WeightError(f"signals are {shown(signals)}; give names, like ('bm25', 'dense')")
    return tuple(name.strip() for name in names)


def as_weights(given: Weights) -> Mapping[str, float]:
    """The mapping itself, or the `weights` of what has them. Raises WeightError for all else."""
    found = getattr(given, "weights", given)
    if not isinstance(found, Mapping):
        raise WeightError(
            f"weights are {shown(given)}; give a mapping like {{'dense': 0.7}}, or what has "
            "`weights`: a Profile, or the best of a curve"
        )
    return found


def weights_of_several(given: Iterable[Weights]) -> list[Mapping[str, float]]:
    """`as_weights` of each. Raises WeightError for what are not several."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise WeightError(f"weights are {shown(given)}; give a list of mappings")
    return [as_weights(each) for each in given]


def complete_weights(
    given: Weights, base: Mapping[str, float], signals: Sequence[str]
) -> dict[str, float]:
    """Weights for every signal from those that a person named.

    Signals left out share what is missing to 1, in the proportions of `base`: with bm25 and dense
    in use, {"dense": 0.7} means bm25 0.3. Named weights that sum to 1 or more leave them nothing,
    and so do those that miss 1 by rounding only. Raises what `weight_vector` raises, and
    WeightError for what is no mapping, or leaves every signal at 0.
    """
    given = as_weights(given)
    weight_vector({**dict.fromkeys(signals, 1.0), **given}, signals)
    others = {name: base.get(name, 0.0) for name in signals if name not in given}
    whole = sum(others.values())
    missing = 1.0 - math.fsum(given.values())
    if missing <= WHOLE:
        missing = 0.0
    shared = {name: missing * part / whole if whole else 0.0 for name, part in others.items()}
    full = {name: float(given.get(name, shared.get(name, 0.0))) for name in signals}
    if not any(full.values()):
        raise WeightError(
            f"weights {dict(given)} leave every signal at 0; give one of "
            f"{', '.join(signals)} a weight above 0"
        )
    return dict(zip(signals, weight_vector(full, signals).tolist(), strict=True))


def ranked_papers(
    candidates: Candidates, profile: Profile, k: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Ids and scores of the best `k` papers under a profile, best first, without reading their
    texts."""
    check_k(k)
    check_vectors(candidates, profile.weights)
    weights = weight_vector(profile.weights, candidates.signals)
    scores = fuse(normalise(candidates, profile.normaliser), weights)
    rows, _ = rank_papers(candidates, scores, k)
    return candidates.paper_ids[rows].tolist(), scores[rows]


def ranked_ids(candidates: Candidates, profile: Profile, k: int) -> list[str]:
    """The ids alone."""
    return ranked_papers(candidates, profile, k)[0]


def check_k(k: int) -> int:
    """k as an int. Raises QueryError for no whole number from 1 to MAX_K."""
    return whole_number("k", k, 1, MAX_K, QueryError)


def check_vectors(candidates: Candidates, weights: Mapping[str, float]) -> None:
    """Raises QueryError where only cosines have a weight and there is no vector to compare: every
    paper would have 0, and the order would be that of the ids."""
    weighted = [name for name in candidates.signals if weights.get(name)]
    if not len(candidates) or not all(map(is_semantic, weighted)):
        return
    if not any(candidates.column(name).any() for name in weighted):
        raise QueryError(
            f"only {', '.join(weighted)} has a weight, and the index has no vectors to compare; "
            "give bm25 a weight, or name the field of the vectors: "
            "wb.Elasticsearch(vector_field=...)"
        )


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
