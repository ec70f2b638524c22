"""How alike two rankings are: overlap weighted by rank, overlap of the heads, order, and a diff."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError
from workbench.evaluation.tables import lists_text, rendered
from workbench.records import Hit

if TYPE_CHECKING:
    import pandas as pd

Ranked = Sequence["str | Hit | Tied"]
"""Best first: paper ids or hits (a `Ranking` is a sequence of them); a set holds ids that tie."""
Tied = frozenset[str] | set[str]
Vector = NDArray[np.float64]

PERSISTENCE = 0.9
"""RBO's p: the first 10 papers then have 86 % of the weight."""

DEPTHS = (5, 10, 20, 50, 100)
"""Where Jaccard is taken, as far as both lists go, and at the end of the longer one."""


@dataclass(frozen=True, slots=True)
class Move:
    """One paper in two lists: ranks from 1, None where it is not there.

    `status` is "same", "up" or "down" (seen from the first list to the second), "new" or "lost".
    `moved` counts the places gained, None for new and lost papers.
    """

    paper_id: str
    title: str
    first_rank: int | None
    second_rank: int | None

    @property
    def moved(self) -> int | None:
        if self.first_rank is None or self.second_rank is None:
            return None
        return self.first_rank - self.second_rank

    @property
    def status(self) -> str:
        if self.first_rank is None:
            return "new"
        if self.second_rank is None:
            return "lost"
        return "same" if not self.moved else "up" if self.moved > 0 else "down"


@dataclass(frozen=True, slots=True, repr=False)
class ListComparison:
    """Two rankings side by side. In a notebook it shows as a table; `str()` gives plain text.

    `rbo`: extrapolated rank-biased overlap at persistence `p`, from 0 to 1. `jaccard` maps a depth
    to the share of papers in both heads among those in either. `tau`: Kendall's tau-b over all
    papers of both lists, where those missing from a list tie behind its end; `shared_tau` over the
    `shared` papers in both. NaN where it is not defined. `moves` holds the second list's papers in
    its order, then the lost ones in the first list's.
    """

    first: str
    second: str
    rbo: float
    p: float
    jaccard: Mapping[int, float]
    tau: float
    shared_tau: float
    shared: int
    moves: tuple[Move, ...]

    def only(self, *statuses: str) -> list[Move]:
        """The moves of some statuses: `only("new", "lost")`."""
        return [move for move in self.moves if move.status in statuses]

    def to_frame(self) -> pd.DataFrame:
        """One row a paper: paper_id, title, first_rank, second_rank, moved, status."""
        import pandas as pd

        rows = [self._row(move) for move in self.moves]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        ranks = ["first_rank", "second_rank", "moved"]
        return frame.astype(dict.fromkeys(ranks, "Int64"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a coefficient that is not defined is None."""
        taus = {"tau": self.tau, "shared_tau": self.shared_tau}
        return {
            "first": self.first,
            "second": self.second,
            "rbo": self.rbo,
            "p": self.p,
            "jaccard": {str(depth): value for depth, value in self.jaccard.items()},
            **{name: None if math.isnan(value) else value for name, value in taus.items()},
            "shared": self.shared,
            "moves": [self._row(move) for move in self.moves],
        }

    def __repr__(self) -> str:
        return (
            f"ListComparison({self.first!r} and {self.second!r}: RBO {self.rbo:.3f}, "
            f"{self.shared} of {len(self.moves)} papers in both)"
        )

    def __str__(self) -> str:
        return lists_text(self)

    def _repr_html_(self) -> str:
        return rendered("lists.html", lists=self)

    @staticmethod
    def _row(move: Move) -> dict[str, Any]:
        return {name: getattr(move, name) for name in _COLUMNS}


_COLUMNS = ("paper_id", "title", "first_rank", "second_rank", "moved", "status")


def compare_lists(
    first: Ranked,
    second: Ranked,
    *,
    p: float = PERSISTENCE,
    titles: Mapping[str, str] | None = None,
    labels: tuple[str, str] = ("first", "second"),
) -> ListComparison:
    """Compare two rankings, which may differ in length and papers.

    `titles` are of papers given by id. Raises EvaluationError for two empty lists, a paper twice in
    one list, or p outside (0, 1).
    """
    names = dict(titles or {})
    for hit in (*first, *second):
        if isinstance(hit, Hit):
            names[hit.paper.id] = hit.paper.title
    a, b = _groups(first, labels[0]), _groups(second, labels[1])
    ranks_a, ranks_b = _ranks(a), _ranks(b)
    shared = [paper for paper in ranks_a if paper in ranks_b]
    order = [*ranks_b, *(paper for paper in ranks_a if paper not in ranks_b)]
    return ListComparison(
        first=labels[0],
        second=labels[1],
        rbo=rbo(first, second, p),
        p=p,
        jaccard={depth: jaccard(first, second, depth) for depth in _depths(ranks_a, ranks_b)},
        tau=_tau(ranks_a, ranks_b, order),
        shared_tau=_tau(ranks_a, ranks_b, shared),
        shared=len(shared),
        moves=tuple(
            Move(paper, names.get(paper, ""), ranks_a.get(paper), ranks_b.get(paper))
            for paper in order
        ),
    )


def rbo(first: Ranked, second: Ranked, p: float = PERSISTENCE) -> float:
    """Rank-biased overlap of two lists, extrapolated to infinite depth, from 0 to 1.

    Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 2010, equation
    32, so that lists may differ in length. Tied papers (a set) share the ranks that they fill: the
    value is the mean over all orders in which ties can be broken, RBO^a of Corsi and Urbano, "The
    Treatment of Ties in Rank-Biased Overlap", SIGIR 2024. A `Ranking` has no ties, since equal
    scores go by paper id. 0 where one list is empty.

    Raises EvaluationError for a paper twice in one list, or p outside (0, 1).
    """
    if not 0 < p < 1:
        raise EvaluationError(f"p is {p}; give a persistence between 0 and 1, like 0.9")
    a, b = _groups(first, "first"), _groups(second, "second")
    short, long = sorted((sum(map(len, a)), sum(map(len, b))))
    if not short:
        return 0.0
    overlap = _overlap(a, b, long)
    depth = np.arange(1, long + 1)
    agreement = overlap / depth
    at_short, at_long = overlap[short - 1], overlap[-1]
    # Below its end the shorter list is taken to go on agreeing as much as at its end.
    past = np.maximum(depth - short, 0)
    agreement += at_short * past / (short * depth)
    weights = (1 - p) / p * p ** depth.astype(np.float64)
    tail = ((at_long - at_short) / long + at_short / short) * p**long
    return float((weights * agreement).sum() + tail)


def jaccard(first: Ranked, second: Ranked, depth: int) -> float:
    """Papers in both heads of `depth` over papers in either; a tie across the cut counts whole.

    NaN where both heads are empty. Raises EvaluationError for a depth below 1 or a paper twice.
    """
    if depth < 1:
        raise EvaluationError(f"depth is {depth}; give at least 1")
    heads = [
        {paper for paper, rank in _ranks(_groups(ranked, name)).items() if rank <= depth}
        for ranked, name in ((first, "first"), (second, "second"))
    ]
    either = heads[0] | heads[1]
    return len(heads[0] & heads[1]) / len(either) if either else math.nan


def _overlap(a: list[list[str]], b: list[list[str]], depth: int) -> Vector:
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


def _tau(ranks_a: Mapping[str, int], ranks_b: Mapping[str, int], papers: list[str]) -> float:
    """Kendall's tau-b ("The Treatment of Ties in Ranking Problems", Biometrika 1945)."""
    from scipy import stats

    if len(papers) < 2:
        return math.nan
    behind = len(papers) + 1
    pairs = [[ranks.get(paper, behind) for paper in papers] for ranks in (ranks_a, ranks_b)]
    if any(len(set(side)) == 1 for side in pairs):
        return math.nan
    return float(stats.kendalltau(pairs[0], pairs[1], variant="b").statistic)


def _groups(ranked: Ranked, name: str) -> list[list[str]]:
    """Papers that tie, group by group, best first."""
    if isinstance(ranked, str):
        raise EvaluationError(f"the {name} list is the text {ranked!r}; give a list of paper ids")
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
    papers = sorted(entry) if isinstance(entry, set | frozenset) else [entry]
    if not all(isinstance(paper, str) for paper in papers):
        raise EvaluationError(f"{entry!r} is no paper; give ids, hits, or sets of ids that tie")
    return papers


def _spans(groups: Iterable[list[str]]) -> dict[str, tuple[int, int]]:
    """First and last of the ranks that a paper's group fills."""
    spans: dict[str, tuple[int, int]] = {}
    rank = 1
    for group in groups:
        spans |= dict.fromkeys(group, (rank, rank + len(group) - 1))
        rank += len(group)
    return spans


def _ranks(groups: Iterable[list[str]]) -> dict[str, int]:
    """The rank of each paper, best first; tied papers share the best of theirs."""
    return {paper: low for paper, (low, _) in _spans(groups).items()}


def _depths(a: Mapping[str, int], b: Mapping[str, int]) -> list[int]:
    longest = max(len(a), len(b))
    if not longest:
        raise EvaluationError("both lists are empty; there is nothing to compare")
    return [*(depth for depth in DEPTHS if depth < longest), longest]
