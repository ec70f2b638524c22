"""The role of each sentence of an abstract, by a linear model of its words and its place.

Multinomial logistic regression over 400 features; `benchmarks/roles.py` trained it on the train
part of CSAbstruct (Cohan et al., EMNLP 2019, Apache-2.0) and measures it on the dev part.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

ROLES = ("background", "objective", "method", "result", "other")

SCALE = 100
"""Weights are whole numbers, so sums do not depend on their order; divided by this, log odds."""

BIAS = "@"
FILE = files("workbench.qa") / "roles.txt"

_TOKEN = re.compile(r"[a-z]+(?:-[a-z]+)*|\d+|%")


def role_probabilities(sentences: Sequence[str]) -> NDArray[np.float64]:
    """float64 (sentences, ROLES) of the sentences of one text, in its order; each row sums to 1.

    A sentence without any word that the model knows has 0 everywhere: its place alone says nothing.
    """
    weights = _weights()
    tokens = [_tokens(sentence) for sentence in sentences]
    sums = np.zeros((len(sentences), len(ROLES)))
    known = np.zeros(len(sentences), dtype=bool)
    for at in range(len(sentences)):
        found = [name for name in role_features(tokens, at) if name in weights]
        known[at] = any(not name.startswith("@") for name in found)
        sums[at] = np.sum([weights[name] for name in (BIAS, *found)], axis=0)
    odds = np.exp((sums - sums.max(axis=1, keepdims=True)) / SCALE)
    shares: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return shares * known[:, None]


def role_features(tokens: Sequence[Sequence[str]], at: int) -> set[str]:
    """The names of what is so of one sentence, of the tokens of all: words, pairs of words, how it
    begins ("^"), how the one before begins ("<"), and where it stands ("@")."""
    own, last = tokens[at], len(tokens) - 1
    names = {*own, *map(" ".join, itertools.pairwise(own))}
    names |= {f"^{own[0]}", f"^{' '.join(own[:2])}"} if own else set()
    if at:
        names.add(f"<{' '.join(tokens[at - 1][:2])}")
    sixth = "first" if at == 0 else "last" if at == last else str(int(6 * at / last))
    return names | {f"@{sixth}", f"@after {min(at, 4)}", f"@before {min(last - at, 4)}"}


def _tokens(sentence: str) -> list[str]:
    """Words in lower case; a number is "#"."""
    return ["#" if t[0].isdigit() else t for t in _TOKEN.findall(sentence.lower())]


@cache
def _weights() -> dict[str, NDArray[np.int64]]:
    """Whole numbers (ROLES,) by feature."""
    lines = (line.split("\t") for line in FILE.read_text("utf-8").splitlines())
    return {name: np.array(values, dtype=np.int64) for name, *values in lines}
