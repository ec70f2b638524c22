"""Judged queries behind the sliders: the exact curve, the optimum, what each query pays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.evaluation.inputs import JudgmentInput, QueryInput, as_judgments, as_queries
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.evaluation.tuning.between import CurveBetween, curve_between
from workbench.profiles import Profile
from workbench.ranking.balance import with_balance
from workbench.session import Workbench

if TYPE_CHECKING:
    from workbench.evaluation.tuning.curve import WeightCurve

KEPT = 8
"""Curves kept: candidates of all queries are behind each."""

Weights = Mapping[str, float]


class Judged:
    """Queries with judgments, and the curve of a metric over the main slider.

    The slider goes from BM25 alone to semantic alone, all other proportions staying, so there is
    one curve for each way between two sets of weights. Candidates are retrieved once a profile and
    normaliser.
    """

    def __init__(
        self,
        bench: Workbench,
        queries: QueryInput,
        judgments: JudgmentInput,
        metric: str = "nDCG@10",
    ) -> None:
        self.bench = bench
        self.queries = as_queries(queries)
        self.judgments = as_judgments(judgments)
        self.metric = metric
        self._grades = grades_by_query(self.judgments)
        self._text_ids = {query.text.strip(): query.id for query in self.queries}
        self._tuned: dict[str, WeightCurve] = {}
        self._curves: dict[Any, CurveBetween] = {}

    def ends(self, weights: Weights) -> tuple[dict[str, float], dict[str, float]]:
        """The weights at both ends of the main slider."""
        return with_balance(weights, 0.0), with_balance(weights, 1.0)

    def key(self, profile: Profile, ends: tuple[Weights, Weights]) -> tuple[Any, ...]:
        """Equal where the curve is the same; weights that differ by rounding only are."""
        rounded = tuple(
            tuple(sorted((name, round(weight, 4)) for name, weight in end.items() if weight))
            for end in ends
        )
        return (profile.replace(weights={"bm25": 1.0}).fingerprint, *rounded)

    def curve(self, profile: Profile, ends: tuple[Weights, Weights]) -> CurveBetween:
        """The curve under a profile, whose weights do not count, between two sets of weights."""
        key = self.key(profile, ends)
        if key not in self._curves:
            self._curves[key] = curve_between(self._candidates(profile, key[0]), *ends)
            if len(self._curves) > KEPT:
                self._curves.pop(next(iter(self._curves)))
        return self._curves[key]

    def payload(self, profile: Profile, ends: tuple[Weights, Weights]) -> dict[str, Any]:
        """The curve as the browser draws it."""
        curve = self.curve(profile, ends)
        best = curve.best
        return {
            "metric": curve.metric,
            "normaliser": profile.normaliser,
            "edges": curve.edges.tobytes(),
            "values": curve.values.tobytes(),
            "best": {
                "value": best.value,
                "low": best.low,
                "high": best.high,
                "weight": best.weight,
            },
            "queries": len(curve),
        }

    def regrets(
        self, balance: float, profile: Profile, ends: tuple[Weights, Weights]
    ) -> list[dict[str, Any]]:
        """The queries by what they lose here against their own best balance, most first."""
        frame = self.curve(profile, ends).regret(balance).to_frame()
        frame = frame.sort_values("regret", ascending=False, kind="stable")
        columns = zip(
            frame["query"], frame["value"], frame["own_best"], frame["regret"], strict=True
        )
        return [
            {"text": text, "value": float(value), "best": float(best), "regret": float(regret)}
            for text, value, best, regret in columns
        ]

    def grades_of(self, text: str) -> Mapping[str, int] | None:
        """The judgments of a query of these, by paper id; None for another query."""
        name = self._text_ids.get(text.strip())
        return None if name is None else dict(self._grades.get(name, {}))

    def _candidates(self, profile: Profile, key: str) -> WeightCurve:
        """The curve of two signals, which holds the candidates of all queries."""
        if key not in self._tuned:
            first = not self._tuned
            self._tuned = {
                key: self.bench.tune(
                    self.queries, self.judgments, self.metric, profile=profile, progress=first
                )
            }
        return self._tuned[key]
