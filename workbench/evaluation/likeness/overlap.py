"""Coefficients of two rankings: rank-biased overlap, Jaccard, Kendall's tau-b."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, shown
from workbench.profiles.settings import finite
from workbench.records import Hit

RankedList = Sequence["str | Hit | Tied"]
"""Best first: ids or hits (a `Ranking` is a sequence of hits); a set holds papers that tie."""
Tied = frozenset[str] | set[str]
Vector = NDArray[np.float64]

PERSISTENCE = 0.9
"""RBO's p: the first 10 papers then have 86 % of the weight."""


def rbo(first: RankedList, second: RankedList, p: float = PERSISTENCE) -> float:
    """Rank-biased overlap of two lists, extrapolated to infinite depth, from 0 to 1.

    Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 2010, equation
    32, so that lists may differ in length. Tied papers (a set) share the ranks that they fill: the
    value is the mean over all orders in which ties can be broken, RBO^a of Corsi and Urbano, "The
    Treatment of Ties in Rank-Biased Overlap", SIGIR 2024. A `Ranking` has no ties, since equal
    scores go by paper id. 0 where one list is empty.

    Raises EvaluationError for a paper twice in one list, or p outside (0, 1).
    """
    persistence = finite(p)
    if persistence is None or not 0 < persistence < 1:
        raise EvaluationError(f"p is {shown(p)}; give a persistence between 0 and 1, like 0.9")
    a, b = _groups(first, "first"), _groups(second, "second")
    short, long = sorted((sum(map(len, a)), sum(map(len, b))))
    if not short:
        return 0.0
    overlap = _expected(a, b, long)
    depth = np.arange(1, long + 1)
    agreement = overlap / depth
    at_short, at_long = overlap[short - 1], overlap[-1]
    # Below its end the shorter list is taken to go on agreeing as much as at its end.
    past = np.maximum(depth - short, 0)
    agreement += at_short * past / (short * depth)
    weights = (1 - p) / p * p ** depth.astype(np.float64)
    tail = ((at_long - at_short) / long + at_short / short) * p**long
    return float((weights * agreement).sum() + tail)


def jaccard(first: RankedList, second: RankedList, depth: int) -> float:
    """Papers in both heads of `depth` over papers in either; a tie across the cut counts whole.

    NaN where both heads are empty. Raises EvaluationError for a depth below 1 or a paper twice.
    """
    if depth < 1:
        raise EvaluationError(f"depth is {depth}; give at least 1")
    heads = [
        {paper for paper, rank in best_ranks(ranked, name).items() if rank <= depth}
        for ranked, name in ((first, "first"), (second, "second"))
    ]
    either = heads[0] | heads[1]
    return len(heads[0] & heads[1]) / len(either) if either else math.nan


def kendall_tau(ranks_a: Mapping[str, int], ranks_b: Mapping[str, int], papers: list[str]) -> float:
    """Kendall's tau-b of two rankings over some papers, from -1 to 1.

    Kendall, "The Treatment of Ties in Ranking Problems", Biometrika 1945. Papers without a rank in
    one tie behind all that have one. NaN for fewer than two papers, or where all tie.
    """
    from scipy import stats

    if len(papers) < 2:
        return math.nan
    behind = len(papers) + 1
    pairs = [[ranks.get(paper, behind) for paper in papers] for ranks in (ranks_a, ranks_b)]
    if any(len(set(side)) == 1 for side in pairs):
        return math.nan
    return float(stats.kendalltau(pairs[0], pairs[1], variant="b").statistic)


def best_ranks(ranked: RankedList, name: str = "given") -> dict[str, int]:
    """The rank of each paper from 1, best first; tied papers share the best of theirs.

    Raises EvaluationError for a paper twice, or an entry that is none.
    """
    return {paper: low for paper, (low, _) in _spans(_groups(ranked, name)).items()}


def _expected(a: list[list[str]], b: list[list[str]], depth: int) -> Vector:
    """Expected papers in both heads of 1, 2, ... depth, ties broken at random; shape (depth,).

    A paper that ties over ranks i to j is in the head of d with probability (d - i + 1) /
    (j - i + 1) in between, 0 before and 1 from j on.
    """
    spans_a, spans_b = _spans(a), _spans(b)
    overlap = np.zeros(depth)
    plain: list[int] = []
    heads = np.arange(1, depth + 1)
    for paper in spans_a.keys() & spans_b.keys():
        two = (spans_a[paper], spans_b[paper])
        if all(low == high for low, high in two):
            plain.append(max(two)[0])
        else:
            parts = [np.clip((heads - low + 1) / (high - low + 1), 0.0, 1.0) for low, high in two]
            overlap += parts[0] * parts[1]
    return overlap + np.cumsum(np.bincount(plain, minlength=depth + 1)[1:])


def _groups(ranked: RankedList, name: str) -> list[list[str]]:
    """Papers that tie, group by group, best first."""
    if isinstance(ranked, str | bytes) or not isinstance(ranked, Iterable):
        raise EvaluationError(
            f"the {name} list is {shown(ranked)}; give a Ranking, or a list of paper ids"
        )
    groups = [_group(entry) for entry in ranked]
    counts = Counter(paper for group in groups for paper in group)
    twice = [paper for paper, count in counts.items() if count > 1]
    if twice:
        raise EvaluationError(
            f"the {name} list holds paper {twice[0]!r} twice; keep the better rank only"
        )
    return [group for group in groups if group]


def _group(entry: Any) -> list[str]:
    if isinstance(entry, Hit):
        return [entry.paper.id]
    papers = list(entry) if isinstance(entry, set | frozenset) else [entry]
    if not all(isinstance(paper, str) for paper in papers):
        raise EvaluationError(f"{entry!r} is no paper; give ids, hits, or sets of ids that tie")
    return sorted(papers)


def _spans(groups: Iterable[list[str]]) -> dict[str, tuple[int, int]]:
    """First and last of the ranks that a paper's group fills."""
    spans: dict[str, tuple[int, int]] = {}
    rank = 1
    for group in groups:
        spans |= dict.fromkeys(group, (rank, rank + len(group) - 1))
        rank += len(group)
    return spans
