"""What the settings of a profile may be, and what each is where nobody says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

from workbench.errors import ProfileError, WeightError, shown

MAX_CANDIDATES = 100_000

NORMALISERS = ("min-max", "z-score", "theoretical", "none", "rrf")
"""How signals are made comparable; the functions are in ranking.fusion."""

DEVICES = ("auto", "cpu", "cuda")
DENSE = ("auto", "exact")
LATE_INTERACTION = "late-interaction"
"""The reranker that needs no weights but the embedder's."""

FEEDBACK = ("bm25_feedback", "dense_feedback")

# The middle of a broad optimum on SciFact's train queries (best at .6) and data/landmarks (at .7).
WEIGHTS = {"bm25": 0.35, "title": 0.0, "dense": 0.65}
_WEIGHTS_WITH_FEEDBACK = {
    "bm25": 0.2,
    "title": 0.0,
    "dense": 0.3,
    "bm25_feedback": 0.2,
    "dense_feedback": 0.3,
}
_RERANK_WEIGHT = {"late_interaction": 0.3, "cross_encoder": 0.5}

WHOLE = {
    "n_retrieval": (1, MAX_CANDIDATES),
    "n_keyword": (1, MAX_CANDIDATES),
    "n_rerank": (1, MAX_CANDIDATES),
    "workers": (1, 256),
    "batch_size": (1, 4096),
    "max_tokens": (1, 1_000_000),
}
REAL = {"context_threshold": (0.0, 1.0), "temperature": (0.0, 2.0)}
TEXT = ("name", "reranker")
ONE_OF = {"normaliser": NORMALISERS, "device": DEVICES, "dense": DENSE}


def default_weights(feedback: bool, reranker: str = "") -> dict[str, float]:
    """The weights of a profile that names none. A reranker takes its part from the others."""
    weights = _WEIGHTS_WITH_FEEDBACK if feedback else WEIGHTS
    if not reranker:
        return dict(weights)
    signal = "late_interaction" if reranker == LATE_INTERACTION else "cross_encoder"
    part = _RERANK_WEIGHT[signal]
    return {**{name: weight * (1 - part) for name, weight in weights.items()}, signal: part}


def check_whole(setting: str, value: Any, least: int, most: int) -> None:
    """Raises ProfileError for what is no whole number within the limits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProfileError(f"{setting} is {shown(value)}; give a whole number")
    if not least <= value <= most:
        raise ProfileError(f"{setting} is {shown(value)}; the limits are {least} and {most}")


def real(setting: str, value: Any, least: float, most: float) -> float:
    """The value as a float. Raises ProfileError for what is no number within the limits."""
    number = finite(value)
    if number is None or not least <= number <= most:
        raise ProfileError(f"{setting} is {shown(value)}; give a number from {least:g} to {most:g}")
    return number


def finite(value: Any) -> float | None:
    """A number as a float; None for what is none, NaN, infinite, or beyond what a float holds."""
    # Asking for the protocol takes 40 us, which a moving slider would wait for.
    if isinstance(value, bool | str) or not isinstance(value, float | int | SupportsFloat):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError, TypeError):
        return None
    return number if math.isfinite(number) else None


def check_weights(weights: Any, setting: str = "weights") -> None:
    """What can be said without knowing an engine's signals. Raises ProfileError for no table,
    WeightError for a weight that is none."""
    if not isinstance(weights, Mapping):
        raise ProfileError(f"{setting} is {shown(weights)}; give a table of signal and number")
    for name, weight in weights.items():
        number = finite(weight)
        if not isinstance(name, str) or number is None or number < 0:
            raise WeightError(
                f"weight of {name} is {shown(weight)}; give a finite number from 0 up"
            )


def check_first_pass(weights: Any) -> None:
    """The first pass has an engine's own signals; any other is computed from it. Raises
    ProfileError."""
    check_weights(weights, "first_pass")
    unknown = sorted(set(weights) - set(WEIGHTS))
    if unknown or not any(weights.values()):
        raise ProfileError(
            f"first_pass is {dict(weights)}; give one of {', '.join(WEIGHTS)} a weight above 0, "
            "and no other signal"
        )


def check_feedback(weights: Mapping[str, float], feedback: bool) -> None:
    """Raises WeightError where a signal of feedback has a weight and feedback is off."""
    named = [signal for signal in FEEDBACK if weights.get(signal)]
    if named and not feedback:
        raise WeightError(
            f"{', '.join(named)} has a weight, but feedback is off; turn feedback on "
            "(profile.replace(feedback=True)), or give other weights"
        )
