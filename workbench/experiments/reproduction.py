"""How close a reproduction is, from the order of the papers to the size of the effect.

Breuer, Ferro, Fuhr, Maistro, Sakai, Schaer and Soboroff, "How to Measure the Reproducibility of
System-oriented IR Experiments", SIGIR 2020. The values are those of their package repro_eval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import EvaluationError
from workbench.present.view import Shown, View
from workbench.present.words import coefficient

if TYPE_CHECKING:
    import pandas as pd

Rankings = Mapping[str, Sequence[str]]
"""Query id -> paper ids, best first."""

DEPTH, PERSISTENCE = 1000, 0.8


@dataclass(frozen=True, slots=True)
class Reproduction(Shown):
    """One run against the original: `ktu` and `rbo` (1: the same order), `rmse` by metric (0: the
    same values); with a baseline of each, `effect_ratio` (1: the same effect) and `delta_ri` (0)
    by metric, else empty."""

    ktu: float
    rbo: float
    rmse: Mapping[str, float]
    effect_ratio: Mapping[str, float]
    delta_ri: Mapping[str, float]

    def to_frame(self) -> pd.DataFrame:
        """One row a metric; ktu and rbo are of the rankings, so the same in each."""
        import pandas as pd

        rows = {
            name: {
                "rmse": value,
                "effect_ratio": self.effect_ratio.get(name, np.nan),
                "delta_ri": self.delta_ri.get(name, np.nan),
                "ktu": self.ktu,
                "rbo": self.rbo,
            }
            for name, value in self.rmse.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def view(self) -> View:
        """The order, then the metrics."""
        rows = [
            f"  {name}: RMSE {value:.4f}"
            + (f", effect ratio {self.effect_ratio[name]:.3f}" if name in self.effect_ratio else "")
            + (f", delta RI {self.delta_ri[name]:+.4f}" if name in self.delta_ri else "")
            for name, value in self.rmse.items()
        ]
        head = f"Order: KTU {coefficient(self.ktu)}, RBO {coefficient(self.rbo)}"
        return View(head, tuple(rows))


def kendalls_tau_union(original: Rankings, reproduced: Rankings, depth: int = DEPTH) -> float:
    """KTU, mean over the queries: Kendall's tau of the places of both heads in their sorted union.

    NaN where a query has fewer than two papers. Raises EvaluationError where the heads differ in
    length, which the measure does not define.
    """
    from scipy import stats

    found = []
    for query, ranked in reproduced.items():
        heads = list(original[query])[:depth], list(ranked)[:depth]
        if len(heads[0]) != len(heads[1]):
            raise EvaluationError(
                f"query {query!r} has {len(heads[0])} papers in one run and {len(heads[1])} in the "
                "other, and KTU is of heads of one length; give a depth that both have"
            )
        place = {paper: i for i, paper in enumerate(sorted({*heads[0], *heads[1]}))}
        tau = stats.kendalltau(*([place[paper] for paper in head] for head in heads)).statistic
        found.append(round(float(tau), 14))
    return float(np.mean(found))


def rank_biased_overlap(
    original: Rankings, reproduced: Rankings, p: float = PERSISTENCE, depth: int = DEPTH
) -> float:
    """RBO to a depth, over what a perfect overlap would have, mean over the queries; the form of
    Clarke, Vtyurina and Smucker, "Assessing Top-k Preferences", TOIS 2021."""
    weights = p ** np.arange(depth)
    found = []
    for query, ranked in reproduced.items():
        seen: tuple[set[str], set[str]] = (set(), set())
        overlap = np.zeros(depth)
        lists = original[query], ranked
        for i in range(depth):
            for one, papers in zip(seen, lists, strict=True):
                if i < len(papers):
                    one.add(papers[i])
            if i >= max(map(len, lists)):
                overlap[i:] = len(seen[0] & seen[1])
                break
            overlap[i] = len(seen[0] & seen[1])
        found.append(float((weights * overlap / np.arange(1, depth + 1)).sum() / weights.sum()))
    return float(np.mean(found))


def root_mean_square_error(original: pd.DataFrame, reproduced: pd.DataFrame) -> dict[str, float]:
    """RMSE by metric, over the queries of the original."""
    apart = original - reproduced.loc[original.index, original.columns]
    return {str(n): float(np.sqrt((apart[n] ** 2).mean())) for n in apart.columns}


def effect_ratio(
    advanced: pd.DataFrame,
    baseline: pd.DataFrame,
    again: pd.DataFrame,
    again_base: pd.DataFrame,
) -> dict[str, float]:
    """ER by metric: the mean improvement of the reproduction over that of the original."""
    before = (advanced - baseline.loc[advanced.index]).mean()
    after = (again - again_base.loc[again.index]).mean()
    return {str(name): float(after[name] / before[name]) for name in advanced.columns}


def delta_relative_improvement(
    advanced: pd.DataFrame,
    baseline: pd.DataFrame,
    again: pd.DataFrame,
    again_base: pd.DataFrame,
) -> dict[str, float]:
    """Delta RI by metric: the original's relative improvement less the reproduction's."""
    before = (advanced.mean() - baseline.mean()) / baseline.mean()
    after = (again.mean() - again_base.mean()) / again_base.mean()
    return {str(name): float(before[name] - after[name]) for name in advanced.columns}


def reproduction(
    original: tuple[Rankings, pd.DataFrame],
    reproduced: tuple[Rankings, pd.DataFrame],
    baselines: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> Reproduction:
    """All five measures. Each of the two is (rankings, values a query); `baselines` are the values
    of the original's and of the reproduction's baseline."""
    (before, values), (after, again) = original, reproduced
    depth = min([DEPTH, *(len(ranked) for run in (before, after) for ranked in run.values())])
    four = (values, baselines[0], again, baselines[1]) if baselines else None
    return Reproduction(
        ktu=kendalls_tau_union(before, after, depth),
        rbo=rank_biased_overlap(before, after, depth=depth),
        rmse=root_mean_square_error(values, again),
        effect_ratio=effect_ratio(*four) if four else {},
        delta_ri=delta_relative_improvement(*four) if four else {},
    )
