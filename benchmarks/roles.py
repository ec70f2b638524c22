"""Roles of sentences: what the table of papers by aspects finds on abstracts labelled by people.

`--write` trains the model anew on CSAbstruct's train part and writes it where the package reads it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import Figure, arguments, heading, need, table, targets
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from workbench.qa import roles
from workbench.qa.aspects import LEAST, weigh_aspect
from workbench.qa.roles import BIAS, ROLES, SCALE, role_features, role_probabilities

LEAST_OFTEN = 10
"""Sentences that must have a feature."""

KEPT = 400
"""Features of the model: with all 5,600 it is no better."""

PENALTY = 10.0
"""Of the squared weights."""

RULES = {"background": 0.86, "objective": 0.40, "method": 0.64, "result": 0.63}
"""Share of right cells by the rules that were here before; they found .47, .45, .55 and .60."""

PLACES = 0.5
"""What is left of the weights of places once they are fitted: elsewhere abstracts are built in
other ways, and here the cells of results are righter so, though fewer."""

Weights = NDArray[np.float64]


def main() -> None:
    """Train where asked, measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--write", action="store_true", help="train and write the model")
    given = parser.parse_args()
    folder = need(given.data / "csabstruct")
    if given.write:
        _write(_read(folder / "train.jsonl"))
    heading("Roles of sentences")
    abstracts = _read(folder / "dev.jsonl")
    rows, figures = [], []
    for role in ("background", "objective", "method", "result"):
        taken = right = there = 0
        for abstract in abstracts:
            labels = abstract["labels"]
            weights = weigh_aspect(role, abstract["sentences"])
            best = max(range(len(weights)), key=weights.__getitem__)
            there += role in labels
            if weights[best] >= LEAST:
                taken += 1
                right += labels[best] == role
        rows.append((role, str(taken), f"{right / taken:.2f}", f"{right / there:.2f}"))
        figures.append(Figure(f"{role}: right cells", right / taken, RULES[role], least=True))
    guesses = [
        ROLES[role] == label
        for abstract in abstracts
        for role, label in zip(
            role_probabilities(abstract["sentences"]).argmax(axis=1),
            abstract["labels"],
            strict=True,
        )
    ]
    columns = ("aspect", "cells", "right", "found of those that have one")
    table(f"{len(abstracts)} abstracts, {np.mean(guesses):.3f} of sentences right", columns, rows)
    targets(figures)


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _write(abstracts: Sequence[dict[str, Any]]) -> None:
    """Fit with all common features, keep those that decide most, and fit with them."""
    found: list[set[str]] = []
    labels: list[int] = []
    for abstract in abstracts:
        tokens = [roles._tokens(sentence) for sentence in abstract["sentences"]]
        found += [role_features(tokens, at) for at in range(len(tokens))]
        labels += [ROLES.index(label) for label in abstract["labels"]]
    often = Counter(name for names in found for name in names)
    names = sorted(name for name, times in often.items() if times >= LEAST_OFTEN)
    weights, _ = _fit(_matrix(found, names), np.array(labels))
    spread = np.abs(weights - weights.mean(axis=1, keepdims=True)).max(axis=1)
    deciding = np.argsort(-spread * np.sqrt([often[name] for name in names]), kind="stable")[:KEPT]
    names = sorted(names[n] for n in deciding)
    weights, bias = _fit(_matrix(found, names), np.array(labels))
    weights[[name.startswith("@") for name in names]] *= PLACES
    whole = np.rint(SCALE * np.vstack([bias[None], weights])).astype(int)
    lines = [
        "\t".join([name, *map(str, row)]) for name, row in zip([BIAS, *names], whole, strict=True)
    ]
    Path(str(roles.FILE)).write_text("\n".join(lines) + "\n", "utf-8")


def _matrix(found: Sequence[set[str]], names: Sequence[str]) -> csr_matrix:
    """(sentences, names) of 0 and 1."""
    at = {name: n for n, name in enumerate(names)}
    cells = [(row, at[name]) for row, some in enumerate(found) for name in some if name in at]
    places = tuple(np.array(cells).T)
    return csr_matrix((np.ones(len(cells)), places), shape=(len(found), len(names)))


def _fit(matrix: csr_matrix, labels: NDArray[np.int64]) -> tuple[Weights, Weights]:
    """Multinomial logistic regression by L-BFGS: weights (features, ROLES) and bias (ROLES,)."""
    features, kinds = matrix.shape[1], len(ROLES)
    truth = np.eye(kinds)[labels]

    def loss(flat: Weights) -> tuple[float, Weights]:
        weights = flat[: features * kinds].reshape(features, kinds)
        odds = matrix @ weights + flat[features * kinds :]
        odds -= odds.max(axis=1, keepdims=True)
        shares = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        value = PENALTY / 2 * np.square(weights).sum() - np.log(shares[truth == 1]).sum()
        slope = matrix.T @ (shares - truth) + PENALTY * weights
        return value, np.concatenate([slope.ravel(), (shares - truth).sum(axis=0)])

    start = np.zeros((features + 1) * kinds)
    flat = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return flat[: features * kinds].reshape(features, kinds), flat[features * kinds :]


if __name__ == "__main__":
    main()
